//! Lanes in all orders in which two or three threads can meet, as far as loom tries them out.
//!
//! The lane is small here, and each thread does few things. The socket is a queue under a lock,
//! which is what the kernel makes of it; the bell is one too, and who waits for it waits until it
//! rings, so that a ring that is missing shows.

mod answers;
mod order;
mod ring;

use std::path::Path;
use std::sync::Arc;

use loom::model::Builder;

use super::bell::Bell;
use super::*;
use crate::sys::region::Region;
use crate::time::monotonic;

/// How long the server says that it polls, in ns. No time passes here.
const WINDOW: u64 = 100_000;

/// Runs `model` in all orders with at most so many switches between threads that could go on.
///
/// Loom knows of each word only who used it last. A thread that loads a word before it stores there
/// hides that another one had loaded it, and then that order is not tried out. So who stores first
/// goes first in each model here: the asker, on the main thread.
fn explore(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(model);
}

/// A datagram that tells if it is torn.
fn bytes(number: u8) -> [u8; MAX_LEN] {
    [number; MAX_LEN]
}

/// Reads the number out of a datagram.
fn number(bytes: [u8; MAX_LEN]) -> u8 {
    assert_eq!(bytes, [bytes[0]; MAX_LEN], "torn");
    bytes[0]
}

/// A lane whose server sleeps.
fn sleeping_lane() -> (Arc<Outlet>, Inlet) {
    let region = Region::zeroed(WORDS);
    let [ours, theirs] = Bell::ends();
    let inlet = Inlet::over(region.clone(), theirs, 1);
    (Arc::new(Outlet::over(region, ours)), inlet)
}

/// A lane whose server is awake.
fn lane() -> (Arc<Outlet>, Inlet) {
    let (outlet, mut inlet) = sleeping_lane();
    stay_awake(&mut inlet);
    (outlet, inlet)
}

fn stay_awake(inlet: &mut Inlet) {
    inlet.stay_awake(monotonic() + WINDOW, 0);
}

fn take(inlet: &mut Inlet) -> Option<(u8, Option<WayBack>)> {
    let item = inlet.take(Path::new("/run"))?;
    Some((number(item.bytes), item.way_back))
}

/// Takes all that is there.
fn drain(inlet: &mut Inlet) -> Vec<u8> {
    std::iter::from_fn(|| take(inlet)).map(|(number, _)| number).collect()
}
