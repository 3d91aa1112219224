//! A DPDK secondary and members side by side.

use rte_mp::{Event, RequestError, Role, SendError};
use rte_mp_interop::{PATIENCE, message, reply_text, with_dpdk};

use crate::{SECOND, register_echo, replied};

#[test]
fn a_dpdk_secondary_and_two_members_live_under_one_dpdk_primary() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let mut secondary = room.dpdk_secondary();
        let (one, two) = (room.member(), room.member());
        secondary.register("question", "echo");
        register_echo(&one, "question");
        register_echo(&two, "question");

        let got = primary.request("question", PATIENCE, "all", &[]).unwrap();
        assert_eq!((got.sent, got.received), (3, 3));
        let mut params: Vec<_> = got.replies.iter().map(|reply| &*reply.param).collect();
        params.sort_unstable();
        assert_eq!(params, ["Got 'all'", "member got 'all'", "member got 'all'"]);

        // One of the three ignores.
        assert!(two.unregister("question"));
        let got = primary.request("question", PATIENCE, "two", &[]).unwrap();
        assert_eq!((got.sent, got.received), (2, 2));

        for member in [&one, &two] {
            let replies = member.request(&message("hello", "member"), None).unwrap();
            assert_eq!(reply_text(replies), "Got 'member'");
        }
        assert_eq!(secondary.request("hello", SECOND, "dpdk", &[]), Ok(replied(&["Got 'dpdk'"])));
    });
}

#[test]
fn members_are_listed_and_addressed_beside_dpdk_processes() {
    with_dpdk(|room| {
        let mut primary = room.dpdk_primary();
        primary.register("hello", "echo");
        let one = room.member();
        let events = one.events().unwrap();
        // The news begins with those who are there.
        assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::PrimaryJoined(_))));
        let mut secondary = room.dpdk_secondary();
        secondary.register("question", "echo");
        let joined = match events.recv_timeout(PATIENCE) {
            Ok(Event::Joined(member)) => member,
            other => panic!("{other:?}"),
        };
        assert_eq!((joined.role, joined.pid), (Role::Secondary, Some(secondary.pid())));
        let two = room.member();
        register_echo(&two, "question");

        let mut peers: Vec<_> = one.members().unwrap();
        peers.retain(|peer| peer.role == Role::Secondary);
        assert_eq!(peers.len(), 2, "{peers:?}");

        // DPDK has no way to do this: it answers all the same.
        let replies = one.to(&joined.name).request(&message("question", "sideways"), None).unwrap();
        assert_eq!(reply_text(replies), "Got 'sideways'");
        assert_eq!(secondary.received("question").peer.parent(), Some(&*room.directory()));
        let replies = one.to(two.name()).request(&message("question", "across"), None).unwrap();
        assert_eq!(reply_text(replies), "member got 'across'");

        assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::Joined(_))));
        secondary.quit();
        match events.recv_timeout(PATIENCE) {
            Ok(Event::Left(member)) => assert_eq!(member.name, joined.name),
            other => panic!("{other:?}"),
        }
        let sent = one.to(&joined.name).send(&message("question", ""));
        assert!(matches!(sent, Err(SendError::NoPeer { .. })), "{sent:?}");
        let asked = one.to(&joined.name).request(&message("question", ""), None);
        assert!(matches!(asked, Err(RequestError::NoPeer { .. })), "{asked:?}");
        primary.kill();
        assert!(matches!(events.recv_timeout(PATIENCE), Ok(Event::PrimaryLeft(_))));
    });
}
