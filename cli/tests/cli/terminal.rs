//! A real terminal: a command in a tmux of its own, whose screen can be read and whose keys can be pressed.

use std::env;
use std::io::{self, Write};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::Room;

/// How long a test waits for what is to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal in which a command or a shell runs; ended when it is dropped.
pub(crate) struct Terminal {
    socket: std::path::PathBuf,
}

impl Terminal {
    /// Starts the command with these arguments and `--runtime-dir` in a terminal of 160 columns and 40 lines, or
    /// gives nothing where there is no tmux. What it left stays on the screen once it has ended.
    pub(crate) fn start(room: &Room, arguments: &[&str]) -> Option<Self> {
        // Ctrl-C is meant for the command, not for the shell that shows how it ended.
        let line = format!("trap : INT; {}; read -r _", line(room, arguments));
        Self::with(room, [160, 40], &line)
    }

    /// Opens a terminal of this size, in which a shell waits for lines; gives nothing where there is no tmux.
    pub(crate) fn open(room: &Room, columns: u16, lines: u16) -> Option<Self> {
        let terminal = Self::with(room, [columns, lines], "PS1='$ ' exec sh")?;
        terminal.wait_for("a prompt", |screen| screen.starts_with('$'));
        Some(terminal)
    }

    fn with(room: &Room, size: [u16; 2], line: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            let what = "tmux is not installed (apt-get install tmux)";
            assert!(env::var_os("RTE_MP_REQUIRE_TMUX").is_none_or(|value| value != "1"), "{what}");
            // Not `eprintln!`, which the test harness would swallow.
            let _ = writeln!(io::stderr(), "left out: {what}");
            return None;
        }
        let terminal = Self { socket: room.path().join("tmux") };
        let [columns, lines] = size.map(|number| number.to_string());
        terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &lines, "sh", "-c", line]);
        Some(terminal)
    }

    /// Types the command with these arguments and `--runtime-dir` into the shell, which says how it ended.
    pub(crate) fn run(&self, room: &Room, arguments: &[&str]) {
        self.type_line(&line(room, arguments));
    }

    /// Types a line into the shell.
    pub(crate) fn type_line(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Makes it smaller or larger.
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &lines.to_string()]);
    }

    /// Asks tmux about the terminal, in its own format.
    pub(crate) fn tells(&self, format: &str) -> String {
        let output = self.tmux(&["display-message", "-p", format]);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(arguments);
        // What the shell in it gets.
        for variable in ["NO_COLOR", "RTE_MP_BUSY_POLL_US", "RUNTIME_DIRECTORY", "TMUX"] {
            tmux.env_remove(variable);
        }
        let output = tmux.env("LC_ALL", "C.UTF-8").output().unwrap();
        assert!(output.status.success(), "{tmux:?}: {output:?}");
        output
    }

    /// What is on the screen, and has gone off it.
    pub(crate) fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p", "-J", "-S", "-"]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses a key, by tmux's name of it: `C-c`, `q`, `Enter`.
    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until the screen passes `accept`, and gives it.
    pub(crate) fn wait_for(&self, what: &str, accept: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if accept(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what} does not appear:\n{screen}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The command line that runs the command with these arguments, and says how it ended.
fn line(room: &Room, arguments: &[&str]) -> String {
    let command = room.command(arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    format!("{}; echo \"ended with $?\"", words.join(" "))
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server has only this one session, and ends with it.
        let mut tmux = Command::new("tmux");
        let _ = tmux.arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}
