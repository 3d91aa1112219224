//! The tutorial's pair in C, `capi/examples/8-multiprocess-msg`: how it is started, and what it says.

use std::time::Instant;

use rte_mp::Role;

use crate::{Against, CBuild, CProgram, PATIENCE, Process, Room, c_example, message};

/// What the server says first: [`CPair::server`] asks it.
pub const GREETED: &str = "[ASYNC] received: Anybody there?";

/// What the server says of a client that makes one request of each kind, and then of all.
pub const SERVER_LINES: [&str; 3] = [
    "[SYNC] received: SYNC Hello 1 from Client",
    "[ASYNC] received: ASYNC Hello 1 from Client",
    "[Server] handled sync requests: 1, async requests: 2",
];

/// What such a client says.
pub const CLIENT_LINES: [&str; 5] = [
    "[SYNC] reply: Server SYNC reply: Got 'SYNC Hello 1 from Client'",
    "[SHARED] sync requests: 1, async requests: 1",
    "[ASYNC] request sent",
    "[ASYNC] callback called",
    "[ASYNC] reply: Server ASYNC reply: Got 'ASYNC Hello 1 from Client'",
];

/// Both programs, compiled.
#[derive(Debug)]
pub struct CPair {
    server: CProgram,
    client: CProgram,
}

/// What the two printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The server's lines.
    pub server: Vec<String>,
    /// The client's lines.
    pub client: Vec<String>,
}

impl Transcript {
    /// What the tutorial expects.
    pub fn expected() -> Self {
        let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        Self {
            server: lines(&[&[GREETED], &SERVER_LINES[..]].concat()),
            client: lines(&CLIENT_LINES),
        }
    }
}

impl CPair {
    /// Compiles the server against one library and the client against the same or another.
    pub fn new(server: Against, client: Against) -> Self {
        Self::built(&CBuild::new(server), &CBuild::new(client))
    }

    /// The same with more to say about how.
    pub fn built(server: &CBuild, client: &CBuild) -> Self {
        let source = |name| c_example(&format!("8-multiprocess-msg/{name}.c"));
        Self {
            server: server.compile("server", &source("server")),
            client: client.compile("client", &source("client")),
        }
    }

    /// Starts the server, and waits until it answers. It has had one async request then.
    pub fn server(&self, room: &Room, under: &[&str]) -> Process {
        let mut server = start(room, under, &self.server, "primary", &[]);
        let deadline = Instant::now() + PATIENCE;
        while greet(room).is_none() {
            if server.has_ended() || Instant::now() > deadline {
                server.fail("does not answer");
            }
        }
        server
    }

    /// Starts the client, with more words on its command line.
    pub fn client(&self, room: &Room, under: &[&str], words: &[&str]) -> Process {
        start(room, under, &self.client, "secondary", words)
    }

    /// Has the client make one request of each kind, waits for the server's statistics, and ends it.
    /// Both must end well. `under` is a command that each program is run by, or nothing.
    pub fn play(&self, room: &Room, under: &[&str]) -> Transcript {
        let mut server = self.server(room, under);
        let mut client = self.client(room, under, &["--count", "1"]);
        let client_lines = lines_to_the_end(&mut client);
        expect_good_end(&mut client);

        let mut server_lines = Vec::new();
        server.wait_for("the statistics", PATIENCE, |line| {
            server_lines.push(line.to_owned());
            (line == SERVER_LINES[2]).then_some(())
        });
        server.interrupt();
        server_lines.extend(lines_to_the_end(&mut server));
        // How often it tells of the same, or of less, depends on how long all this takes.
        server_lines.retain(|line| !line.starts_with("[Server]") || line == SERVER_LINES[2]);
        server_lines.dedup();
        expect_good_end(&mut server);
        Transcript { server: server_lines, client: client_lines }
    }
}

/// Starts a program with the tutorial's flags, on a core that exists, and `words`.
fn start(
    room: &Room,
    under: &[&str],
    program: &CProgram,
    proc_type: &str,
    words: &[&str],
) -> Process {
    let path = program.path();
    let path = path.to_str().expect("temporary directories have names in UTF-8");
    let words_of_command = [under, &[path]].concat();
    let mut command = room.command(words_of_command[0]);
    command.args(&words_of_command[1..]).args(room.eal_arguments(proc_type)).args(["-n", "4"]);
    for variable in ["LC_ALL", "LC_MESSAGES", "LANG"] {
        command.env_remove(variable);
    }
    command.args(words);
    room.start(command)
}

/// Asks the server once it has its counters, right before it takes requests.
fn greet(room: &Room) -> Option<()> {
    let member = room.group(Role::Secondary).join().ok()?;
    member.memzones().lookup("MZ_SHARED_INFO").ok()?;
    let replies = member.request(&message("hello_async_req", "Anybody there?\0"), None).ok()?;
    replies.into_reply().ok().map(drop)
}

fn expect_good_end(process: &mut Process) {
    let status = process.finish(PATIENCE);
    if !status.success() {
        process.fail(&format!("ends with {status}"));
    }
}

fn lines_to_the_end(process: &mut Process) -> Vec<String> {
    std::iter::from_fn(|| process.line(PATIENCE)).collect()
}
