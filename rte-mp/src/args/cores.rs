//! Which cores a command line names: lists, maps and masks, and the lcores they make.
//!
//! Parsing takes text and says what was written; [`Cores::lcores`] then holds it against the
//! machine. No option words here, and nothing is pinned.
//!
//! The grammar is the union of all releases': blanks around every number, ranges in either
//! direction, `@` and groups in `-l` as in `--lcores`.
//!
//! DPDK 22.11: `eal_common_options.c`, `eal_parse_corelist`, `eal_parse_lcores` and
//! `eal_parse_coremask`. DPDK 25.11: `update_lcore_config`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{ArgsError, Lcore};

/// Ids of lcores are below this (`RTE_MAX_LCORE` of a default build).
const MAX_LCORE: u32 = 128;
/// Numbers of CPUs are below this (`CPU_SETSIZE`).
const MAX_CPU: u32 = 1024;

/// The CPUs that a command line may name.
#[derive(Debug)]
pub(super) struct Machine {
    /// What the machine has.
    pub(super) online: BTreeSet<u32>,
    /// Where the calling thread may run; stands in for a core list that is not given.
    pub(super) allowed: BTreeSet<u32>,
}

impl Machine {
    /// Reads the CPUs of this machine; each source stands in for the other.
    ///
    /// An offline CPU counts as missing, as it does for DPDK, which looks for its topology.
    pub(super) fn detect() -> Self {
        let online = fs::read_to_string("/sys/devices/system/cpu/online")
            .ok()
            .and_then(|text| Cores::parse_list(text.trim_end()))
            .map(|cores| cores.cpus());
        let affinity = rustix::thread::sched_getaffinity(None).ok().map(|set| {
            (0..MAX_CPU).filter(|&cpu| set.is_set(cpu as usize)).collect::<BTreeSet<_>>()
        });
        let any = online.clone().or(affinity.clone()).unwrap_or_default();
        Self { online: online.unwrap_or_else(|| any.clone()), allowed: affinity.unwrap_or(any) }
    }
}

/// What a core list, map or mask says, before it is held against a machine.
#[derive(Debug)]
pub(super) struct Cores {
    entries: Vec<Entry>,
}

/// `lcores[@cpus]`.
#[derive(Debug)]
struct Entry {
    lcores: Set,
    cpus: Option<Set>,
}

/// A number, a range, or a group of both in parentheses.
#[derive(Debug)]
enum Set {
    Range(BTreeSet<u32>),
    Group(BTreeSet<u32>),
}

impl Set {
    fn numbers(&self) -> &BTreeSet<u32> {
        match self {
            Self::Range(numbers) | Self::Group(numbers) => numbers,
        }
    }
}

impl Entry {
    /// The CPUs of `lcore`, one of this entry's.
    fn cpus_of(&self, lcore: u32) -> Vec<u32> {
        match (&self.cpus, &self.lcores) {
            (Some(cpus), _) => cpus.numbers().iter().copied().collect(),
            (None, Set::Group(group)) => group.iter().copied().collect(),
            (None, Set::Range(_)) => vec![lcore],
        }
    }
}

impl Cores {
    /// What `-l` and `--lcores` should look like.
    pub(super) const LIST: &'static str =
        "cores below 1024 such as 0-3,8, or lcores mapped to them such as 0@4,(1,2)@(5-7)";
    /// What `-c` should look like.
    pub(super) const MASK: &'static str =
        "a hexadecimal mask of cores below 1024 with a bit set, such as 0xf";

    /// Every CPU that the calling thread may use; without `remap` only those below the last lcore.
    pub(super) fn allowed(machine: &Machine, remap: bool) -> Self {
        let end = if remap { MAX_CPU } else { MAX_LCORE };
        Self::one_each(&machine.allowed.range(..end).copied().collect())
    }

    /// One lcore on each of `cpus`, with the CPU's own number.
    fn one_each(cpus: &BTreeSet<u32>) -> Self {
        Self { entries: vec![Entry { lcores: Set::Range(cpus.clone()), cpus: None }] }
    }

    /// Parses `set[@set][,set[@set]…]`.
    pub(super) fn parse_list(text: &str) -> Option<Self> {
        let mut rest = Cursor(text);
        let mut entries = vec![rest.entry()?];
        while rest.eat(',') {
            entries.push(rest.entry()?);
        }
        rest.at_end().then_some(Self { entries })
    }

    /// Parses hexadecimal digits, the least significant last, with or without `0x`.
    pub(super) fn parse_mask(text: &str) -> Option<Self> {
        let text = text.trim_matches(BLANKS);
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
        let mut cores = BTreeSet::new();
        for (digit, base) in digits.chars().rev().zip((0..).step_by(4)) {
            let bits = digit.to_digit(16)?;
            cores.extend((0..4).filter(|bit| bits & (1 << bit) != 0).map(|bit| base + bit));
        }
        let last = cores.last()?;
        (*last < MAX_CPU).then(|| Self::one_each(&cores))
    }

    /// Says whether lcores are mapped or grouped by hand, with `@` or `(`.
    pub(super) fn is_mapped(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.cpus.is_some() || matches!(entry.lcores, Set::Group(_)))
    }

    /// Every CPU that is named.
    fn cpus(&self) -> BTreeSet<u32> {
        self.entries
            .iter()
            .flat_map(|entry| entry.cpus.as_ref().unwrap_or(&entry.lcores).numbers())
            .copied()
            .collect()
    }

    /// The lcores in numeric order. `flag` and `value` are what errors quote.
    ///
    /// With `remap`, which is a flag and the first id, the CPUs are numbered from there on instead
    /// of by themselves. An lcore that is named twice runs where it was named last.
    pub(super) fn lcores(
        &self,
        (flag, value): (&'static str, &str),
        remap: Option<(&'static str, u32)>,
        machine: &Machine,
    ) -> Result<Vec<Lcore>, ArgsError> {
        let named = self.cpus();
        if let Some(&cpu) = named.difference(&machine.online).next() {
            let existing = ranges(machine.online.iter().copied());
            let value = value.to_owned();
            return Err(ArgsError::NoSuchCore { flag, value, core: cpu, existing });
        }
        let lcores: BTreeMap<u32, Vec<u32>> = match remap {
            Some((_, base)) => (base..).zip(named.iter().map(|&cpu| vec![cpu])).collect(),
            None => self
                .entries
                .iter()
                .flat_map(|entry| entry.lcores.numbers().iter().map(move |&id| (id, entry)))
                .map(|(id, entry)| (id, entry.cpus_of(id)))
                .collect(),
        };
        match lcores.last_key_value() {
            Some((&lcore, _)) if lcore >= MAX_LCORE => {
                let (flag, value) = match remap {
                    Some((flag, base)) => (flag, base.to_string()),
                    None => (flag, value.to_owned()),
                };
                Err(ArgsError::LcoreTooHigh { flag, value, lcore, last: MAX_LCORE - 1 })
            }
            _ => Ok(lcores.into_iter().map(|(id, cpus)| Lcore { id, cpus }).collect()),
        }
    }
}

/// Parses the first id of `-R`: decimal, hexadecimal or octal, as C writes them.
pub(super) fn parse_base(text: &str) -> Option<u32> {
    parse_c_number(text).filter(|&base| base < MAX_LCORE)
}

/// Parses a number as C writes them: decimal, `0x` and hexadecimal, or `0` and octal.
pub(super) fn parse_c_number(text: &str) -> Option<u32> {
    let text = text.trim_matches(BLANKS);
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    u32::from_str_radix(digits, radix).ok()
}

/// Writes numbers as a list of ranges: `0-3,8`.
pub(super) fn ranges(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let texts = runs.into_iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    texts.collect::<Vec<_>>().join(",")
}

const BLANKS: [char; 2] = [' ', '\t'];

/// What is left of a list. Blanks before and after each piece are skipped.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches(BLANKS);
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        let Some(rest) = self.0.strip_prefix(wanted) else { return false };
        self.0 = rest;
        true
    }

    fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.0.is_empty()
    }

    fn entry(&mut self) -> Option<Entry> {
        let lcores = self.set()?;
        let cpus = if self.eat('@') { Some(self.set()?) } else { None };
        Some(Entry { lcores, cpus })
    }

    fn set(&mut self) -> Option<Set> {
        let mut numbers = BTreeSet::new();
        if !self.eat('(') {
            numbers.extend(self.range()?);
            return Some(Set::Range(numbers));
        }
        numbers.extend(self.range()?);
        while self.eat(',') {
            numbers.extend(self.range()?);
        }
        self.eat(')').then_some(Set::Group(numbers))
    }

    fn range(&mut self) -> Option<std::ops::RangeInclusive<u32>> {
        let first = self.number()?;
        let last = if self.eat('-') { self.number()? } else { first };
        Some(first.min(last)..=first.max(last))
    }

    fn number(&mut self) -> Option<u32> {
        self.skip_blanks();
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        let (digits, rest) = self.0.split_at(self.0.len() - rest.len());
        self.0 = rest;
        digits.parse().ok().filter(|&number| number < MAX_CPU)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine { online: (0..8).chain(140..149).collect(), allowed: (0..4).collect() }
    }

    /// `0@0 1@(2,3)`: each lcore and its CPUs.
    fn show(lcores: &[Lcore]) -> String {
        let texts = lcores.iter().map(|lcore| match lcore.cpus[..] {
            [cpu] => format!("{}@{cpu}", lcore.id),
            _ => format!("{}@({})", lcore.id, ranges(lcore.cpus.iter().copied())),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    fn resolve(cores: Option<Cores>, base: Option<u32>) -> String {
        let remap = base.map(|base| ("-R", base));
        match cores.map(|cores| cores.lcores(("-l", "?"), remap, &machine())) {
            None => "not a list".to_owned(),
            Some(Ok(lcores)) => show(&lcores),
            Some(Err(error)) => error.to_string(),
        }
    }

    #[test]
    fn a_core_list_is_read_in_the_grammar_of_any_release() {
        let cases = [
            ("0", "0@0"),
            ("0,1", "0@0 1@1"),
            ("0-1,1", "0@0 1@1"),
            ("1-0", "0@0 1@1"),
            (" 0 , 1 ", "0@0 1@1"),
            ("0 ,1", "0@0 1@1"),
            ("0\t-\t2", "0@0 1@1 2@2"),
            ("00000001", "1@1"),
            ("3,1,2", "1@1 2@2 3@3"),
            ("0@1", "0@1"),
            ("(0-1)@0", "0@0 1@0"),
            ("(0,1)@(0,1)", "0@(0-1) 1@(0-1)"),
            ("3@(0-1),4@1", "3@(0-1) 4@1"),
            ("3@0-1", "3@(0-1)"),
            ("0-1@0-1", "0@(0-1) 1@(0-1)"),
            ("(0-1)", "0@(0-1) 1@(0-1)"),
            ("(2 - 0 , 5)@ ( 3 )", "0@3 1@3 2@3 5@3"),
            ("( 0 , 1 ) , 2", "0@(0-1) 1@(0-1) 2@2"),
            ("9@2,(3,1),5-6,(10-11)@(4,0)", "1@(1,3) 3@(1,3) 5@5 6@6 9@2 10@(0,4) 11@(0,4)"),
            ("0@0,0@1", "0@1"),
            ("127@7", "127@7"),
            ("", "not a list"),
            (" ", "not a list"),
            ("0,", "not a list"),
            (",0", "not a list"),
            ("0,,1", "not a list"),
            ("0-", "not a list"),
            ("-1", "not a list"),
            ("0-1-2", "not a list"),
            ("0 1", "not a list"),
            ("+1", "not a list"),
            ("a", "not a list"),
            ("0x1", "not a list"),
            ("()", "not a list"),
            ("(0", "not a list"),
            ("0)", "not a list"),
            ("((0))", "not a list"),
            ("(0-1)5", "not a list"),
            ("0@", "not a list"),
            ("@0", "not a list"),
            ("0@1@2", "not a list"),
            ("1024", "not a list"),
            ("99999999999999999999", "not a list"),
            ("²", "not a list"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(Cores::parse_list(text), None), expected, "{text:?}");
        }
    }

    #[test]
    fn a_core_mask_is_hexadecimal_with_the_first_core_last() {
        let long = format!("0x{}3", "0".repeat(300));
        let cases = [
            ("3", "0@0 1@1"),
            ("0x3", "0@0 1@1"),
            ("0X1", "0@0"),
            (" 0x3 ", "0@0 1@1"),
            ("aA", "1@1 3@3 5@5 7@7"),
            (&long, "0@0 1@1"),
            ("", "not a list"),
            ("0x", "not a list"),
            ("0", "not a list"),
            ("3g", "not a list"),
            ("-3", "not a list"),
            ("0x 3", "not a list"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(Cores::parse_mask(text), None), expected, "{text:?}");
        }
        let past = format!("1{}", "0".repeat(256));
        assert!(Cores::parse_mask(&past).is_none(), "core 1024");
    }

    #[test]
    fn renumbering_keeps_the_cores_and_counts_the_lcores() {
        let cases = [
            ("140-142", 0, "0@140 1@141 2@142"),
            ("142,140", 20, "20@140 21@142"),
            ("1-0", 126, "126@0 127@1"),
        ];
        for (text, base, expected) in cases {
            assert_eq!(resolve(Cores::parse_list(text), Some(base)), expected, "{text}, {base}");
        }
    }

    #[test]
    fn the_cpus_of_this_machine_are_found() {
        let machine = Machine::detect();
        assert!(!machine.allowed.is_empty());
        assert!(machine.allowed.is_subset(&machine.online), "{machine:?}");
    }

    #[test]
    fn numbers_are_written_as_ranges() {
        assert_eq!(ranges([]), "");
        assert_eq!(ranges([0, 1, 2, 4, 6, 7]), "0-2,4,6-7");
    }
}
