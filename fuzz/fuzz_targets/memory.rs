//! Whatever stands in a primary's files, what is read out of it keeps inside its table, its list
//! and the addresses that there are.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use rte_mp_proto::Version;
use rte_mp_proto::config::MAGIC;
use rte_mp_proto::memory::{
    Fbarray, LegacyPage, Mask, MemoryConfig, Memseg, MemzoneEntry, mount_point,
};

const VERSIONS: [u32; 3] = [0x160B_0B63, 0x170B_0063, 0x1A07_0063];

#[derive(Debug, Arbitrary)]
struct Input {
    version: u8,
    /// What stands in the config file, from the tables' headers on.
    config: Vec<u8>,
    /// Flags near its end.
    modes: [u8; 8],
    zone: [u8; MemzoneEntry::LEN],
    mask: Vec<u8>,
    page: [u8; LegacyPage::HEAD_LEN],
    info: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let word = VERSIONS[usize::from(input.version) % VERSIONS.len()];
    let mut bytes = vec![0; MemoryConfig::LEN];
    bytes[..4].copy_from_slice(&MAGIC.to_ne_bytes());
    bytes[4..8].copy_from_slice(&word.to_ne_bytes());
    let len = input.config.len().min(bytes.len() - 40);
    bytes[40..40 + len].copy_from_slice(&input.config[..len]);
    bytes[25_296..25_304].copy_from_slice(&input.modes);
    let config = MemoryConfig::parse(&bytes, Version::from_word(word)).expect("a good head");

    if let Ok(zones) = config.memzones() {
        table(&zones, &input.mask);
    }
    if let Some(zone) = MemzoneEntry::parse(&input.zone) {
        pages(&config, &zone, &input.mask);
    }
    if let Some(page) = LegacyPage::parse(&input.page) {
        assert!(!page.file_name("p").contains('/'));
    }
    for len in [1 << 12, 1 << 21, 1 << 30] {
        let path = mount_point(&input.info, len);
        assert!(path.is_none_or(|path| path.starts_with(b"/") && !path.contains(&0)));
    }
});

fn table(table: &Fbarray, mask: &[u8]) {
    assert!(!table.file_name().contains('/'));
    assert!(table.mask_range().end == table.file_len());
    if let Ok(mask) = Mask::parse(table, mask) {
        for element in mask.used() {
            assert!(element < table.len() && mask.is_used(element));
            assert!(table.element_range(element..element + 1).end <= table.mask_range().start);
        }
    }
}

fn pages(config: &MemoryConfig<'_>, zone: &MemzoneEntry, mask: &[u8]) {
    let Ok(pages) = config.find(zone) else { return };
    let (range, addresses) = (pages.range(), pages.addresses());
    assert!(!range.is_empty() && range.end <= pages.table().len());
    assert!(addresses.start <= zone.address && zone.address + zone.len <= addresses.end);
    let record = Memseg { address: pages.address_of(range.start), len: pages.page_len() };
    assert!(pages.is_record_of(range.start, &record));
    if let Some((name, _)) = pages.backing().file("p", pages.list(), range.start, pages.page_len())
    {
        assert!(name.starts_with("pmap_") && !name.contains('/'));
    }
    table(pages.table(), mask);
}
