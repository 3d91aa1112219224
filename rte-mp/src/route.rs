//! Who something is for, and whether it may go out at all.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rte_mp_proto::{PeerName, Role, path};

use crate::error::{RequestError, SendError};
use crate::message::Message;
use crate::runtime::PrimaryError;
use crate::shared::Shared;

/// Who a message or a request is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// As DPDK does it: a secondary's go to the primary, the primary's to all secondaries.
    Default,
    /// One member.
    Peer(PeerName),
}

/// Where that leads to.
pub(crate) enum Route {
    Primary(PeerName),
    Peer(PeerName),
    Secondaries(Vec<PeerName>),
}

/// Why nothing goes out.
pub(crate) enum Refusal {
    Left { prefix: String },
    TooManyFds { count: usize, max: usize },
    NotAMember { peer: PeerName },
    NoPrimary { prefix: String, errno: i32 },
    OtherPrimary { prefix: String },
    List { directory: PathBuf, source: io::Error },
}

impl Shared {
    /// Checks what is common to all that goes out, and finds who is meant. A primary's broadcast
    /// lists the directory, which blocks until `deadline` at most, while somebody joins.
    pub(crate) fn begin(
        &self,
        target: Target,
        message: &Message,
        deadline: Instant,
    ) -> Result<Route, Refusal> {
        if self.left.is_set() {
            return Err(Refusal::Left { prefix: self.prefix() });
        }
        let (count, max) = (message.fds().len(), self.layout().fd_max());
        if count > max {
            return Err(Refusal::TooManyFds { count, max });
        }
        match (target, self.runtime.role) {
            (Target::Peer(peer), _) if peer == self.runtime.primary_name() => {
                Ok(Route::Primary(peer))
            }
            (Target::Peer(peer), _) if self.can_be_a_member(&peer) => Ok(Route::Peer(peer)),
            (Target::Peer(peer), _) => Err(Refusal::NotAMember { peer }),
            (Target::Default, Role::Primary) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.list_secondaries(left).map(Route::Secondaries)
            }
            (Target::Default, Role::Secondary | Role::Auto) => {
                Ok(Route::Primary(self.runtime.primary_name()))
            }
        }
    }

    /// Checks that what goes to the primary's socket next finds one that takes our layout.
    pub(crate) fn check_primary(&self) -> Result<(), Refusal> {
        self.runtime.check_primary().map_err(|error| match error {
            PrimaryError::Gone { errno } => Refusal::NoPrimary { prefix: self.prefix(), errno },
            PrimaryError::Another => Refusal::OtherPrimary { prefix: self.prefix() },
        })
    }

    pub(crate) fn prefix(&self) -> String {
        self.runtime.directory.prefix.clone()
    }

    fn list_secondaries(&self, timeout: Duration) -> Result<Vec<PeerName>, Refusal> {
        let timeout = timeout.min(self.runtime.lock_timeout);
        self.runtime.list_secondaries(timeout).map_err(|source| Refusal::List {
            directory: self.runtime.directory.path.clone(),
            source,
        })
    }

    /// Tells whether a member may have this name: a return address takes no questions, and what
    /// lies in another directory may speak another layout.
    fn can_be_a_member(&self, peer: &PeerName) -> bool {
        peer.as_path().parent() == Some(&self.runtime.directory.path)
            && !path::is_return_address(peer.file_name().as_encoded_bytes())
    }
}

impl From<Refusal> for SendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Left { prefix } => Self::Left { prefix },
            Refusal::TooManyFds { count, max } => Self::TooManyFds { count, max },
            Refusal::NotAMember { peer } => Self::NotAMember { peer },
            Refusal::NoPrimary { prefix, errno } => Self::NoPrimary { prefix, errno },
            Refusal::OtherPrimary { prefix } => Self::OtherPrimary { prefix },
            Refusal::List { directory, source } => Self::List { directory, source },
        }
    }
}

impl From<Refusal> for RequestError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Left { prefix } => Self::Left { prefix },
            Refusal::TooManyFds { count, max } => Self::TooManyFds { count, max },
            Refusal::NotAMember { peer } => Self::NotAMember { peer },
            Refusal::NoPrimary { prefix, errno } => Self::NoPrimary { prefix, errno },
            Refusal::OtherPrimary { prefix } => Self::OtherPrimary { prefix },
            Refusal::List { directory, source } => Self::List { directory, source },
        }
    }
}
