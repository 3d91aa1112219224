//! The version of the library: `rte_version`.

use std::ffi::{CStr, c_char};

use crate::border::enter;

/// In one line.
pub(crate) const VERSION: &CStr = match CStr::from_bytes_with_nul(
    concat!("rte-mp ", env!("CARGO_PKG_VERSION"), " (DPDK API 25.11)\0").as_bytes(),
) {
    Ok(text) => text,
    Err(_) => c"rte-mp",
};

/// Names the library and its version. `rte_version`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_version() -> *const c_char {
    enter(VERSION.as_ptr(), || Ok(VERSION.as_ptr()))
}
