//! The flags of all DPDK releases, and how words become flags with values.
//!
//! What a value means is not known here, only whether the flag takes one. The rules are
//! `getopt_long`'s, to which 25.11 adds `-l=0`: words that are no flags may stand anywhere, long
//! names may be cut short, and `--` ends it all.
//!
//! DPDK 22.11: `eal_common_options.c`, `eal_short_options` and `eal_long_options`.
//! DPDK 25.11: `eal_option_list.h`.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;

use super::ArgsError;
use super::cores::Cores;

use Meaning::*;
use Release::*;
use Takes::*;

/// What a flag is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Allow,
    BaseAddress,
    Block,
    Channels,
    CoreList,
    CoreMask,
    FilePrefix,
    Help,
    HugeDirectory,
    InMemory,
    LogLevel,
    MainLcore,
    Memory,
    NoHuge,
    NoSharedConfig,
    NodeMemory,
    Ranks,
    Remap,
    Role,
    Version,
    /// Nothing here, but only these words are right.
    OneOf(&'static [&'static str]),
    /// Nothing here, whatever its value.
    Ignored,
}

/// Whether a flag takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// A value in the same word only.
    Optional,
    /// A value in the same word, or one of these in the next. For a flag whose value was required
    /// once and became optional later.
    OptionalOr(&'static [&'static str]),
}

/// Which releases know a long name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    /// 22.11, among others: names that an abbreviation is looked up in first.
    V22,
    /// Only others.
    Other,
}

/// A name with its dashes, and what goes with it.
type Spec = (&'static str, Takes, Meaning);

const SHORT: &[Spec] = &[
    ("-A", Nothing, Ignored),
    ("-R", Optional, Remap),
    ("-S", Value, Ignored),
    ("-a", Value, Allow),
    ("-b", Value, Block),
    ("-c", Value, CoreMask),
    ("-d", Value, Ignored),
    ("-h", Nothing, Help),
    ("-l", Value, CoreList),
    ("-m", Value, Memory),
    ("-n", Value, Channels),
    ("-r", Value, Ranks),
    ("-s", Value, Ignored),
    ("-v", Nothing, Version),
    ("-w", Value, Allow),
];

const LONG: &[(&str, Release, Takes, Meaning)] = &[
    ("--allow", V22, Value, Allow),
    ("--auto-probing", Other, Nothing, Ignored),
    ("--base-virtaddr", V22, Value, BaseAddress),
    ("--block", V22, Value, Block),
    ("--coremask", Other, Value, CoreMask),
    ("--create-uio-dev", V22, Nothing, Ignored),
    ("--driver-path", Other, Value, Ignored),
    ("--file-prefix", V22, Value, FilePrefix),
    ("--force-max-simd-bitwidth", V22, Value, Ignored),
    ("--help", V22, Nothing, Help),
    ("--huge-dir", V22, Value, HugeDirectory),
    ("--huge-unlink", V22, Optional, OneOf(&["existing", "always", "never"])),
    ("--huge-worker-stack", V22, Optional, Ignored),
    ("--in-memory", V22, Nothing, InMemory),
    ("--iova-mode", V22, Value, OneOf(&["pa", "va"])),
    ("--lcores", V22, Value, CoreList),
    ("--legacy-mem", V22, Nothing, Ignored),
    ("--log-color", Other, Optional, Ignored),
    ("--log-level", V22, Value, LogLevel),
    ("--log-timestamp", Other, Optional, Ignored),
    ("--main-lcore", V22, Value, MainLcore),
    ("--master-lcore", Other, Value, MainLcore),
    ("--match-allocations", V22, Nothing, Ignored),
    ("--mbuf-pool-ops-name", V22, Value, Ignored),
    ("--memory-channels", Other, Value, Channels),
    ("--memory-ranks", Other, Value, Ranks),
    ("--memory-size", Other, Value, Memory),
    ("--no-auto-probing", Other, Nothing, Ignored),
    ("--no-hpet", V22, Nothing, Ignored),
    ("--no-huge", V22, Nothing, NoHuge),
    ("--no-pci", V22, Nothing, Ignored),
    ("--no-shconf", V22, Nothing, NoSharedConfig),
    ("--no-telemetry", V22, Nothing, Ignored),
    ("--numa-limit", Other, Value, Ignored),
    ("--numa-mem", Other, Value, NodeMemory),
    ("--pagesz-mem", Other, Value, Ignored),
    ("--pci-blacklist", Other, Value, Block),
    ("--pci-whitelist", Other, Value, Allow),
    ("--proc-type", V22, Value, Role),
    ("--remap-lcore-ids", Other, Optional, Remap),
    ("--service-corelist", Other, Value, Ignored),
    ("--service-coremask", Other, Value, Ignored),
    ("--single-file-segments", V22, Nothing, Ignored),
    ("--socket-limit", V22, Value, Ignored),
    ("--socket-mem", V22, Value, NodeMemory),
    ("--syslog", V22, OptionalOr(FACILITIES), Ignored),
    ("--telemetry", V22, Nothing, Ignored),
    ("--trace", V22, Value, Ignored),
    ("--trace-bufsz", V22, Value, Ignored),
    ("--trace-dir", V22, Value, Ignored),
    ("--trace-mode", V22, Value, Ignored),
    ("--vdev", V22, Value, Ignored),
    ("--version", Other, Nothing, Version),
    ("--vfio-intr", V22, Value, OneOf(&["legacy", "msi", "msix"])),
    ("--vfio-vf-token", V22, Value, Ignored),
    ("--vmware-tsc-map", V22, Nothing, Ignored),
];

const FACILITIES: &[&str] = &[
    "auth", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// A flag with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flag {
    /// Its name in full, dashes included.
    pub(super) name: &'static str,
    pub(super) meaning: Meaning,
    pub(super) value: Option<OsString>,
    /// As it was written; a value in a word of its own follows after a blank.
    pub(super) written: String,
}

/// A command line taken apart.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The flags in the order they were given; no word is read after one that asks for help.
    pub(super) flags: Vec<Flag>,
    /// The words that are no flags, then all that follows `--`.
    pub(super) rest: Vec<OsString>,
    /// How many words were flags, their values, or `--`.
    pub(super) consumed: usize,
}

type Next<'a> = Peekable<&'a mut dyn Iterator<Item = OsString>>;

impl Words {
    /// Takes a command line apart. `words` start after `argv[0]`.
    pub(super) fn split(words: &mut dyn Iterator<Item = OsString>) -> Result<Self, ArgsError> {
        let mut split = Self::default();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            match word.as_bytes() {
                b"--" => {
                    split.consumed += 1;
                    split.rest.extend(words);
                    break;
                }
                [b'-', b'-', ..] => split.long(&word, &mut words)?,
                [b'-', _, ..] => split.short(&word, &mut words)?,
                _ => split.rest.push(word),
            }
            if split.flags.iter().any(|flag| flag.meaning == Help) {
                break;
            }
        }
        Ok(split)
    }

    /// `--name`, `--name=value`, `--name value`.
    fn long(&mut self, word: &OsStr, next: &mut Next) -> Result<(), ArgsError> {
        let bytes = word.as_bytes();
        let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
            None => (bytes, None),
        };
        let spec = find_long(&String::from_utf8_lossy(name))?;
        self.consumed += 1;
        self.flag(spec, value, word.to_string_lossy().into_owned(), next)
    }

    /// `-x`, `-xvalue`, `-x=value`, `-x value`, and several in one word: `-vl0`.
    fn short(&mut self, word: &OsStr, next: &mut Next) -> Result<(), ArgsError> {
        self.consumed += 1;
        let mut letters = &word.as_bytes()[1..];
        while let [letter, after @ ..] = letters {
            let spec = SHORT
                .iter()
                .find(|(name, ..)| name.as_bytes()[1] == *letter)
                .ok_or_else(|| unknown(&word.to_string_lossy()))?;
            let (name, takes, _) = *spec;
            // Behind a flag without a value come further flags.
            let value = match (takes, after) {
                (Nothing, [b'=', value @ ..]) => Some(value),
                (Nothing, _) | (_, []) => None,
                (_, [b'=', value @ ..] | value) => Some(value),
            };
            let own = if value.is_some() { after } else { &[] };
            let written = format!("{name}{}", String::from_utf8_lossy(own));
            self.flag(*spec, value, written, next)?;
            letters = &after[own.len()..];
        }
        Ok(())
    }

    /// Adds a flag, with the next word as its value if it needs one.
    fn flag(
        &mut self,
        (name, takes, meaning): Spec,
        value: Option<&[u8]>,
        mut written: String,
        next: &mut Next,
    ) -> Result<(), ArgsError> {
        let mut value = value.map(|value| OsStr::from_bytes(value).to_owned());
        if takes == Nothing
            && let Some(value) = value
        {
            return Err(ArgsError::UnexpectedValue { flag: name, value });
        }
        if value.is_none() {
            value = next.next_if(|word| match takes {
                Nothing | Optional => false,
                OptionalOr(words) => words.iter().any(|known| *word == **known),
                Value => true,
            });
            if let Some(word) = &value {
                self.consumed += 1;
                written = format!("{written} {}", word.to_string_lossy());
            }
        }
        if takes == Value && value.is_none() {
            return Err(ArgsError::MissingValue { flag: name, wanted: meaning.wanted() });
        }
        self.flags.push(Flag { name, meaning, value, written });
        Ok(())
    }
}

impl Meaning {
    /// What the flag takes, for the text of an error.
    pub(super) fn wanted(self) -> String {
        let text = match self {
            Allow | Block => "a device such as 0000:03:00.0",
            BaseAddress => "a hexadecimal address such as 0x100000000",
            Channels => "a number of memory channels, at least 1",
            CoreList => Cores::LIST,
            CoreMask => Cores::MASK,
            FilePrefix => "a name in UTF-8",
            HugeDirectory => "a directory",
            LogLevel => "a level such as 8 or lib.eal:debug",
            MainLcore => "the number of an lcore",
            Memory => "a number of megabytes",
            NodeMemory => "numbers of megabytes, one per node, such as 512,512",
            Ranks => "a number of memory ranks from 1 to 16",
            Remap => "the first lcore id, below 128",
            Role => "primary, secondary or auto",
            OneOf(words) => return words.join(" or "),
            Ignored => "the same as with DPDK",
            Help | InMemory | NoHuge | NoSharedConfig | Version => "no value",
        };
        text.to_owned()
    }
}

/// Finds a long name, or the one that an abbreviation can only mean.
///
/// An abbreviation counts that any release would take. Names that came later or went earlier make
/// it ambiguous only if 22.11 has none for it.
fn find_long(written: &str) -> Result<Spec, ArgsError> {
    if let Some(&(name, _, takes, meaning)) = LONG.iter().find(|(name, ..)| *name == written) {
        return Ok((name, takes, meaning));
    }
    if written == "--" {
        return Err(unknown(written));
    }
    let all: Vec<_> = LONG.iter().filter(|(name, ..)| name.starts_with(written)).collect();
    let in_v22: Vec<_> = all.iter().copied().filter(|row| row.1 == V22).collect();
    match (&in_v22[..], &all[..]) {
        (&[&(name, _, takes, meaning)], _) | ([], &[&(name, _, takes, meaning)]) => {
            Ok((name, takes, meaning))
        }
        (_, []) => Err(unknown(written)),
        _ => {
            let candidates = all.iter().map(|(name, ..)| *name).collect();
            Err(ArgsError::Ambiguous { flag: written.to_owned(), candidates })
        }
    }
}

/// The error for a flag that is not there, with the long name that is nearest.
fn unknown(written: &str) -> ArgsError {
    let flag = written.split('=').next().unwrap_or(written);
    let with_dashes = format!("--{}", flag.trim_start_matches('-'));
    let similar = LONG
        .iter()
        .map(|(name, ..)| (distance(&with_dashes, name), *name))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, name)| name);
    ArgsError::Unknown { flag: flag.to_owned(), similar }
}

/// How many letters must be added, dropped or changed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str]) -> Result<Words, String> {
        Words::split(&mut words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn words_become_flags_as_in_any_release() {
        let cases: &[(&[&str], &str, &[&str], usize)] = &[
            (&[], "", &[], 0),
            (&["-l", "0"], "-l:0", &[], 2),
            (&["-l0"], "-l:0", &[], 1),
            (&["-l=0"], "-l:0", &[], 1),
            (&["-l="], "-l:", &[], 1),
            (&["-l", "-n"], "-l:-n", &[], 2),
            (&["-l", "--"], "-l:--", &[], 2),
            (&["--lcores", "0"], "--lcores:0", &[], 2),
            (&["--lcores=0"], "--lcores:0", &[], 1),
            (&["--lcores="], "--lcores:", &[], 1),
            (&["--vdev=a,b=c"], "--vdev:a,b=c", &[], 1),
            (&["--lcore", "0"], "--lcores:0", &[], 2),
            (&["--proc=primary"], "--proc-type:primary", &[], 1),
            (&["--p", "auto"], "--proc-type:auto", &[], 2),
            (&["--log", "8"], "--log-level:8", &[], 2),
            (&["--c"], "--create-uio-dev", &[], 1),
            (&["--mas", "1"], "--master-lcore:1", &[], 2),
            (&["--trace", "x"], "--trace:x", &[], 2),
            (&["-v"], "-v", &[], 1),
            (&["-vl0"], "-v -l:0", &[], 1),
            (&["-vl", "0"], "-v -l:0", &[], 2),
            (&["-vA"], "-v -A", &[], 1),
            (&["-R", "5"], "-R", &["5"], 1),
            (&["-R=5"], "-R:5", &[], 1),
            (&["-R5"], "-R:5", &[], 1),
            (&["--huge-unlink", "never"], "--huge-unlink", &["never"], 1),
            (&["--huge-unlink=never"], "--huge-unlink:never", &[], 1),
            (&["--syslog", "local0"], "--syslog:local0", &[], 2),
            (&["--syslog=x", "user"], "--syslog:x", &["user"], 1),
            (&["--syslog", "other"], "--syslog", &["other"], 1),
            (&["--syslog"], "--syslog", &[], 1),
            (&["-l", "0", "--", "-l", "1"], "-l:0", &["-l", "1"], 3),
            (&["a", "-l", "0", "b", "--", "c"], "-l:0", &["a", "b", "c"], 3),
            (&["-", "-v"], "-v", &["-"], 1),
            (&["", "-v"], "-v", &[""], 1),
            (&["--"], "", &[], 1),
            (&["-v", "-h", "--zork"], "-v -h", &[], 2),
            (&["-hv", "--zork"], "-h -v", &[], 1),
        ];
        for (words, flags, rest, consumed) in cases {
            let split = split(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
            let shown = split.flags.iter().map(|flag| match &flag.value {
                Some(value) => format!("{}:{}", flag.name, value.to_string_lossy()),
                None => flag.name.to_owned(),
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), *flags, "{words:?}");
            assert_eq!(split.rest, *rest, "{words:?}");
            assert_eq!(split.consumed, *consumed, "{words:?}");
        }
    }

    #[test]
    fn flags_are_remembered_as_written() {
        let words = ["-vn4", "--vdev", "net_null0", "--no-p", "--vdev=x", "-d=y"];
        let split = split(&words).unwrap();
        let written: Vec<_> = split.flags.iter().map(|flag| flag.written.as_str()).collect();
        assert_eq!(written, ["-v", "-n4", "--vdev net_null0", "--no-p", "--vdev=x", "-d=y"]);
    }

    #[test]
    fn words_that_are_no_flags_of_any_release_are_refused() {
        let outside = "; flags of the program itself stand after --";
        let cases: &[(&[&str], String)] = &[
            (&["--zork=1"], format!("unknown EAL flag --zork{outside}")),
            (&["-Z"], format!("unknown EAL flag -Z{outside}")),
            (&["-vZ"], format!("unknown EAL flag -vZ{outside}")),
            (&["-é"], format!("unknown EAL flag -é{outside}")),
            (&["--=1"], format!("unknown EAL flag --{outside}")),
            (
                &["--proctype=primary"],
                format!("unknown EAL flag --proctype (did you mean --proc-type?){outside}"),
            ),
            (
                &["-proc-type", "primary"],
                format!("unknown EAL flag -proc-type (did you mean --proc-type?){outside}"),
            ),
            (&["--no-h"], "--no-h could be --no-hpet or --no-huge; write it in full".to_owned()),
            (
                &["--mem", "1"],
                "--mem could be --memory-channels or --memory-ranks or --memory-size; \
                 write it in full"
                    .to_owned(),
            ),
            (&["--no-pci=1"], "--no-pci cannot be \"1\": it takes no value".to_owned()),
            (&["-v=1"], "-v cannot be \"1\": it takes no value".to_owned()),
            (
                &["--proc-type"],
                "--proc-type needs a value: it takes primary, secondary or auto".to_owned(),
            ),
            (
                &["-v", "-n"],
                "-n needs a value: it takes a number of memory channels, at least 1".to_owned(),
            ),
            (&["--iova-mode"], "--iova-mode needs a value: it takes pa or va".to_owned()),
            (&["--vdev"], "--vdev needs a value: it takes the same as with DPDK".to_owned()),
        ];
        for (words, text) in cases {
            assert_eq!(split(words).unwrap_err(), *text, "{words:?}");
        }
    }
}
