//! Asking, again and again, from several threads; what came of it goes to one place.
//!
//! One peer is asked in the calling thread, which is the fastest way; several are asked side by side.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rte_mp::{Group, Member, Message, Outcome, Replies, RequestError};

use crate::interrupt::Interrupt;
use crate::status::{Failure, chain};

/// How many rounds may wait to be told of.
const MAX_WAITING: usize = 1024;

/// How often to ask, and how fast.
pub(super) struct Pace {
    pub(super) count: u64,
    pub(super) interval: Duration,
    pub(super) jobs: u16,
}

/// Who is asked what, and how often.
pub(super) struct Asking<'a> {
    group: &'a Group,
    interrupt: &'a Interrupt,
    message: &'a Message,
    members: &'a [Member],
    timeout: Duration,
    pace: Pace,
    /// How many rounds have begun.
    begun: AtomicU64,
    /// Nobody can be asked any more, or nobody wants to know.
    stopped: AtomicBool,
}

/// What became of one peer.
pub(super) struct Asked<'a> {
    /// Of the round, from 1.
    pub(super) number: u64,
    pub(super) member: &'a Member,
    pub(super) time: Duration,
    pub(super) fate: Fate,
}

pub(super) enum Fate {
    Replied(Box<Message>),
    Ignored,
    TimedOut,
    Died,
    /// It could not be asked.
    Unsendable(String),
    /// The user did not want to wait.
    Abandoned,
}

impl Asked<'_> {
    pub(super) fn is_reply(&self) -> bool {
        matches!(self.fate, Fate::Replied(_))
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.fate, Fate::Abandoned)
    }
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        group: &'a Group,
        interrupt: &'a Interrupt,
        message: &'a Message,
        members: &'a [Member],
        timeout: Duration,
        pace: Pace,
    ) -> Self {
        let (begun, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { group, interrupt, message, members, timeout, pace, begun, stopped }
    }

    /// Asks until all rounds are over, the user wants it to end, or nobody can be asked; has `tell` called
    /// after each round.
    ///
    /// # Errors
    /// That of `tell`, which ends it.
    pub(super) fn run(
        &self,
        mut tell: impl FnMut(Vec<Asked<'a>>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (sender, rounds) = sync_channel(MAX_WAITING);
        thread::scope(|scope| {
            for _ in 0..self.pace.jobs {
                let sender = sender.clone();
                scope.spawn(move || self.work(&sender));
            }
            drop(sender);
            let told = rounds.iter().try_for_each(&mut tell);
            if told.is_err() {
                self.stopped.store(true, Ordering::Relaxed);
                // Nobody is waited for, either.
                self.group.leave_without_waiting();
            }
            // Whoever has something to tell is not kept waiting.
            drop(rounds);
            told
        })
    }

    fn work(&self, rounds: &SyncSender<Vec<Asked<'a>>>) {
        let mut due = Some(Instant::now());
        while !self.is_over() {
            let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            if number > self.pace.count {
                return;
            }
            let pause = due.map(|due| due.saturating_duration_since(Instant::now()));
            if pause != Some(Duration::ZERO) && self.interrupt.wait(pause) {
                return;
            }
            // A time that is too far away to be counted never comes.
            due = Instant::now().checked_add(self.pace.interval);
            let round = self.ask(number);
            let nobody = round.iter().all(|asked| matches!(asked.fate, Fate::Unsendable(_)));
            if nobody {
                self.stopped.store(true, Ordering::Relaxed);
            }
            if rounds.send(round).is_err() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.interrupt.is_caught() || self.stopped.load(Ordering::Relaxed)
    }

    /// Asks everybody once.
    fn ask(&self, number: u64) -> Vec<Asked<'a>> {
        if let [member] = self.members {
            let start = Instant::now();
            let result = self.group.to(&member.name).request(self.message, Some(self.timeout));
            return vec![Asked { number, member, time: start.elapsed(), fate: fate(result) }];
        }
        let (sender, answers) = channel();
        for member in self.members {
            let (start, done) = (Instant::now(), sender.clone());
            let name = member.name;
            let answered = move |replies| {
                // It is waited for below.
                let _ = done.send((name, start.elapsed(), fate(Ok(replies))));
            };
            let to = self.group.to(&member.name);
            if let Err(error) = to.request_async(self.message, Some(self.timeout), answered) {
                let _ = sender.send((member.name, start.elapsed(), fate(Err(error))));
            }
        }
        drop(sender);
        let mut round: Vec<_> = answers
            .iter()
            .filter_map(|(name, time, fate)| {
                let member = self.members.iter().find(|member| member.name == name)?;
                Some(Asked { number, member, time, fate })
            })
            .collect();
        let order = |asked: &Asked<'_>| {
            self.members.iter().position(|member| member.name == asked.member.name)
        };
        round.sort_by_key(order);
        round
    }
}

/// Says what became of the one peer that a request was for.
fn fate(result: Result<Replies, RequestError>) -> Fate {
    let outcome = match result {
        Ok(replies) => replies.into_iter().next().map(|asked| asked.outcome),
        Err(RequestError::Left { .. }) => None,
        Err(error) => return Fate::Unsendable(chain(&error)),
    };
    match outcome {
        Some(Outcome::Replied(message)) => Fate::Replied(Box::new(message)),
        Some(Outcome::Ignored) => Fate::Ignored,
        Some(Outcome::TimedOut) => Fate::TimedOut,
        Some(Outcome::Died) => Fate::Died,
        Some(Outcome::Unsendable { errno }) => {
            Fate::Unsendable(std::io::Error::from_raw_os_error(errno).to_string())
        }
        _ => Fate::Abandoned,
    }
}
