//! The subcommands, one room each.

pub(crate) mod demo;
