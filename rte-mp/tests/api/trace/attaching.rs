//! How other processes record a member: by asking it, or by its environment.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rte_mp::trace::{Content, Direction, ProcessName, Record};
use rte_mp::{Kind, NoReplyError, Role, ServiceError, TraceError, TraceStream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{XattrFlags, setxattr};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with,
    socketpair,
};

use super::{datagram, words};
use crate::common::child::Child;
use crate::common::raw::{self, RawPeer};
use crate::common::{LONG, Scene, ask, echo, is_root, message};

/// Waits until `fd` is readable.
fn wait_for(fd: impl AsFd) {
    let timeout = Timespec::try_from(LONG).unwrap();
    let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap();
    assert_eq!(ready, 1, "there is something in time");
}

fn next(stream: &TraceStream) -> Option<Record> {
    wait_for(stream);
    stream.recv().unwrap()
}

fn joined(stream: &TraceStream) -> rte_mp::trace::Joined {
    match next(stream).unwrap().content {
        Content::Joined(joined) => joined,
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_process_is_recorded_from_the_asking_on() {
    let scene = Scene::new();
    let mut child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let primary = secondary.members().unwrap()[0].name;
    let stream = secondary.to(&primary).trace(Some(LONG)).unwrap();
    let whose = joined(&stream);
    assert_eq!((whose.name, whose.role, whose.process_id), (primary, Role::Primary, child.pid()));
    let comm = fs::read(format!("/proc/{}/comm", child.pid())).unwrap();
    assert_eq!(whose.process_name, ProcessName::new(comm.trim_ascii_end()));
    assert_eq!(ask(&secondary, "echo", b"hello"), b"hello");
    let traced = |stream| datagram(&next(stream).unwrap()).unwrap();
    // Neither the asking nor its reply is there.
    assert_eq!(words(&traced(&stream)), "in request echo: received");
    assert_eq!(words(&traced(&stream)), "out reply echo: sent");
    child.tell("leave");
    child.expect("left");
    assert_eq!(next(&stream).unwrap().content, Content::Left);
    assert_eq!(next(&stream), None);
    drop(secondary);
    child.end();
}

#[test]
fn one_that_is_killed_ends_its_records_without_leaving() {
    let scene = Scene::with_killed();
    let mut child = Child::member(&scene, "primary");
    let secondary = scene.secondary();
    let primary = secondary.members().unwrap()[0].name;
    let stream = secondary.to(&primary).trace(Some(LONG)).unwrap();
    joined(&stream);
    child.kill();
    assert_eq!(next(&stream), None);
}

#[test]
fn a_member_that_is_told_so_refuses() {
    let scene = Scene::new();
    let primary = scene.builder(Role::Primary).traceable(false).join().unwrap();
    let secondary = scene.secondary();
    let error = secondary.to(primary.name()).trace(Some(LONG)).unwrap_err();
    assert!(matches!(error, TraceError::Refused), "{error}");
    assert_eq!(error.errno(), Errno::PERM.raw_os_error());
    // It may do so itself.
    let _own = super::trace(&primary);
}

#[test]
fn a_member_that_does_not_answer_says_why() {
    let scene = Scene::new();
    let primary = scene.primary();
    let silent = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_silent"));
    let error = primary.to(&silent.name()).trace(Some(Duration::ZERO)).unwrap_err();
    let service = |error: &TraceError| {
        matches!(error, TraceError::Service(ServiceError::NoReply(NoReplyError::TimedOut { .. })))
    };
    assert!(service(&error), "{error}");
}

#[test]
fn whatever_a_member_answers_is_no_harm() {
    let scene = Scene::new();
    let primary = scene.primary();
    let raw = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_raw"));
    for answer in [&i32::MIN.to_ne_bytes()[..], &i32::MAX.to_ne_bytes(), &[], &[0; 256]] {
        std::thread::scope(|scope| {
            scope.spawn(|| raw.answer_one(Kind::Reply, answer));
            let error = primary.to(&raw.name()).trace(Some(LONG)).unwrap_err();
            let expected = match <[u8; 4]>::try_from(answer) {
                Ok(errno) => i32::from_ne_bytes(errno),
                Err(_) => Errno::PROTO.raw_os_error(),
            };
            assert_eq!(error.errno(), expected, "{error}");
        });
    }
}

#[test]
fn only_so_many_record_and_who_goes_makes_room() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    let attach = || secondary.to(primary.name()).trace(Some(LONG));
    let mut streams: Vec<_> = (0..8).map(|_| attach().unwrap()).collect();
    let error = attach().unwrap_err();
    assert!(matches!(error, TraceError::TooMany), "{error}");
    streams.pop();
    streams.push(attach().unwrap());
    assert!(attach().is_err());
    drop(streams);
    ask_for_nothing(&secondary);
    assert!(attach().is_ok());
}

#[test]
fn readers_in_this_process_make_room_too_though_nothing_was_recorded_since_they_went() {
    let scene = Scene::new();
    let primary = scene.primary();
    let mut traces: Vec<_> = (0..8).map(|_| primary.trace().unwrap()).collect();
    let error = primary.trace().unwrap_err();
    assert!(matches!(error, TraceError::TooMany), "{error}");
    traces.pop();
    traces.push(primary.trace().unwrap());
    assert!(primary.trace().is_err());
}

fn ask_for_nothing(group: &rte_mp::Group) {
    drop(group.request(&message("nothing"), Some(LONG)).unwrap());
}

#[test]
fn what_is_no_place_for_records_is_refused() {
    let scene = Scene::new();
    let primary = scene.primary();
    echo(&primary, "echo");
    let raw = RawPeer::bind(primary.runtime_dir().join("mp_socket_1_raw"));
    let errno = |fds: &[OwnedFd]| {
        let request = raw::datagram(Kind::Request, "rte-mp/trace", b"");
        let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
        raw.send_with(primary.name().as_path(), request, &fds);
        let (_, reply, _) = raw.receive();
        i32::from_ne_bytes(reply.param.as_bytes().try_into().unwrap())
    };
    let pair = |kind| socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    assert_eq!(errno(&[]), Errno::INVAL.raw_os_error(), "no descriptor");
    assert_eq!(errno(&[file(), file()]), Errno::INVAL.raw_os_error(), "two of them");
    assert_eq!(errno(&[file()]), Errno::NOTSOCK.raw_os_error());
    assert_eq!(errno(&[pair(SocketType::DGRAM).0]), Errno::PROTOTYPE.raw_os_error());
    assert_eq!(errno(&[pair(SocketType::STREAM).0]), Errno::PROTOTYPE.raw_os_error());
    // One whose other end is closed already is none to record for, and no harm.
    assert_eq!(errno(&[pair(SocketType::SEQPACKET).0]), 0);
    // A message instead of a request has no answer.
    let message = raw::datagram(Kind::Message, "rte-mp/trace", b"");
    raw.send_with(primary.name().as_path(), message, &[]);
    let alive = raw::datagram(Kind::Request, "echo", b"alive");
    raw.send_with(primary.name().as_path(), alive, &[]);
    assert_eq!(raw.receive().1.param.as_bytes(), b"alive");
}

/// A socket on which somebody records whoever is told its path.
fn listener(path: &Path) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&socket, 16).unwrap();
    socket
}

#[test]
fn the_environment_has_a_program_recorded_from_its_first_message_on() {
    let scene = Scene::new();
    let path = scene.base().join("recorder");
    let listener = listener(&path);
    let mut child = Child::start_with(&scene, "RTE_MP_TRACE", &path);
    child.tell("join primary");
    child.expect("joined");
    wait_for(&listener);
    let stream = TraceStream::from(accept(&listener).unwrap());
    assert_eq!(joined(&stream).process_id, child.pid());
    let secondary = scene.secondary();
    assert_eq!(ask(&secondary, "echo", b"hello"), b"hello");
    let traced = datagram(&next(&stream).unwrap()).unwrap();
    assert_eq!((traced.direction, traced.param.as_bytes()), (Direction::In, &b"hello"[..]));
    drop((secondary, stream, listener));
    child.end();
}

#[test]
fn nobody_who_listens_is_no_harm() {
    let scene = Scene::new();
    let path = scene.base().join("recorder");
    drop(listener(&path));
    for path in [&path, Path::new("/dev/null"), Path::new("")] {
        let mut child = Child::start_with(&scene, "RTE_MP_TRACE", path);
        child.tell("join primary");
        child.expect("joined");
        child.end();
    }
}

/// The program may do more than its user, whose environment is not to be trusted.
#[test]
fn the_environment_is_not_heeded_by_a_program_with_capabilities_of_its_own() {
    if !is_root() {
        println!("left out: only root can give a program capabilities");
        return;
    }
    let scene = Scene::new();
    let everybody = Permissions::from_mode(0o777);
    fs::set_permissions(scene.base(), everybody.clone()).unwrap();
    let (path, program) = (scene.base().join("recorder"), scene.base().join("program"));
    let listener = listener(&path);
    fs::set_permissions(&path, everybody).unwrap();
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let is_asked = || {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&now)).unwrap() == 1
    };
    for has_capability in [false, true] {
        if has_capability {
            setxattr(&program, "security.capability", &NET_RAW, XattrFlags::empty()).unwrap();
        }
        let mut command = Command::new(&program);
        command.uid(NOBODY).gid(NOBODY).env("RTE_MP_TRACE", &path);
        let mut child = Child::start_by(&scene, command);
        child.tell("join primary");
        child.expect("joined");
        if has_capability && !is_secure(child.pid()) {
            println!("left out: programs get no capabilities here");
        } else {
            assert_eq!(is_asked(), !has_capability, "with a capability: {has_capability}");
        }
        child.end();
        if is_asked() {
            drop(accept(&listener).unwrap());
        }
    }
}

/// What `setcap cap_net_raw=ep` writes.
const NET_RAW: [u8; 20] = {
    let mut bytes = [0; 20];
    // Revision 2, effective from the beginning; the capability's number is 13.
    (bytes[0], bytes[3], bytes[5]) = (1, 2, 1 << 5);
    bytes
};

const NOBODY: u32 = 65534;

/// Tells whether the kernel has told a process not to trust its user (`AT_SECURE`).
fn is_secure(pid: u32) -> bool {
    let auxv = fs::read(format!("/proc/{pid}/auxv")).unwrap();
    let words: Vec<_> = auxv
        .chunks_exact(size_of::<usize>())
        .map(|word| usize::from_ne_bytes(word.try_into().unwrap()))
        .collect();
    words.chunks_exact(2).any(|pair| pair == [23, 1])
}

#[test]
fn what_is_no_record_is_not_read_as_one() {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let stream = TraceStream::from(ours);
    let flags = rustix::net::SendFlags::empty();
    for bytes in [&b"noise"[..], &[0; 4096]] {
        rustix::net::send(&theirs, bytes, flags).unwrap();
        assert_eq!(stream.recv().unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
    drop(theirs);
    assert_eq!(stream.recv().unwrap(), None);
}
