//! How the command ends: its exit status, and the one line that says why.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use rte_mp::JoinError;

use crate::escape::Escaped;

/// The exit status, the same for all subcommands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0: it is done.
    Done,
    /// 1: the group said no: nobody answered in time, or not all did; or something else failed.
    Refused,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: there is no such group.
    NoGroup,
    /// What a program that was started ended with.
    Other(u8),
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::SUCCESS,
            Status::Refused => Self::from(1),
            Status::Usage => Self::from(2),
            Status::NoGroup => Self::from(3),
            Status::Other(status) => Self::from(status),
        }
    }
}

/// Why a subcommand could not do what it was to do. Any error can become one.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    line: Option<String>,
}

impl Failure {
    /// The group said no, or something failed.
    pub(crate) fn refused(line: impl fmt::Display) -> Self {
        Self { status: Status::Refused, line: Some(line.to_string()) }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(line: impl fmt::Display) -> Self {
        Self { status: Status::Usage, line: Some(line.to_string()) }
    }

    /// There is no such group.
    pub(crate) fn no_group(line: impl fmt::Display) -> Self {
        Self { status: Status::NoGroup, line: Some(line.to_string()) }
    }

    /// Writing to the standard output failed. If its reader has had enough, as `head` has, nothing is
    /// wrong and there is nothing to say.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { status: Status::Done, line: None },
            _ => Self::refused(format_args!("cannot write the output: {error}")),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// Gives the line for the standard error stream, safe to be shown on a terminal.
    pub(crate) fn line(&self) -> Option<String> {
        self.line.as_ref().map(|line| Escaped::message(line).to_string())
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let line = chain(&error);
        let error: &(dyn Error + 'static) = &error;
        match error.downcast_ref() {
            Some(JoinError::NoPrimary { .. }) => {
                Self::no_group(format_args!("{line}; see `rte-mp ps` for those that run"))
            }
            // What was given as --file-prefix.
            Some(JoinError::Prefix { .. } | JoinError::SocketPath { .. }) => Self::usage(line),
            _ => Self::refused(line),
        }
    }
}

/// Puts an error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}
