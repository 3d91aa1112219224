//! Following a zone: its bytes, then each change of them.
//!
//! The zone is looked up anew each time: what is read is its own memory, checked a moment before, and no
//! page of a primary that frees it is kept from going back.

use std::time::{Instant, SystemTime};

use rte_mp::{
    Event, Events, Group, HugepagesError, LookupError, Member, MemoryError, Memzone, Role, ZoneName,
};
use rustix::io::Errno;

use super::hexdump::{self, Dump};
use super::records::{Change, End, Summary, Zone};
use super::{Args, Window, open, show_chunk};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::status::{Failure, Status};

/// The most bytes that are followed; two copies of them are kept.
const MAX_LEN: u64 = 16 << 20;

pub(super) fn run(
    args: &Args,
    group: &Group,
    name: &ZoneName,
    output: &mut Output,
) -> Result<Status, Failure> {
    let interrupt = Interrupt::catch()?;
    let mut primary = Primary::of(group)?;
    let zone = open(group, name)?;
    let window = args.window(&zone, output)?;
    if window.len > MAX_LEN {
        return Err(Failure::usage(format_args!(
            "at most {MAX_LEN} bytes can be followed; choose a part by --offset and --len"
        )));
    }
    let start = Instant::now();
    let mut bytes = window.read(&zone)?;
    show_first(name, &zone, window, &bytes, output)?;
    let first = zone.info();
    drop(zone);

    let mut changes = 0;
    let ended_by = loop {
        if interrupt.wait(Some(args.interval)) {
            break End::Interrupt;
        }
        if output.is_closed() {
            return Ok(Status::Done);
        }
        if primary.has_ended() {
            break End::PrimaryEnded;
        }
        let now = match group.memzones().lookup(name) {
            Ok(zone) if zone.info() == first => window.read(&zone)?,
            Ok(_) => break End::Replaced,
            Err(error) => match what_became(&error) {
                Some(Looked::Again) => continue,
                Some(Looked::End(end)) => break end,
                None => return Err(error.into()),
            },
        };
        if now != bytes {
            changes += 1;
            show_change(name, start, window.offset, &bytes, &now, output)?;
            bytes = now;
        }
    };
    output.show(&Summary::new(name, changes, start.elapsed(), ended_by))?;
    let refused = |why: &str| Err(Failure::refused(format_args!("memory zone {name:?} {why}")));
    match ended_by {
        End::Interrupt => Ok(Status::Done),
        End::Freed => refused("was freed"),
        End::Replaced => refused("was freed, and another one of its name reserved"),
        End::PrimaryEnded => Err(Failure::refused(format_args!(
            "the primary of file prefix {:?} has ended, and memory zone {name:?} with it",
            group.file_prefix()
        ))),
    }
}

fn show_first(
    name: &ZoneName,
    zone: &Memzone,
    window: Window,
    bytes: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    if output.is_json() {
        output.object(&Zone::from(zone.info()))?;
    }
    let mut dump = Dump::default();
    for chunk in window.chunks() {
        // Both are less than `bytes` is long.
        let start = (chunk.offset - window.offset) as usize;
        let bytes = &bytes[start..start + chunk.len as usize];
        show_chunk(&mut dump, name, chunk.offset, bytes, output)?;
    }
    match output.is_json() {
        true => Ok(()),
        false => output.line(hexdump::end(window.offset + window.len)),
    }
}

fn show_change(
    name: &ZoneName,
    start: Instant,
    offset: u64,
    old: &[u8],
    new: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    if output.is_json() {
        let now = SystemTime::now();
        return hexdump::changes(old, new).into_iter().try_for_each(|run| {
            let (old, new) = (&old[run.clone()], &new[run.clone()]);
            output.object(&Change::new(name, now, offset + run.start as u64, old, new))
        });
    }
    let time = format!("+{:.3}s", start.elapsed().as_secs_f64());
    let rows = hexdump::changed_rows(offset, old, new);
    let lines: Vec<_> = rows.iter().map(|row| format!("{time:>10}  {row}")).collect();
    output.line(lines.join("\n"))
}

/// The primary that the zone is of.
struct Primary<'a> {
    group: &'a Group,
    news: Events,
    /// The news has told that it is there, and will tell that it is not.
    is_known: bool,
}

impl<'a> Primary<'a> {
    fn of(group: &'a Group) -> Result<Self, Failure> {
        Ok(Self { group, news: group.events()?, is_known: false })
    }

    /// Tells whether it has left, or ended.
    fn has_ended(&mut self) -> bool {
        while let Ok(event) = self.news.try_recv() {
            match event {
                Event::PrimaryJoined(_) => self.is_known = true,
                Event::PrimaryLeft(_) => return true,
                _ => {}
            }
        }
        // The news begins a little later than we do: a primary that left meanwhile is not in it.
        let is_gone = |members: Vec<Member>| members.iter().all(|m| m.role != Role::Primary);
        !self.is_known && self.group.members().is_ok_and(is_gone)
    }
}

/// What to make of a zone that was not found.
enum Looked {
    /// It could not be read at this moment.
    Again,
    End(End),
}

fn what_became(error: &LookupError) -> Option<Looked> {
    let source = match error {
        LookupError::NotFound { .. } => return Some(Looked::End(End::Freed)),
        LookupError::Memory { source, .. } => source,
        _ => return None,
    };
    match source {
        MemoryError::OtherPrimary { .. } => Some(Looked::End(End::PrimaryEnded)),
        MemoryError::Hugepages { source } => match source {
            HugepagesError::Gone { .. }
            | HugepagesError::NoPrimary { .. }
            | HugepagesError::NotReady { .. } => Some(Looked::End(End::PrimaryEnded)),
            other => (other.errno() == Errno::AGAIN.raw_os_error()).then_some(Looked::Again),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rte_mp::Drive;

    use super::*;

    #[test]
    fn a_primary_that_leaves_before_the_news_begins_has_ended_too() {
        let room = tempfile::tempdir().unwrap();
        let join = |role, drive| {
            let builder = Group::builder().runtime_base(room.path()).file_prefix("web");
            builder.role(role).drive(drive).join().unwrap()
        };
        let primary = join(Role::Primary, Drive::Thread);
        // Whose news begins as it is driven.
        let group = join(Role::Secondary, Drive::Caller);
        let mut followed = Primary::of(&group).unwrap();
        assert!(!followed.has_ended());
        primary.leave();
        assert!(followed.has_ended());
        while group.process() {}
        assert!(followed.has_ended());
    }
}
