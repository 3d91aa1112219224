//! Who is who: the members that are recorded, and what the addresses of their peers tell.

use std::collections::HashMap;

use rte_mp::PeerName;
use rte_mp::trace::{Content, Joined, Record, Traced};

use super::sources::{News, What};
use crate::escape::Escaped;

/// The members that were recorded so far.
#[derive(Default)]
pub(super) struct Cast {
    streams: HashMap<usize, Joined>,
    /// By their sockets: who was there last.
    by_name: HashMap<PeerName, usize>,
    /// The return addresses that they have asked from.
    return_addresses: HashMap<PeerName, usize>,
}

/// How many return addresses are remembered: each belongs to few requests, of which the last count.
const MAX_RETURN_ADDRESSES: usize = 4096;

impl Cast {
    /// Takes in who joins.
    pub(super) fn note(&mut self, news: &News) {
        let What::Record(Record { content, .. }) = &news.what else { return };
        match content {
            Content::Joined(joined) => {
                self.streams.insert(news.stream, *joined);
                self.by_name.insert(joined.name, news.stream);
            }
            Content::Datagram(traced) if !self.by_name.contains_key(&traced.local) => {
                if self.return_addresses.len() == MAX_RETURN_ADDRESSES {
                    self.return_addresses.clear();
                }
                self.return_addresses.insert(traced.local, news.stream);
            }
            Content::Datagram(_) | Content::Lost(_) | Content::Left => {}
        }
    }

    pub(super) fn member(&self, stream: usize) -> Option<&Joined> {
        self.streams.get(&stream)
    }

    /// What a member that is recorded is called: the process and its id.
    pub(super) fn label(&self, stream: usize) -> String {
        match self.member(stream) {
            Some(joined) => label(joined),
            None => "?".to_owned(),
        }
    }

    /// Finds the member that is recorded behind the address of a peer.
    pub(super) fn find(&self, whose: usize, traced: &Traced) -> Option<usize> {
        let address = traced.peer.as_ref()?;
        let known = self.by_name.get(address).or_else(|| self.return_addresses.get(address));
        if let Some(stream) = known {
            return Some(*stream);
        }
        let directory = self.member(whose)?.name.as_path().parent();
        let process = address.process_id()?;
        let is_it = |joined: &Joined| {
            joined.process_id == process && joined.name.as_path().parent() == directory
        };
        // A return address that nobody was seen to use tells the process only.
        let is_return_address = address.file_name().to_string_lossy().starts_with("mp_reply_");
        let others = self.streams.iter().filter(|(stream, _)| **stream != whose);
        let found = others.filter(|(_, joined)| is_return_address && is_it(joined));
        found.map(|(stream, _)| *stream).max()
    }

    /// What a peer is called: as a member that is recorded, or by its part or process id, or by its address.
    pub(super) fn peer(&self, whose: usize, traced: &Traced) -> String {
        if let Some(stream) = self.find(whose, traced) {
            return self.label(stream);
        }
        let process = |id: u32| format!("process {id}");
        let Some(address) = &traced.peer else {
            return traced.process_id.map_or_else(|| "?".to_owned(), process);
        };
        let file = address.file_name();
        match address.process_id().or(traced.process_id) {
            _ if file == "mp_socket" => "primary".to_owned(),
            Some(id) => process(id),
            None => Escaped::bytes(file.as_encoded_bytes()).to_string(),
        }
    }
}

pub(super) fn label(joined: &Joined) -> String {
    format!("{}[{}]", Escaped::bytes(joined.process_name.as_bytes()), joined.process_id)
}
