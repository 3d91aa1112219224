//! What can be wrong with an EAL command line.

use std::ffi::OsString;

use rustix::io::Errno;

/// Why an EAL command line was refused.
///
/// Each text names the flag, what was given, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// No release of DPDK has this flag.
    #[error("unknown EAL flag {flag}{}; flags of the program itself stand after --", hint(.similar))]
    Unknown {
        /// The flag as written, without its value.
        flag: String,
        /// A flag that looks much like it.
        similar: Option<&'static str>,
    },
    /// The flag is cut so short that several begin with it.
    #[error("{flag} could be {}; write it in full", .candidates.join(" or "))]
    Ambiguous {
        /// The flag as written, without its value.
        flag: String,
        /// The flags that begin with it.
        candidates: Vec<&'static str>,
    },
    /// The command line ends where a value should stand.
    #[error("{flag} needs a value: it takes {wanted}")]
    MissingValue {
        /// The flag.
        flag: &'static str,
        /// What it takes.
        wanted: String,
    },
    /// A flag that takes no value was given one.
    #[error("{flag} cannot be {value:?}: it takes no value")]
    UnexpectedValue {
        /// The flag.
        flag: &'static str,
        /// The value that was given.
        value: OsString,
    },
    /// The value is none that the flag takes.
    #[error("{flag} cannot be {value:?}: it takes {wanted}")]
    BadValue {
        /// The flag.
        flag: &'static str,
        /// The value that was given.
        value: OsString,
        /// What it takes.
        wanted: String,
    },
    /// A core is named that the machine lacks, or that is offline.
    #[error("{flag} cannot be {value:?}: this machine has no core {core}, only {existing}")]
    NoSuchCore {
        /// The flag that names cores.
        flag: &'static str,
        /// Its value.
        value: String,
        /// The first core that is missing.
        core: u32,
        /// The cores that exist, as a list of ranges.
        existing: String,
    },
    /// An lcore's id is past the last that DPDK has room for.
    #[error(
        "{flag} cannot be {value:?}: lcore {lcore} is past the last one, {last}; \
         give the core a lower id (0@CORE), or renumber from a low one with -R"
    )]
    LcoreTooHigh {
        /// The flag that names lcores.
        flag: &'static str,
        /// Its value.
        value: String,
        /// The id that is too high.
        lcore: u32,
        /// The highest id.
        last: u32,
    },
    /// The main lcore is none of those to run on.
    #[error("{flag} cannot be {lcore}: it takes one of the lcores to run on, {lcores}")]
    MainLcore {
        /// The flag that names the main lcore.
        flag: &'static str,
        /// The lcore that it names.
        lcore: u32,
        /// The lcores to run on, as a list of ranges.
        lcores: String,
    },
    /// Two flags exclude each other, or one may stand only once.
    #[error("{first} and {second} cannot be given together: {right}")]
    Together {
        /// The flag that came first.
        first: &'static str,
        /// The flag that came second.
        second: &'static str,
        /// What would be right.
        right: &'static str,
    },
}

impl ArgsError {
    /// The errno that `rte_eal_init` sets for the same mistake: `EINVAL`.
    pub fn errno(&self) -> i32 {
        Errno::INVAL.raw_os_error()
    }
}

fn hint(similar: &Option<&'static str>) -> String {
    similar.map(|flag| format!(" (did you mean {flag}?)")).unwrap_or_default()
}
