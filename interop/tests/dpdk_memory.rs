//! Memory zones of a real DPDK primary, in each way in which it may keep its memory.

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use rte_mp::{
    JoinError, LookupError, Memzone, MemzoneInfo, Memzones, OpenMemzone, Role, ZoneAccessError,
};
use rte_mp_interop::{
    Counters, Failed, PATIENCE, Reserved, Room, ZoneServer, message, with_dpdk, with_dpdk_tool,
};

/// Longer than two pages of 2 MiB.
const BIG: usize = 5_000_000;
const TWO_MIB: usize = 1 << 21;
const ENOENT: i32 = 2;
const EAGAIN: i32 = 11;
const EEXIST: i32 = 17;
const ESTALE: i32 = 116;

/// What it takes to open another process's files by address (the first two), by descriptor, and
/// to read which they are, where that process may do more than we.
const RIGHTS: [&str; 4] = ["sys_admin", "checkpoint_restore", "sys_ptrace", "perfmon"];

/// As it stands in `MZ_SHARED_INFO`: `force_quit` in the first half of its word, and the rest zero.
type SharedInfo = [AtomicU64; 3];

fn word(zone: &Memzone, offset: usize) -> u64 {
    let mut bytes = [0; 8];
    zone.read_at(offset, &mut bytes).expect("it lies in the zone");
    u64::from_ne_bytes(bytes)
}

fn counters(zone: &Memzone) -> Counters {
    let [force_quit, request_count, async_request_count] =
        [0, 8, 16].map(|offset| word(zone, offset));
    Counters { force_quit, request_count, async_request_count }
}

/// What this process has mapped of the primary's.
fn mapped(room: &Room) -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let is_primarys = |line: &&str| {
        line.contains(room.prefix())
            || line.contains(&*room.base().to_string_lossy())
            || line.contains("nohuge")
    };
    maps.lines().filter(is_primarys).map(str::to_owned).collect()
}

/// What DPDK says of a zone, as we say it.
fn reserved(zone: &MemzoneInfo) -> Reserved {
    Reserved {
        address: zone.address(),
        len: zone.len() as u64,
        iova: zone.iova().unwrap_or(u64::MAX),
        page: zone.page_len(),
        socket: zone.socket().try_into().expect("its memory lies somewhere"),
        flags: zone.flags().into(),
    }
}

fn error_of(zones: &Memzones, name: &str) -> LookupError {
    zones.lookup(name).expect_err("there is no such zone")
}

fn all(zones: &Memzones) -> impl Iterator<Item = MemzoneInfo> {
    zones.iter().expect("the primary runs")
}

/// Everything that can be done with zones, with a primary that was started with `flags`.
fn assert_zones_are_shared(flags: &[&str]) {
    with_dpdk(|room| {
        let mut server = room.zone_server(flags);
        let small = server.reserve("small", 100).expect("there is memory");
        let big = server.reserve("big", BIG).expect("there is memory");
        let member = room.member();
        let zones = member.memzones();

        let listed = |name| all(&zones).find(|zone| *zone.name() == name).expect("it is listed");
        assert_eq!(all(&zones).count(), 3);
        assert!(all(&zones).is_sorted_by_key(|zone| zone.address()));
        assert_eq!(listed("MZ_SHARED_INFO").len(), 64);
        assert_eq!(reserved(&listed("small")), small);
        assert_eq!(reserved(&listed("big")), big);
        assert_eq!(reserved(&zones.lookup("big").expect("it is there").info()), big);
        assert_eq!(big.len, BIG as u64);
        let mut text = Vec::new();
        zones.dump(&mut text).expect("a vector takes everything");
        let text = String::from_utf8(text).expect("names are escaped");
        assert!(text.contains(&format!("{:#x}: {BIG} bytes, \"big\"", big.address)), "{text}");

        assert_counters_are_shared(&mut server, &zones, || {
            member.request(&message("hello_request", ""), None).expect("it runs");
        });
        assert_a_zone_over_pages_is_one(&mut server, &zones);
        assert_zones_lie_where_their_owner_has_them(&mut server, &zones);

        let freed = zones.lookup("small").expect("it is there");
        server.free("small");
        assert_eq!(error_of(&zones, "small").errno(), ENOENT);
        assert_eq!(all(&zones).count(), 2);
        assert_eq!(freed.len(), small.len as usize);
        drop(freed);
        assert_eq!(mapped(room), [""; 0]);
    });
}

fn assert_counters_are_shared(server: &mut ZoneServer, zones: &Memzones, request: impl Fn()) {
    let info = zones.lookup("MZ_SHARED_INFO").expect("it is there");
    assert_eq!(counters(&info), server.counters());
    server.count();
    assert_eq!(counters(&info), server.counters());
    for _ in 0..5 {
        request();
    }
    let expected = Counters { force_quit: 0, request_count: 6, async_request_count: 2 };
    assert_eq!(counters(&info), expected);
    assert_eq!(server.counters(), expected);
    let read_only = info.shared::<SharedInfo>().err();
    assert!(matches!(read_only, Some(ZoneAccessError::ReadOnly { .. })), "{read_only:?}");
    assert!(matches!(info.write_at(0, &[1]), Err(ZoneAccessError::ReadOnly { .. })));
    assert!(!info.is_writable());

    let writable = zones.open("MZ_SHARED_INFO").writable().lookup().expect("it is there");
    writable.shared::<SharedInfo>().expect("it fits")[0].store(1, Ordering::Relaxed);
    let quitting = Counters { force_quit: 1, ..expected };
    assert_eq!(server.counters(), quitting);
    assert_eq!(counters(&info), quitting);
    let too_large = writable.shared::<[AtomicU64; 9]>().err();
    assert!(matches!(too_large, Some(ZoneAccessError::TooSmall { size: 72, .. })), "{too_large:?}");
}

fn assert_a_zone_over_pages_is_one(server: &mut ZoneServer, zones: &Memzones) {
    let big = zones.lookup("big").expect("it is there");
    assert_eq!(big.len(), BIG);
    let to_next_page = TWO_MIB - big.address() as usize % TWO_MIB;
    let last = BIG - 8;
    let second_page = to_next_page + TWO_MIB;
    for offset in [0, to_next_page - 8, to_next_page, second_page - 8, second_page, last] {
        let offset = offset.min(last);
        server.set("big", offset, offset as u64 ^ 0x5555_5555_5555_5555);
        assert_eq!(word(&big, offset), offset as u64 ^ 0x5555_5555_5555_5555, "{offset}");
    }
    assert!(big.read_at(last, &mut [0; 9]).is_err());
    assert!(big.read_at(usize::MAX, &mut [0; 8]).is_err());
}

/// Looks a zone up at its own address, for writing.
fn in_place(zones: &Memzones, name: &str) -> Memzone {
    let zone = zones.open(name).writable().same_address().lookup();
    let zone = zone.unwrap_or_else(|error| panic!("{error}: {:?}", error.source()));
    assert_eq!(zone.as_ptr().addr() as u64, zone.address());
    zone
}

fn assert_zones_lie_where_their_owner_has_them(server: &mut ZoneServer, zones: &Memzones) {
    let info = zones.open("MZ_SHARED_INFO").same_address().lookup().expect("it is there");
    let small = in_place(zones, "small");
    let big = in_place(zones, "big");
    let again = in_place(zones, "small");
    // A list over zones, as C programs make them: each word leads to the next.
    server.set("small", 8, big.address() + BIG as u64 - 8);
    server.set("big", BIG - 8, info.address() + 8);
    assert_eq!(word(&small, 8), big.as_ptr().addr() as u64 + BIG as u64 - 8);
    assert_eq!(word(&big, BIG - 8), info.as_ptr().addr() as u64 + 8);
    assert_eq!(counters(&info), server.counters());
    assert!(!info.is_writable() && info.write_at(0, &[1]).is_err());
    drop((small, big));
    again.shared::<[AtomicU64; 2]>().expect("it fits")[1].store(99, Ordering::Relaxed);
    assert_eq!(server.get("small", 8), 99);
    drop(again);
    assert_eq!(counters(&info), server.counters());
}

#[test]
fn zones_are_shared_with_a_dpdk_primary() {
    assert_zones_are_shared(&[]);
}

#[test]
fn zones_are_shared_with_a_dpdk_primary_whose_pages_lie_in_a_single_file() {
    assert_zones_are_shared(&["--single-file-segments"]);
}

#[test]
fn zones_are_shared_with_a_legacy_dpdk_primary() {
    // By physical addresses, no zone could be longer than a page where memory is in pieces.
    assert_zones_are_shared(&["--legacy-mem", "-m", "32", "--iova-mode=va"]);
}

#[test]
fn zones_are_shared_with_a_legacy_dpdk_primary_whose_pages_lie_in_pieces() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&["--legacy-mem", "-m", "32"]);
        server.count();
        let info = room.member().memzones().lookup("MZ_SHARED_INFO").unwrap();
        assert_eq!(counters(&info), server.counters());
    });
}

#[test]
fn zones_are_shared_with_a_dpdk_primary_without_hugepages() {
    assert_zones_are_shared(&["--no-huge", "-m", "32"]);
}

#[test]
fn zones_are_shared_with_a_dpdk_primary_whose_files_are_unlinked() {
    assert_zones_are_shared(&["--huge-unlink=always"]);
}

#[test]
fn zones_are_shared_with_a_dpdk_primary_whose_files_are_never_unlinked() {
    assert_zones_are_shared(&["--huge-unlink=never"]);
}

#[test]
fn zones_are_shared_with_a_legacy_dpdk_primary_whose_files_are_unlinked() {
    assert_zones_are_shared(&[
        "--legacy-mem",
        "-m",
        "32",
        "--iova-mode=va",
        "--huge-unlink=always",
    ]);
}

#[test]
fn zones_are_shared_with_a_dpdk_primary_that_chose_its_addresses() {
    assert_zones_are_shared(&["--base-virtaddr=0x2000000000"]);
}

#[test]
fn what_a_legacy_primary_left_behind_does_not_mislead() {
    with_dpdk(|room| {
        room.zone_server(&["--legacy-mem", "-m", "32"]).kill();
        assert!(room.files().contains(&"hugepage_data".to_owned()));
        let mut server = room.zone_server(&[]);
        server.count();
        let info = room.member().memzones().lookup("MZ_SHARED_INFO").unwrap();
        assert_eq!(counters(&info), server.counters());
    });
}

#[test]
fn a_dpdk_primary_in_memory_only_has_no_group() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&["--in-memory"]);
        server.count();
        let error = room.refusal(room.group(Role::Secondary));
        assert!(matches!(error, JoinError::NoPrimary { .. }), "{error}");
        assert_eq!(error.errno(), ENOENT);
    });
}

/// How a zone is to be mapped.
type How = fn(OpenMemzone<'_>) -> OpenMemzone<'_>;

/// Looks everything up while the primary reserves and frees one zone `count` times; how often that
/// one was there and was not.
fn look_while_churning(
    server: &mut ZoneServer,
    zones: &Memzones,
    how: How,
    len: usize,
    count: usize,
) -> (usize, usize) {
    let done = AtomicBool::new(false);
    let look = || {
        let (mut found, mut missed) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            match how(zones.open("churned")).lookup() {
                Ok(zone) => {
                    // The primary may give the pages back by now, but we have them.
                    word(&zone, 0);
                    word(&zone, len - 8);
                    found += 1;
                }
                Err(error) => {
                    let errno = error.errno();
                    assert!([ENOENT, EAGAIN].contains(&errno), "{errno}: {error}");
                    missed += 1;
                }
            }
            let other = how(zones.open("MZ_SHARED_INFO")).lookup();
            assert!(other.is_ok(), "it was there all the time: {other:?}");
            match zones.iter() {
                Ok(mut all) => assert!(all.any(|zone| zone.name() == "MZ_SHARED_INFO")),
                Err(error) => assert_eq!(error.errno(), EAGAIN, "{error}"),
            }
        }
        (found, missed)
    };
    thread::scope(|scope| {
        let looking = scope.spawn(look);
        server.churn("churned", len, count);
        done.store(true, Ordering::Relaxed);
        looking.join().expect("it does not panic")
    })
}

#[test]
fn the_primary_reserves_and_frees_while_its_zones_are_looked_up() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        let member = room.member();
        let zones = member.memzones();
        let kept = zones.lookup("MZ_SHARED_INFO").unwrap();
        let hows: [How; 2] = [|zone| zone, |zone| zone.same_address().writable()];
        for how in hows {
            // In pages that are there already, and in pages that come and go.
            look_while_churning(&mut server, &zones, how, 4096, 50_000);
            let (found, missed) = look_while_churning(&mut server, &zones, how, 3 * TWO_MIB, 200);
            assert!(found > 0 && missed > 0, "{found} times found, {missed} times not");
        }
        server.reserve("churned", 3 * TWO_MIB).unwrap();
        server.set("churned", 0, 4711);
        assert_eq!(word(&zones.lookup("churned").unwrap(), 0), 4711);
        server.count();
        assert_eq!(counters(&kept), server.counters());
        drop(kept);
        assert_eq!(mapped(room), [""; 0]);
    });
}

#[test]
fn the_zones_of_a_primary_that_ended_are_not_taken_for_the_next_ones() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        let member = room.member();
        let zones = member.memzones();
        server.count();
        let old = zones.lookup("MZ_SHARED_INFO").unwrap();
        server.kill();
        for _ in 0..2 {
            let error = error_of(&zones, "MZ_SHARED_INFO");
            assert!([ENOENT, ESTALE].contains(&error.errno()), "{error}");
            assert!(zones.iter().is_err());
        }
        let mut server = room.zone_server(&[]);
        let new = zones.lookup("MZ_SHARED_INFO").unwrap();
        assert_eq!((counters(&old).request_count, counters(&new).request_count), (1, 0));
        for _ in 0..3 {
            server.count();
        }
        assert_eq!((counters(&old).request_count, counters(&new).request_count), (1, 3));
    });
}

#[test]
fn a_primary_that_dies_while_its_zones_are_looked_up_gives_an_error() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        server.reserve("big", BIG).unwrap();
        let member = room.member();
        let zones = member.memzones();
        let (sender, found) = mpsc::channel();
        thread::scope(|scope| {
            let looking = scope.spawn(|| {
                loop {
                    match zones.lookup("big") {
                        Ok(zone) => sender.send(zone.len()).unwrap(),
                        Err(error) => return error,
                    }
                }
            });
            for _ in 0..20 {
                assert_eq!(found.recv_timeout(PATIENCE), Ok(BIG));
            }
            server.kill();
            let error = looking.join().unwrap();
            assert!([ENOENT, ESTALE].contains(&error.errno()), "{error}");
        });
        assert_eq!(mapped(room), [""; 0]);
    });
}

#[test]
fn a_hugepage_that_only_has_the_name_of_a_page_is_not_taken_for_it() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&["--huge-unlink=always"]);
        for page in 0..8 {
            room.make_hugepage(&format!("map_{page}"));
        }
        server.count();
        let info = room.member().memzones().lookup("MZ_SHARED_INFO").unwrap();
        assert_eq!(counters(&info), server.counters());
    });
}

#[test]
fn files_without_a_name_need_rights() {
    with_dpdk_tool("setpriv", |room| {
        let unlinked = ["--huge-unlink=always"];
        let no_huge = ["--no-huge", "-m", "16"];
        let found = "ok request_count=1";
        let refused = "error errno=13 the pages of zone \"MZ_SHARED_INFO\" have no file here";
        for (what, flags, without, expected) in [
            ("unlinked, and we may not open by address", &unlinked[..], &RIGHTS[..2], found),
            ("unlinked, and we may not even look", &unlinked, &RIGHTS, refused),
            ("no hugepages, and we may not open by address", &no_huge, &RIGHTS[..2], found),
            ("no hugepages, and we may not even look", &no_huge, &RIGHTS, refused),
            ("named, and we may not even look", &[], &RIGHTS, found),
        ] {
            let mut server = room.zone_server(flags);
            server.count();
            let mut client = room.zone_client("MZ_SHARED_INFO", without);
            let line = client.line(PATIENCE).unwrap_or_default();
            assert!(line.starts_with(expected), "{what}: {line}");
        }
    });
}

/// Looks a zone up at its own address, and gives the reason why that cannot be.
fn reason_against(zones: &Memzones, name: &str) -> String {
    let error = zones.open(name).same_address().lookup().expect_err("its place is taken");
    assert_eq!(error.errno(), EEXIST, "{error}");
    error.source().expect("it has a reason").to_string()
}

#[test]
fn addresses_that_are_taken_are_not_mapped_over() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        server.count();
        let member = room.member();
        let zones = member.memzones();
        // The memory of a native group lies where DPDK's does, if it may.
        let aside = room.beside();
        let native = aside.group(Role::Primary).base_virtaddr(0x1_0000_0000).join().unwrap();
        let ours = native.memzones().reserve("ours", 64).zeroed().commit().unwrap();
        let reason = reason_against(&zones, "MZ_SHARED_INFO");
        assert!(reason.contains("is in use") && reason.contains("--base-virtaddr"), "{reason}");
        assert_eq!(word(&ours, 0), 0);
        drop(ours);
        native.leave();
        assert_eq!(counters(&in_place(&zones, "MZ_SHARED_INFO")), server.counters());
    });
}

#[test]
fn two_groups_of_one_process_keep_their_pages_apart() {
    with_dpdk(|room| {
        let other = room.beside();
        let (mut server, mut rival) = (room.zone_server(&[]), other.zone_server(&[]));
        server.count();
        let (member, guest) = (room.member(), other.member());
        let (zones, others) = (member.memzones(), guest.memzones());
        let info = in_place(&zones, "MZ_SHARED_INFO");
        let reason = reason_against(&others, "MZ_SHARED_INFO");
        assert!(reason.contains("another primary's"), "{reason}");
        let twin = room.member();
        let shared = in_place(&twin.memzones(), "MZ_SHARED_INFO");
        drop((info, zones));
        member.leave();
        assert_eq!(counters(&shared), server.counters());
        assert_eq!(mapped(room).len(), 1, "{:?}", mapped(room));
        drop(shared);
        assert_eq!(counters(&in_place(&others, "MZ_SHARED_INFO")), rival.counters());

        // With addresses of its own, it is not in the way.
        rival.kill();
        let mut rival = other.zone_server(&["--base-virtaddr=0x2000000000"]);
        rival.set("MZ_SHARED_INFO", 8, 7);
        let info = in_place(&twin.memzones(), "MZ_SHARED_INFO");
        let theirs = in_place(&others, "MZ_SHARED_INFO");
        assert_eq!((counters(&info).request_count, counters(&theirs).request_count), (1, 7));
    });
}

#[test]
fn a_page_that_the_primary_takes_anew_is_not_served_stale() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        let member = room.member();
        let zones = member.memzones();
        let info = in_place(&zones, "MZ_SHARED_INFO");
        let before = server.reserve("coming", 3 * TWO_MIB).unwrap();
        server.set("coming", 0, 1);
        let old = in_place(&zones, "coming");
        assert_eq!(word(&old, 0), 1);
        server.free("coming");
        assert_eq!(error_of(&zones, "coming").errno(), ENOENT);
        let after = server.reserve("coming", 3 * TWO_MIB).unwrap();
        assert_eq!(after.address, before.address);
        server.set("coming", 0, 2);
        let reason = reason_against(&zones, "coming");
        assert!(reason.contains("has freed since"), "{reason}");
        assert_eq!(word(&zones.lookup("coming").unwrap(), 0), 2, "elsewhere it can be had");
        assert_eq!(word(&old, 0), 0, "the old one stays, as it was cleared");
        assert_eq!(word(&old, 3 * TWO_MIB - 8), 0);
        drop(old);
        assert_eq!(word(&in_place(&zones, "coming"), 0), 2);
        assert_eq!(counters(&info), server.counters());
    });
}

#[test]
fn a_page_that_the_primary_takes_anew_in_the_same_file_is_the_same() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&["--single-file-segments"]);
        let member = room.member();
        let zones = member.memzones();
        server.reserve("coming", 3 * TWO_MIB).unwrap();
        let old = in_place(&zones, "coming");
        server.free("coming");
        server.reserve("coming", 3 * TWO_MIB).unwrap();
        server.set("coming", 0, 2);
        let new = in_place(&zones, "coming");
        assert_eq!((word(&old, 0), word(&new, 0)), (2, 2));
    });
}

#[test]
fn the_pages_of_a_primary_that_ended_are_not_those_of_the_next_one() {
    with_dpdk(|room| {
        // With files that it takes over, and with files of its own.
        for flags in [&["--huge-unlink=never"][..], &[]] {
            let mut server = room.zone_server(flags);
            server.count();
            let member = room.member();
            let zones = member.memzones();
            let old = in_place(&zones, "MZ_SHARED_INFO");
            server.kill();
            let mut server = room.zone_server(flags);
            server.set("MZ_SHARED_INFO", 8, 4711);
            match zones.open("MZ_SHARED_INFO").same_address().lookup() {
                Ok(new) => assert_eq!((word(&new, 8), word(&old, 8)), (4711, 4711), "{flags:?}"),
                Err(error) => assert_eq!((error.errno(), word(&old, 8)), (EEXIST, 1), "{flags:?}"),
            }
            drop(old);
            assert_eq!(word(&in_place(&zones, "MZ_SHARED_INFO"), 8), 4711);
            server.kill();
        }
        assert_eq!(mapped(room), [""; 0]);
    });
}

#[test]
fn a_reservation_that_fails_in_dpdk_leaves_the_table_readable() {
    with_dpdk(|room| {
        let mut server = room.zone_server(&[]);
        assert_eq!(server.reserve("MZ_SHARED_INFO", 64), Err(Failed(EEXIST)));
        let member = room.member();
        assert_eq!(member.memzones().iter().unwrap().count(), 1);
    });
}
