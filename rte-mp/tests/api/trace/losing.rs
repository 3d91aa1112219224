//! A reader who is too slow loses records and knows how many; nobody waits for him.

use rte_mp::trace::{Content, Record};
use rte_mp::{Message, Role};

use super::trace;
use crate::common::{LONG, Scene, message};

/// Checks that no number is missing, and gives how many records there are, and how many were lost.
fn count(records: &[Record]) -> (u64, u64) {
    let (mut seen, mut lost) = (0, 0);
    for (record, next) in records.iter().zip(&records[1..]) {
        assert_eq!(record.next_sequence(), next.sequence, "after {record:?}");
    }
    for record in records {
        match record.content {
            Content::Datagram(_) => seen += 1,
            Content::Lost(count) => lost += count,
            Content::Joined(_) | Content::Left => {}
        }
    }
    (seen, lost)
}

/// More than any recorder keeps for its reader.
const MANY: u64 = 60_000;

/// Sends while nobody reads: if it waited for a reader, it would not come back.
fn send(scene: &Scene, group: &rte_mp::Group, message: &Message, count: u64) {
    // To a path where nobody is: each leaves a record, and nobody has to receive it.
    let nobody = rte_mp::PeerName::new(scene.path("mp_socket_1_nobody")).unwrap();
    for _ in 0..count {
        group.to(&nobody).send(message).unwrap_err();
    }
}

#[test]
fn a_channel_that_is_not_read_loses_and_counts() {
    let scene = Scene::new();
    let primary = scene.primary();
    let reader = trace(&primary);
    let message = message("hello");
    send(&scene, &primary, &message, MANY);
    let mut records: Vec<_> = std::iter::from_fn(|| reader.try_recv().ok()).collect();
    assert_eq!(records.len(), 1024, "as many as wait for a reader");
    send(&scene, &primary, &message, 3);
    primary.leave();
    records.extend(reader);
    let (seen, lost) = count(&records);
    assert_eq!((seen, seen + lost), (1024 + 3, MANY + 3));
}

#[test]
fn a_process_that_does_not_read_loses_and_counts() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let stream = secondary.to(primary.name()).trace(Some(LONG)).unwrap();
    let message = message("hello");
    send(&scene, &primary, &message, MANY);
    // What had room, then the count of what had not, then what came after.
    let mut records = vec![stream.recv().unwrap().unwrap()];
    let kept = {
        rustix::io::ioctl_fionbio(&stream, true).unwrap();
        let kept = std::iter::from_fn(|| stream.recv().ok().flatten());
        records.extend(kept);
        records.len() as u64 - 1
    };
    assert!((100..MANY).contains(&kept), "{kept} were kept");
    send(&scene, &primary, &message, 3);
    primary.leave();
    records.extend(std::iter::from_fn(|| stream.recv().unwrap()));
    assert!(matches!(records.last().unwrap().content, Content::Left));
    assert_eq!(count(&records), (kept + 3, MANY - kept));
}

#[test]
fn a_process_that_reads_only_after_the_end_learns_what_it_has_lost() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let stream = secondary.to(primary.name()).trace(Some(LONG)).unwrap();
    send(&scene, &primary, &message("hello"), MANY);
    primary.leave();
    let records: Vec<_> = std::iter::from_fn(|| stream.recv().unwrap()).collect();
    assert!(matches!(records.last().unwrap().content, Content::Left), "{:?}", records.last());
    let (seen, lost) = count(&records);
    assert!(lost > 0 && seen + lost == MANY, "{seen} were seen, {lost} lost");
}

#[test]
fn one_reader_that_does_not_read_does_not_hold_up_another() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).join().unwrap();
    let _slow = trace(&primary);
    let quick = trace(&primary);
    for _ in 0..10 {
        send(&scene, &primary, &message("hello"), 500);
        assert_eq!((0..500).map_while(|_| quick.try_recv().ok()).count(), 500);
    }
}
