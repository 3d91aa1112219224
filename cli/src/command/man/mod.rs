//! `rte-mp man`: the man pages, one for the command and one for each subcommand.
//!
//! What the help says is taken from there; what a page has besides stands in `sections`.

mod sections;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args;
use crate::status::{Failure, Status};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MANUAL: &str = "rte-mp manual";

/// Write the man pages into a directory: rte-mp.1, and one for each subcommand.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory, which is made if it is not there
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Status, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::refused(format_args!("cannot write man pages to {}: {error}", path.display()))
    };
    fs::create_dir_all(&args.dir).map_err(|error| failed(&args.dir, &error))?;
    for page in pages() {
        let path = args.dir.join(format!("{}.1", page.name));
        fs::write(&path, page.text).map_err(|error| failed(&path, &error))?;
    }
    Ok(Status::Done)
}

struct Page {
    name: String,
    text: Vec<u8>,
}

fn pages() -> Vec<Page> {
    // `help` has nothing to say that the pages do not.
    let mut command = args::visible().disable_help_subcommand(true);
    command.build();
    let mut pages: Vec<_> = command.get_subcommands().map(subcommand_page).collect();
    pages.push(main_page(&command));
    pages
}

fn main_page(command: &Command) -> Page {
    let names: Vec<_> = command.get_subcommands().map(display_name).collect();
    page(command, |roff| {
        sections::common(roff);
        see_also(roff, &names);
    })
}

fn subcommand_page(command: &Command) -> Page {
    page(command, |roff| see_also(roff, &["rte-mp".to_owned()]))
}

/// Writes a page, with `more` sections at its end.
fn page(command: &Command, more: impl FnOnce(&mut Roff)) -> Page {
    let name = display_name(command);
    let man = Man::new(command.clone());
    // There is no date in it: the same sources give the same pages.
    let title = format!(".TH {} 1 \"\" \"rte-mp {VERSION}\" \"{MANUAL}\"\n", name.to_uppercase());
    let mut text = title.into_bytes();
    let mut rendered = man
        .render_name_section(&mut text)
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text));
    if command.has_subcommands() {
        rendered = rendered.and_then(|()| man.render_subcommands_section(&mut text));
    }
    let mut roff = Roff::new();
    sections::examples(&mut roff, command);
    more(&mut roff);
    rendered.and_then(|()| roff.to_writer(&mut text)).expect("memory takes everything");
    Page { name, text }
}

fn display_name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

fn see_also(roff: &mut Roff, names: &[String]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let end = if number + 1 < names.len() { "(1), " } else { "(1)" };
        words.extend([bold(name), roman(end)]);
    }
    roff.text(words);
}
