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

use rte_mp::{ActionName, GroupBuilder, Kind, PeerName, Request};

use super::Action;
use crate::abi::Layout;
use crate::border::Errno;
use crate::eal;

/// How many requests may wait for their answer. The oldest is answered by an ignore to make room.
const MAX_WAITING: usize = 1024;

/// What waits for `rte_eal_init`. Locked also while that runs, so that what is registered meanwhile is
/// registered in the group.
static EARLY: Mutex<EarlyActions> = Mutex::new(EarlyActions(BTreeMap::new()));

pub(crate) fn early() -> MutexGuard<'static, EarlyActions> {
    EARLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has an action there from the first moment of the group that a builder joins.
type Announce = Box<dyn Fn(GroupBuilder) -> GroupBuilder + Send>;

/// Actions that were registered before `rte_eal_init`.
pub(crate) struct EarlyActions(BTreeMap<ActionName, Announce>);

impl EarlyActions {
    /// Has all of them there from the first moment of the group.
    pub(crate) fn announce(&self, builder: GroupBuilder) -> GroupBuilder {
        self.0.values().fold(builder, |builder, announce| announce(builder))
    }

    /// Forgets them: there is the group.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Registers an action, now or as soon as there is a group.
pub(super) fn register<M: Layout>(
    name: Option<&[u8]>,
    action: Option<Action<M>>,
) -> Result<(), Errno> {
    let name = ActionName::new(name.ok_or(Errno::INVALID)?)
        .map_err(|error| Errno(rte_mp::MessageError::Name(error).errno()))?;
    let mut early = early();
    if eal::is_outside() {
        if name.is_reserved() {
            return Err(Errno::INVALID);
        }
        let Entry::Vacant(slot) = early.0.entry(name) else { return Err(Errno(libc::EEXIST)) };
        slot.insert(Box::new(move |builder| builder.action(name.as_bytes(), handler(action))));
        return Ok(());
    }
    let group = eal::shared_group()?;
    group.register(name.as_bytes(), handler(action)).map_err(|error| Errno(error.errno()))
}

pub(super) fn unregister(name: &[u8]) {
    let mut early = early();
    if let Ok(name) = ActionName::new(name) {
        early.0.remove(&name);
    }
    if let Some(group) = eal::group() {
        group.unregister(name);
    }
}

/// Makes a handler of a C function. Without one it is as if there were no such action, but that the
/// name is taken.
fn handler<M: Layout>(action: Option<Action<M>>) -> impl Fn(Request) + Send + Sync + 'static {
    move |request| {
        if let Some(action) = action
            && eal::wait_until_joined()
        {
            call(action, request);
        }
    }
}

/// Calls a C function for what came.
fn call<M: Layout>(action: Action<M>, mut request: Request) {
    let peer = *request.peer();
    let Ok(path) = CString::new(peer.as_path().as_os_str().as_bytes()) else { return };
    let fds = request.take_fds();
    // With more descriptors than C has room for, it is as if there were no such action.
    let Some(message) = M::received(request.message(), fds) else { return };
    if eal::is_exiting() {
        message.close();
        return;
    }
    let number = (request.kind() == Kind::Request).then(|| keep(request));
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

/// Keeps a request until it is answered, and gives its number.
fn keep(request: Request) -> u64 {
    let (number, oldest) = waiting().keep(request);
    // Where it made room it is answered by an ignore, not under the lock.
    drop(oldest);
    number
}

/// Forgets all requests that wait.
pub(crate) fn forget() {
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

    /// Keeps a request, and gives its number, and the oldest one if that had to make room. One from the
    /// same address under the same name was given up by its sender: an answer to it would be taken for
    /// the answer to this one.
    fn keep(&mut self, request: Request) -> (u64, Option<Request>) {
        let key = key_of(&request);
        if let Some(older) = self.take(key) {
            older.stay_silent();
        }
        let is_full = self.requests.len() >= self.room;
        let oldest = if is_full { self.requests.pop_first() } else { None };
        let oldest = oldest.map(|(_, request)| request);
        if let Some(oldest) = &oldest {
            self.numbers.remove(&key_of(oldest));
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(key, number);
        self.requests.insert(number, request);
        (number, oldest)
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
    use rte_mp::{Group, Message, Outcome, ReplyFuture, Role};
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
        let (number, _) = waiting.keep(request);
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
