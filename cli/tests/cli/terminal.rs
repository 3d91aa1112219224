//! A real terminal: a command in a tmux of its own, whose screen can be read and whose keys can be pressed.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::Room;

/// How long a test waits for what is to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal of 160 columns and 40 lines in which a command runs; ended when it is dropped. What the command
/// left stays on the screen once it has ended.
pub(crate) struct Terminal {
    socket: std::path::PathBuf,
}

impl Terminal {
    /// Starts the command with these arguments and `--runtime-dir` in a terminal, or gives nothing where there is
    /// no tmux.
    pub(crate) fn start(room: &Room, arguments: &[&str]) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("left out: tmux is not installed (apt-get install tmux)");
            return None;
        }
        let terminal = Self { socket: room.path().join("tmux") };
        let command = room.command(arguments);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        // Ctrl-C is meant for the command, not for the shell that shows how it ended.
        let line = format!("trap : INT; {}; echo \"ended with $?\"; read -r _", words.join(" "));
        terminal.tmux(&["new-session", "-d", "-x", "160", "-y", "40", "sh", "-c", &line]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(arguments);
        let output = tmux.output().unwrap();
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

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server has only this one session, and ends with it.
        let mut tmux = Command::new("tmux");
        let _ = tmux.arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}
