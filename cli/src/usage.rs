//! What is wrong with a command line, in one line.

use std::io::{self, Write};

use clap::error::ErrorKind;

use crate::args::Cli;
use crate::escape::Escaped;
use crate::status::Status;

/// Says what is wrong and where to read on; or the help or version that was asked for.
pub(crate) fn show(error: &clap::Error) -> Status {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Who closes the output does not want it.
            let _ = error.print();
            Status::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Status::Usage
        }
        _ => {
            let line = line(&error.render().to_string(), Cli::subcommand());
            // There is no better place to say that it cannot be said.
            let _ = writeln!(io::stderr(), "rte-mp: {}", Escaped::message(&line));
            Status::Usage
        }
    }
}

/// Makes one line of what clap puts on several: what is wrong, what may be meant, then the usage. Of a wrong
/// value there is no usage; where to read on is then told by the subcommand.
fn line(text: &str, subcommand: Option<String>) -> String {
    let command = subcommand.map_or("rte-mp".to_owned(), |name| format!("rte-mp {name}"));
    let (problem, usage) = text.split_once("Usage: ").unwrap_or((text, &command));
    let (problem, _) = problem.split_once("For more information").unwrap_or((problem, ""));
    let problem = problem.strip_prefix("error: ").unwrap_or(problem);
    let problem = problem.split_whitespace().collect::<Vec<_>>().join(" ").replace(" tip: ", "; ");
    let is_command = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let command: Vec<_> = usage.split_whitespace().take_while(is_command).collect();
    format!("{problem}; see `{} --help`", command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_become_one() {
        let text = "error: unexpected argument '--coun' found\n\n  tip: a similar argument exists: '--count'\n\n\
                    Usage: rte-mp request <NAME>\n\nFor more information, try '--help'.\n";
        let expected = "unexpected argument '--coun' found; a similar argument exists: '--count'; \
                        see `rte-mp request --help`";
        assert_eq!(line(text, None), expected);
        let text = "error: invalid value 'x' for '--timeout <TIME>': what\n\nFor more information, try '--help'.\n";
        let expected = "invalid value 'x' for '--timeout <TIME>': what; see `rte-mp top --help`";
        assert_eq!(line(text, Some("top".to_owned())), expected);
    }
}
