//! A memory zone as it stands in the table of zones.
//!
//! DPDK 19.08 to 26.07: `rte_memzone.h`, `struct rte_memzone`.

use super::name::ZoneName;
use super::{u32_at, u64_at, until_nul};

const IOVA_AT: usize = 32;
const ADDRESS_AT: usize = 40;
const LEN_AT: usize = 48;
const PAGE_LEN_AT: usize = 56;
const SOCKET_AT: usize = 64;
const FLAGS_AT: usize = 68;

/// A zone in the table of zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemzoneEntry {
    /// What it is found by.
    pub name: ZoneName,
    /// The address at which devices find it; all ones if there is none.
    pub iova: u64,
    /// Its address in the primary, and in every DPDK secondary.
    pub address: u64,
    /// How many bytes it has.
    pub len: u64,
    /// The size of the pages that it lies in, in bytes.
    pub page_len: u64,
    /// The NUMA node of its memory; negative if any.
    pub socket: i32,
    /// `RTE_MEMZONE_*`.
    pub flags: u32,
}

impl MemzoneEntry {
    /// How many bytes an entry has.
    pub const LEN: usize = 72;

    /// Reads an entry that is in use. Gives nothing if it is none (yet): a primary marks an entry
    /// as used before it writes it, its name first, and clears it before it marks it as free.
    pub fn parse(record: &[u8; Self::LEN]) -> Option<Self> {
        let entry = Self {
            name: ZoneName::new(until_nul(&record[..IOVA_AT])?).ok()?,
            iova: u64_at(record, IOVA_AT),
            address: u64_at(record, ADDRESS_AT),
            len: u64_at(record, LEN_AT),
            page_len: u64_at(record, PAGE_LEN_AT),
            socket: u32_at(record, SOCKET_AT).cast_signed(),
            flags: u32_at(record, FLAGS_AT),
        };
        let complete = entry.address != 0 && entry.len != 0 && entry.page_len != 0;
        (complete && entry.address.checked_add(entry.len).is_some()).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &[u8], numbers: [u64; 4], socket: i32) -> [u8; MemzoneEntry::LEN] {
        let mut record = [0; MemzoneEntry::LEN];
        record[..name.len()].copy_from_slice(name);
        for (number, at) in numbers.into_iter().zip((IOVA_AT..).step_by(8)) {
            record[at..at + 8].copy_from_slice(&number.to_ne_bytes());
        }
        record[SOCKET_AT..FLAGS_AT].copy_from_slice(&socket.to_ne_bytes());
        record[FLAGS_AT..].copy_from_slice(&5_u32.to_ne_bytes());
        record
    }

    #[test]
    fn an_entry_is_read_as_dpdk_wrote_it() {
        // The numbers of a zone that DPDK 22.11.11 reserved.
        let numbers = [0x4_04fd_9ec0, 0x1_003d_9ec0, 64, 0x20_0000];
        let expected = MemzoneEntry {
            name: ZoneName::new("MZ_SHARED_INFO").unwrap(),
            iova: numbers[0],
            address: numbers[1],
            len: 64,
            page_len: 0x20_0000,
            socket: -1,
            flags: 5,
        };
        let record = record(b"MZ_SHARED_INFO", numbers, -1);
        assert_eq!(MemzoneEntry::parse(&record), Some(expected));
    }

    #[test]
    fn half_an_entry_is_none() {
        let whole = [0, 0x1000, 64, 4096];
        let mut cases = vec![
            ("no name", record(b"", whole, 0)),
            ("no end of the name", record(&[b'a'; 32], whole, 0)),
            ("an end beyond all addresses", record(b"a", [0, u64::MAX - 62, 64, 4096], 0)),
        ];
        for missing in 1..4 {
            let mut numbers = whole;
            numbers[missing] = 0;
            cases.push(("a number that is missing", record(b"a", numbers, 0)));
        }
        for (what, record) in cases {
            assert_eq!(MemzoneEntry::parse(&record), None, "{what}");
        }
        assert!(MemzoneEntry::parse(&record(&[b'a'; 31], whole, 0)).is_some());
    }
}
