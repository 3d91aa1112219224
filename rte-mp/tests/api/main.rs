//! The public API, between groups of this process and between processes.
//!
//! One program for all themes, so that what they share is built once and its descriptors can be
//! counted: a test that counts runs alone in its process, by nextest's doing or by its turn.

mod common;

mod joining;
mod joining_files;
mod joining_foreign;
mod leaving;
