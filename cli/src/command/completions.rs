//! `rte-mp completions`: what a shell needs to complete our command lines.

use clap::ValueEnum;
use clap_complete::Shell;

use crate::args;
use crate::output::Output;
use crate::status::{Failure, Status};

/// Print what a shell needs to complete the command lines of rte-mp.
///
/// A package brings it along for all shells. Without one, it takes a line in the shell's own start-up file:
/// `source <(rte-mp completions bash)` in ~/.bashrc, the same with zsh in ~/.zshrc after compinit, and
/// `rte-mp completions fish | source` in ~/.config/fish/config.fish.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: ForShell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ForShell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<Status, Failure> {
    let script = match args.shell {
        ForShell::Bash => for_bash()?,
        ForShell::Zsh => script(Shell::Zsh, NAME)?,
        ForShell::Fish => script(Shell::Fish, NAME)?,
    };
    output.line(script.trim_end())?;
    Ok(Status::Done)
}

const NAME: &str = "rte-mp";

/// clap_complete 4.6.11 loses the options of all subcommands where the command's name has a hyphen
/// (<https://github.com/clap-rs/clap/issues/6421>). So it is given another name, which counts only where
/// the function is registered.
fn for_bash() -> Result<String, Failure> {
    const PLAIN: &str = "rte_mp";
    let script = script(Shell::Bash, PLAIN)?;
    Ok(script.replace(&format!(" {PLAIN}\n"), &format!(" {NAME}\n")))
}

fn script(shell: Shell, name: &str) -> Result<String, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::visible(), name, &mut script);
    Ok(String::from_utf8(script)?)
}
