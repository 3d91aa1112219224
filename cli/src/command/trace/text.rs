//! A line for each record, for people.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use rte_mp::trace::{Content, Direction, Path, Traced};

use super::cast::{Cast, label};
use super::paper::Paper;
use super::scribe::{Scribe, Totals, decoded, is_trouble, kind, prefix, remark};
use super::sources::{News, What};
use crate::clock::time_of_day;
use crate::escape::Escaped;
use crate::group::role_word;
use crate::status::Failure;

/// How much of a parameter is shown, in bytes, unless all is wanted.
const SHOWN: usize = 48;

const TROUBLE: Style = AnsiColor::Red.on_default();
const NOTE: Style = AnsiColor::BrightBlack.on_default();

pub(super) struct Text {
    /// Whether parameters are shown in full.
    full: bool,
}

impl Text {
    pub(super) fn new(full: bool) -> Self {
        Self { full }
    }

    fn datagram(&self, cast: &Cast, stream: usize, traced: &Traced) -> String {
        let arrow = match traced.direction {
            Direction::Out => "->",
            Direction::In => "<-",
        };
        let mut line = format!("{arrow} {}  {}", cast.peer(stream, traced), kind(traced));
        let mut add = |text: std::fmt::Arguments<'_>| {
            line.write_fmt(text).expect("a string takes everything");
        };
        if let Some(name) = &traced.name {
            add(format_args!(" {}", Escaped::bytes(name.as_bytes())));
        }
        let param = traced.param.as_bytes();
        if traced.kind.is_none() {
            add(format_args!(" {} bytes", traced.len));
        }
        if !param.is_empty() {
            let shown = if self.full { param } else { &param[..param.len().min(SHOWN)] };
            let rest = if shown.len() < param.len() { "..." } else { "" };
            add(format_args!(" \"{}\"{rest} ({} B)", Escaped::bytes(shown), param.len()));
        }
        if let Some(decoded) = decoded(traced) {
            add(format_args!(" {decoded}"));
        }
        match traced.fd_count {
            0 => {}
            1 => add(format_args!(" +1 descriptor")),
            count => add(format_args!(" +{count} descriptors")),
        }
        if traced.path == Path::Lane {
            add(format_args!(" {NOTE}by lane{NOTE:#}"));
        }
        if let Some(remark) = remark(traced.fate) {
            let style = if is_trouble(traced.fate) { TROUBLE } else { NOTE };
            add(format_args!("  {style}{remark}{style:#}"));
        }
        line
    }
}

impl Scribe for Text {
    fn begin(&mut self, _: &mut Paper<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn write(&mut self, cast: &Cast, news: &News, paper: &mut Paper<'_>) -> Result<(), Failure> {
        let what = match &news.what {
            What::Record(record) => match &record.content {
                Content::Joined(joined) => {
                    let role = role_word(joined.role);
                    let (prefix, flavor) = (Escaped::bytes(prefix(joined)), joined.flavor);
                    format!(
                        "{NOTE}is recorded: {role} of {prefix:?} ({flavor}){NOTE:#}",
                        prefix = prefix.to_string()
                    )
                }
                Content::Datagram(traced) => self.datagram(cast, news.stream, traced),
                Content::Lost(count) => {
                    format!("{TROUBLE}{count} records lost: they came too fast{TROUBLE:#}")
                }
                Content::Left => format!("{NOTE}left the group{NOTE:#}"),
            },
            What::Gone { .. } => format!("{TROUBLE}ended without leaving the group{TROUBLE:#}"),
        };
        let who = cast.member(news.stream).map_or_else(String::new, label);
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(news.time_ns());
        paper.line(format_args!("{} {who} {what}", time_of_day(time)))
    }

    fn end(&mut self, _: &Totals, _: &mut Paper<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
