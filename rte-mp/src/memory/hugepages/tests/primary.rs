//! Files as a DPDK primary of any release writes them, and its lock: plain files stand for pages.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rte_mp_proto::config::{LOCK_LEN, LOCK_START, MAGIC};
use rte_mp_proto::memory::{Backing, HUGEPAGE_DATA, HUGEPAGE_INFO};
use rte_mp_proto::{Version, path};
use tempfile::TempDir;

use crate::sys::gaps::lock_range;

pub(super) const V22_11: Version = Version::from_word(0x160B_0B63);
pub(super) const V23_11: Version = Version::from_word(0x170B_0063);
pub(super) const V26_07: Version = Version::from_word(0x1A07_0063);

pub(super) const PAGE: u64 = 1 << 21;
/// Where the pages of the list are in the primary.
pub(super) const BASE: u64 = 0x2A_0020_0000;
/// How many pages are in use: the first ones.
pub(super) const PAGES: u32 = 4;
const LIST: u32 = 2;
const PREFIX: &str = "synthetic";

/// A primary that is files and a lock, and is gone when this is dropped.
pub(super) struct Primary {
    room: TempDir,
    lock: Option<File>,
    pub(super) version: Version,
    backing: Backing,
    /// Where the headers are: of the zones, of the lists of pages.
    headers: (usize, usize),
}

impl Primary {
    /// Writes everything: four pages, and the zones `small` in one and `big` in three of them.
    pub(super) fn start(version: Version, backing: Backing) -> Self {
        let room = tempfile::Builder::new().prefix("rte-mp-hugepages-").tempdir().unwrap();
        let headers = if version < V23_11 { (40, 136) } else { (48, 144) };
        let primary = Self { room, lock: None, version, backing, headers };
        fs::create_dir_all(primary.directory()).unwrap();
        fs::create_dir(primary.mount()).unwrap();
        primary.write_config();
        primary.write_tables();
        primary.write_pages();
        let lock = File::options().read(true).write(true).open(primary.file(path::CONFIG)).unwrap();
        lock_range(&lock, LOCK_START, LOCK_LEN).unwrap();
        Self { lock: Some(lock), ..primary }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.room.path().join("dpdk").join(PREFIX)
    }

    pub(super) fn mount(&self) -> PathBuf {
        self.room.path().join("huge")
    }

    /// What tells our files in `/proc/self`.
    pub(super) fn place(&self) -> String {
        self.room.path().to_string_lossy().into_owned()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Overwrites bytes of a file.
    pub(super) fn put(&self, name: impl AsRef<Path>, at: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.directory().join(name)).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    /// Cuts a file.
    pub(super) fn cut(&self, name: impl AsRef<Path>, len: u64) {
        let file = File::options().write(true).open(self.directory().join(name)).unwrap();
        file.set_len(len).unwrap();
    }

    /// Lets go of the lock, as a primary does that dies.
    pub(super) fn die(&mut self) {
        self.lock = None;
    }

    /// Writes a zone and marks it as used.
    pub(super) fn write_zone(&self, index: u32, name: &str, address: u64, len: u64) {
        let mut record = [0; 72];
        record[..name.len()].copy_from_slice(name.as_bytes());
        for (at, number) in [(32, 7), (40, address), (48, len), (56, PAGE)] {
            record[at..at + 8].copy_from_slice(&number.to_ne_bytes());
        }
        self.put("fbarray_memzone", u64::from(index) * 72, &record);
        self.use_zone(index);
    }

    /// Marks a zone as used, whatever it holds.
    pub(super) fn use_zone(&self, index: u32) {
        let file = File::options().read(true).write(true).open(self.file("fbarray_memzone"));
        let (file, at) = (file.unwrap(), 2560 * 72 + 8 + u64::from(index / 8));
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] | 1 << (index % 8)], at).unwrap();
    }

    /// Clears a zone and marks all from there on as free.
    pub(super) fn free_zone(&self, index: u32) {
        self.put("fbarray_memzone", u64::from(index) * 72, &[0; 72]);
        let kept = (1_u64 << index) - 1;
        self.put("fbarray_memzone", 2560 * 72 + 8, &kept.to_ne_bytes());
    }

    fn page_count(&self) -> u32 {
        if self.version < V26_07 { 8192 } else { 32_768 }
    }

    /// The table of the list of pages.
    pub(super) fn list_table(&self) -> String {
        format!("fbarray_{}", self.list_name())
    }

    fn list_name(&self) -> &'static str {
        if self.backing == Backing::Anonymous { "nohugemem" } else { "memseg-2048k-0-2" }
    }

    fn write_config(&self) {
        let (memzones, memsegs) = self.headers;
        let mut config = vec![0; 25_344];
        let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC.to_ne_bytes());
        put(4, &self.version.word().to_ne_bytes());
        let mut table = |at: usize, name: &str, len: u32, element_len: u32| {
            put(at, name.as_bytes());
            put(at + 68, &len.to_ne_bytes());
            put(at + 72, &element_len.to_ne_bytes());
        };
        table(memzones, "memzone", 2560, 72);
        let list = memsegs + 136 * LIST as usize;
        table(list + 40, self.list_name(), self.page_count(), 48);
        let legacy = matches!(self.backing, Backing::Legacy | Backing::Anonymous);
        put(list, &BASE.to_ne_bytes());
        put(list + 8, &PAGE.to_ne_bytes());
        put(list + 24, &(u64::from(self.page_count()) * PAGE).to_ne_bytes());
        put(25_296, &u32::from(legacy).to_ne_bytes());
        put(25_300, &u32::from(self.backing == Backing::SingleFile).to_ne_bytes());
        fs::write(self.file(path::CONFIG), config).unwrap();
    }

    fn write_tables(&self) {
        let table = |name: &str, len: u32, element_len: u32| {
            let words = len.div_ceil(64);
            fs::write(self.file(name), []).unwrap();
            let mask_at = u64::from(len) * u64::from(element_len);
            self.put(name, mask_at, &words.to_ne_bytes());
            self.cut(name, (mask_at + 8 + 8 * u64::from(words)).next_multiple_of(4096));
            mask_at + 8
        };
        table("fbarray_memzone", 2560, 72);
        self.write_zone(0, "small", BASE + 192, 128);
        self.write_zone(1, "big", BASE + PAGE + 4096, 2 * PAGE);
        let pages = self.list_table();
        let mask_at = table(&pages, self.page_count(), 48);
        self.put(&pages, mask_at, &((1_u64 << PAGES) - 1).to_ne_bytes());
        for page in 0..u64::from(PAGES) {
            let mut record = [0; 48];
            record[8..16].copy_from_slice(&(BASE + page * PAGE).to_ne_bytes());
            record[16..24].copy_from_slice(&PAGE.to_ne_bytes());
            self.put(&pages, page * 48, &record);
        }
        let mut info = vec![0; 12_720];
        info[4240..4248].copy_from_slice(&PAGE.to_ne_bytes());
        let mount = self.mount();
        let mount = mount.as_os_str().as_encoded_bytes();
        info[4248..4248 + mount.len()].copy_from_slice(mount);
        fs::write(self.file(HUGEPAGE_INFO), info).unwrap();
        // Stale ones lead astray in all modes but one.
        fs::write(self.file(HUGEPAGE_DATA), []).unwrap();
        for page in 0..u64::from(PAGES) {
            let mut head = [0; 40];
            head[8..16].copy_from_slice(&(BASE + page * PAGE).to_ne_bytes());
            head[24..32].copy_from_slice(&PAGE.to_ne_bytes());
            head[36..].copy_from_slice(&(77 - page as u32).to_ne_bytes());
            // Out of order, as legacy primaries have them.
            let at = (u64::from(PAGES) - page) * 4136;
            self.put(HUGEPAGE_DATA, at, &head);
        }
        self.cut(HUGEPAGE_DATA, 9 * 4136);
    }

    /// Where a page's bytes are: by the names that each release gives, written down here by hand.
    pub(super) fn page_file(&self, page: u32) -> (PathBuf, u64) {
        let (name, offset) = match self.backing {
            Backing::Numbered => (format!("{PREFIX}map_{}", 16_384 + page), 0),
            Backing::ListAndPage => (format!("{PREFIX}map_2_{page}"), 0),
            Backing::SingleFile => (format!("{PREFIX}map_2"), u64::from(page) * PAGE),
            Backing::Legacy => (format!("{PREFIX}map_{}", 77 - page), 0),
            Backing::Anonymous => ("nothing".to_owned(), u64::from(page) * PAGE),
        };
        (self.mount().join(name), offset)
    }

    /// Writes into every word that is looked at where the primary has it.
    fn write_pages(&self) {
        for page in 0..PAGES {
            let (path, offset) = self.page_file(page);
            let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len().max(offset + PAGE)).unwrap();
            for at in [192, 4096, PAGE - 8, 0] {
                let address = BASE + u64::from(page) * PAGE + at;
                file.write_all_at(&address.to_ne_bytes(), offset + at).unwrap();
            }
        }
    }
}
