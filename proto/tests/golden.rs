//! Datagrams as bytes: what a real DPDK sends, what encode must give, what decode must refuse.
//!
//! The vectors of 332 bytes were captured on x86-64 from a DPDK 22.11.11 process, one of each kind:
//! `rte_mp_sendmsg`, `rte_mp_request_sync`, `rte_mp_reply` with cleared messages, and the ignore
//! that it gives by itself while it starts. Those of 340 bytes have the same contents at the
//! offsets of DPDK 25.11's `struct rte_mp_msg`, with -1 where the sender's `fds[0]` would be.
#![cfg(target_endian = "little")]

use rte_mp_proto::{
    ActionName, Datagram, DecodeError, Door, DropReason, Kind, Layout, NameError, Param, PeerName,
    Received, dispatch,
};

const LAYOUTS: [Layout; 3] = [Layout::DPDK_18_05, Layout::DPDK_24_11, Layout::DPDK_25_11];

/// The bytes of a datagram: how many, where each run of them starts, and zero in between.
struct Golden {
    len: usize,
    runs: Vec<(usize, Vec<u8>)>,
}

impl Golden {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        for (at, run) in &self.runs {
            bytes[*at..at + run.len()].copy_from_slice(run);
        }
        bytes
    }
}

fn golden<const N: usize>(len: usize, runs: [(usize, &[u8]); N]) -> Golden {
    Golden { len, runs: runs.map(|(at, run)| (at, run.to_vec())).into() }
}

struct Vector {
    what: &'static str,
    /// What it says, made from the checked parts.
    datagram: Datagram,
    /// Up to DPDK 25.07; captured.
    bytes_332: Golden,
    /// Since DPDK 25.11.
    bytes_340: Golden,
}

fn datagram(kind: Kind, name: &str, param: &[u8], fd_count: usize) -> Datagram {
    let name = ActionName::new(name).expect("the vectors have good names");
    let param = Param::new(param).expect("the vectors have good parameters");
    Datagram { kind, name, param, fd_count }
}

fn vectors() -> [Vector; 4] {
    let longest_name = "n".repeat(63);
    let longest_param: Vec<u8> = (0..=255).rev().collect();
    let minus_one: &[u8] = b"\xff\xff\xff\xff";
    [
        Vector {
            what: "message",
            datagram: datagram(Kind::Message, "golden", b"\x01\x02\x00\xfe\xff", 0),
            bytes_332: golden(
                332,
                [(4, b"golden"), (68, b"\x05"), (76, b"\x01\x02"), (79, b"\xfe\xff")],
            ),
            bytes_340: golden(
                340,
                [
                    (8, b"golden"),
                    (72, b"\x05"),
                    (80, b"\x01\x02"),
                    (83, b"\xfe\xff"),
                    (336, minus_one),
                ],
            ),
        },
        Vector {
            what: "request with two descriptors",
            datagram: datagram(Kind::Request, "hello_request", b"SYNC Hello 1 from Client\0", 2),
            bytes_332: golden(
                332,
                [
                    (0, b"\x01"),
                    (4, b"hello_request"),
                    (68, b"\x19"),
                    (72, b"\x02"),
                    (76, b"SYNC Hello 1 from Client"),
                ],
            ),
            bytes_340: golden(
                340,
                [
                    (0, b"\x01"),
                    (8, b"hello_request"),
                    (72, b"\x19"),
                    (76, b"\x02"),
                    (80, b"SYNC Hello 1 from Client"),
                    (336, minus_one),
                ],
            ),
        },
        Vector {
            what: "reply, each field as long as it can be",
            datagram: datagram(Kind::Reply, &longest_name, &longest_param, 8),
            bytes_332: golden(
                332,
                [
                    (0, b"\x02"),
                    (4, longest_name.as_bytes()),
                    (69, b"\x01"),
                    (72, b"\x08"),
                    (76, &longest_param),
                ],
            ),
            bytes_340: golden(
                340,
                [
                    (0, b"\x02"),
                    (8, longest_name.as_bytes()),
                    (73, b"\x01"),
                    (76, b"\x08"),
                    (80, &longest_param),
                    (336, minus_one),
                ],
            ),
        },
        Vector {
            what: "ignore",
            datagram: datagram(Kind::Ignore, "nobody", b"", 0),
            bytes_332: golden(332, [(0, b"\x03"), (4, b"nobody")]),
            bytes_340: golden(340, [(0, b"\x03"), (8, b"nobody"), (336, minus_one)]),
        },
    ]
}

impl Vector {
    fn bytes(&self, layout: Layout) -> Vec<u8> {
        match layout.datagram_len() {
            332 => self.bytes_332.bytes(),
            340 => self.bytes_340.bytes(),
            len => panic!("no layout has {len} bytes"),
        }
    }
}

/// Where the fields stand in `layout`: name, parameter length, descriptor count, parameter.
fn offsets(layout: Layout) -> [usize; 4] {
    match layout.datagram_len() {
        332 => [4, 68, 72, 76],
        340 => [8, 72, 76, 80],
        len => panic!("no layout has {len} bytes"),
    }
}

#[test]
fn encode_gives_the_bytes_of_dpdk() {
    for vector in vectors() {
        for layout in LAYOUTS {
            let encoded = vector.datagram.encode(layout);
            assert_eq!(encoded.as_bytes(), vector.bytes(layout), "{} {layout:?}", vector.what);
        }
    }
}

#[test]
fn decode_reads_the_bytes_of_dpdk() {
    for vector in vectors() {
        for layout in LAYOUTS {
            let decoded = Datagram::decode(layout, &vector.bytes(layout));
            assert_eq!(decoded, Ok(vector.datagram), "{} {layout:?}", vector.what);
        }
    }
}

#[test]
fn what_dpdk_leaves_on_its_stack_means_nothing() {
    for vector in vectors() {
        for layout in LAYOUTS {
            let [name, param_len, _, param] = offsets(layout);
            let mut bytes = vector.bytes(layout);
            let name_end = name + vector.datagram.name.as_bytes().len();
            bytes[4..name].fill(0xA5);
            bytes[name_end + 1..param_len].fill(0xA5);
            let param_end = param + vector.datagram.param.as_bytes().len();
            // Behind the parameter of 256 bytes this is the sender's own `fds[0]`.
            bytes[param_end..].fill(0xA5);
            let decoded = Datagram::decode(layout, &bytes);
            assert_eq!(decoded, Ok(vector.datagram), "{} {layout:?}", vector.what);
        }
    }
}

#[test]
fn as_many_descriptors_are_announced_as_the_layout_takes() {
    let cases = [(Layout::DPDK_18_05, 8), (Layout::DPDK_24_11, 253), (Layout::DPDK_25_11, 253)];
    for (layout, most) in cases {
        let [_, _, fd_count, _] = offsets(layout);
        let full = datagram(Kind::Message, "full", b"", most);
        let encoded = full.encode(layout);
        let low_byte = u8::try_from(most).unwrap();
        assert_eq!(encoded.as_bytes()[fd_count..fd_count + 4], [low_byte, 0, 0, 0], "{layout:?}");
        assert_eq!(Datagram::decode(layout, encoded.as_bytes()), Ok(full), "{layout:?}");
    }
}

#[test]
fn a_datagram_of_another_length_is_refused() {
    for layout in LAYOUTS {
        let want = layout.datagram_len();
        let good = vectors()[0].bytes(layout);
        for len in [0, 1, 4, 331, 332, 333, 339, 340, 341, 4096] {
            let mut bytes = good.clone();
            bytes.resize(len, 0);
            let expected = if len == want {
                Ok(vectors()[0].datagram)
            } else {
                Err(DecodeError::Length { len, want })
            };
            assert_eq!(Datagram::decode(layout, &bytes), expected, "{len} bytes, {layout:?}");
        }
    }
}

#[test]
fn decode_refuses_every_field_that_cannot_be() {
    for layout in LAYOUTS {
        let [name, param_len, fd_count, _] = offsets(layout);
        let (long_name, too_long) = ([b'n'; 64], NameError::TooLong { len: 64, max: 63 });
        let over = i32::try_from(layout.fd_max()).unwrap() + 1;
        let number = i32::to_le_bytes;
        let cases: [(&str, usize, &[u8], DecodeError); 14] = [
            ("kind 4", 0, &number(4), DecodeError::Kind(4)),
            ("kind 7", 0, &number(7), DecodeError::Kind(7)),
            ("kind -1", 0, &number(-1), DecodeError::Kind(-1)),
            ("kind 256", 0, &number(256), DecodeError::Kind(256)),
            ("no NUL", name, &long_name, DecodeError::Name(too_long)),
            ("no name", name, &[0], DecodeError::Name(NameError::Empty)),
            ("param -1", param_len, &number(-1), DecodeError::ParamLen(-1)),
            ("param 257", param_len, &number(257), DecodeError::ParamLen(257)),
            ("param max", param_len, &number(i32::MAX), DecodeError::ParamLen(i32::MAX)),
            ("fds -1", fd_count, &number(-1), DecodeError::FdCount(-1)),
            ("fds over the limit", fd_count, &number(over), DecodeError::FdCount(over)),
            ("fds 254", fd_count, &number(254), DecodeError::FdCount(254)),
            ("fds max", fd_count, &number(i32::MAX), DecodeError::FdCount(i32::MAX)),
            ("fds min", fd_count, &number(i32::MIN), DecodeError::FdCount(i32::MIN)),
        ];
        for (what, at, field, error) in cases {
            let mut bytes = vectors()[0].bytes(layout);
            bytes[at..at + field.len()].copy_from_slice(field);
            assert_eq!(Datagram::decode(layout, &bytes), Err(error), "{what}, {layout:?}");
        }
    }
}

#[test]
fn nine_descriptors_are_too_many_only_before_dpdk_24_11() {
    let mut bytes = vectors()[0].bytes(Layout::DPDK_18_05);
    bytes[72] = 9;
    let decoded = |layout| Datagram::decode(layout, &bytes).map(|datagram| datagram.fd_count);
    assert_eq!(decoded(Layout::DPDK_18_05), Err(DecodeError::FdCount(9)));
    assert_eq!(decoded(Layout::DPDK_24_11), Ok(9));
}

#[test]
fn dispatch_takes_the_bytes_of_dpdk_and_drops_the_rest() {
    let from = Some(PeerName::new("/var/run/dpdk/rte/mp_socket").unwrap());
    let decide = |bytes: &[u8], door, fd_count| {
        let received = Received { bytes, truncated: false, from, uid: Some(0), fd_count };
        dispatch(received, door, |uid| uid == 0).map(|arrival| arrival.datagram)
    };
    for vector in vectors() {
        let (door, other, misplaced) = match vector.datagram.kind {
            Kind::Message | Kind::Request => {
                (Door::Inbox, Door::ReturnAddress, DropReason::WrongDoor)
            }
            Kind::Reply | Kind::Ignore => {
                (Door::ReturnAddress, Door::Inbox, DropReason::StrayAnswer)
            }
        };
        let fds = vector.datagram.fd_count;
        for layout in LAYOUTS {
            let bytes = vector.bytes(layout);
            let cut = &bytes[..bytes.len() - 1];
            let mut odd = bytes.clone();
            odd[0] = 7;
            let what = vector.what;
            assert_eq!(decide(&bytes, door, fds), Ok(vector.datagram), "{what}");
            assert_eq!(decide(&bytes, other, fds), Err(misplaced), "{what}");
            assert_eq!(decide(&bytes, door, fds + 1), Err(DropReason::FdCount), "{what}");
            assert_eq!(decide(cut, door, fds), Err(DropReason::Length), "{what}");
            assert_eq!(decide(&odd, door, fds), Err(DropReason::Malformed), "{what}");
        }
    }
}
