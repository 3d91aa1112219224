//! A Mermaid sequence diagram: an arrow for each datagram, whoever of the two has recorded it.
//!
//! What one member sends to another that is recorded, too, leaves two records; the sender's is drawn.

use std::collections::HashMap;
use std::fmt::Write;

use rte_mp::Kind;
use rte_mp::trace::{Content, Direction, Fate, Traced};

use super::cast::Cast;
use super::paper::Paper;
use super::scribe::{Scribe, Totals, is_trouble, kind, remark};
use super::sources::{News, What};
use crate::escape::Escaped;
use crate::status::Failure;

/// How many characters Mermaid draws unless it is told otherwise (`maxTextSize`).
const MAX_TEXT_SIZE: usize = 50_000;
/// How much of a parameter is shown, in bytes.
const SHOWN: usize = 32;

#[derive(Default)]
pub(super) struct Mermaid {
    /// Who has a line of life, by what he is called.
    participants: HashMap<String, usize>,
    /// How many characters have been written.
    len: usize,
    /// Whether it was said that they are many.
    is_long: bool,
}

impl Mermaid {
    fn line(&mut self, text: &str, paper: &mut Paper<'_>) -> Result<(), Failure> {
        self.len += text.chars().count() + 1;
        if self.len > MAX_TEXT_SIZE && !self.is_long {
            self.is_long = true;
            super::note(
                "the diagram has more than 50000 characters, which Mermaid draws only with a greater maxTextSize",
            );
        }
        paper.line(text)
    }

    /// Gives the short name of a participant, who gets his line of life the first time.
    fn participant(&mut self, label: &str, paper: &mut Paper<'_>) -> Result<String, Failure> {
        let next = self.participants.len() + 1;
        let number = *self.participants.entry(label.to_owned()).or_insert(next);
        if number == next {
            self.line(&format!("    participant P{number} as {}", safe(label)), paper)?;
        }
        Ok(format!("P{number}"))
    }

    fn note(&mut self, label: &str, text: &str, paper: &mut Paper<'_>) -> Result<(), Failure> {
        let participant = self.participant(label, paper)?;
        self.line(&format!("    Note over {participant}: {}", safe(text)), paper)
    }

    fn datagram(
        &mut self,
        cast: &Cast,
        stream: usize,
        traced: &Traced,
        paper: &mut Paper<'_>,
    ) -> Result<(), Failure> {
        let (us, peer) = (cast.label(stream), cast.peer(stream, traced));
        let text = label(traced);
        let remark = remark(traced.fate);
        let sender_is_recorded = cast.find(stream, traced).is_some();
        let is_arrow = match traced.direction {
            Direction::In => !sender_is_recorded,
            Direction::Out => matches!(traced.fate, Fate::Sent | Fate::Failed(_)),
        };
        if !is_arrow {
            return match remark.filter(|_| is_trouble(traced.fate)) {
                Some(remark) => self.note(&us, &format!("{text}: {remark}"), paper),
                None => Ok(()),
            };
        }
        let (us, peer) = (self.participant(&us, paper)?, self.participant(&peer, paper)?);
        let (from, to) = match traced.direction {
            Direction::Out => (us, peer),
            Direction::In => (peer, us),
        };
        let arrow = match traced.kind {
            _ if is_trouble(traced.fate) => "-x",
            Some(Kind::Message) => "-)",
            Some(Kind::Request) | None => "->>",
            Some(Kind::Reply | Kind::Ignore) => "-->>",
        };
        let text = remark.map_or(text.clone(), |remark| format!("{text}: {remark}"));
        self.line(&format!("    {from}{arrow}{to}: {}", safe(&text)), paper)
    }
}

impl Scribe for Mermaid {
    fn begin(&mut self, paper: &mut Paper<'_>) -> Result<(), Failure> {
        self.line("sequenceDiagram", paper)
    }

    fn write(&mut self, cast: &Cast, news: &News, paper: &mut Paper<'_>) -> Result<(), Failure> {
        let whose = cast.label(news.stream);
        match &news.what {
            What::Record(record) => match &record.content {
                Content::Joined(_) => self.participant(&whose, paper).map(drop),
                Content::Datagram(traced) => self.datagram(cast, news.stream, traced, paper),
                Content::Lost(count) => self.note(&whose, &format!("{count} records lost"), paper),
                Content::Left => self.note(&whose, "left the group", paper),
            },
            What::Gone { .. } => self.note(&whose, "ended without leaving the group", paper),
        }
    }

    fn end(&mut self, _: &Totals, _: &mut Paper<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

fn label(traced: &Traced) -> String {
    let mut text = kind(traced).to_owned();
    if let Some(name) = &traced.name {
        write!(text, " {}", Escaped::bytes(name.as_bytes())).expect("a string takes everything");
    }
    let param = traced.param.as_bytes();
    if !param.is_empty() {
        let shown = &param[..param.len().min(SHOWN)];
        let rest = if shown.len() < param.len() { "..." } else { "" };
        write!(text, " {}{rest}", Escaped::bytes(shown)).expect("a string takes everything");
    }
    text
}

/// Writes what has a meaning in a diagram, or in the page around it, as Mermaid has it: by its number.
fn safe(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        let is_plain = letter.is_alphanumeric() || " -_./[]()!?,+=*@".contains(letter);
        match is_plain || letter == ':' {
            true => safe.push(letter),
            false => {
                write!(safe, "#{};", u32::from(letter)).expect("a string takes everything");
            }
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_written_by_its_number() {
        assert_eq!(safe("hello 1"), "hello 1");
        assert_eq!(safe("a;b#c<d>\"%%{\\"), "a#59;b#35;c#60;d#62;#34;#37;#37;#123;#92;");
    }
}
