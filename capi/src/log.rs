//! What is said to the user.

use std::error::Error;
use std::ffi::OsString;

use crate::border::Errno;

/// Takes over the levels of the command line.
pub(crate) fn start(_levels: &[OsString]) -> Result<(), Errno> {
    Ok(())
}

/// Says that something failed.
pub(crate) fn error(text: &str) {
    eprintln!("EAL: {text}");
}

/// Says that something failed, and why, with all causes.
pub(crate) fn failure(text: &str, error: &dyn Error) {
    let mut line = format!("{text}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    self::error(&line);
}

/// Says which version this is.
pub(crate) fn version() {
    error(concat!("rte-mp ", env!("CARGO_PKG_VERSION")));
}

/// Prints the usage.
pub(crate) fn usage(_program: &[u8]) {}
