//! The memory of a running DPDK primary, found and mapped without libdpdk.
//!
//! [`Hugepages`] reads the primary's tables of zones and pages as they are, read-only and without
//! any of DPDK's locks, so that the primary never waits for us. What it reads may be half written:
//! it reads twice and compares. What it maps it looks up again afterwards, so that a primary that
//! frees, ends or restarts meanwhile gives an error and never somebody else's memory. The files are
//! read by calls and not mapped, since a mapping of a file that gets shorter is deadly.
//!
//! A page that is mapped where the primary has it is mapped once, and shared by all zones in it. Who
//! takes a share of it makes sure first that it still is the primary's page: that the file that is
//! mapped still has the page's name, or is what the primary's process has mapped there.
//!
//! What cannot be guarded against is a primary that frees a zone later, while it is mapped: the
//! memory may then hold other things, as it may for a DPDK secondary; and if it gives the page back
//! out of a file that it keeps (`--single-file-segments`), touching it takes a fresh page, or ends
//! this process (SIGBUS) where none is free.
//!
//! DPDK 19.08 to 26.07: `eal_common_memzone.c`, `eal_memalloc.c`, `eal_memory.c`. Differs from
//! DPDK: `rte_memzone_lookup` takes the zones' lock.

mod backing;
mod primary;
mod process;
mod tables;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rte_mp_proto::memory::{MemoryConfig, MemzoneEntry, Pages, ZoneName};
use rte_mp_proto::{Version, path};

use self::backing::Place;
use self::primary::Primary;
use self::tables::{PageTable, ZoneTable};
use crate::error::HugepagesError;
use crate::sys::area::{Area, Site};
use crate::sys::fixed::{FixedPages, Witness};

pub(crate) use crate::sys::pages::Access;

/// How often is read what changes while it is read.
const ATTEMPTS: usize = 64;

/// Where a zone is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Where there is room.
    Anywhere,
    /// Where the primary has it, so that pointers inside can be followed.
    SameAddress,
}

/// A zone as it was found; it may have been freed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its place in the table.
    index: u32,
    pub(crate) entry: MemzoneEntry,
}

/// The memory of one DPDK primary, as long as that runs.
#[derive(Debug)]
pub(crate) struct Hugepages {
    directory: PathBuf,
    version: Version,
    config: File,
    primary: Primary,
    zones: ZoneTable,
    /// Speaks for the pages of this primary.
    witness: Witness,
}

impl Hugepages {
    /// Opens the tables of the primary of `directory`, which is DPDK of release `version`. Does not
    /// block.
    ///
    /// # Errors
    /// [`HugepagesError`]: no primary holds the config file's lock, or its files make no sense.
    pub(crate) fn open(directory: &Path, version: Version) -> Result<Self, HugepagesError> {
        let config_path = directory.join(path::CONFIG);
        let no_primary = || HugepagesError::NoPrimary { directory: directory.to_owned() };
        let config = tables::open(&config_path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_primary(),
            _ => HugepagesError::io("open", &config_path)(error),
        })?;
        let primary = Primary::find(&config).map_err(HugepagesError::io("test", &config_path))?;
        let primary = primary.ok_or_else(no_primary)?;
        let bytes = read_config(&config, directory)?;
        let table = MemoryConfig::parse(&bytes, version)
            .map_err(|error| HugepagesError::config(directory, error))?
            .memzones()
            .map_err(HugepagesError::broken(&config_path))?;
        let zones = ZoneTable::open(directory, table)?;
        let (directory, witness) = (directory.to_owned(), Witness::default());
        let hugepages = Self { directory, version, config, primary, zones, witness };
        hugepages.believe(Ok(()))?;
        Ok(hugepages)
    }

    /// Lists all zones, as they were at one moment, in the order of the primary's table. Does not
    /// block.
    ///
    /// # Errors
    /// [`HugepagesError`]: the primary has ended, or changes its table all the time.
    pub(crate) fn zones(&self) -> Result<Vec<Zone>, HugepagesError> {
        self.believe(self.read_zones())
    }

    fn read_zones(&self) -> Result<Vec<Zone>, HugepagesError> {
        let mut last = self.zones.read()?;
        for _ in 0..ATTEMPTS {
            let now = self.zones.read()?;
            if now == last {
                return Ok(now);
            }
            last = now;
            std::thread::yield_now();
        }
        Err(HugepagesError::Changing)
    }

    /// Finds a zone by its name. Does not block.
    ///
    /// # Errors
    /// [`HugepagesError`]: there is none, or the primary has ended.
    pub(crate) fn lookup(&self, name: &ZoneName) -> Result<Zone, HugepagesError> {
        self.believe(self.find(name))
    }

    fn find(&self, name: &ZoneName) -> Result<Zone, HugepagesError> {
        for _ in 0..ATTEMPTS {
            let mut zones = self.zones.read()?.into_iter();
            // A zone that is there all the time is never missed, so that this needs no second look.
            let zone = zones.find(|zone| zone.entry.name == *name);
            let zone = zone.ok_or_else(|| HugepagesError::NotFound { zone: name.to_string() })?;
            if self.zones.holds(&zone)? {
                return Ok(zone);
            }
            std::thread::yield_now();
        }
        Err(HugepagesError::Changing)
    }

    /// Maps a zone as one contiguous range, over however many pages it lies. Blocks no longer than
    /// it takes to open its pages' files.
    ///
    /// # Errors
    /// [`HugepagesError`]: the zone is no more what it was, the primary has ended, or its pages
    /// cannot be had.
    pub(crate) fn map(
        &self,
        zone: &Zone,
        access: Access,
        placement: Placement,
    ) -> Result<Area, HugepagesError> {
        let mut last = HugepagesError::Changing;
        for _ in 0..ATTEMPTS {
            match self.believe(self.try_map(zone, access, placement)) {
                Ok(Some(mapping)) => return Ok(mapping),
                Ok(None) => {}
                // A zone that is freed and reserved again has no pages in between, and another
                // thread may still see that the ones that it laid are outdated.
                Err(
                    error @ (HugepagesError::NotMapped { .. } | HugepagesError::AddressHeld { .. }),
                ) => last = error,
                Err(error) => return Err(error),
            }
            std::thread::yield_now();
        }
        Err(last)
    }

    /// Gives nothing if a file of a page was replaced while it was being mapped.
    fn try_map(
        &self,
        zone: &Zone,
        access: Access,
        placement: Placement,
    ) -> Result<Option<Area>, HugepagesError> {
        let pages = &self.pages_of(zone)?;
        let Self { directory, primary, witness, .. } = self;
        let place = Place { directory, primary, zone, pages, access, placement, witness };
        let site = match self.share(&place)? {
            Some(shared) => Some(Site::Fixed(shared)),
            None => self.lay(&place)?,
        };
        // Both fit: the pages hold the whole zone, and were mapped.
        let start = (zone.entry.address - pages.addresses().start) as usize;
        Ok(site.map(|site| Area::over(site, start, zone.entry.len as usize, access)))
    }

    /// Takes a share of pages that are laid already, if they are where the primary has them and
    /// still are its. Neither are their files opened nor is the primary's process asked.
    fn share(&self, place: &Place<'_>) -> Result<Option<FixedPages>, HugepagesError> {
        let Some(shared) = place.find_laid() else { return Ok(None) };
        let still = self.pages_of(place.zone)? == *place.pages && place.still_has(&shared)?;
        Ok(still.then_some(shared))
    }

    /// Maps the pages, or takes a share of those of them that are laid already.
    fn lay(&self, place: &Place<'_>) -> Result<Option<Site>, HugepagesError> {
        let mut site = place.site()?;
        let files = place.lay(&mut site);
        // What is mapped now are the zone's pages if it still is there, and they are.
        let still = self.pages_of(place.zone)? == *place.pages;
        Ok((still && files?.is_some_and(|files| files.are_in_place())).then_some(site))
    }

    /// Finds the pages of a zone that is still there, and checks that they are in use.
    fn pages_of(&self, zone: &Zone) -> Result<Pages, HugepagesError> {
        let bytes = read_config(&self.config, &self.directory)?;
        let found = MemoryConfig::parse(&bytes, self.version)
            .map_err(|error| HugepagesError::config(&self.directory, error))?
            .find(&zone.entry)
            .map_err(|source| HugepagesError::Pages { zone: zone.name(), source });
        let checked = found.and_then(|pages| {
            match PageTable::open(&self.directory, &pages)?.first_other_than(&pages)? {
                None => Ok(pages),
                Some(address) => Err(HugepagesError::Page { zone: zone.name(), address }),
            }
        });
        // Asked last: a zone that is there by now had its pages all the time since it was found.
        if self.zones.holds(zone)? {
            checked
        } else {
            Err(HugepagesError::Freed { zone: zone.name() })
        }
    }

    /// Passes on what was read of the primary, if that still runs: what is in the files of one that
    /// has ended may be anything, and an error of theirs may be its end.
    fn believe<T>(&self, read: Result<T, HugepagesError>) -> Result<T, HugepagesError> {
        // The lock alone does not say that it is still the same primary: in another pid namespace
        // its holder has no name. The next one has files of its own.
        let config = self.directory.join(path::CONFIG);
        let in_place = tables::is_in_place(&self.config, &config) && self.zones.is_in_place();
        if in_place && self.primary.is_alive(&self.config) {
            read
        } else {
            Err(HugepagesError::Gone { directory: self.directory.clone() })
        }
    }
}

impl Zone {
    /// Gives its name for an error.
    fn name(&self) -> String {
        self.entry.name.to_string()
    }
}

fn read_config(config: &File, directory: &Path) -> Result<Vec<u8>, HugepagesError> {
    tables::read(config, 0..MemoryConfig::LEN as u64, &directory.join(path::CONFIG))
}
