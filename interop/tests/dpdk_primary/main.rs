//! rte-mp members of a group whose primary is a real DPDK process.

mod broadcasts;
mod ending;
mod groups;
mod growth;
mod matching;
mod talking;

use std::time::Duration;

use rte_mp::{Group, Outcome};
use rte_mp_interop::{Peer, Replies, Reply, message, reply_text};

const SECOND: Duration = Duration::from_secs(1);
/// Too short to be waited for, long enough for whoever answers at once.
const SOON: Duration = Duration::from_millis(100);
const ETIMEDOUT: i32 = 110;

/// What a DPDK process gets that asks one peer and is answered.
fn replied(params: &[&str]) -> Replies {
    let count = params.len() as u64;
    let replies =
        params.iter().map(|&param| Reply { param: param.to_owned(), contents: Vec::new() });
    Replies { sent: count, received: count, replies: replies.collect() }
}

fn nobody() -> Replies {
    replied(&[])
}

fn register_echo(group: &Group, name: &str) {
    group
        .register(name, |request| {
            let reply = format!("member got '{}'", String::from_utf8_lossy(request.param()));
            request.reply(reply.as_bytes())
        })
        .expect("a new name");
}

/// The primary's IPC thread works, and so does the member.
fn assert_talks(member: &Group, primary: &mut Peer) {
    primary.register("check", "echo");
    let replies = member.request(&message("check", "still here?"), None).expect("it runs");
    assert_eq!(reply_text(replies), "Got 'still here?'");
    primary.unregister("check");
}

fn outcomes(replies: &rte_mp::Replies) -> Vec<&Outcome> {
    replies.iter().map(|reply| &reply.outcome).collect()
}
