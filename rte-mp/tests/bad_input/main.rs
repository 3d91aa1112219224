//! Bad input: what others send, leave in the group's directory, or fail to do.
//!
//! Each test does its worst to members that run, and then proves that they still answer at once and
//! that no descriptor is left.

#[path = "../raw/mod.rs"]
mod raw;
mod room;

mod bytes;
mod changes;
mod child;
mod dying;
mod full;
mod lanes;
mod leaving;
mod noise;
mod places;
mod senders;
