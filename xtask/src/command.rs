//! Runs other programs: cargo first of all.

use std::env;
use std::ffi::OsStr;
use std::iter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// Gives the cargo that runs this task.
pub(crate) fn cargo<I>(arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Shows `command`, runs it with our own output and without input, and waits.
///
/// # Errors
/// What happened instead, in one line.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = line(command);
    println!("\n$ {}{line}", variables(command));
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}`: {status}")),
        Err(error) => Err(format!("`{line}`: {error}")),
    }
}

/// Runs commands as [`run`] does, all at the same time, and waits for all.
///
/// # Errors
/// What happened to the first that failed, in one line.
pub(crate) fn run_side_by_side(commands: Vec<Command>) -> Result<(), String> {
    thread::scope(|scope| {
        let runs: Vec<_> = commands
            .into_iter()
            .map(|mut command| scope.spawn(move || run(&mut command)))
            .collect();
        let results: Vec<_> =
            runs.into_iter().map(|run| run.join().expect("running does not panic")).collect();
        results.into_iter().collect()
    })
}

/// Runs `command` unseen, and gives what it wrote to its standard output.
///
/// # Errors
/// The first line that it wrote to its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let line = line(command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{line}`: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let error = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{line}`: {}", error.lines().next().unwrap_or_default()))
    }
}

/// Tells whether `command` can be run and succeeds; nothing of it is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Tells whether a program of this name is in the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|directory| directory.join(program).is_file())
    })
}

/// Writes a command as it would be typed.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = iter::once(program).chain(command.get_args());
    words.map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// Writes the variables that a command sets, as they would be typed before it.
fn variables(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| Some((name.display(), value?)));
    set.map(|(name, value)| format!("{name}={:?} ", value.display().to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--doc"]).env("RUSTFLAGS", "-Zone -Ctwo");
        assert_eq!(line(&command), "cargo test --doc");
        assert_eq!(variables(&command), r#"RUSTFLAGS="-Zone -Ctwo" "#);
    }

    #[test]
    fn a_failure_says_which_command_it_was() {
        assert_eq!(run(Command::new("sh").args(["-c", "exit 0"])), Ok(()));
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error, "`sh -c exit 3`: exit status: 3");
        assert!(!is_installed("no-such-program"));
        assert!(is_installed("sh"));
    }
}
