//! What holds for every record: it is read back as it was, and no bytes but a record's are read.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rte_mp_proto::trace::{
    Content, Direction, Fate, Joined, Path, ProcessName, Record, RecordError, Traced,
};
use rte_mp_proto::{ActionName, DropReason, Flavor, Kind, Param, PeerName, Role};

/// Inputs that once failed are kept beside this file and tried first.
fn config(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..Default::default() }
}

fn any_peer() -> impl Strategy<Value = PeerName> {
    "[^\0/]{1,20}".prop_map(|name| PeerName::new(format!("/{name}")).expect("a short path"))
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        any::<i32>().prop_map(Fate::Failed),
        prop::sample::select(DropReason::ALL.to_vec()).prop_map(Fate::Dropped),
        prop::sample::select(vec![
            Fate::Sent,
            Fate::Waiting,
            Fate::Received,
            Fate::TimedOut,
            Fate::Died,
            Fate::Abandoned,
        ]),
    ]
}

prop_compose! {
    fn any_traced()(
        direction in prop::sample::select(vec![Direction::Out, Direction::In]),
        kind in prop::option::of(prop::sample::select(Kind::ALL.to_vec())),
        path in prop::sample::select(vec![Path::Socket, Path::Lane]),
        fate in any_fate(),
        process_id in prop::option::of(1_u32..),
        user_id in prop::option::of(0..u32::MAX),
        (fd_count, len) in any::<(u16, u16)>(),
        (local, peer) in (any_peer(), prop::option::of(any_peer())),
        name in prop::option::of(prop::collection::vec(1_u8.., 1..=ActionName::MAX_LEN)),
        param in prop::collection::vec(any::<u8>(), 0..=Param::MAX_LEN),
    ) -> Traced {
        let name = name.map(|name| ActionName::new(name).expect("1 to 63 bytes without NUL"));
        let param = Param::new(&param).expect("at most 256 bytes");
        Traced {
            direction, kind, path, fate, process_id, user_id, fd_count, len, local, peer, name, param,
        }
    }
}

prop_compose! {
    fn any_joined()(
        (process_id, version) in any::<(u32, u32)>(),
        role in prop::sample::select(vec![Role::Primary, Role::Secondary]),
        name in any_peer(),
        process_name in prop::collection::vec(any::<u8>(), 0..20),
    ) -> Joined {
        let process_name = ProcessName::new(&process_name);
        Joined { process_id, flavor: Flavor::from_word(version), role, name, process_name }
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let content = prop_oneof![
        8 => any_traced().prop_map(Content::Datagram),
        2 => any_joined().prop_map(Content::Joined),
        1 => any::<u64>().prop_map(Content::Lost),
        1 => Just(Content::Left),
    ];
    (any::<(u64, u64)>(), content).prop_map(|((sequence, time_ns), content)| Record {
        sequence,
        time_ns,
        content,
    })
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn what_is_encoded_is_read_as_it_was(record in any_record()) {
        let bytes = encoded(&record);
        prop_assert!(bytes.len() <= Record::MAX_LEN);
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
    }

    #[test]
    fn a_record_that_is_cut_short_is_none(record in any_record(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&record);
        prop_assert!(Record::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn what_is_read_after_a_change_is_encoded_to_the_very_bytes(
        record in any_record(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = encoded(&record);
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(changed) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&changed), bytes);
        }
    }

    #[test]
    fn noise_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        let read = Record::decode(&bytes);
        prop_assert!(read.is_err() || bytes.starts_with(b"RMPT"));
        if !bytes.starts_with(b"RMPT") {
            prop_assert_eq!(read, Err(RecordError::Foreign));
        }
    }
}
