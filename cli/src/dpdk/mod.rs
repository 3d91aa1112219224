//! What DPDK's own processes say to each other by messages, as far as commands take part in it.

pub(crate) mod hotplug;
