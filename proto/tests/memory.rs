//! A primary's memory, read out of bytes: what a real one wrote, what no primary writes, and
//! whatever else there may be.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rte_mp_proto::config::MAGIC;
use rte_mp_proto::memory::{
    Backing, ConfigError, Fbarray, FindError, LegacyPage, Mask, MemoryConfig, Memseg, MemzoneEntry,
    TableError, ZoneName, mount_point,
};
use rte_mp_proto::{Flavor, Version, VersionError};

const V22_11: Version = Version::from_word(0x160B_0B63);
const V23_11: Version = Version::from_word(0x170B_0063);
const V26_07: Version = Version::from_word(0x1A07_0063);
const TWO_MIB: u64 = 1 << 21;

/// A config file in the making.
struct Config(Vec<u8>);

impl Config {
    fn new(version: Version) -> Self {
        let mut config = Self(vec![0; MemoryConfig::LEN]);
        config.u32(0, MAGIC).u32(4, version.word());
        let at = if version < V23_11 { 40 } else { 48 };
        config.table(at, b"memzone", 2560, 72);
        config
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32(&mut self, at: usize, number: u32) -> &mut Self {
        self.put(at, &number.to_ne_bytes())
    }

    fn u64(&mut self, at: usize, number: u64) -> &mut Self {
        self.put(at, &number.to_ne_bytes())
    }

    fn table(&mut self, at: usize, name: &[u8], len: u32, element_len: u32) -> &mut Self {
        self.put(at, name).u32(at + 68, len).u32(at + 72, element_len)
    }

    /// A list of pages of 2 MiB.
    fn list(&mut self, at: usize, base: u64, count: u32) -> &mut Self {
        self.u64(at, base).u64(at + 8, TWO_MIB).u64(at + 24, u64::from(count) * TWO_MIB).table(
            at + 40,
            b"memseg-2048k-0-0",
            count,
            48,
        )
    }
}

fn zone(address: u64, len: u64) -> MemzoneEntry {
    let name = ZoneName::new("zone").expect("a good name");
    MemzoneEntry { name, iova: 0, address, len, page_len: TWO_MIB, socket: 0, flags: 0 }
}

#[test]
fn the_tables_are_found_in_every_release() {
    for (version, memsegs, numbered) in [
        (Version::from_word(0x1308_0063), 136, Backing::Numbered),
        (V22_11, 136, Backing::Numbered),
        (Version::from_word(0x1707_0063), 136, Backing::Numbered),
        (V23_11, 144, Backing::Numbered),
        (Version::from_word(0x1A03_0063), 144, Backing::Numbered),
        (V26_07, 144, Backing::ListAndPage),
    ] {
        let mut bytes = Config::new(version);
        bytes.list(memsegs + 5 * 136, 0x1_0020_0000, 8192);
        let config = MemoryConfig::parse(&bytes.0, version).unwrap();
        let zones = config.memzones().unwrap();
        assert_eq!((zones.file_name(), zones.len()), ("fbarray_memzone".into(), 2560), "{version}");
        let pages = config.find(&zone(0x1_0053_b4c0, 5_000_000)).unwrap();
        assert_eq!((pages.list(), pages.range()), (5, 1..4), "{version}");
        assert_eq!(pages.addresses(), 0x1_0040_0000..0x1_00A0_0000);
        assert_eq!(pages.backing(), numbered, "{version}");
        assert_eq!(pages.table().file_name(), "fbarray_memseg-2048k-0-0");
        assert!(pages.is_record_of(2, &Memseg { address: 0x1_0060_0000, len: TWO_MIB }));
        assert!(!pages.is_record_of(3, &Memseg { address: 0x1_0060_0000, len: TWO_MIB }));
    }
}

#[test]
fn the_config_says_how_pages_are_kept() {
    let cases: [(&[u8], u32, u32, Backing); 5] = [
        (b"memseg-2048k-0-0", 0, 0, Backing::Numbered),
        (b"memseg-2048k-0-0", 0, 1, Backing::SingleFile),
        (b"memseg-2048k-0-0", 1, 0, Backing::Legacy),
        (b"memseg-2048k-0-0", 1, 1, Backing::Legacy),
        (b"nohugemem\0\0\0\0\0\0\0", 1, 0, Backing::Anonymous),
    ];
    for (name, legacy, single, expected) in cases {
        let mut bytes = Config::new(V22_11);
        bytes.list(136, TWO_MIB, 9).put(176, name).u32(25_296, legacy).u32(25_300, single);
        let pages = MemoryConfig::parse(&bytes.0, V22_11).unwrap().find(&zone(TWO_MIB, 1)).unwrap();
        assert_eq!(pages.backing(), expected, "{legacy} {single}");
    }
}

#[test]
fn only_the_file_of_the_same_primary_is_taken() {
    let whole = Config::new(V22_11).0;
    let mut starting = Config::new(V22_11);
    starting.u32(0, 0);
    let mut newer = Config::new(Version::from_word(0x1A0B_0063));
    newer.u32(0, MAGIC);
    let too_new = Version::from_word(0x1A0B_0063);
    let short = TableError::Short { len: 25_343, want: 25_344 };
    let cases = [
        ("short", &whole[..25_343], V22_11, ConfigError::Table(short)),
        ("starting", &starting.0, V22_11, ConfigError::NotReady),
        (
            "another",
            &whole,
            V26_07,
            ConfigError::Another { found: Flavor::Dpdk(V22_11), want: V26_07 },
        ),
        ("newer", &newer.0, too_new, ConfigError::Version(VersionError::TooNew(too_new))),
    ];
    for (what, bytes, version, expected) in cases {
        assert_eq!(MemoryConfig::parse(bytes, version).err(), Some(expected), "{what}");
    }
}

#[test]
fn a_zone_without_pages_is_refused() {
    let base = 0x1_0020_0000;
    let broken = |change: fn(&mut Config)| {
        let mut bytes = Config::new(V22_11);
        change(bytes.list(136, 0x1_0020_0000, 4));
        bytes
    };
    let as_it_is = |_: &mut Config| ();
    let end = base + 4 * TWO_MIB;
    let name = FindError::Table(TableError::Name);
    let cases = [
        ("below", broken(as_it_is), zone(base - 1, 2), FindError::Nowhere),
        ("above", broken(as_it_is), zone(end, 1), FindError::Nowhere),
        ("over the end", broken(as_it_is), zone(end - 1, 2), FindError::Beyond),
        ("no list", Config::new(V22_11), zone(1, 1), FindError::Nowhere),
        (
            "external",
            broken(|c| {
                c.u32(168, 1);
            }),
            zone(base, 1),
            FindError::External,
        ),
        (
            "no name",
            broken(|c| {
                c.u32(176, 0);
            }),
            zone(base, 1),
            name,
        ),
        (
            "pages of 3 bytes",
            broken(|c| {
                c.u64(144, 3);
            }),
            zone(base, 1),
            FindError::Table(TableError::PageLen(3)),
        ),
        (
            "a list that is longer than its table",
            broken(|c| {
                c.u64(160, u64::MAX);
            }),
            zone(end, 1),
            FindError::Beyond,
        ),
        (
            "a list at the end of all addresses",
            broken(|c| {
                c.u64(136, u64::MAX - TWO_MIB - 9).u64(160, u64::MAX);
            }),
            zone(u64::MAX - 9, 9),
            FindError::Beyond,
        ),
    ];
    for (what, bytes, zone, expected) in cases {
        let config = MemoryConfig::parse(&bytes.0, V22_11).unwrap();
        assert_eq!(config.find(&zone).err(), Some(expected), "{what}");
    }
}

/// A number at or near the edge of what some field allows.
fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..5_u64,
        prop::sample::select(vec![
            48,
            72,
            2560,
            4096,
            TWO_MIB,
            0x1_0020_0000,
            u64::from(Fbarray::MAX_LEN),
            1 << 32,
            u64::MAX - TWO_MIB,
            u64::MAX,
        ]),
        any::<u64>(),
    ]
}

prop_compose! {
    /// A config file whose first lists and tables have words that they should not have.
    fn nearly_a_config()(
        version in prop::sample::select(vec![V22_11, V26_07]),
        base in edge(),
        words in prop::collection::vec((1..300_usize, edge()), 0..8),
    ) -> (Version, Vec<u8>) {
        let mut config = Config::new(version);
        let memsegs = if version < V23_11 { 136 } else { 144 };
        config.list(memsegs, base, 64).list(memsegs + 136, 0x1_0020_0000, 8192);
        for (at, number) in words {
            config.u64(at * 4 + 4, number);
        }
        config.u32(4, version.word());
        (version, config.0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Default::default()
    })]

    #[test]
    fn the_pages_of_a_zone_are_in_its_table_and_hold_all_of_it(
        (version, bytes) in nearly_a_config(),
        address in edge(),
        len in edge(),
    ) {
        let config = MemoryConfig::parse(&bytes, version).expect("the head is left alone");
        let Ok(pages) = config.find(&zone(address, len)) else { return Ok(()) };
        let (range, addresses) = (pages.range(), pages.addresses());
        prop_assert!(!range.is_empty() && range.end <= pages.table().len());
        prop_assert!(addresses.start <= address && address - addresses.start < pages.page_len());
        prop_assert!(addresses.end - address >= len);
        let page_count = u64::from(range.end - range.start);
        prop_assert_eq!(addresses.end - addresses.start, page_count * pages.page_len());
    }

    #[test]
    fn a_mask_counts_as_its_bits_do(
        len in 1..400_u32,
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        right_count in any::<bool>(),
    ) {
        let mut header = [0; Fbarray::HEADER_LEN];
        header[0] = b'a';
        header[68..72].copy_from_slice(&len.to_ne_bytes());
        header[72..76].copy_from_slice(&48_u32.to_ne_bytes());
        let array = Fbarray::parse(&header, 48).expect("a good header");
        let mut bytes = bytes;
        if right_count && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&len.div_ceil(64).to_ne_bytes());
        }
        let Ok(mask) = Mask::parse(&array, &bytes) else { return Ok(()) };
        let expected: Vec<u32> = (0..len)
            .filter(|&i| bytes[8 + i as usize / 8] & 1 << (i % 8) != 0 && cfg!(target_endian = "little"))
            .collect();
        prop_assert_eq!(mask.used().collect::<Vec<_>>(), expected.clone());
        for element in 0..len + 70 {
            prop_assert_eq!(mask.is_used(element), expected.contains(&element));
        }
    }

    #[test]
    fn arbitrary_records_are_none_or_keep_the_rules(bytes in prop::collection::vec(any::<u8>(), 13_000)) {
        let record = bytes.first_chunk().expect("it is longer");
        if let Some(zone) = MemzoneEntry::parse(record) {
            prop_assert!(zone.address.checked_add(zone.len).is_some());
        }
        let head = bytes.first_chunk().expect("it is longer");
        if let Some(page) = LegacyPage::parse(head) {
            prop_assert!(page.file_name("p").starts_with("pmap_"));
        }
        for len in [4096, TWO_MIB] {
            let mut info = bytes.clone();
            info[..8].copy_from_slice(&len.to_ne_bytes());
            info[8] = b'/';
            if let Some(path) = mount_point(&info, len) {
                prop_assert!(path.starts_with(b"/") && !path.contains(&0));
            }
        }
    }
}
