//! Against files of every release and mode that stand for a primary's, good and bad ones.

mod primary;
mod sharing;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rte_mp_proto::Version;
use rte_mp_proto::memory::{Backing, FindError, HUGEPAGE_INFO, MemoryConfig, TableError, ZoneName};

use self::primary::{BASE, PAGE, Primary, V22_11, V23_11, V26_07};
use super::{Access, Area, Hugepages, Placement};
use crate::error::HugepagesError;
use crate::sync::lock;

type Result<T> = std::result::Result<T, HugepagesError>;

/// What this process has open and mapped of the primary's.
fn traces(primary: &Primary) -> Vec<String> {
    let place = primary.place();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter(|line| line.contains(&place)).map(str::to_owned);
    let fds = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = fds
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .filter(|target| target.contains(&place));
    let mut traces: Vec<_> = mapped.chain(open).collect();
    traces.sort();
    traces
}

/// Runs a test with a primary, and checks that nothing of its files stays open or mapped. One at a
/// time in a process: all primaries have their pages at the same addresses.
fn with_primary(version: Version, backing: Backing, test: impl FnOnce(&mut Primary)) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = lock(&ALONE);
    let mut primary = Primary::start(version, backing);
    test(&mut primary);
    // The lock's, if the primary has not died.
    let left = traces(&primary).into_iter().filter(|trace| !trace.contains("/config"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
    primary.die();
    assert_eq!(traces(&primary), [""; 0]);
}

fn open(primary: &Primary) -> Result<Hugepages> {
    Hugepages::open(&primary.directory(), primary.version)
}

fn name(name: &str) -> ZoneName {
    ZoneName::new(name).unwrap()
}

fn map(primary: &Primary, zone: &str) -> Result<Area> {
    let hugepages = open(primary)?;
    hugepages.map(&hugepages.lookup(&name(zone))?, Access::ReadOnly, Placement::Anywhere)
}

fn word(mapping: &Area, offset: usize) -> u64 {
    mapping.value::<AtomicU64>(offset).unwrap().load(Ordering::Relaxed)
}

#[test]
fn zones_are_found_and_mapped_in_every_release_and_mode() {
    for (version, backing) in [
        (V22_11, Backing::Numbered),
        (V23_11, Backing::Numbered),
        (Version::from_word(0x1A03_0063), Backing::Numbered),
        (V26_07, Backing::ListAndPage),
        (V22_11, Backing::SingleFile),
        (V26_07, Backing::SingleFile),
        (V22_11, Backing::Legacy),
        (V26_07, Backing::Legacy),
    ] {
        with_primary(version, backing, |primary| {
            let hugepages = open(primary).unwrap();
            let zones = hugepages.zones().unwrap();
            let names: Vec<_> = zones.iter().map(|zone| zone.entry.name.to_string()).collect();
            assert_eq!(names, ["small", "big"], "{version} {backing:?}");
            assert_eq!((zones[0].entry.address, zones[0].entry.len), (BASE + 192, 128));
            assert_eq!((zones[0].entry.iova, zones[0].entry.page_len), (7, PAGE));

            let small = hugepages.map(&zones[0], Access::ReadOnly, Placement::Anywhere).unwrap();
            assert_eq!((word(&small, 0), small.len()), (BASE + 192, 128), "{version} {backing:?}");
            assert!(small.value::<AtomicU64>(128).is_none(), "no more than the zone");

            let big = hugepages.map(&zones[1], Access::ReadOnly, Placement::Anywhere).unwrap();
            let start = BASE + PAGE + 4096;
            for page in [start, BASE + 2 * PAGE - 8, BASE + 2 * PAGE, BASE + 3 * PAGE] {
                let offset = (page - start) as usize;
                assert_eq!(word(&big, offset), page, "{version} {backing:?}");
            }
            assert_eq!(
                traces(primary).len(),
                3 + if backing == Backing::SingleFile { 2 } else { 4 }
            );
        });
    }
}

#[test]
fn a_writable_mapping_writes_and_lies_where_the_primary_has_it() {
    with_primary(V26_07, Backing::ListAndPage, |primary| {
        let hugepages = open(primary).unwrap();
        let zone = hugepages.lookup(&name("big")).unwrap();
        let there = hugepages.map(&zone, Access::Writable, Placement::SameAddress).unwrap();
        assert_eq!(there.address() as u64, zone.entry.address);
        let last = there.len() - 8;
        there.value::<AtomicU64>(last).unwrap().store(4711, Ordering::Relaxed);
        let elsewhere = hugepages.map(&zone, Access::ReadOnly, Placement::Anywhere).unwrap();
        assert_eq!(word(&elsewhere, last), 4711);
    });
}

#[test]
fn pages_without_a_file_are_asked_of_a_process_that_must_be_there() {
    let refused = |error: HugepagesError| {
        assert!(matches!(error, HugepagesError::NoProcess { .. }), "{error}");
        assert_eq!(error.errno(), 3);
    };
    with_primary(V22_11, Backing::Anonymous, |primary| refused(map(primary, "big").unwrap_err()));
    with_primary(V26_07, Backing::ListAndPage, |primary| {
        fs::remove_file(primary.page_file(2).0).unwrap();
        assert!(map(primary, "small").is_ok());
        refused(map(primary, "big").unwrap_err());
        fs::remove_file(primary.file(HUGEPAGE_INFO)).unwrap();
        refused(map(primary, "small").unwrap_err());
    });
}

#[test]
fn a_file_that_cannot_be_a_page_is_not_mapped() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let path = primary.page_file(0).0;
        primary.cut(&path, PAGE - 1);
        let short = map(primary, "small").unwrap_err();
        let expected = TableError::Short { len: PAGE - 1, want: PAGE };
        assert!(
            matches!(&short, HugepagesError::Broken { source, .. } if *source == expected),
            "{short}"
        );
        fs::remove_file(&path).unwrap();
        symlink(primary.page_file(1).0, &path).unwrap();
        let link = map(primary, "small").unwrap_err();
        assert_eq!(link.errno(), 40, "{link}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let directory = map(primary, "small").unwrap_err();
        assert_eq!(directory.errno(), 71, "{directory}");
    });
}

#[test]
fn the_files_of_the_next_primary_are_not_those_that_were_opened() {
    // Whose lock it is does not show, as in another pid namespace.
    with_primary(V22_11, Backing::Numbered, |primary| {
        for file in ["config", "fbarray_memzone"] {
            let hugepages = open(primary).unwrap();
            let zone = hugepages.lookup(&name("big")).unwrap();
            let (place, copy) = (primary.file(file), primary.file("copy"));
            fs::copy(&place, &copy).unwrap();
            fs::rename(&place, primary.file("before")).unwrap();
            fs::rename(&copy, &place).unwrap();
            let errors = [
                hugepages.zones().map(drop).unwrap_err(),
                hugepages.lookup(&name("big")).map(drop).unwrap_err(),
                hugepages.map(&zone, Access::ReadOnly, Placement::Anywhere).map(drop).unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, HugepagesError::Gone { .. }), "{file}: {error}");
            }
            drop(hugepages);
            fs::rename(primary.file("before"), &place).unwrap();
            assert!(map(primary, "big").is_ok(), "{file}");
        }
    });
}

#[test]
fn a_primary_that_dies_or_changes_between_two_reads_is_not_believed() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let hugepages = open(primary).unwrap();
        let zone = hugepages.lookup(&name("big")).unwrap();
        let try_map = || hugepages.map(&zone, Access::ReadOnly, Placement::Anywhere).map(drop);

        primary.write_zone(1, "big", BASE + PAGE, 2 * PAGE);
        assert_eq!(try_map().unwrap_err().errno(), 2, "it lies elsewhere now");
        primary.free_zone(1);
        let freed = try_map().unwrap_err();
        assert!(matches!(freed, HugepagesError::Freed { .. }), "{freed}");
        assert_eq!(hugepages.lookup(&name("big")).unwrap_err().errno(), 2);
        primary.write_zone(1, "big", zone.entry.address, zone.entry.len);
        assert!(try_map().is_ok());

        primary.put("config", 4, &V26_07.word().to_ne_bytes());
        assert!(matches!(try_map().unwrap_err(), HugepagesError::Another { .. }));
        primary.put("config", 0, &[0; 4]);
        assert!(matches!(try_map().unwrap_err(), HugepagesError::NotReady { .. }));

        primary.die();
        for error in [
            try_map().unwrap_err(),
            hugepages.lookup(&name("small")).map(drop).unwrap_err(),
            hugepages.zones().map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, HugepagesError::Gone { .. }), "{error}");
            assert_eq!(error.errno(), 116);
        }
        let gone = open(primary).map(drop).unwrap_err();
        assert!(matches!(gone, HugepagesError::NoPrimary { .. }), "{gone}");
    });
}

#[test]
fn half_a_zone_is_not_listed() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        primary.use_zone(2);
        primary.write_zone(3, "no length yet", BASE, 0);
        let hugepages = open(primary).unwrap();
        assert_eq!(hugepages.zones().unwrap().len(), 2);
        assert_eq!(hugepages.lookup(&name("no length yet")).unwrap_err().errno(), 2);
        assert_eq!(hugepages.lookup(&name(&"n".repeat(31))).unwrap_err().errno(), 2);
    });
}

#[test]
fn a_page_that_is_not_in_use_is_not_mapped() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let table = primary.list_table();
        primary.put(&table, 8192 * 48 + 8, &[0b1011]);
        let unused = map(primary, "big").unwrap_err();
        let expected = BASE + 2 * PAGE;
        assert!(
            matches!(unused, HugepagesError::Page { address, .. } if address == expected),
            "{unused}"
        );
        primary.put(&table, 8192 * 48 + 8, &[0b1111]);
        primary.put(&table, 48 + 8, &(BASE + 7 * PAGE).to_ne_bytes());
        assert_eq!(map(primary, "big").unwrap_err().errno(), 71, "another address");
        assert!(map(primary, "small").is_ok());
    });
}

#[test]
fn a_zone_outside_the_lists_is_not_mapped() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        primary.write_zone(2, "outside", BASE - 4096, 64);
        primary.write_zone(3, "over the end", BASE + 8191 * PAGE, 2 * PAGE);
        for (name, expected) in
            [("outside", FindError::Nowhere), ("over the end", FindError::Beyond)]
        {
            let error = map(primary, name).unwrap_err();
            assert!(
                matches!(error, HugepagesError::Pages { source, .. } if source == expected),
                "{error}"
            );
        }
        primary.put("config", 136 + 2 * 136 + 32, &[1]);
        assert_eq!(map(primary, "small").unwrap_err().errno(), 95, "external memory");
    });
}

#[test]
fn files_that_are_missing_or_cut_are_errors() {
    type Harm = fn(&Primary, &str);
    let remove: Harm = |primary, name| fs::remove_file(primary.file(name)).unwrap();
    let empty: Harm = |primary, name| primary.cut(name, 0);
    let cut: Harm = |primary, name| {
        let len = fs::metadata(primary.file(name)).unwrap().len();
        primary.cut(name, len / 2);
    };
    let list = "fbarray_memseg-2048k-0-2";
    for (name, harm, errno) in [
        ("config", remove, 2),
        ("config", empty, 71),
        ("config", cut, 71),
        ("fbarray_memzone", remove, 2),
        ("fbarray_memzone", empty, 71),
        ("fbarray_memzone", cut, 71),
        (list, remove, 2),
        (list, empty, 71),
        (list, cut, 71),
        (HUGEPAGE_INFO, empty, 3),
    ] {
        with_primary(V22_11, Backing::Numbered, |primary| {
            harm(primary, name);
            let error = map(primary, "small").map(drop).unwrap_err();
            assert_eq!(error.errno(), errno, "{name}: {error}");
        });
    }
}

#[test]
fn files_that_are_cut_while_they_are_read_are_errors() {
    with_primary(V26_07, Backing::ListAndPage, |primary| {
        let hugepages = open(primary).unwrap();
        primary.cut("fbarray_memzone", 100);
        assert_eq!(hugepages.zones().unwrap_err().errno(), 71);
        assert_eq!(hugepages.lookup(&name("small")).unwrap_err().errno(), 71);
        primary.cut("config", 100);
        let zone_gone = open(primary).map(drop).unwrap_err();
        assert_eq!(zone_gone.errno(), 71, "{zone_gone}");
    });
}

#[test]
fn a_config_of_random_bytes_is_an_error() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let bytes: Vec<u8> = Noise(1).bytes().take(MemoryConfig::LEN).collect();
        primary.put("config", 0, &bytes);
        let error = open(primary).map(drop).unwrap_err();
        assert!(matches!(error, HugepagesError::NotReady { .. }), "{error}");
        // Even where the head is right.
        primary.put("config", 0, &rte_mp_proto::config::MAGIC.to_ne_bytes());
        primary.put("config", 4, &V22_11.word().to_ne_bytes());
        let error = open(primary).map(drop).unwrap_err();
        assert!(matches!(error, HugepagesError::Broken { .. }), "{error}");
    });
}

#[test]
fn whatever_stands_in_the_files_only_pages_are_mapped() {
    for (version, backing) in
        [(V22_11, Backing::Legacy), (V22_11, Backing::SingleFile), (V26_07, Backing::ListAndPage)]
    {
        with_primary(version, backing, |primary| {
            let names = ["config", "fbarray_memzone", &primary.list_table(), "hugepage_data"];
            let contents = names.map(|name| (name, fs::read(primary.file(name)).unwrap()));
            let mut noise = Noise(7);
            let mut mapped = 0;
            for _ in 0..400 {
                for (name, content) in &contents {
                    primary.put(name, 0, content);
                }
                // A word somewhere near what is in use.
                let (name, content) = &contents[noise.below(contents.len())];
                let at = noise.below(content.len().min(1000)) & !3;
                primary.put(name, at as u64 + 8, &[noise.next() as u8, noise.next() as u8, 0, 0]);
                let Ok(hugepages) = open(primary) else { continue };
                for zone in hugepages.zones().unwrap_or_default() {
                    let placement = Placement::Anywhere;
                    let Ok(mapping) = hugepages.map(&zone, Access::ReadOnly, placement) else {
                        continue;
                    };
                    assert_eq!(mapping.len() as u64, zone.entry.len);
                    // Whatever it is, it can be read, to its end.
                    for offset in (0..mapping.len() & !7).step_by(4096) {
                        mapping.value::<AtomicU64>(offset).map(|word| word.load(Ordering::Relaxed));
                    }
                    mapped += 1;
                }
            }
            assert!(mapped > 0, "{version} {backing:?}");
        });
    }
}

/// Numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    fn bytes(mut self) -> impl Iterator<Item = u8> {
        std::iter::repeat_with(move || self.next() as u8)
    }
}
