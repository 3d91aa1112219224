//! What a subcommand writes: text for people, or a JSON object a line for programs.
//!
//! Data goes to the standard output, everything else to the standard error stream. Colours are there on a
//! terminal only, unless `--color` says otherwise.

use std::fmt::Display;
use std::io::{self, Stdout, Write};
use std::time::Duration;

use anstream::AutoStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Serialize;

use crate::args::Common;
use crate::escape::Escaped;
use crate::interrupt::Interrupt;
use crate::status::Failure;

/// The standard output in the form that was asked for.
pub(crate) struct Output {
    stream: AutoStream<Stdout>,
    json: bool,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        Self { stream: AutoStream::new(io::stdout(), common.color.into()), json: common.json }
    }

    /// Tells whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a record as a line of its text or as an object, whichever was asked for.
    ///
    /// # Errors
    /// The output is closed or full.
    pub(crate) fn show(&mut self, record: &(impl Serialize + Display)) -> Result<(), Failure> {
        if self.json { self.object(record) } else { self.line(record) }
    }

    /// As [`Output::show`], but without the record if its reader stalls and the user wants it to end.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(crate) fn show_unless(
        &mut self,
        interrupt: &Interrupt,
        record: &(impl Serialize + Display),
    ) -> Result<(), Failure> {
        match has_room_before(interrupt) {
            true => self.show(record),
            false => Ok(()),
        }
    }

    /// Writes an object.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(object)?)
    }

    /// Tells whether whoever read it is gone, so that nothing more is wanted. Of a file or a terminal nobody
    /// is.
    pub(crate) fn is_closed(&self) -> bool {
        let stdout = io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(1)) && fds[0].revents().contains(PollFlags::ERR)
    }

    /// Says something beside the data, on the standard error stream; safe to be shown.
    pub(crate) fn note(&self, text: impl Display) {
        let text = text.to_string();
        // There is no better place to say that it cannot be said.
        let _ = writeln!(io::stderr(), "rte-mp: {}", Escaped::message(&text));
    }

    /// Writes a line of text, at once.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        // In one piece: another process may write to the same place.
        let text = format!("{text}\n");
        self.stream
            .write_all(text.as_bytes())
            .and_then(|()| self.stream.flush())
            .map_err(Failure::output)
    }
}

/// Waits until the standard output has room; `false` if the user wants it to end before.
fn has_room_before(interrupt: &Interrupt) -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::OUT), PollFd::new(interrupt, PollFlags::IN)];
    loop {
        match poll(&mut fds, None) {
            Err(Errno::INTR) if !interrupt.is_caught() => {}
            // Also if it was closed: writing tells.
            _ => return !fds[0].revents().is_empty(),
        }
    }
}

/// A duration as it stands in JSON; 584 years at most.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
