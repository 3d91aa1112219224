//! What is recorded of a member's messages: each path, and who may record.

mod attaching;
mod losing;
mod paths;

use std::time::Instant;

use rte_mp::trace::{Content, Direction, Fate, Path, Record, Traced};
use rte_mp::{Group, Trace};

use crate::common::LONG;

/// Begins to record, and reads who is recorded.
fn trace(group: &Group) -> Trace {
    let trace = group.trace().unwrap();
    let joined = trace.recv_timeout(LONG).unwrap();
    let Content::Joined(whose) = joined.content else { panic!("{joined:?}") };
    assert_eq!(
        (whose.name, whose.role, whose.flavor),
        (*group.name(), group.role(), group.flavor())
    );
    assert_eq!((whose.process_id, joined.sequence), (std::process::id(), 0));
    trace
}

/// Waits for the next record of a datagram.
fn next(trace: &Trace) -> Traced {
    let record = trace.recv_timeout(LONG).expect("there is a record");
    datagram(&record).unwrap_or_else(|| panic!("{record:?}"))
}

fn datagram(record: &Record) -> Option<Traced> {
    match record.content {
        Content::Datagram(traced) => Some(traced),
        Content::Joined(_) | Content::Lost(_) | Content::Left => None,
    }
}

/// Waits for the record of a datagram that `is_wanted`; what comes before is passed over.
fn find(trace: &Trace, is_wanted: impl Fn(&Traced) -> bool) -> Traced {
    let deadline = Instant::now() + LONG;
    loop {
        assert!(Instant::now() < deadline, "what is waited for is recorded");
        let traced = next(trace);
        if is_wanted(&traced) {
            return traced;
        }
    }
}

/// A record in a few words.
fn words(traced: &Traced) -> String {
    let direction = match traced.direction {
        Direction::Out => "out",
        Direction::In => "in",
    };
    let path = match traced.path {
        Path::Socket => "",
        Path::Lane => " by lane",
    };
    let kind = traced.kind.map_or("unknown".to_owned(), |kind| format!("{kind:?}").to_lowercase());
    let name = traced.name.map_or("-".to_owned(), |name| name.to_string());
    let fate = match traced.fate {
        Fate::Failed(errno) => format!("failed {errno}"),
        Fate::Dropped(reason) => format!("dropped {reason:?}"),
        other => format!("{other:?}").to_lowercase(),
    };
    format!("{direction} {kind} {name}{path}: {fate}")
}
