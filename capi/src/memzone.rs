//! Memory zones: `rte_memzone_*`.
