//! Payloads about memory: the heap that all processes share, and VFIO.

use super::bytes::Struct;

/// What a heap pointer is not, as it stood in place of the index before 21.02.
const MAX_HEAPS: u64 = 4096;

/// `mp_malloc_*`: 80 bytes.
pub(super) fn malloc(param: &[u8], has_result: bool) -> Option<String> {
    let param = Struct::<80>::new(param)?;
    let what = match param.i32(0) {
        0 => {
            let heap = Some(param.u64(8)).filter(|heap| *heap < MAX_HEAPS);
            let heap = heap.map(|heap| format!(" in heap {heap}")).unwrap_or_default();
            let (size, page) = (param.u64(24), param.u64(16));
            format!("grow the memory by {size} bytes{heap}, in pages of {page}")
        }
        1 => format!("give back {} bytes of memory at {:#x}", param.u64(16), param.u64(8)),
        2 => "take over how the memory has changed".to_owned(),
        _ => return None,
    };
    let result = match (has_result, param.i32(72)) {
        (false, _) => "",
        (true, 0) => ": done",
        (true, _) => ": failed",
    };
    Some(format!("{what}{result} (id {:#x})", param.u64(64)))
}

/// `eal_vfio_mp_sync`: 12 bytes.
pub(super) fn vfio(param: &[u8], is_answer: bool) -> Option<String> {
    let param = Struct::<12>::new(param)?;
    let what = match param.i32(0) {
        0x100 => "the VFIO container".to_owned(),
        0x200 => format!("VFIO group {}", param.i32(8)),
        // The default container up to 25.11, the IOMMU type from 26.07 on.
        0x400 => "the default VFIO container, or the IOMMU type".to_owned(),
        0x800 => "the IOMMU type".to_owned(),
        _ => return None,
    };
    let result = match (is_answer, param.i32(4)) {
        (false, _) => "",
        (true, 0) => ": done",
        (true, 1) => ": it has none",
        (true, _) => ": failed",
    };
    Some(format!("{what}{result}"))
}

#[cfg(test)]
mod tests {
    use rte_mp::Kind;

    use crate::decode::decode;

    fn malloc(what: i32, words: [u64; 3], result: i32) -> Vec<u8> {
        let mut param = vec![0; 80];
        param[..4].copy_from_slice(&what.to_ne_bytes());
        for (at, word) in [8, 16, 24].into_iter().zip(words) {
            param[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        param[64..72].copy_from_slice(&0x2a_u64.to_ne_bytes());
        param[72..76].copy_from_slice(&result.to_ne_bytes());
        param
    }

    #[test]
    fn changes_of_the_memory_are_told_in_words() {
        let cases = [
            (
                ("mp_malloc_request", Kind::Message),
                malloc(0, [0, 2 << 20, 1 << 25], 0),
                "grow the memory by 33554432 bytes in heap 0, in pages of 2097152 (id 0x2a)",
            ),
            (
                ("mp_malloc_request", Kind::Message),
                malloc(0, [0x7f00_0000_0000, 2 << 20, 64], 0),
                "grow the memory by 64 bytes, in pages of 2097152 (id 0x2a)",
            ),
            (
                ("mp_malloc_request", Kind::Message),
                malloc(1, [0x1000, 4096, 0], 0),
                "give back 4096 bytes of memory at 0x1000 (id 0x2a)",
            ),
            (
                ("mp_malloc_sync", Kind::Request),
                malloc(2, [0; 3], 0),
                "take over how the memory has changed (id 0x2a)",
            ),
            (
                ("mp_malloc_rollback", Kind::Reply),
                malloc(2, [0; 3], 1),
                "take over how the memory has changed: failed (id 0x2a)",
            ),
            (
                ("mp_malloc_response", Kind::Message),
                malloc(2, [0; 3], 0),
                "take over how the memory has changed: done (id 0x2a)",
            ),
        ];
        for ((name, kind), param, expected) in cases {
            let words = decode(name.as_bytes(), kind, &param);
            assert_eq!(words.as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn vfio_is_told_in_words() {
        let param =
            |words: [i32; 3]| words.into_iter().flat_map(i32::to_ne_bytes).collect::<Vec<_>>();
        let cases = [
            (Kind::Request, param([0x100, 0, 0]), "the VFIO container"),
            (Kind::Reply, param([0x200, 1, 7]), "VFIO group 7: it has none"),
        ];
        for (kind, param, expected) in cases {
            assert_eq!(decode(b"eal_vfio_mp_sync", kind, &param).as_deref(), Some(expected));
        }
    }
}
