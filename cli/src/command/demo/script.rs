//! What the coordinator and the members say to each other over their pipes: a line for each task,
//! and a line for what came of it.

use std::time::Duration;

use clap::ValueEnum;

/// The part of a member in the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Leads the group, and answers the secondaries.
    Primary,
    /// Answers whatever the primary asks.
    Answerer,
    /// Answers too, but keeps a `hold_request` waiting.
    Holder,
}

impl Part {
    /// Gives its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What the coordinator has a member do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    /// A secondary asks, and waits.
    AskSync,
    /// A secondary asks, and is called back.
    AskAsync,
    /// A secondary asks with a struct, and gets one.
    AskStruct,
    /// A secondary pings many times.
    AskPing,
    /// A secondary tells the primary something.
    Notify,
    /// The primary waits for what it is told.
    AwaitNotice,
    /// The primary asks all secondaries.
    AskAll,
    /// A secondary asks from several threads at once.
    AskCrowd,
    /// A secondary asks with a file, and gets one.
    AskFile,
    /// The primary reserves a counter in shared memory.
    ReserveCounter,
    /// A secondary finds the counter, and counts.
    Count,
    /// The primary reads the counter.
    ReadCounter,
    /// A secondary asks what is never answered.
    AskSilent,
    /// The primary asks all secondaries, of which one will not live to answer.
    AskHolder,
    /// The holder waits until it is asked.
    AwaitHeld,
    /// A secondary asks, and no primary is left.
    AskNobody,
}

impl Task {
    /// Writes the line that orders it.
    pub(super) fn to_line(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Reads the line that orders it.
    pub(super) fn from_line(line: &str) -> Result<Self, String> {
        Self::from_str(line, false)
    }
}

/// A task that was done, checks included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    /// From the call to its outcome, as the one who called measured it.
    pub(super) time: Duration,
    /// What was seen.
    pub(super) note: String,
}

/// What came of a task; a failure says why.
pub(super) type Answer = Result<Done, String>;

/// An answer, with the number of its task; joining has number 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) number: usize,
    pub(super) answer: Answer,
}

impl Report {
    /// Writes it on one line.
    pub(super) fn to_line(&self) -> String {
        let number = self.number;
        let line = match &self.answer {
            Ok(Done { time, note }) => format!("{number} ok {} {note}", time.as_nanos()),
            Err(reason) => format!("{number} failed {reason}"),
        };
        line.replace('\n', " ")
    }

    /// Reads it back.
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let (number, rest) = line.split_once(' ')?;
        let answer = match rest.split_once(' ')? {
            ("ok", done) => {
                let (nanoseconds, note) = done.split_once(' ')?;
                let time = Duration::from_nanos(nanoseconds.parse().ok()?);
                Ok(Done { time, note: note.to_owned() })
            }
            ("failed", reason) => Err(reason.to_owned()),
            _ => return None,
        };
        Some(Self { number: number.parse().ok()?, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written() {
        for task in Task::value_variants() {
            assert_eq!(Task::from_line(&task.to_line()), Ok(*task));
        }
        Task::from_line("dance").expect_err("nobody asked for that");
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let done = Done { time: Duration::from_nanos(31_200), note: "two words".to_owned() };
        for answer in [Ok(done), Err("no primary is running".to_owned()), Err(String::new())] {
            let report = Report { number: 7, answer };
            assert_eq!(Report::from_line(&report.to_line()), Some(report));
        }
    }

    #[test]
    fn a_report_stays_on_one_line() {
        let report = Report { number: 1, answer: Err("two\nlines".to_owned()) };
        assert_eq!(report.to_line(), "1 failed two lines");
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for line in ["", "1", "1 ok", "1 ok 5", "1 ok fast note", "x failed why", "1 perhaps why"] {
            assert_eq!(Report::from_line(line), None, "{line:?}");
        }
    }
}
