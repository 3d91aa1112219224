//! Copies of the files whose descriptors came with replies.
//!
//! Only regular files are read, files in memory among them, from their beginning and up to a limit, and only
//! while they poll as readable: a pipe, a socket or a device could take its time for ever, and reading would take
//! from others what was theirs. No file is written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::{Errno, pread};

use super::asking::{Asked, Fate};
use super::records::Answer;
use crate::escape;
use crate::status::Failure;

/// How much of each file is copied.
const LIMIT: u64 = 64 << 20;
const CHUNK: usize = 64 << 10;

/// Makes the directory, if it is not there.
///
/// # Errors
/// It cannot be made.
pub(super) fn make(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| {
        Failure::refused(format_args!(
            "cannot make {} for the files of --save-fd: {error}",
            directory.display()
        ))
    })
}

/// Saves what came with a reply, and notes with each descriptor what was saved, or why not.
pub(super) fn save(directory: &Path, asked: &Asked<'_>, answer: &mut Answer) {
    let (Fate::Replied(reply), Some(content)) = (&asked.fate, &mut answer.content) else { return };
    for (index, (fd, shown)) in reply.fds().iter().zip(&mut content.fds).enumerate() {
        let peer = asked.member.name.file_name().to_string_lossy();
        let path = directory.join(format!("{}-{peer}-{index}", asked.number));
        match copy(fd.as_fd(), &path) {
            Ok(Copied { len, rest }) => {
                shown.saved = Some(escape::shown(&path));
                shown.saved_len = Some(len);
                shown.not_saved = rest;
            }
            Err(reason) => shown.not_saved = Some(reason),
        }
    }
}

/// How much was copied, and why it was not all.
struct Copied {
    len: u64,
    rest: Option<String>,
}

fn copy(fd: BorrowedFd<'_>, path: &PathBuf) -> Result<Copied, String> {
    check(fd)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    copy_all(fd, &mut file)
}

/// Checks that reading it takes nothing from anybody.
fn check(fd: BorrowedFd<'_>) -> Result<(), String> {
    let mode = fstat(fd).map_err(|error| error.to_string())?.st_mode;
    let what = match FileType::from_raw_mode(mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a pipe, which is not read"),
        FileType::Socket => Some("a socket, which is not read"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device, which is not read"),
        _ => Some("no file"),
    };
    if let Some(what) = what {
        return Err(format!("it is {what}"));
    }
    let flags = fcntl_getfl(fd).map_err(|error| error.to_string())?;
    match flags.contains(OFlags::PATH) || flags & OFlags::RWMODE == OFlags::WRONLY {
        true => Err("it is not open for reading".to_owned()),
        false => Ok(()),
    }
}

fn copy_all(fd: BorrowedFd<'_>, file: &mut File) -> Result<Copied, String> {
    let mut chunk = vec![0; CHUNK];
    let mut len = 0;
    let rest = loop {
        if len >= LIMIT {
            break Some(format!("the rest is left out, beyond {} MiB", LIMIT >> 20));
        }
        if !is_readable(fd) {
            break Some("the rest would have to be waited for".to_owned());
        }
        match pread(fd, &mut chunk, len) {
            Ok(0) => break None,
            Ok(count) => {
                file.write_all(&chunk[..count])
                    .map_err(|error| format!("cannot write it: {error}"))?;
                len += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => {
                break Some(format!("the rest cannot be read: {}", io::Error::from(error)));
            }
        }
    };
    Ok(Copied { len, rest })
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)) == Ok(1)
}
