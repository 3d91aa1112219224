//! Who is in the group: arriving, alive, gone.
//!
//! Fed with listings of the group's directory, in which only members that answer stand, and with
//! deaths; gives out what changed. A member that leaves its socket behind is gone all the same.

use std::collections::{BTreeMap, VecDeque};

use crate::message::PeerName;

/// How many members are followed; a directory is a peer's to fill, our memory is not.
pub const MAX_MEMBERS: usize = 4096;

/// What a process is in its group (`enum rte_proc_type_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one that leads the group.
    Primary,
    /// One of those that joined.
    Secondary,
    /// Secondary if a primary runs, primary if not. A wish: once joined, a member is one of both.
    Auto,
}

/// A process of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where it is reached.
    pub name: PeerName,
    /// What it is in the group; never [`Role::Auto`].
    pub role: Role,
    /// Its process id in its own pid namespace, as far as it is known.
    pub pid: Option<u32>,
    /// Tells apart two processes that used the same name one after the other. A file's number
    /// alone does not: file systems give it out again.
    pub incarnation: u64,
}

impl Member {
    /// Gives the news that this member has joined.
    pub fn joined(self) -> Event {
        match self.role {
            Role::Primary => Event::PrimaryJoined(self),
            Role::Secondary | Role::Auto => Event::Joined(self),
        }
    }

    /// Gives the news that this member is gone.
    pub fn left(self) -> Event {
        match self.role {
            Role::Primary => Event::PrimaryLeft(self),
            Role::Secondary | Role::Auto => Event::Left(self),
        }
    }
}

/// What changed in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A secondary joined.
    Joined(Member),
    /// A secondary left, or ended.
    Left(Member),
    /// A primary is there again.
    PrimaryJoined(Member),
    /// The primary left, or ended.
    PrimaryLeft(Member),
}

/// The members that are known, and the news of them. The news is to be polled until there is none
/// after each call of a `handle_*`; it is not limited otherwise.
#[derive(Debug, Default)]
pub struct Members {
    known: BTreeMap<PeerName, Member>,
    events: VecDeque<Event>,
}

impl Members {
    /// Takes a listing of everybody who is alive, and nobody else.
    pub fn handle_listing(&mut self, alive: &[Member]) {
        let mut now: BTreeMap<PeerName, Member> =
            alive.iter().map(|member| (member.name, *member)).collect();
        // Cut in the order of names: a listing comes in any order.
        if let Some(beyond) = now.keys().nth(MAX_MEMBERS).copied() {
            now.split_off(&beyond);
        }
        let same = |member: &Member, other: Option<&Member>| {
            other.is_some_and(|other| other.incarnation == member.incarnation)
        };
        for member in self.known.values().filter(|m| !same(m, now.get(&m.name))) {
            self.events.push_back(member.left());
        }
        for member in now.values().filter(|m| !same(m, self.known.get(&m.name))) {
            self.events.push_back(member.joined());
        }
        self.known = now;
    }

    /// Takes the news that a member has ended. Another one that took its name stays.
    pub fn handle_gone(&mut self, gone: &Member) {
        if self.known.get(&gone.name).is_some_and(|m| m.incarnation == gone.incarnation)
            && let Some(member) = self.known.remove(&gone.name)
        {
            self.events.push_back(member.left());
        }
    }

    /// Gives the oldest piece of news that was not given yet.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Lists who is known.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.known.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(file: &str, role: Role, incarnation: u64) -> Member {
        Member { name: PeerName::new(file).unwrap(), role, pid: None, incarnation }
    }

    fn news(members: &mut Members) -> Vec<Event> {
        std::iter::from_fn(|| members.poll_event()).collect()
    }

    #[test]
    fn each_change_is_told_once() {
        let mut members = Members::default();
        let primary = member("/x/mp_socket", Role::Primary, 1);
        let secondary = member("/x/mp_socket_1_1", Role::Secondary, 2);
        members.handle_listing(&[primary, secondary]);
        members.handle_listing(&[primary, secondary]);
        assert_eq!(news(&mut members), [Event::PrimaryJoined(primary), Event::Joined(secondary)]);
        members.handle_gone(&secondary);
        members.handle_gone(&secondary);
        members.handle_listing(&[primary]);
        assert_eq!(news(&mut members), [Event::Left(secondary)]);
        assert_eq!(members.iter().collect::<Vec<_>>(), [&primary]);
    }

    #[test]
    fn a_primary_that_restarts_leaves_and_joins() {
        let mut members = Members::default();
        let first = member("/x/mp_socket", Role::Primary, 1);
        let second = Member { incarnation: 2, ..first };
        members.handle_listing(&[first]);
        members.handle_listing(&[second]);
        members.handle_gone(&first);
        let expected =
            [Event::PrimaryJoined(first), Event::PrimaryLeft(first), Event::PrimaryJoined(second)];
        assert_eq!(news(&mut members), expected);
    }
}
