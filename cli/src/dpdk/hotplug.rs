//! Hot-plug: the request by which a secondary has the primary attach or detach a device.
//!
//! The primary does it and then asks every secondary to do the same, whoever asked included, before it
//! answers; to detach, the secondaries come first. If one of them fails or is silent, all undo it.
//!
//! DPDK 22.11: `hotplug_mp.h`, `struct eal_dev_mp_req`; the same from 18.11 to 26.07.

use std::fmt;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The name of the request.
pub(crate) const ACTION: &str = "eal_dev_mp_request";

/// How long the primary may take: it waits 5 s for the secondaries, and as long again for them to undo it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The parameter of the request and of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Param {
    operation: i32,
    devargs: [u8; Devargs::MAX_LEN + 1],
    result: i32,
}

/// What is to be done to a device, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Attach,
    Detach,
    /// Detach what was attached a moment ago.
    UndoAttach,
    /// Attach what was detached a moment ago.
    UndoDetach,
}

/// The arguments of a device, as they stand in `--vdev` or `--allow`: its name, and options behind commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Devargs(String);

/// Why a text is no [`Devargs`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DevargsError {
    #[error("name a device, as in vdev:net_null7 or 0000:01:00.0")]
    Empty,
    #[error("a device's arguments have no NUL")]
    Nul,
    #[error("a device's arguments have at most {max} bytes, these have {len}")]
    TooLong { len: usize, max: usize },
}

impl Devargs {
    /// The most bytes that the request has room for, without the NUL.
    pub(crate) const MAX_LEN: usize = 127;

    /// Checks `text` once.
    ///
    /// # Errors
    /// [`DevargsError`] says which rule it breaks.
    pub(crate) fn new(text: &str) -> Result<Self, DevargsError> {
        match text.len() {
            _ if text.trim().is_empty() => Err(DevargsError::Empty),
            _ if text.contains('\0') => Err(DevargsError::Nul),
            len if len > Self::MAX_LEN => Err(DevargsError::TooLong { len, max: Self::MAX_LEN }),
            _ => Ok(Self(text.to_owned())),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Param {
    /// Makes the parameter of a request.
    pub(crate) fn request(operation: Operation, device: &Devargs) -> Self {
        let mut devargs = [0; Devargs::MAX_LEN + 1];
        devargs[..device.0.len()].copy_from_slice(device.0.as_bytes());
        Self { operation: operation.code(), devargs, result: 0 }
    }

    /// Says what was done; `None` if the sender says what there is not.
    pub(crate) fn operation(&self) -> Option<Operation> {
        Operation::of(self.operation)
    }

    /// Gives 0, or a negative errno.
    pub(crate) fn result(&self) -> i32 {
        self.result
    }
}

impl Operation {
    fn of(code: i32) -> Option<Self> {
        let all = [Self::Attach, Self::Detach, Self::UndoAttach, Self::UndoDetach];
        all.into_iter().find(|operation| operation.code() == code)
    }

    fn code(self) -> i32 {
        match self {
            Self::Attach => 0,
            Self::Detach => 1,
            Self::UndoAttach => 2,
            Self::UndoDetach => 3,
        }
    }

    /// Gives the word for it in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::UndoAttach => "undo_attach",
            Self::UndoDetach => "undo_detach",
        }
    }

    /// Tells whether it undoes another one.
    pub(crate) fn is_undoing(self) -> bool {
        matches!(self, Self::UndoAttach | Self::UndoDetach)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attach | Self::UndoDetach => "attach",
            Self::Detach | Self::UndoAttach => "detach",
        })
    }
}

/// Says what a result means that is not 0, and what to do about it.
pub(crate) fn explain(operation: Operation, result: i32) -> String {
    let errno = result.checked_neg().filter(|errno| *errno > 0);
    let Some(errno) = errno else {
        return format!("it answered {result}, which is no error of DPDK's; see its log");
    };
    let error = io::Error::from_raw_os_error(errno).to_string();
    let words = error.split(" (os error").next().unwrap_or_default();
    // Rustix takes none beyond what the kernel has.
    let known = if errno < 4096 { Errno::from_raw_os_error(errno) } else { Errno::IO };
    let advice = match (known, operation) {
        (Errno::FAULT, _) => {
            "no bus knows such a device; put its bus before its name, as in vdev:net_null7 or pci:0000:01:00.0"
        }
        (Errno::NOENT | Errno::NODEV, Operation::Detach) => {
            "it has no such device; take the name from its own list of devices"
        }
        (Errno::NOENT | Errno::NODEV, _) => {
            "there is no such device, or no driver for it was loaded"
        }
        (Errno::EXIST, _) => "it has that device already",
        (Errno::INVAL, _) => {
            "it, its driver or another member objects; see their logs, and the device's arguments"
        }
        (Errno::NOMSG, _) => {
            "another secondary did not answer; see `rte-mp ps` for one that hangs, and end it or let it go on"
        }
        (Errno::BUSY, _) => "the device is in use; stop its ports first",
        (Errno::NOTSUP, _) => "its driver or bus cannot do that",
        _ => "see its log",
    };
    format!("{words} ({result}): {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_layout_of_dpdk() {
        let device = Devargs::new("vdev:net_null7,size=128").unwrap();
        let param = Param::request(Operation::Detach, &device);
        let bytes = param.as_bytes();
        assert_eq!(bytes.len(), 136);
        assert_eq!(bytes[..4], 1_i32.to_ne_bytes());
        assert_eq!(&bytes[4..27], b"vdev:net_null7,size=128");
        assert!(bytes[27..].iter().all(|byte| *byte == 0));
        let mut reply = bytes.to_vec();
        reply[0] = 2;
        reply[132..].copy_from_slice(&(-22_i32).to_ne_bytes());
        let reply = Param::read_from_bytes(&reply).unwrap();
        assert_eq!((reply.operation(), reply.result()), (Some(Operation::UndoAttach), -22));
    }

    #[test]
    fn only_what_fits_and_says_something_is_a_device() {
        let longest = "d".repeat(127);
        let cases = [
            ("net_null7", None),
            (longest.as_str(), None),
            ("", Some(DevargsError::Empty)),
            (" \t", Some(DevargsError::Empty)),
            ("a\0b", Some(DevargsError::Nul)),
        ];
        for (text, expected) in cases {
            assert_eq!(Devargs::new(text).err(), expected, "{text:?}");
        }
        let too_long = DevargsError::TooLong { len: 128, max: 127 };
        assert_eq!(Devargs::new(&"d".repeat(128)), Err(too_long));
    }

    #[test]
    fn results_are_told_in_words_whatever_they_are() {
        let cases = [
            (Operation::Attach, -14, "Bad address (-14): no bus knows"),
            (Operation::Detach, -2, "No such file or directory (-2): it has no such device"),
            (Operation::Attach, -17, "File exists (-17): it has that device"),
            (Operation::Attach, -22, "Invalid argument (-22): it, its driver or another"),
            (Operation::Attach, -42, "No message of desired type (-42): another secondary"),
            (Operation::Attach, -5, "Input/output error (-5): see its log"),
            (Operation::Attach, 7, "it answered 7, which is no error"),
            (Operation::Attach, i32::MIN, "it answered -2147483648, which is no error"),
            (Operation::Attach, -99_999, "Unknown error 99999 (-99999): see its log"),
        ];
        for (operation, result, expected) in cases {
            let words = explain(operation, result);
            assert!(words.starts_with(expected), "{words}");
        }
    }
}
