//! What every member answers of its own accord: that it is there, and what it has counted.
//!
//! Ordinary actions with reserved names, so that they take the way of any request: over lanes or
//! sockets, to the driver or a worker. A DPDK process has no such actions: it notes an error and stays
//! silent, and should not be asked.

use std::time::{Duration, Instant};

use rte_mp_proto::{ActionName, Param};

use crate::action::Actions;
use crate::error::ServiceError;
use crate::incoming::Request;
use crate::message::Message;
use crate::request;
use crate::stats::Stats;
use crate::to::To;

const PING: &str = "rte-mp/ping";
const STATS: &str = "rte-mp/stats";
/// What a reply with counters looks like; another one is not read.
const STATS_VERSION: u64 = 1;
const WORD: usize = size_of::<u64>();

/// Has a new member answer.
pub(crate) fn serve(actions: &Actions) {
    let echo = |request: Request| {
        let param = request.param().to_vec();
        request.reply(&param)
    };
    let stats = |request: Request| {
        let words =
            std::iter::once(STATS_VERSION).chain(request.shared().counters.snapshot().to_words());
        let bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        request.reply(&bytes)
    };
    const ONCE: &str = "a member registers it once, before all others";
    actions.add(action(PING), echo).expect(ONCE);
    actions.add(action(STATS), stats).expect(ONCE);
}

fn action(name: &str) -> ActionName {
    ActionName::new(name).expect("it is short and has no NUL")
}

fn read_stats(param: &[u8]) -> Option<Stats> {
    let (words, rest) = param.as_chunks::<WORD>();
    let mut words = words.iter().map(|word| u64::from_ne_bytes(*word));
    let is_ours = words.next() == Some(STATS_VERSION) && rest.is_empty();
    Stats::from_words(words).filter(|_| is_ours)
}

impl To<'_> {
    /// Sends `param`, of at most 256 bytes, there and back, and gives the time that it took. What answers
    /// is a handler like any other: a member whose handlers are busy answers late.
    ///
    /// For members that are rte-mp processes only: a DPDK process notes an error and does not answer.
    /// Blocks for at most `timeout` (`None`: 5 s).
    ///
    /// # Errors
    /// [`ServiceError`] if there is no reply, or another one than `param`.
    pub fn ping(&self, param: &[u8], timeout: Option<Duration>) -> Result<Duration, ServiceError> {
        let message = Message::from_parts(action(PING), Param::EMPTY, Vec::new());
        let message = message.with_param(param)?;
        let start = Instant::now();
        let reply = self.ask(&message, timeout)?;
        let took = start.elapsed();
        match reply.param() == param {
            true => Ok(took),
            false => Err(ServiceError::Reply { action: PING }),
        }
    }

    /// Asks for the counters of another member; for members that are rte-mp processes only, as
    /// [`To::ping`]. Blocks for at most `timeout` (`None`: 5 s).
    ///
    /// # Errors
    /// [`ServiceError`] if there is no reply, or one that cannot be read: of a later release.
    pub fn stats(&self, timeout: Option<Duration>) -> Result<Stats, ServiceError> {
        let message = Message::from_parts(action(STATS), Param::EMPTY, Vec::new());
        let reply = self.ask(&message, timeout)?;
        read_stats(reply.param()).ok_or(ServiceError::Reply { action: STATS })
    }

    fn ask(&self, message: &Message, timeout: Option<Duration>) -> Result<Message, ServiceError> {
        Ok(request::request(self.group.shared(), self.target, message, timeout)?.into_reply()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn counters_of_another_form_are_not_read() {
        let words: Vec<u64> =
            std::iter::once(STATS_VERSION).chain(Stats::default().to_words()).collect();
        let whole = param(&words);
        assert_eq!(read_stats(&whole), Some(Stats::default()));
        assert!(whole.len() <= Param::MAX_LEN);
        let mut newer = words.clone();
        newer[0] += 1;
        let longer = [&words[..], &[0]].concat();
        for wrong in
            [&param(&newer)[..], &param(&longer), &whole[..whole.len() - 1], &whole[WORD..], &[]]
        {
            assert_eq!(read_stats(wrong), None, "{wrong:?}");
        }
    }
}
