//! Reserves, frees and looks up at full speed, at random, for as long as it lives; and what must hold
//! of the zones meanwhile.

use std::collections::BTreeSet;

use rte_mp::{FreeError, Group, LookupError, MemzoneInfo, Memzones, ReserveError};

use super::dice::Dice;

/// How many names there are to strike at.
const NAMES: u64 = 48;

/// The longest zone. A few of them fill the arena of these tests.
const LONGEST: u64 = 200_000;

/// The size of their arenas.
pub(crate) const SIZE: u64 = 2 << 20;

/// What the table takes of it.
const TABLE: u64 = 299_008;

/// The longest zone that such an arena has room for.
pub(crate) const ROOM: u64 = SIZE - TABLE;

pub(crate) struct Hammer {
    zones: Memzones,
    dice: Dice,
}

impl Hammer {
    /// What it does depends on the seed alone.
    pub(crate) fn new(group: &Group, seed: u64) -> Self {
        Self { zones: group.memzones(), dice: Dice::new(seed) }
    }

    /// Gives a number below `limit`.
    pub(crate) fn random(&mut self, limit: u64) -> u64 {
        self.dice.below(limit)
    }

    /// Goes on until something goes wrong.
    pub(crate) fn strike_forever(mut self) -> String {
        loop {
            if let Err(error) = self.strike() {
                return error;
            }
        }
    }

    /// Does one thing. That others were faster is no error.
    pub(crate) fn strike(&mut self) -> Result<(), String> {
        let name = format!("zone {}", self.random(NAMES));
        match self.random(4) {
            0 | 1 => {
                let longest = if self.random(8) == 0 { LONGEST } else { 5000 };
                let len = self.random(longest) as usize + 1;
                let (align, zeroed) = (1 << self.random(10), self.random(2) == 0);
                let reservation = self.zones.reserve(&name, len).align(align);
                let reservation = if zeroed { reservation.zeroed() } else { reservation };
                match reservation.commit() {
                    Ok(_) | Err(ReserveError::Exists { .. } | ReserveError::NoRoom { .. }) => {}
                    Err(error) => return Err(format!("{error:?}")),
                }
            }
            2 => match self.zones.lookup(&name) {
                Ok(zone) => match self.zones.free(zone) {
                    Ok(()) | Err(FreeError::Freed { .. }) => {}
                    Err(error) => return Err(format!("{error:?}")),
                },
                Err(LookupError::NotFound { .. }) => {}
                Err(error) => return Err(format!("{error:?}")),
            },
            _ => match self.zones.lookup(&name) {
                Ok(zone) if *zone.name() != *name.as_str() => return Err(format!("{zone:?}")),
                Ok(_) | Err(LookupError::NotFound { .. }) => {}
                Err(error) => return Err(format!("{error:?}")),
            },
        }
        Ok(())
    }
}

/// Checks what must hold whatever others do and wherever they were killed: zones lie inside of the
/// memory and apart, names are there once, and the lock can be taken.
pub(crate) fn check(zones: &Memzones) {
    let all: Vec<_> = zones.iter().unwrap().collect();
    let base = all.first().map_or(0, |zone| zone.address() / SIZE * SIZE);
    for zone in &all {
        let inside = zone.address() >= base + TABLE && end(zone) <= base + SIZE;
        assert!(inside && zone.len() > 0, "{zone:?} lies outside of {base:#x}");
    }
    for pair in all.windows(2) {
        assert!(end(&pair[0]) <= pair[1].address(), "{pair:?} overlap");
    }
    let names: BTreeSet<_> = all.iter().map(|zone| *zone.name()).collect();
    assert_eq!(names.len(), all.len(), "names are there once: {all:?}");
    match zones.reserve("probe", 1).commit() {
        Ok(zone) => zones.free(zone).unwrap(),
        Err(ReserveError::NoRoom { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// Checks that no space was lost: once all is freed, one zone can have everything. Nobody else may
/// be at work.
pub(crate) fn check_nothing_is_lost(zones: &Memzones) {
    for info in zones.iter().unwrap() {
        let zone = zones.lookup(info.name()).unwrap();
        assert_eq!(zone.info(), info);
        zones.free(zone).unwrap();
    }
    let all = zones.reserve("everything", ROOM as usize).commit().unwrap();
    zones.free(all).unwrap();
    assert_eq!(zones.iter().unwrap().count(), 0);
}

fn end(zone: &MemzoneInfo) -> u64 {
    zone.address() + zone.len() as u64
}
