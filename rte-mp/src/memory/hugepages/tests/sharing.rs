//! Zones at their own addresses, in pages that they share.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rte_mp_proto::memory::Backing;

use super::primary::{BASE, PAGE, Primary, V22_11, V26_07};
use super::{Result, name, open, traces, with_primary, word};
use crate::error::HugepagesError;
use crate::memory::hugepages::{Access, Area, Hugepages, Placement};
use crate::sys::pages::Reservation;

const RO: Access = Access::ReadOnly;
const RW: Access = Access::Writable;

/// Maps a zone at its own address.
fn place(hugepages: &Hugepages, zone: &str, access: Access) -> Result<Area> {
    let zone = hugepages.lookup(&name(zone))?;
    let area = hugepages.map(&zone, access, Placement::SameAddress)?;
    assert_eq!((area.address() as u64, area.len() as u64), (zone.entry.address, zone.entry.len));
    Ok(area)
}

/// Adds zones that lie in the same pages as `small`, which is in the first, and `big`, which begins
/// in the second.
fn add_neighbours(primary: &Primary) {
    primary.write_zone(2, "beside small", BASE + 4096, 64);
    primary.write_zone(3, "across", BASE + PAGE - 8, PAGE + 8);
}

/// How many pages of the primary's are mapped, those counted twice that are mapped twice.
fn mapped(primary: &Primary) -> u64 {
    let traces = traces(primary);
    let maps = traces.iter().filter_map(|trace| trace.split_once(' ')?.0.split_once('-'));
    let number = |hex| u64::from_str_radix(hex, 16).unwrap();
    maps.map(|(start, end)| (number(end) - number(start)) / PAGE).sum()
}

/// Has a page in another file of the same name, as a primary that gives it back and takes it anew.
fn replace(primary: &Primary, page: u32, word_at_192: u64) {
    let (path, offset) = primary.page_file(page);
    let other = path.with_extension("other");
    let file = File::create_new(&other).unwrap();
    file.set_len(fs::metadata(&path).unwrap().len()).unwrap();
    file.write_all_at(&word_at_192.to_ne_bytes(), offset + 192).unwrap();
    fs::rename(other, path).unwrap();
}

fn assert_held(result: Result<Area>) {
    let error = result.unwrap_err();
    assert!(matches!(error, HugepagesError::AddressHeld { .. }), "{error}");
    assert_eq!(error.errno(), 17);
}

#[test]
fn zones_that_share_pages_all_lie_where_the_primary_has_them() {
    for (version, backing) in [
        (V22_11, Backing::Numbered),
        (V26_07, Backing::ListAndPage),
        (V22_11, Backing::SingleFile),
        (V22_11, Backing::Legacy),
    ] {
        with_primary(version, backing, |primary| {
            add_neighbours(primary);
            let hugepages = open(primary).unwrap();
            let small = place(&hugepages, "small", RO).unwrap();
            let beside = place(&hugepages, "beside small", RO).unwrap();
            assert_eq!(mapped(primary), 1, "{backing:?}");
            let across = place(&hugepages, "across", RO).unwrap();
            let big = place(&hugepages, "big", RO).unwrap();
            let again = place(&hugepages, "big", RO).unwrap();
            assert_eq!(mapped(primary), 4, "{backing:?}");

            assert_eq!(word(&small, 0), BASE + 192);
            assert_eq!(word(&beside, 0), BASE + 4096);
            drop((small, beside));
            assert_eq!(word(&across, 0), BASE + PAGE - 8, "{backing:?}");
            assert_eq!(word(&across, PAGE as usize), BASE + 2 * PAGE - 8, "{backing:?}");
            drop((across, big));
            assert_eq!(word(&again, 0), BASE + PAGE + 4096, "{backing:?}");
            assert_eq!(mapped(primary), 3, "the first page went");
        });
    }
}

#[test]
fn a_page_that_is_read_becomes_writable_for_who_wants_to_write() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        add_neighbours(primary);
        let hugepages = open(primary).unwrap();
        let read = place(&hugepages, "small", RO).unwrap();
        let across = place(&hugepages, "across", RW).unwrap();
        let word_in =
            |area: &Area| area.value::<AtomicU64>(0).unwrap().fetch_add(1, Ordering::Relaxed);
        assert_eq!(word_in(&across), BASE + PAGE - 8);
        assert_eq!(word_in(&across), BASE + PAGE - 7);
        let beside = place(&hugepages, "beside small", RW).unwrap();
        assert_eq!(word_in(&beside), BASE + 4096);
        drop((across, beside));
        let beside = place(&hugepages, "beside small", RW).unwrap();
        assert_eq!(word_in(&beside), BASE + 4097);
        // What may be done to a zone is its own affair.
        assert_eq!((read.access(), beside.access()), (RO, RW));
        assert_eq!(mapped(primary), 1);
    });
}

#[test]
fn a_page_that_the_primary_took_anew_is_not_served_stale() {
    for backing in [Backing::Numbered, Backing::SingleFile] {
        with_primary(V22_11, backing, |primary| {
            add_neighbours(primary);
            let hugepages = open(primary).unwrap();
            let old = place(&hugepages, "small", RO).unwrap();
            let across = place(&hugepages, "across", RO).unwrap();
            replace(primary, 0, 4711);
            for zone in ["small", "beside small", "across"] {
                assert_held(place(&hugepages, zone, RO));
            }
            let small = hugepages.lookup(&name("small")).unwrap();
            let elsewhere = hugepages.map(&small, RO, Placement::Anywhere).unwrap();
            assert_eq!((word(&old, 0), word(&elsewhere, 0)), (BASE + 192, 4711));
            drop(old);
            assert_held(place(&hugepages, "small", RO));
            drop(across);
            assert_eq!(word(&place(&hugepages, "small", RO).unwrap(), 0), 4711);
        });
    }
}

#[test]
fn a_page_that_the_primary_gave_back_is_not_shared() {
    with_primary(V26_07, Backing::ListAndPage, |primary| {
        add_neighbours(primary);
        let hugepages = open(primary).unwrap();
        let kept = place(&hugepages, "big", RO).unwrap();
        let table = primary.list_table();
        primary.put(&table, 32_768 * 48 + 8, &[0b1101]);
        let error = place(&hugepages, "across", RO).unwrap_err();
        assert!(matches!(error, HugepagesError::Page { .. }), "{error}");
        primary.free_zone(1);
        let error = place(&hugepages, "big", RO).unwrap_err();
        assert!(matches!(error, HugepagesError::NotFound { .. }), "{error}");
        assert_eq!(word(&kept, 0), BASE + PAGE + 4096, "but stays with who has it");
    });
}

#[test]
fn members_of_one_process_share_pages_too() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        add_neighbours(primary);
        let (first, second) = (open(primary).unwrap(), open(primary).unwrap());
        let small = place(&first, "small", RO).unwrap();
        let beside = place(&second, "beside small", RW).unwrap();
        let across = place(&first, "across", RO).unwrap();
        assert_eq!(mapped(primary), 2);
        drop((first, small, across));
        assert_eq!(word(&beside, 0), BASE + 4096);
        assert_eq!(mapped(primary), 1);
    });
}

#[test]
fn another_primarys_zone_at_the_same_address_is_not_taken_for_it() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let other = Primary::start(V22_11, Backing::Numbered);
        let hugepages = [open(primary).unwrap(), open(&other).unwrap()];
        let ours = place(&hugepages[0], "small", RO).unwrap();
        assert_held(place(&hugepages[1], "small", RO));
        assert!(place(&hugepages[1], "big", RO).is_ok(), "it lies in other pages");
        assert_eq!((mapped(primary), mapped(&other)), (1, 0));
        drop(ours);
        assert!(place(&hugepages[1], "small", RO).is_ok());
    });
}

#[test]
fn the_pages_of_a_primary_that_died_are_not_the_next_ones() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let hugepages = open(primary).unwrap();
        let old = place(&hugepages, "small", RO).unwrap();
        for page in 0..2 {
            replace(primary, page, 4711);
        }
        let next = open(primary).unwrap();
        assert_held(place(&next, "small", RO));
        assert_eq!(word(&old, 0), BASE + 192);
        drop((old, hugepages));
        assert_eq!(word(&place(&next, "small", RO).unwrap(), 0), 4711);
    });
}

#[test]
fn what_is_laid_already_needs_no_file_where_pages_do_not_change() {
    with_primary(V22_11, Backing::Legacy, |primary| {
        add_neighbours(primary);
        let hugepages = open(primary).unwrap();
        let _small = place(&hugepages, "small", RO).unwrap();
        fs::remove_file(primary.page_file(0).0).unwrap();
        assert_eq!(word(&place(&hugepages, "beside small", RO).unwrap(), 0), BASE + 4096);
        let error = place(&open(primary).unwrap(), "small", RO).unwrap_err();
        assert!(matches!(error, HugepagesError::NoProcess { .. }), "not for others: {error}");
    });
}

#[test]
fn addresses_that_are_in_use_are_not_mapped_over() {
    with_primary(V22_11, Backing::Numbered, |primary| {
        let hugepages = open(primary).unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let address = (BASE + 3 * PAGE - 4096) as usize;
        let foreign = Reservation::of_file(file.as_fd(), 4096, address).unwrap();
        assert!(place(&hugepages, "small", RO).is_ok(), "it lies in another page");
        let error = place(&hugepages, "big", RO).unwrap_err();
        assert!(matches!(error, HugepagesError::AddressTaken { .. }), "{error}");
        assert!(error.to_string().contains("--base-virtaddr"), "{error}");
        assert_eq!((error.errno(), mapped(primary)), (17, 0), "and nothing is left behind");
        drop(foreign);
        assert!(place(&hugepages, "big", RO).is_ok());
    });
}
