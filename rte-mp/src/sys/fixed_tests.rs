//! Pages at fixed addresses, beside a model of who has a share of which.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;

use super::super::pages::Reservation;
use super::*;

const PAGE: usize = 4096;
const PAGES: usize = 8;

/// As many pages as are looked at, in two files: who lays them speaks for them.
struct Scene {
    base: usize,
    files: [File; 2],
    witnesses: [Witness; 2],
}

impl Scene {
    /// Takes addresses that no other test in this process has.
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0x30_0000_0000);
        let base = NEXT.fetch_add(1 << 20, Ordering::Relaxed);
        Self { base, files: [Self::file(1), Self::file(101)], witnesses: Default::default() }
    }

    /// A file each page of which begins with its number from `first` on.
    fn file(first: u8) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len((2 * PAGES * PAGE) as u64).unwrap();
        for (page, number) in (0..2 * PAGES).zip(first..) {
            file.write_all_at(&[number], (page * PAGE) as u64).unwrap();
        }
        file
    }

    fn source(&self, file: usize, page: usize) -> Source<'_> {
        let (file, witness) = (&self.files[file], &self.witnesses[0]);
        let id = FileId::from(&file.metadata().unwrap());
        Source { file, id, offset: (page * PAGE) as u64, witness }
    }

    fn at(&self, page: usize) -> FixedPages {
        FixedPages::at(self.base + page * PAGE).unwrap()
    }

    /// Lays pages where the file has them.
    fn lay(&self, pages: Range<usize>, file: usize, access: Access) -> io::Result<FixedPages> {
        let mut share = self.at(pages.start);
        share.lay(0, pages.len() * PAGE, &self.source(file, pages.start), access)?;
        Ok(share)
    }

    fn known(&self, pages: Range<usize>, access: Access, witness: usize) -> Option<FixedPages> {
        let addresses = self.base + pages.start * PAGE..self.base + pages.end * PAGE;
        FixedPages::known(addresses, access, &self.witnesses[witness])
    }

    /// What the kernel says of each page: its rights, which file it is of, and where in that.
    fn mapped(&self) -> [Option<(String, u64, u64)>; PAGES] {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let hex = |text| usize::from_str_radix(text, 16).unwrap();
        let lines: Vec<_> = maps
            .lines()
            .map(|line| {
                let words: Vec<_> = line.split_ascii_whitespace().collect();
                let (start, end) = words[0].split_once('-').unwrap();
                let (rights, inode) = (words[1].to_owned(), words[4].parse().unwrap());
                (hex(start)..hex(end), rights, hex(words[2]), inode)
            })
            .collect();
        std::array::from_fn(|page| {
            let address = self.base + page * PAGE;
            let line = lines.iter().find(|(addresses, ..)| addresses.contains(&address));
            line.map(|(addresses, rights, offset, inode)| {
                (rights.clone(), *inode, (offset + address - addresses.start) as u64)
            })
        })
    }

    fn expected(
        &self,
        pages: &[Option<(usize, Access)>; PAGES],
    ) -> [Option<(String, u64, u64)>; PAGES] {
        std::array::from_fn(|page| {
            pages[page].map(|(file, access)| {
                let rights = if access == Access::Writable { "rw-s" } else { "r--s" };
                let inode = self.files[file].metadata().unwrap().ino();
                (rights.to_owned(), inode, (page * PAGE) as u64)
            })
        })
    }
}

fn first_byte(pages: &FixedPages) -> u8 {
    // SAFETY: a page is laid there for as long as the share lives.
    unsafe { pages.start().as_ptr().read_volatile() }
}

fn errno(result: io::Result<FixedPages>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

const RO: Access = Access::ReadOnly;
const RW: Access = Access::Writable;

#[test]
fn a_page_is_laid_once_and_goes_with_its_last_share() {
    let scene = Scene::new();
    let first = scene.lay(0..3, 0, RO).unwrap();
    let second = scene.lay(2..5, 0, RO).unwrap();
    assert_eq!((first_byte(&first), first_byte(&second)), (1, 3));
    let held =
        |pages: Range<usize>| std::array::from_fn(|at| pages.contains(&at).then_some((0, RO)));
    assert_eq!(scene.mapped(), scene.expected(&held(0..5)));
    drop(first);
    assert_eq!(scene.mapped(), scene.expected(&held(2..5)));
    assert_eq!(first_byte(&second), 3);
    drop(second);
    assert_eq!(scene.mapped(), scene.expected(&held(0..0)));
}

#[test]
fn what_else_lies_there_is_not_replaced_and_nothing_is_left_behind() {
    let scene = Scene::new();
    let kept = scene.lay(1..2, 0, RO).unwrap();
    let foreign = scene.base + 3 * PAGE;
    let foreign = Reservation::of_file(scene.files[1].as_fd(), PAGE, foreign).unwrap();
    assert_eq!(errno(scene.lay(0..5, 0, RW)), Some(Errno::EXIST.raw_os_error()));
    let mapped = scene.mapped();
    let pages: Vec<_> = (0..PAGES).filter(|&page| mapped[page].is_some()).collect();
    assert_eq!(pages, [1, 3]);
    assert_eq!(first_byte(&kept), 2);
    drop(foreign);
    scene.lay(0..5, 0, RW).unwrap();
}

#[test]
fn pages_of_another_file_or_another_part_are_not_taken_for_these() {
    let scene = Scene::new();
    let kept = scene.lay(1..3, 0, RO).unwrap();
    let stale = Some(Errno::STALE.raw_os_error());
    assert_eq!(errno(scene.lay(0..2, 1, RO)), stale, "another file");
    let mut shifted = scene.at(0);
    let error = shifted.lay(0, 4 * PAGE, &scene.source(0, 1), RO).unwrap_err();
    assert_eq!(error.raw_os_error(), stale, "another part of it");
    assert_eq!(scene.mapped().iter().flatten().count(), 2);
    assert_eq!(first_byte(&kept), 2);
    drop(kept);
    assert_eq!(first_byte(&scene.lay(0..2, 1, RO).unwrap()), 101);
}

#[test]
fn a_page_becomes_writable_when_somebody_wants_to_write() {
    let scene = Scene::new();
    let reader = scene.lay(0..3, 0, RO).unwrap();
    let writer = scene.lay(1..2, 0, RW).unwrap();
    let known = scene.known(2..3, RW, 0).unwrap();
    // SAFETY: the page is laid and may be written.
    unsafe { writer.start().as_ptr().write_volatile(77) };
    let page = |at| Some((0, if at == 0 { RO } else { RW })).filter(|_| at < 3);
    assert_eq!(scene.mapped(), scene.expected(&std::array::from_fn(page)));
    drop(reader);
    assert_eq!((first_byte(&writer), first_byte(&known)), (77, 3));
}

#[test]
fn a_file_that_was_opened_for_reading_only_is_refused_to_who_wants_to_write() {
    let scene = Scene::new();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&scene.files[0]));
    let file = File::open(path).unwrap();
    let mut reader = scene.at(0);
    let source = Source { file: &file, ..scene.source(0, 0) };
    reader.lay(0, PAGE, &source, RO).unwrap();
    assert_eq!(errno(scene.lay(0..2, 0, RW)), Some(Errno::ACCESS.raw_os_error()));
    assert!(scene.known(0..1, RW, 0).is_none());
    assert_eq!(scene.mapped().iter().flatten().count(), 1, "and nothing is left behind");
    drop(reader);
    scene.lay(0..2, 0, RW).unwrap();
}

#[test]
fn only_what_one_has_spoken_for_is_known() {
    let scene = Scene::new();
    let _first = scene.lay(0..2, 0, RO).unwrap();
    let _second = scene.lay(3..4, 0, RO).unwrap();
    for (what, pages, witness, expected) in [
        ("all of it", 0..2, 0, true),
        ("a part", 1..2, 0, true),
        ("more than there is", 1..3, 0, false),
        ("a gap", 1..4, 0, false),
        ("nothing that is there", 5..6, 0, false),
        ("what another has found", 0..2, 1, false),
    ] {
        assert_eq!(scene.known(pages, RO, witness).is_some(), expected, "{what}");
    }
    let mut other = scene.at(1);
    let source = Source { witness: &scene.witnesses[1], ..scene.source(0, 1) };
    other.lay(0, PAGE, &source, RO).unwrap();
    assert!(scene.known(1..2, RO, 0).is_none() && scene.known(1..2, RO, 1).is_some());
}

#[test]
fn pages_are_laid_in_their_order_and_told_by_file_and_place() {
    let scene = Scene::new();
    let mut pages = scene.lay(0..1, 0, RO).unwrap();
    for at in [0, 2 * PAGE] {
        let error = pages.lay(at, PAGE, &scene.source(1, 5), RO).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()), "{at}");
    }
    pages.lay(PAGE, 2 * PAGE, &scene.source(1, 5), RO).unwrap();
    assert_eq!(pages.len(), 3 * PAGE);
    let [first, second] = [0, 1].map(|file| scene.source(file, 0).id);
    for (what, at, len, file, page, expected) in [
        ("the first", 0, 1, first, 0, true),
        ("the others", 1, 2, second, 5, true),
        ("a part of them", 2, 1, second, 6, true),
        ("another file", 0, 1, second, 0, false),
        ("another part", 1, 2, second, 4, false),
        ("both", 0, 3, first, 0, false),
        ("beyond the end", 1, 3, second, 5, false),
        ("beyond everything", usize::MAX / PAGE, 2, second, 5, false),
    ] {
        let offset = (page * PAGE) as u64;
        assert_eq!(pages.are_of(at * PAGE, len * PAGE, file, offset), expected, "{what}");
    }
    assert!(FixedPages::at(0).is_err());
}

#[test]
fn threads_share_pages_that_others_give_back() {
    let scene = Scene::new();
    thread::scope(|scope| {
        for offset in 0..4 {
            let scene = &scene;
            scope.spawn(move || {
                for round in 0..200 {
                    let start = (round + offset) % (PAGES - 2);
                    let access = if round % 3 == 0 { RW } else { RO };
                    let pages = start..start + 1 + round % 3;
                    let share = scene.lay(pages.clone(), 0, access).unwrap();
                    assert_eq!(usize::from(first_byte(&share)), start + 1);
                    if let Some(known) = scene.known(pages, access, 0) {
                        drop(share);
                        assert_eq!(usize::from(first_byte(&known)), start + 1);
                    }
                }
            });
        }
    });
    assert_eq!(scene.mapped().iter().flatten().count(), 0);
}

/// What may be done with shares.
#[derive(Debug, Clone)]
enum Step {
    Lay(Range<usize>, usize, Access),
    Know(Range<usize>, Access),
    Drop(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let pages = || (0..PAGES, 1..=PAGES).prop_map(|(at, len)| at..(at + len).min(PAGES));
    let access = || prop::sample::select(vec![RO, RW]);
    prop_oneof![
        3 => (pages(), 0..2_usize, access())
            .prop_map(|(pages, file, access)| Step::Lay(pages, file, access)),
        2 => (pages(), access()).prop_map(|(pages, access)| Step::Know(pages, access)),
        3 => any::<usize>().prop_map(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_mapped_is_what_somebody_has_a_share_of(steps in prop::collection::vec(any_step(), 1..40)) {
        let scene = Scene::new();
        let mut shares: Vec<(Range<usize>, usize, FixedPages)> = Vec::new();
        let mut model = [None; PAGES];
        for step in steps {
            match step {
                Step::Lay(pages, file, access) => {
                    let fits = model[pages.clone()].iter().flatten().all(|&(other, _)| other == file);
                    let share = scene.lay(pages.clone(), file, access);
                    prop_assert_eq!(share.is_ok(), fits);
                    if let Ok(share) = share {
                        prop_assert_eq!(first_byte(&share), (pages.start + 1 + 100 * file) as u8);
                        write(&mut model, &pages, file, access);
                        shares.push((pages, file, share));
                    }
                }
                Step::Know(pages, access) => {
                    let all = model[pages.clone()].iter().all(Option::is_some);
                    let share = scene.known(pages.clone(), access, 0);
                    prop_assert_eq!(share.is_some(), all);
                    // Its pages may be of both files, one after the other.
                    if let Some(share) = share {
                        for page in pages.clone() {
                            let (file, _) = model[page].expect("all are there");
                            write(&mut model, &(page..page + 1), file, access);
                        }
                        shares.push((pages, 0, share));
                    }
                }
                Step::Drop(which) if !shares.is_empty() => {
                    shares.swap_remove(which % shares.len());
                    for (page, state) in model.iter_mut().enumerate() {
                        *state = state.filter(|_| shares.iter().any(|(pages, ..)| pages.contains(&page)));
                    }
                }
                Step::Drop(_) => {}
            }
            prop_assert_eq!(scene.mapped(), scene.expected(&model));
        }
        drop(shares);
        prop_assert_eq!(scene.mapped(), scene.expected(&[None; PAGES]));
    }
}

/// Notes that pages have a share, for reading or also for writing.
fn write(
    model: &mut [Option<(usize, Access)>; PAGES],
    pages: &Range<usize>,
    file: usize,
    access: Access,
) {
    for state in &mut model[pages.clone()] {
        let before = state.map(|(_, access)| access);
        let access = if before == Some(RW) { RW } else { access };
        *state = Some((file, access));
    }
}
