//! What all threads of one member share.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use rte_mp_proto::{Flavor, Layout, PeerName};
use rustix::event::epoll;

use crate::action::Actions;
use crate::answers::Answers;
use crate::driver::Command;
use crate::lanes::outlets::Outlets;
use crate::memory::Memory;
use crate::runtime::{Runtime, sockets};
use crate::stats::Counters;
use crate::sync::{Signal, lock};
use crate::trace::Tracer;
use crate::transport::return_address::Pool;
use crate::transport::socket;
use crate::transport::spin::Pace;

/// What a member was told about its behaviour.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) busy_poll: Duration,
    pub(crate) send_timeout: Duration,
    /// User ids that are heard besides our own and root.
    pub(crate) trusted: Vec<u32>,
    /// Whether others may record what we send and receive.
    pub(crate) traceable: bool,
}

/// One member's state.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    pub(crate) settings: Settings,
    pub(crate) actions: Actions,
    pub(crate) answers: Answers,
    pub(crate) pool: Pool,
    pub(crate) outlets: Outlets,
    pub(crate) memory: Memory,
    pub(crate) counters: Counters,
    pub(crate) tracer: Tracer,
    /// What the driver waits for; polls as readable when the driver has something to do.
    pub(crate) epoll: OwnedFd,
    /// Set once, when the group is left.
    pub(crate) left: Signal,
    leaving: Once,
    /// Set when there is something for the driver to look at.
    wake: Signal,
    mailbox: Mutex<Mailbox>,
    next_id: AtomicU64,
    /// How those who ask or send offer their core while they poll.
    pub(crate) pace: Pace,
    /// Our user ids, real and effective.
    users: [u32; 2],
}

/// What the driver is asked to do.
enum Mailbox {
    Open(Vec<Command>),
    /// The driver has ended.
    Closed,
}

impl Shared {
    pub(crate) fn new(
        runtime: Runtime,
        settings: Settings,
        actions: Actions,
        memory: Memory,
    ) -> io::Result<Self> {
        Ok(Self {
            pool: Pool::new(runtime.directory.path.clone()),
            outlets: Outlets::new(runtime.flavor == Flavor::Native),
            tracer: Tracer::new(&runtime),
            runtime,
            settings,
            memory,
            actions,
            answers: Answers::default(),
            counters: Counters::default(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            left: Signal::new()?,
            leaving: Once::new(),
            wake: Signal::new()?,
            mailbox: Mutex::new(Mailbox::Open(Vec::new())),
            next_id: AtomicU64::new(0),
            pace: Pace::new(),
            users: [rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw()],
        })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.runtime.layout
    }

    /// Tells whether datagrams of this user are heard at all.
    pub(crate) fn trusts(&self, user: u32) -> bool {
        self.is_own_user(user) || self.settings.trusted.contains(&user)
    }

    /// Tells whether this user may do to us what he likes anyhow: ours, or root.
    pub(crate) fn is_own_user(&self, user: u32) -> bool {
        user == 0 || self.users.contains(&user)
    }

    /// Leaves the group: nobody finds us any more, and whoever waits is told.
    pub(crate) fn leave(&self) {
        self.leaving.call_once(|| {
            self.runtime.leave();
            self.left.set();
            self.pool.close();
            self.outlets.close();
        });
    }

    /// Gives a number that nothing else has that the driver drives.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands something to the driver.
    ///
    /// # Errors
    /// Hands it back if the driver has ended.
    pub(crate) fn post(&self, command: Command) -> Result<(), Command> {
        match &mut *lock(&self.mailbox) {
            Mailbox::Open(commands) => commands.push(command),
            Mailbox::Closed => return Err(command),
        }
        self.wake.set();
        Ok(())
    }

    /// Wakes the driver, to look at what else has changed.
    pub(crate) fn wake(&self) -> &Signal {
        &self.wake
    }

    /// Takes what was posted.
    pub(crate) fn take_mail(&self) -> Vec<Command> {
        self.wake.clear();
        match &mut *lock(&self.mailbox) {
            Mailbox::Open(commands) => std::mem::take(commands),
            Mailbox::Closed => Vec::new(),
        }
    }

    /// Takes what was posted last; nothing more can be.
    pub(crate) fn close_mailbox(&self) -> Vec<Command> {
        match std::mem::replace(&mut *lock(&self.mailbox), Mailbox::Closed) {
            Mailbox::Open(commands) => commands,
            Mailbox::Closed => Vec::new(),
        }
    }

    /// Treats a failed broadcast to a socket that nobody owns as DPDK does: it is removed, and was
    /// never there.
    pub(crate) fn forget_if_absent(&self, peer: &PeerName, error: &io::Error) -> bool {
        let absent = socket::is_absent(error);
        if absent {
            self.outlets.forget(peer);
            sockets::remove_if_stale(peer);
        }
        absent
    }
}
