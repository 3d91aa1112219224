//! The public API, between groups of this process and between processes.
//!
//! One program for all themes, so that what they share is built once and its descriptors can be
//! counted: a test that counts runs alone in its process, by nextest's doing or by its turn.

#![expect(clippy::unwrap_used, reason = "what helps a test fails as a test does")]

mod common;

mod async_requests;
mod broadcast;
mod default_handler;
mod deferred;
mod descriptors;
mod event_loop;
mod handlers;
mod heap;
mod heap_kills;
mod idle;
mod inspect;
mod joining;
mod joining_files;
mod joining_foreign;
mod lanes;
mod late_replies;
mod layouts;
mod leaving;
mod liveness;
mod members;
mod memory_attach;
mod memory_joining;
mod memory_kills;
mod memory_refusals;
mod memory_zones;
mod messages;
mod requests;
mod restart;
mod services;
mod stats;
mod tokio;
mod trace;
mod typed_params;
mod unicast;
