//! The command `rte-mp` beside DPDK processes.
//!
//! One program for all subcommands, so that what they share is built once.

mod running;

mod bench;
mod operators_page;
mod ps_doctor;
mod talk;
mod top;
mod trace_ping;
mod zones_hotplug;
