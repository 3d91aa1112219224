//! The command as a user runs it: what it writes, how it ends, and that it leaves nothing behind.
//!
//! One program for all subcommands, so that what they share is built once.

#![expect(clippy::unwrap_used, reason = "what helps a test fails as a test does")]

mod members;
mod support;
mod terminal;

mod bad_input;
mod bench;
mod common_options;
mod completions;
mod demo;
mod doctor;
mod hotplug;
mod json;
mod man;
mod ping;
mod ps;
mod talk;
mod top;
mod trace;
mod zones;
