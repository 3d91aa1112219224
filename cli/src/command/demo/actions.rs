//! The actions of the demo's group: what the members answer to each other.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process;
use std::sync::mpsc::Sender;

use rte_mp::{Group, HandlerResult, Message, RegisterError, Request};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::Failure;

/// Asks for the state of a port.
#[derive(Debug, IntoBytes, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct PortQuery {
    pub(super) port: u16,
    pub(super) queues: u16,
}

/// The state of a port.
#[derive(Debug, PartialEq, Eq, IntoBytes, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct PortState {
    pub(super) port: u16,
    pub(super) queues: u16,
    pub(super) speed_mbps: u32,
}

/// One ping, and one pong.
#[derive(Debug, PartialEq, Eq, IntoBytes, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Ping {
    pub(super) sequence: u32,
    pub(super) payload: u32,
}

/// What the demo's port can do.
pub(super) const PORT_SPEED_MBPS: u32 = 25_000;

/// Registers what the primary answers.
pub(super) fn serve_secondaries(group: &Group, notices: Sender<String>) -> Result<(), Failure> {
    group.register("hello_request", |request| greet(request, "SYNC"))?;
    group.register("hello_async_req", |request| greet(request, "ASYNC"))?;
    group.register("port_request", describe_port)?;
    group.register("ping_request", |request| {
        let ping: Ping = request.param_as()?;
        Ok::<_, Failure>(request.reply(ping.as_bytes())?)
    })?;
    group.register("notice", move |request| {
        let text = String::from_utf8_lossy(request.param()).into_owned();
        notices.send(format!("{text:?} from process {}", request.peer_pid().unwrap_or_default()))
    })?;
    group.register("file_request", trade_files)?;
    group.register("silent_request", Request::stay_silent)?;
    Ok(())
}

/// Registers what a secondary answers; `hold` is what it does with a `hold_request`.
pub(super) fn serve_primary<R: HandlerResult>(
    group: &Group,
    hold: impl Fn(Request) -> R + Send + Sync + 'static,
) -> Result<(), RegisterError> {
    group.register("status_request", |request| request.reply(&process::id().to_ne_bytes()))?;
    group.register("hold_request", hold)
}

/// The answer to a greeting.
pub(super) fn greeting(kind: &str, text: &str) -> String {
    format!("Server {kind} reply: Got '{text}'")
}

fn greet(request: Request, kind: &str) -> Result<(), Failure> {
    let reply = greeting(kind, str::from_utf8(request.param())?);
    Ok(request.reply(reply.as_bytes())?)
}

fn describe_port(request: Request) -> Result<(), Failure> {
    let PortQuery { port, queues } = request.param_as()?;
    let state = PortState { port, queues, speed_mbps: PORT_SPEED_MBPS };
    Ok(request.reply(state.as_bytes())?)
}

/// Reads the file that came, and answers with one of our own.
fn trade_files(mut request: Request) -> Result<(), Failure> {
    let text = read_file(request.take_fds().pop().ok_or("no descriptor came")?.into())?;
    let answer = Message::new("file_request")?
        .with_param(text.as_bytes())?
        .with_fd(nameless_file(&text.to_uppercase())?)?;
    Ok(request.reply_with(answer)?)
}

/// Makes a file that has no name: only who is given its descriptor can read it.
pub(super) fn nameless_file(text: &str) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Reads a file from its start: the position came with the descriptor.
pub(super) fn read_file(mut file: File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}
