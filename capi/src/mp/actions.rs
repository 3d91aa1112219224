//! What is called for messages and requests, and requests that wait for their answer.
//!
//! C has no object for a request: its callback gets the message and the path of the one who asked,
//! and the answer names both again, at once or later. So requests are kept here until then, each
//! under the path and the name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rte_mp::{ActionName, Group, Kind, PeerName, Request};

use super::Action;
use crate::abi::Layout;
use crate::border::Errno;
use crate::eal;

/// How many requests may wait for their answer. The oldest is answered by an ignore to make room.
const MAX_WAITING: usize = 1024;

/// Registers in a group what was registered before there was one.
type Announce = Box<dyn Fn(&Group) -> Result<(), Errno> + Send>;

/// What waits for `rte_eal_init`.
static EARLY: Mutex<BTreeMap<Vec<u8>, Announce>> = Mutex::new(BTreeMap::new());

fn early() -> MutexGuard<'static, BTreeMap<Vec<u8>, Announce>> {
    EARLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers an action, now or as soon as there is a group.
pub(super) fn register<M: Layout>(
    name: Option<&[u8]>,
    action: Option<Action<M>>,
) -> Result<(), Errno> {
    let name = ActionName::new(name.ok_or(Errno::INVALID)?)
        .map_err(|error| Errno(rte_mp::MessageError::Name(error).errno()))?;
    if eal::is_alone() {
        return Err(Errno::UNSUPPORTED);
    }
    if let Some(group) = eal::group() {
        return announce_one(&group, &name, action);
    }
    match early().entry(name.as_bytes().to_vec()) {
        Entry::Occupied(_) => Err(Errno(libc::EEXIST)),
        Entry::Vacant(slot) => {
            slot.insert(Box::new(move |group| announce_one(group, &name, action)));
            Ok(())
        }
    }
}

/// Registers in `group` what was registered before.
pub(crate) fn announce(group: &Group) {
    for announce in std::mem::take(&mut *early()).into_values() {
        // The names were checked, and nobody else has registered any.
        let _ = announce(group);
    }
}

pub(super) fn unregister(name: &[u8]) {
    early().remove(name);
    if let Some(group) = eal::group() {
        group.unregister(name);
    }
}

fn announce_one<M: Layout>(
    group: &Group,
    name: &ActionName,
    action: Option<Action<M>>,
) -> Result<(), Errno> {
    // Without a function it is as if it were not registered, but that the name is taken.
    group
        .register(name.as_bytes(), move |request| {
            if let Some(action) = action {
                call(action, request);
            }
        })
        .map_err(|error| Errno(error.errno()))
}

/// Calls a C function for what came.
fn call<M: Layout>(action: Action<M>, mut request: Request) {
    let peer = *request.peer();
    let Ok(path) = CString::new(peer.as_path().as_os_str().as_bytes()) else { return };
    let fds = request.take_fds();
    // With more descriptors than C has room for, it is as if there were no such action.
    let Some(message) = M::received(request.message(), fds) else { return };
    let number = (request.kind() == Kind::Request).then(|| waiting().keep(request));
    // SAFETY: whoever registered it says that it may be called so; both live until it returns.
    let result = unsafe { action(&raw const message, path.as_ptr().cast()) };
    if let Some(number) = number
        && result < 0
    {
        let unanswered = waiting().take_number(number);
        // Dropped, it is answered by an ignore.
        drop(unanswered);
    }
}

/// Takes the request out that an answer to `peer` under `name` is for.
pub(super) fn take_waiting(peer: PeerName, name: ActionName) -> Option<Request> {
    waiting().take((peer, name))
}

/// Forgets all requests that wait, and all actions that never had a group.
pub(crate) fn forget() {
    early().clear();
    let forgotten = std::mem::replace(&mut *waiting(), Waiting::with_room(MAX_WAITING));
    // Each is answered by an ignore, not under the lock.
    drop(forgotten);
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting::with_room(MAX_WAITING));

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom an answer is for, and to what.
type Key = (PeerName, ActionName);

/// Requests that wait for their answer.
#[derive(Debug)]
struct Waiting {
    /// By number, so that the oldest is the first.
    requests: BTreeMap<u64, Request>,
    numbers: BTreeMap<Key, u64>,
    next: u64,
    /// How many there may be.
    room: usize,
}

impl Waiting {
    const fn with_room(room: usize) -> Self {
        Self { requests: BTreeMap::new(), numbers: BTreeMap::new(), next: 0, room }
    }

    /// Keeps a request, and gives its number. One from the same address under the same name was given
    /// up by its sender: an answer to it would be taken for the answer to this one.
    fn keep(&mut self, request: Request) -> u64 {
        let key = key_of(&request);
        if let Some(older) = self.take(key) {
            older.stay_silent();
        }
        if self.requests.len() >= self.room
            && let Some((_, oldest)) = self.requests.pop_first()
        {
            self.numbers.remove(&key_of(&oldest));
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(key, number);
        self.requests.insert(number, request);
        number
    }

    fn take(&mut self, key: Key) -> Option<Request> {
        let number = self.numbers.remove(&key)?;
        self.requests.remove(&number)
    }

    fn take_number(&mut self, number: u64) -> Option<Request> {
        let request = self.requests.remove(&number)?;
        self.numbers.remove(&key_of(&request));
        Some(request)
    }
}

fn key_of(request: &Request) -> Key {
    (*request.peer(), *request.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rte_mp::{Message, Outcome, ReplyFuture, Role};
    use std::future::Future;
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, channel};
    use std::task::{Context, Poll, Waker};
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(20);

    /// A primary whose requests named "ask" the test gets, and a secondary that asks.
    struct Pair {
        primary: Group,
        secondary: Group,
        requests: Receiver<Request>,
        _base: tempfile::TempDir,
    }

    impl Pair {
        fn new() -> Self {
            let base = tempfile::tempdir().expect("a directory for the test");
            let join = |role| {
                let builder = Group::builder().runtime_base(base.path()).role(role);
                builder.join().expect("nobody else is there")
            };
            let (primary, secondary) = (join(Role::Primary), join(Role::Secondary));
            let (sender, requests) = channel();
            let give = move |request| sender.send(request).expect("the test waits");
            primary.register("ask", give).expect("the name is free");
            Self { primary, secondary, requests, _base: base }
        }

        fn ask(&self) -> (ReplyFuture, Request) {
            let message = Message::new("ask").expect("it is a name");
            let future = self.secondary.request_future(&message, Some(LONG));
            (future, self.requests.recv_timeout(LONG).expect("the request arrives"))
        }
    }

    /// What became of the one peer that was asked.
    fn outcome(future: ReplyFuture) -> String {
        let mut future = pin!(future);
        let deadline = Instant::now() + LONG;
        loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(replies) => {
                    let replies = replies.expect("the primary was asked");
                    return match &replies.iter().next().expect("one was asked").outcome {
                        Outcome::Replied(reply) => {
                            String::from_utf8_lossy(reply.param()).into_owned()
                        }
                        other => format!("{other:?}"),
                    };
                }
                Poll::Pending if Instant::now() < deadline => std::thread::yield_now(),
                Poll::Pending => panic!("there is no answer"),
            }
        }
    }

    #[test]
    fn a_request_waits_for_the_answer_to_its_own_path_and_name() {
        let pair = Pair::new();
        let mut waiting = Waiting::with_room(4);
        let [(first, one), (second, two)] = [pair.ask(), pair.ask()];
        let (path_one, path_two) = (*one.peer(), *two.peer());
        assert_ne!(path_one, path_two);
        let name = *one.name();
        waiting.keep(one);
        waiting.keep(two);
        assert!(waiting.take((path_one, ActionName::new("other").expect("a name"))).is_none());
        waiting.take((path_two, name)).expect("it waits").reply(b"two").expect("he waits");
        waiting.take((path_one, name)).expect("it waits").reply(b"one").expect("he waits");
        assert!(waiting.take((path_one, name)).is_none(), "it is answered once");
        assert_eq!([outcome(first), outcome(second)], ["one", "two"]);
        assert!(waiting.requests.is_empty() && waiting.numbers.is_empty());
    }

    #[test]
    fn a_request_that_is_taken_by_its_number_is_gone() {
        let pair = Pair::new();
        let mut waiting = Waiting::with_room(4);
        let (future, request) = pair.ask();
        let number = waiting.keep(request);
        drop(waiting.take_number(number).expect("it waits"));
        assert_eq!(outcome(future), "Ignored");
        assert!(waiting.take_number(number).is_none());
        assert!(waiting.requests.is_empty() && waiting.numbers.is_empty());
    }

    #[test]
    fn the_oldest_makes_room_and_is_ignored() {
        let pair = Pair::new();
        let mut waiting = Waiting::with_room(4);
        let (oldest, request) = pair.ask();
        waiting.keep(request);
        let others: Vec<_> = (0..4)
            .map(|_| {
                let (future, request) = pair.ask();
                waiting.keep(request);
                future
            })
            .collect();
        assert_eq!(outcome(oldest), "Ignored");
        assert_eq!((waiting.requests.len(), waiting.numbers.len()), (4, 4));
        drop(waiting);
        for future in others {
            assert_eq!(outcome(future), "Ignored");
        }
        pair.primary.leave();
    }
}
