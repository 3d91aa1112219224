//! Arbitrary bytes are no datagram, or one that encodes to bytes that mean the same; and what was
//! encoded is a datagram.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rte_mp_proto::{ActionName, Datagram, Kind, Layout, Param};

fuzz_target!(|bytes: &[u8]| {
    for layout in [Layout::DPDK_18_05, Layout::DPDK_24_11, Layout::DPDK_25_11] {
        decode(layout, bytes);
        // Few inputs have the right length by themselves.
        let mut stretched = bytes.to_vec();
        stretched.resize(layout.datagram_len(), 0);
        decode(layout, &stretched);
        encode(layout, bytes);
    }
});

fn decode(layout: Layout, bytes: &[u8]) {
    if let Ok(datagram) = Datagram::decode(layout, bytes) {
        let encoded = datagram.encode(layout);
        assert_eq!(encoded.as_bytes().len(), layout.datagram_len());
        assert_eq!(Datagram::decode(layout, encoded.as_bytes()), Ok(datagram));
    }
}

/// Takes the bytes for a kind, the length of a name, a count of descriptors, the name and a
/// parameter.
fn encode(layout: Layout, bytes: &[u8]) {
    let [kind, name_len, fd_count, rest @ ..] = bytes else { return };
    let Some((name, param)) = rest.split_at_checked(usize::from(*name_len)) else { return };
    if let (Ok(name), Ok(param)) = (ActionName::new(name), Param::new(param)) {
        let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
        let fd_count = usize::from(*fd_count) % (layout.fd_max() + 1);
        let datagram = Datagram { kind, name, param, fd_count };
        assert_eq!(Datagram::decode(layout, datagram.encode(layout).as_bytes()), Ok(datagram));
    }
}
