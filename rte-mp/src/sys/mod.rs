//! The only unsafe room: what neither std nor rustix gives.
//!
//! Functions here return `io::Result` and know nothing of groups.

pub(crate) mod area;
pub(crate) mod fixed;
pub(crate) mod gaps;
pub(crate) mod mapping;
pub(crate) mod memfd;
pub(crate) mod pages;
#[cfg(feature = "tokio")]
pub(crate) mod ready;
#[cfg_attr(loom, path = "region_model.rs")]
pub(crate) mod region;
pub(crate) mod shared;
