//! What is asked: a primary of a group of its own, or a bare socket.
//!
//! Each is a process, started by the hidden subcommand, that leaves at the end of its input.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::ValueEnum;
use rte_mp::{Group, Role};

use super::child::READY;
use super::native::{COUNT, PREFIX, TOTAL};
use super::socket::{self, ASKS, LEN, Wait};
use crate::status::{Failure, Status};

/// What to be, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory for files and sockets.
    base: PathBuf,
    /// The part to play.
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    Primary,
    PollingSocket,
    BlockingSocket,
}

impl Part {
    /// Gives the socket that a bare server has in `base`.
    pub(super) fn socket(self, base: &Path) -> PathBuf {
        base.join(match self {
            Self::Primary => "primary",
            Self::PollingSocket => "polling",
            Self::BlockingSocket => "blocking",
        })
    }
}

/// Serves until the input ends.
pub(crate) fn run(args: &Args) -> Result<Status, Failure> {
    let socket = args.part.socket(&args.base);
    match args.part {
        Part::Primary => lead(&args.base),
        Part::PollingSocket => echo(&socket, Wait::Polling),
        Part::BlockingSocket => echo(&socket, Wait::Blocking),
    }
}

/// Leads a group whose members are pinged as any are, and counts messages.
fn lead(base: &Path) -> Result<Status, Failure> {
    let counted = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&counted);
    let group = Group::builder()
        .runtime_base(base)
        .file_prefix(PREFIX)
        .role(Role::Primary)
        .action(COUNT, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .action(TOTAL, move |request| request.reply(&total.load(Ordering::Relaxed).to_ne_bytes()))
        .join()?;
    say_ready()?;
    wait_for_the_end();
    group.leave();
    Ok(Status::Done)
}

/// Sends back what asks, and takes in what does not.
fn echo(path: &Path, wait: Wait) -> Result<Status, Failure> {
    let socket = UnixDatagram::bind(path)?;
    thread::spawn(|| {
        wait_for_the_end();
        // The other thread may sleep in the kernel, and has nothing to tidy up.
        process::exit(0);
    });
    say_ready()?;
    let mut buffer = [0; LEN];
    let (_, client) = socket.recv_from(&mut buffer)?;
    socket.connect_addr(&client)?;
    socket.set_nonblocking(wait == Wait::Polling)?;
    loop {
        if buffer[0] == ASKS {
            socket::send(&socket, &buffer, None)?;
        }
        socket::receive(&socket, &mut buffer, wait, None)?;
    }
}

fn say_ready() -> io::Result<()> {
    writeln!(io::stdout(), "{READY}")
}

fn wait_for_the_end() {
    // Nothing comes; and whatever goes wrong with it is the end, too.
    let _ = io::stdin().read(&mut [0]);
}
