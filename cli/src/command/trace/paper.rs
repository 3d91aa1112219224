//! Where records are written: the standard output, or a file.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::output::Output;
use crate::status::Failure;

pub(super) enum Paper<'a> {
    Stdout(&'a mut Output),
    File { path: PathBuf, file: BufWriter<File> },
}

impl<'a> Paper<'a> {
    pub(super) fn open(path: Option<&Path>, output: &'a mut Output) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Stdout(output)) };
        let file = File::create(path).map_err(|error| failure(path, &error))?;
        Ok(Self::File { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// Ends it quietly if whoever read it is gone.
    pub(super) fn check_reader(&self) -> Result<(), Failure> {
        match self {
            Self::Stdout(output) if output.is_closed() => {
                Err(Failure::output(io::ErrorKind::BrokenPipe.into()))
            }
            Self::Stdout(_) | Self::File { .. } => Ok(()),
        }
    }

    pub(super) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        match self {
            Self::Stdout(output) => output.line(text),
            // What is coloured on a terminal is plain in a file.
            Self::File { path, file } => {
                let text = text.to_string();
                writeln!(file, "{}", anstream::adapter::strip_str(&text))
                    .map_err(|error| failure(path, &error))
            }
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout(_) => io::stdout().write_all(bytes).map_err(Failure::output),
            Self::File { path, file } => {
                file.write_all(bytes).map_err(|error| failure(path, &error))
            }
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Stdout(_) => io::stdout().flush().map_err(Failure::output),
            Self::File { path, file } => file.flush().map_err(|error| failure(path, &error)),
        }
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format_args!("cannot write {}: {error}", path.display()))
}
