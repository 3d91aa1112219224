//! The form of datagrams: that of the group on the way out, that of the question in an answer.

use rte_mp::{Kind, Layout};

use crate::common::child::Child;
use crate::common::raw::{RawPeer, datagram, write_config};
use crate::common::{LONG, Scene, block_on, echo, message_with, only};

#[test]
fn a_member_speaks_the_layout_of_its_primary() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config(&scene, 0);
    let _dpdk = Child::with_config_lock(&scene);
    let primary = RawPeer::bind(scene.path("mp_socket"));
    for (word, len) in [(0x160B_0B63, 332), (0x1907_0063, 332), (0x190B_0063, 340)] {
        write_config(&scene, word);
        let member = scene.secondary();
        member.send(&message_with("note", b"one way")).unwrap();
        let (bytes, note, from) = primary.receive();
        assert_eq!(bytes.len(), len, "{word:#x}");
        assert_eq!((note.kind, note.param.as_bytes()), (Kind::Message, &b"one way"[..]));
        assert_eq!(from, member.name().as_path());
        let future = member.request_future(&message_with("ask", b"?"), Some(LONG));
        let (bytes, request, from) = primary.receive();
        assert_eq!((bytes.len(), request.kind), (len, Kind::Request), "{word:#x}");
        let from_name = from.file_name().unwrap().to_str().unwrap();
        assert!(!from_name.starts_with("mp_socket"), "no broadcast sees {from_name}");
        let layout = Layout::of_len(len).unwrap();
        primary.send(&from, layout, datagram(Kind::Reply, "ask", b"!"));
        assert_eq!(only(&block_on(future).unwrap()), "!", "{word:#x}");
    }
}

#[test]
fn what_is_not_said_is_zero_on_the_wire() {
    let scene = Scene::new();
    let primary = scene.primary();
    let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
    primary.send(&message_with("note", b"abc")).unwrap();
    let (bytes, ..) = peer.receive();
    let mut expected = vec![0; 340];
    expected[8..12].copy_from_slice(b"note");
    expected[72..76].copy_from_slice(&3_i32.to_ne_bytes());
    expected[80..83].copy_from_slice(b"abc");
    // A receiver may close the number that stands here; nobody has this one.
    expected[336..].copy_from_slice(&(-1_i32).to_ne_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn an_answer_has_the_form_of_its_question() {
    let scene = Scene::new();
    let primary = scene.primary();
    echo(&primary, "echo");
    let peer = RawPeer::bind(scene.path("mp_socket_1_1"));
    for layout in [Layout::DPDK_18_05, Layout::DPDK_25_11] {
        for (action, kind) in [("echo", Kind::Reply), ("nothing", Kind::Ignore)] {
            let question = datagram(Kind::Request, action, b"?");
            peer.send(scene.path("mp_socket"), layout, question);
            let (bytes, answer, from) = peer.receive();
            assert_eq!(bytes.len(), layout.datagram_len(), "{action}");
            assert_eq!(answer.kind, kind, "{action}");
            assert_eq!(answer.name, question.name, "{action}");
            assert_eq!(from, primary.name().as_path(), "{action}");
        }
    }
}

#[test]
fn a_member_of_an_old_group_takes_both_forms() {
    let scene = Scene::with_killed();
    scene.make_dir();
    write_config(&scene, 0x160B_0B63);
    let _dpdk = Child::with_config_lock(&scene);
    let primary = RawPeer::bind(scene.path("mp_socket"));
    let member = scene.secondary();
    echo(&member, "echo");
    for layout in [Layout::DPDK_18_05, Layout::DPDK_25_11] {
        primary.send(member.name().as_path(), layout, datagram(Kind::Request, "echo", b"both"));
        let (bytes, answer, _) = primary.receive();
        assert_eq!(bytes.len(), layout.datagram_len());
        assert_eq!(answer.param.as_bytes(), b"both");
    }
}
