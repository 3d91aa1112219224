//! What goes out with a name: the parameter in one of four notations, and descriptors.
//!
//! A parameter is checked as the command line is read, but for what stands in a file. What is received is
//! shown in `content`.

pub(crate) mod layout;
mod number;
mod text;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use rte_mp::{ActionName, Message};
use serde::Serialize;

use crate::escape::shown;
use crate::status::Failure;

pub(crate) use layout::Layout;
pub(crate) use text::unescape;

/// The longest parameter, in bytes (`RTE_MP_MAX_PARAM_LEN`).
pub(crate) const MAX_LEN: usize = 256;

/// What the options say about a message, but for its name.
#[derive(clap::Args)]
pub(crate) struct Payload {
    #[command(flatten)]
    source: Source,

    /// Send a descriptor of this file along, opened for reading and writing if that is allowed, else for
    /// reading; may be given several times
    #[arg(long = "fd", value_name = "PATH", value_hint = ValueHint::FilePath)]
    fds: Vec<PathBuf>,
}

/// The parameter, in at most one notation.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Source {
    /// The parameter as text: \0, \xNN, \n, \r, \t and \\ stand for bytes
    #[arg(long, value_name = "TEXT", value_parser = text::unescape)]
    param: Option<Param>,

    /// The parameter as hexadecimal digits; blanks and colons between bytes are skipped
    #[arg(long, value_name = "DIGITS", value_parser = text::unhex)]
    hex: Option<Param>,

    /// The parameter is what this file holds; `-` is the standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,

    /// The parameter as a C struct, field by field: u32=1,i64=-2,f64=0.5,str16=abc,hex4=00ff00ff,pad4
    ///
    /// Integers (u8 to u64, i8 to i64; decimal or 0x...) and floats (f32, f64) are in the byte order of this
    /// machine. strN is text in N bytes, padded with NUL; a comma in it is \x2c. hexN is N bytes. The fields are
    /// packed as written: where C aligns the next field, padN stands for N zero bytes. A field may have
    /// a name: count:u32=1.
    #[arg(long = "struct", value_name = "FIELDS", value_parser = layout::pack)]
    fields: Option<Param>,
}

/// A parameter that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param(Vec<u8>);

impl Param {
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, String> {
        match bytes.len() {
            0..=MAX_LEN => Ok(Self(bytes)),
            len => Err(format!("{len} bytes are too many: a parameter has at most {MAX_LEN}")),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads the name of an action.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn action_name(text: &str) -> Result<ActionName, String> {
    ActionName::new(text).map_err(|error| error.to_string())
}

impl Payload {
    /// Makes the message, and says how its descriptors were opened.
    ///
    /// Blocks while the file of the parameter does.
    ///
    /// # Errors
    /// A file cannot be read or opened, or holds too much.
    pub(crate) fn message(&self, name: &ActionName) -> Result<(Message, Vec<Opened>), Failure> {
        let mut message = Message::new(name.as_bytes())?;
        if let Some(param) = self.source.read()? {
            message = message.with_param(param.as_bytes())?;
        }
        let mut opened = Vec::new();
        for (number, path) in self.fds.iter().enumerate() {
            let (file, access) = open(path)?;
            message = message.with_fd(file)?;
            opened.push(Opened { kind: "descriptor", number, path: shown(path), access });
        }
        Ok((message, opened))
    }
}

impl Source {
    fn read(&self) -> Result<Option<Param>, Failure> {
        let given = self.param.as_ref().or(self.hex.as_ref()).or(self.fields.as_ref());
        match (&self.file, given) {
            (Some(path), _) => read(path).map(Some),
            (None, given) => Ok(given.cloned()),
        }
    }
}

/// Reads a parameter from a file, and no more of it than shows that it is too long.
fn read(path: &Path) -> Result<Param, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_LEN as u64 + 1;
    let result = match path == Path::new("-") {
        true => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    result.map_err(|error| {
        Failure::refused(format_args!("cannot read the parameter from {}: {error}", path.display()))
    })?;
    Param::new(bytes).map_err(|_| {
        Failure::usage(format_args!(
            "{} holds more than {MAX_LEN} bytes, which a parameter has at most",
            path.display()
        ))
    })
}

/// A descriptor that goes out, as a record.
#[derive(Debug, Serialize)]
pub(crate) struct Opened {
    #[serde(rename = "type")]
    kind: &'static str,
    number: usize,
    path: String,
    access: Access,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Access {
    ReadWrite,
    ReadOnly,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::ReadWrite => "reading and writing",
            Access::ReadOnly => "reading only",
        };
        write!(f, "descriptor {} is {}, opened for {access}", self.number, self.path)
    }
}

fn open(path: &Path) -> Result<(File, Access), Failure> {
    let read_write = OpenOptions::new().read(true).write(true).open(path);
    let opened = match read_write {
        Ok(file) => Ok((file, Access::ReadWrite)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => File::open(path).map(|file| (file, Access::ReadOnly)),
    };
    opened.map_err(|error| {
        Failure::refused(format_args!("cannot open {} for a descriptor: {error}", path.display()))
    })
}
