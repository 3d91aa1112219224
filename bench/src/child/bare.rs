//! Bare Unix datagrams of the same size: what the kernel takes, without any protocol.
//!
//! Nothing stands in their way: no control messages, no credentials, connected both ways where two
//! processes talk.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::str::FromStr;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketType, bind, connect,
    recv, recvfrom, send, sendto, socket,
};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::{Result, obey, time_round_trips};

/// As long as the datagrams of a native group.
const LEN: usize = 340;

/// How many empty polls a polling server makes before it blocks, so that it does not disturb
/// others while it is not being measured. They last far longer than a round trip.
const POLLS: usize = 2000;

/// How to wait for a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Polling,
    Blocking,
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        match word {
            "polling" => Ok(Self::Polling),
            "blocking" => Ok(Self::Blocking),
            _ => Err(format!("no such way to wait: {word}")),
        }
    }
}

fn bound(path: &str) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Receives one datagram; makes at most `polls` attempts before it blocks.
fn receive(socket: impl AsFd, buffer: &mut [u8; LEN], polls: usize) -> rustix::io::Result<()> {
    for _ in 0..polls {
        match recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => {}
            received => return received.map(drop),
        }
    }
    recv(&socket, &mut buffer[..], RecvFlags::empty()).map(drop)
}

/// Says `ready` for a server that listens to nothing but its socket: it has one thread, as a bare
/// program would, and ends with the one that measures.
fn ready_until_killed() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    println!("ready");
    Ok(())
}

/// Sends back whatever comes from the one client that says hello.
pub(super) fn serve(path: &str, wait: Wait) -> Result<()> {
    let socket = bound(path)?;
    ready_until_killed()?;
    let mut buffer = [0; LEN];
    let client = recvfrom(&socket, &mut buffer, RecvFlags::empty())?.2;
    connect(&socket, &client.ok_or(Errno::DESTADDRREQ)?)?;
    let polls = if wait == Wait::Polling { POLLS } else { 0 };
    loop {
        send(&socket, &buffer, SendFlags::empty())?;
        receive(&socket, &mut buffer, polls)?;
    }
}

/// Asks such a server.
pub(super) fn ask(path: &str, wait: Wait) -> Result<()> {
    let socket = bound(&format!("{path}_client"))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut buffer = [0; LEN];
    let polls = if wait == Wait::Polling { usize::MAX } else { 0 };
    let mut round_trip = || -> Result<()> {
        send(&socket, &buffer, SendFlags::empty())?;
        Ok(receive(&socket, &mut buffer, polls)?)
    };
    // Hello: now both ends are connected.
    round_trip()?;
    obey(|verb, count| time_round_trips(verb, count, &mut round_trip))
}

/// Sends back whatever comes, to whom it comes from.
pub(super) fn echo(path: &str) -> Result<()> {
    let socket = bound(path)?;
    ready_until_killed()?;
    let mut buffer = [0; LEN];
    loop {
        let client = recvfrom(&socket, &mut buffer, RecvFlags::empty())?.2;
        sendto(&socket, &buffer, SendFlags::empty(), &client.ok_or(Errno::DESTADDRREQ)?)?;
    }
}

/// Asks all of `peers` at once.
pub(super) fn call(path: &str, peers: &[&str]) -> Result<()> {
    let socket = bound(path)?;
    let peers: Vec<SocketAddrAny> = peers
        .iter()
        .map(|peer| Ok(SocketAddrUnix::new(*peer)?.into()))
        .collect::<io::Result<_>>()?;
    let mut buffer = [0; LEN];
    obey(|verb, count| {
        time_round_trips(verb, count, || {
            for peer in &peers {
                sendto(&socket, &buffer, SendFlags::empty(), peer)?;
            }
            for _ in &peers {
                receive(&socket, &mut buffer, 0)?;
            }
            Ok(())
        })
    })
}
