//! What a request brought: each asked peer with its outcome.

use rte_mp_proto::{ActionName, Asked, Outcome};

use crate::error::NoReplyError;
use crate::message::Message;

/// One peer that was asked, and what became of it.
pub type PeerReply = Asked<Message>;

/// What became of a request: each peer that was asked, with its outcome.
#[derive(Debug)]
pub struct Replies {
    action: ActionName,
    peers: Vec<PeerReply>,
}

impl Replies {
    pub(crate) fn new(action: ActionName, peers: Vec<PeerReply>) -> Self {
        Self { action, peers }
    }

    /// Counts the peers that were asked and counted themselves in (`nb_sent`): those that replied,
    /// timed out or died, and not those that ignored the request or could not be asked.
    pub fn sent(&self) -> usize {
        let counts = |asked: &&PeerReply| match asked.outcome {
            Outcome::Ignored | Outcome::Unsendable { .. } => false,
            Outcome::Replied(_) | Outcome::TimedOut | Outcome::Died | Outcome::Abandoned => true,
            _ => true,
        };
        self.peers.iter().filter(counts).count()
    }

    /// Counts the peers that replied (`nb_received`).
    pub fn received(&self) -> usize {
        self.messages().count()
    }

    /// Counts all peers that were to be asked.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Tells whether there was nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Lists all peers that were asked, in the order of asking.
    pub fn iter(&self) -> std::slice::Iter<'_, PeerReply> {
        self.peers.iter()
    }

    /// Lists the replies.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.peers.iter().filter_map(|asked| match &asked.outcome {
            Outcome::Replied(message) => Some(message),
            _ => None,
        })
    }

    /// Takes the reply of a request that was for one peer; of several, the first.
    ///
    /// # Errors
    /// [`NoReplyError`] says what became of the peer instead; of several, of the last.
    pub fn into_reply(self) -> Result<Message, NoReplyError> {
        let mut last = None;
        for Asked { peer, outcome } in self.peers {
            match outcome {
                Outcome::Replied(message) => return Ok(message),
                other => last = Some((peer, other)),
            }
        }
        let action = self.action.to_string();
        Err(match last {
            None => NoReplyError::Nobody { action },
            Some((peer, outcome)) => match outcome {
                Outcome::Ignored => NoReplyError::Ignored { peer, action },
                Outcome::TimedOut => NoReplyError::TimedOut { peer, action },
                Outcome::Died => NoReplyError::Died { peer, action },
                Outcome::Unsendable { errno } => NoReplyError::Unsendable { peer, action, errno },
                _ => NoReplyError::Abandoned { peer, action },
            },
        })
    }
}

impl IntoIterator for Replies {
    type Item = PeerReply;
    type IntoIter = std::vec::IntoIter<PeerReply>;

    fn into_iter(self) -> Self::IntoIter {
        self.peers.into_iter()
    }
}

impl<'a> IntoIterator for &'a Replies {
    type Item = &'a PeerReply;
    type IntoIter = std::slice::Iter<'a, PeerReply>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
