//! EAL command lines: what a DPDK program's arguments ask for.
//!
//! A parser and no more: nobody joins a group, pins a thread or makes a file here. It takes the
//! union of what DPDK's releases take, so that a command line runs unchanged whichever it was
//! written for. `options` knows the flags, `cores` the grammars of core lists.
//!
//! DPDK 22.11: `eal_common_options.c`, `eal_parse_common_option`; `eal.c`, `eal_parse_args`.
//! DPDK 26.07: `eal_common_options.c`, `eal_parse_args`.

mod cores;
mod error;
mod options;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Role;
use cores::{Cores, Machine};
use options::{Flag, Meaning, Words};

pub use error::ArgsError;

/// What an EAL command line asks for.
///
/// A flag that is given more than once counts as given last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EalArgs {
    /// The part to play in the group (`--proc-type`). Default: primary.
    pub role: Role,
    /// The group's name (`--file-prefix`), not checked yet.
    pub file_prefix: Option<String>,
    /// Whether there are files for others to join by (`--no-shconf`, `--in-memory`).
    pub shared_config: SharedConfig,
    /// The lcores to run on (`-l`, `--lcores`, `-c`, `-R`), in numeric order.
    ///
    /// Empty if no flag is about cores: then the calling thread stays where it is. If only
    /// `--main-lcore` or `-R` is given, the CPUs that this thread may use are the list, as in DPDK.
    pub lcores: Vec<Lcore>,
    /// The lcore of the calling thread: `--main-lcore`, or else the first in numeric order. `None`
    /// exactly if there are no [`lcores`](Self::lcores).
    pub main_lcore: Option<u32>,
    /// Where shared memory should lie (`--base-virtaddr`), rounded up to 16 MB as DPDK does. Zero
    /// counts as not given.
    pub base_virtaddr: Option<u64>,
    /// How much memory to reserve, in MB: `-m`, or the sum of `--socket-mem`. Zero counts as not
    /// given.
    pub memory_mib: Option<u64>,
    /// What pages memory should be made of (`--huge-dir`, `--no-huge`).
    pub pages: Pages,
    /// What to log (`--log-level`), each as given: `8`, `lib.eal:debug`. The library logs nothing by
    /// levels of DPDK's, so that these are among the [`ignored`](Self::ignored), too.
    pub log_levels: Vec<OsString>,
    /// What to print beside, or instead of, starting (`-v`, `-h`).
    pub information: Information,
    /// The flags that have no meaning here, as written, each with its value: `--no-pci`, `-n 4`.
    pub ignored: Vec<String>,
    /// What is left for the program: words that are no flags, then all that follows `--`.
    pub rest: Vec<OsString>,
    /// How many words were for EAL: flags, their values and `--`, but not `argv[0]`. This is what
    /// `rte_eal_init` returns.
    pub consumed: usize,
}

/// A logical core, and the CPUs that its thread may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lcore {
    /// Its number, below 128.
    pub id: u32,
    /// The CPUs in numeric order, at least one.
    pub cpus: Vec<u32>,
}

/// Whether a process makes files for others to join by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedConfig {
    /// It does: the default.
    Shared,
    /// It does not, so it is alone: messages between processes are off.
    Off {
        /// The flag that asks for this.
        flag: &'static str,
    },
}

/// What pages memory should be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pages {
    /// Nothing is said.
    Default,
    /// Huge pages from the hugetlbfs that is mounted here (`--huge-dir`).
    HugeDir(PathBuf),
    /// Pages of ordinary size (`--no-huge`), whatever else is said.
    NoHuge,
}

/// What the command line wants printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Information {
    /// Nothing.
    None,
    /// The version (`-v`, `--version`); the program then starts.
    Version,
    /// The usage (`-h`, `--help`); the program then ends. Nothing else in [`EalArgs`] counts.
    Help,
}

impl EalArgs {
    /// Parses a command line that begins with the program's name, as [`std::env::args_os`] does.
    ///
    /// Reads which CPUs the machine has and which the calling thread may use; does nothing else.
    ///
    /// # Errors
    /// Each names the flag, its value, and what would be right; see [`ArgsError`].
    ///
    /// DPDK 22.11: `rte_eal_init`. Differs from DPDK: numbers are read to their end (`-n 4x` and
    /// `-m 1G` are refused, where DPDK takes 4 and 1), and values of flags without meaning here
    /// are looked at only where a few words are right.
    pub fn parse<I>(args: I) -> Result<Self, ArgsError>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        Self::parse_on(&mut args.into_iter().map(Into::into), &Machine::detect())
    }

    /// The CPUs that the calling thread should run on: the main lcore's. `None`: leave it alone.
    pub fn main_cpus(&self) -> Option<&[u32]> {
        let main = self.lcores.iter().find(|lcore| Some(lcore.id) == self.main_lcore)?;
        Some(&main.cpus)
    }

    /// Gives the [`lcores`](Self::lcores) as DPDK has them: if no flag is about cores, each CPU below
    /// 128 that the calling thread may use is one. The main lcore is
    /// [`main_lcore`](Self::main_lcore), or else the first of them.
    ///
    /// DPDK 22.11: `eal_common_options.c`, `eal_adjust_config`.
    pub fn lcores_or_allowed(&self) -> Vec<Lcore> {
        if !self.lcores.is_empty() {
            return self.lcores.clone();
        }
        let machine = Machine::detect();
        // No CPU is refused that this thread may use.
        Cores::allowed(&machine, false).lcores(("-l", ""), None, &machine).unwrap_or_default()
    }

    fn parse_on(
        args: &mut dyn Iterator<Item = OsString>,
        machine: &Machine,
    ) -> Result<Self, ArgsError> {
        let words = Words::split(&mut args.skip(1))?;
        let mut parsed = Self {
            role: Role::Primary,
            file_prefix: None,
            shared_config: SharedConfig::Shared,
            lcores: Vec::new(),
            main_lcore: None,
            base_virtaddr: None,
            memory_mib: None,
            pages: Pages::Default,
            log_levels: Vec::new(),
            information: Information::None,
            ignored: Vec::new(),
            rest: words.rest,
            consumed: words.consumed,
        };
        if words.flags.iter().any(|flag| flag.meaning == Meaning::Help) {
            return Ok(Self { information: Information::Help, ..parsed });
        }
        let mut pending = Pending::default();
        for flag in words.flags {
            parsed.take(flag, &mut pending)?;
        }
        (parsed.lcores, parsed.main_lcore) = pending.lcores(machine)?;
        Ok(parsed)
    }

    /// Carries out one flag, or lays it aside in `pending`.
    fn take(&mut self, flag: Flag, pending: &mut Pending) -> Result<(), ArgsError> {
        let name = flag.name;
        match flag.meaning {
            Meaning::Role => self.role = flag.parse(role)?,
            Meaning::FilePrefix => {
                self.file_prefix = Some(flag.parse(|text| Some(text.to_owned()))?);
            }
            Meaning::InMemory | Meaning::NoSharedConfig => {
                self.shared_config = SharedConfig::Off { flag: name };
            }
            Meaning::BaseAddress => {
                self.base_virtaddr = Some(flag.parse(address)?).filter(|&address| address != 0);
            }
            Meaning::Memory | Meaning::NodeMemory => {
                let right = "give the total or the amounts per node";
                exclusive(&mut pending.memory, &flag, right)?;
                let mib = if flag.meaning == Meaning::Memory { megabytes } else { sum };
                self.memory_mib = Some(flag.parse(mib)?).filter(|&mib| mib != 0);
            }
            Meaning::HugeDirectory => {
                let directory = flag.value.clone().filter(|value| !value.is_empty());
                let directory = directory.ok_or_else(|| flag.bad_value())?;
                if self.pages != Pages::NoHuge {
                    self.pages = Pages::HugeDir(directory.into());
                }
            }
            Meaning::NoHuge => self.pages = Pages::NoHuge,
            Meaning::CoreList => pending.take_cores(&flag, Cores::parse_list)?,
            Meaning::CoreMask => pending.take_cores(&flag, Cores::parse_mask)?,
            Meaning::MainLcore => pending.main = Some((name, flag.parse(cores::parse_c_number)?)),
            Meaning::Remap => {
                let base = if flag.value.is_some() { flag.parse(cores::parse_base)? } else { 0 };
                pending.remap = Some((name, base));
            }
            Meaning::LogLevel => {
                self.log_levels.extend(flag.value);
                self.ignored.push(flag.written);
            }
            Meaning::Version => self.information = Information::Version,
            Meaning::Help => self.information = Information::Help,
            Meaning::Allow | Meaning::Block => {
                exclusive(&mut pending.devices, &flag, "allow some devices or block some")?;
                self.ignored.push(flag.written);
            }
            Meaning::Channels => {
                flag.parse(|text| decimal(text).filter(|&channels| channels >= 1))?;
                self.ignored.push(flag.written);
            }
            Meaning::Ranks => {
                flag.parse(|text| decimal(text).filter(|ranks| (1..=16).contains(ranks)))?;
                self.ignored.push(flag.written);
            }
            Meaning::OneOf(words) => {
                if flag.value.is_some() {
                    flag.parse(|text| words.contains(&text).then_some(()))?;
                }
                self.ignored.push(flag.written);
            }
            Meaning::Ignored => self.ignored.push(flag.written),
        }
        Ok(())
    }
}

/// Flags that can be judged only once all are known.
#[derive(Default)]
struct Pending {
    cores: Option<(&'static str, String, Cores)>,
    remap: Option<(&'static str, u32)>,
    main: Option<(&'static str, u32)>,
    memory: Option<(&'static str, Meaning)>,
    devices: Option<(&'static str, Meaning)>,
}

impl Pending {
    /// Takes the one flag that says which cores to run on.
    fn take_cores(
        &mut self,
        flag: &Flag,
        grammar: impl FnOnce(&str) -> Option<Cores>,
    ) -> Result<(), ArgsError> {
        if let Some((first, ..)) = self.cores {
            let right = "give the cores once, by one of -l, --lcores and -c";
            return Err(ArgsError::Together { first, second: flag.name, right });
        }
        let (text, cores) = flag.parse(|text| Some((text.to_owned(), grammar(text)?)))?;
        self.cores = Some((flag.name, text, cores));
        Ok(())
    }

    /// The lcores, and which of them is the main one.
    fn lcores(self, machine: &Machine) -> Result<(Vec<Lcore>, Option<u32>), ArgsError> {
        let (flag, value, cores) = match (self.cores, self.remap, self.main) {
            (Some(given), ..) => given,
            (None, None, None) => return Ok((Vec::new(), None)),
            (None, Some((flag, number)), _) | (None, None, Some((flag, number))) => {
                (flag, number.to_string(), Cores::allowed(machine, self.remap.is_some()))
            }
        };
        if let Some((remap, _)) = self.remap
            && cores.is_mapped()
        {
            let right = "what -R renumbers is a plain list, without @ and groups";
            return Err(ArgsError::Together { first: flag, second: remap, right });
        }
        let lcores = cores.lcores((flag, &value), self.remap, machine)?;
        let main = match self.main {
            Some((flag, main)) if lcores.iter().all(|lcore| lcore.id != main) => {
                let lcores = cores::ranges(lcores.iter().map(|lcore| lcore.id));
                return Err(ArgsError::MainLcore { flag, lcore: main, lcores });
            }
            Some((_, main)) => Some(main),
            None => lcores.first().map(|lcore| lcore.id),
        };
        Ok((lcores, main))
    }
}

impl Flag {
    /// The value, read by `read`.
    fn parse<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, ArgsError> {
        let text = self.value.as_ref().and_then(|value| value.to_str());
        text.and_then(read).ok_or_else(|| self.bad_value())
    }

    fn bad_value(&self) -> ArgsError {
        let value = self.value.clone().unwrap_or_default();
        ArgsError::BadValue { flag: self.name, value, wanted: self.meaning.wanted() }
    }
}

/// Refuses `flag` if one of the other meaning came before it.
fn exclusive(
    first: &mut Option<(&'static str, Meaning)>,
    flag: &Flag,
    right: &'static str,
) -> Result<(), ArgsError> {
    match *first.get_or_insert((flag.name, flag.meaning)) {
        (_, meaning) if meaning == flag.meaning => Ok(()),
        (first, _) => Err(ArgsError::Together { first, second: flag.name, right }),
    }
}

fn role(text: &str) -> Option<Role> {
    let roles = [("primary", Role::Primary), ("secondary", Role::Secondary), ("auto", Role::Auto)];
    roles.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, role)| role)
}

/// Reads a hexadecimal address and rounds it up to 16 MB.
fn address(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    u64::from_str_radix(digits, 16).ok()?.checked_next_multiple_of(16 << 20)
}

fn decimal(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Reads megabytes, no more than can be counted in bytes.
fn megabytes(text: &str) -> Option<u64> {
    decimal(text).filter(|mib| *mib <= u64::MAX >> 20)
}

/// Reads megabytes per node and adds them up.
fn sum(text: &str) -> Option<u64> {
    let total = text.split(',').try_fold(0_u64, |sum, mib| sum.checked_add(megabytes(mib)?))?;
    (total <= u64::MAX >> 20).then_some(total)
}

#[cfg(test)]
mod tests;
