//! Structs as parameters.

use rte_mp::{MessageError, ParamError};
use rustix::io::Errno;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::common::{LONG, Scene, message, message_with};

#[derive(Debug, Clone, Copy, PartialEq, IntoBytes, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Ping {
    sequence: u64,
    pid: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, IntoBytes, TryFromBytes, Immutable, KnownLayout)]
#[repr(u32)]
enum State {
    Idle = 0,
    Busy = 1,
}

#[derive(IntoBytes, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Bytes<const N: usize>([u8; N]);

const PING: Ping = Ping { sequence: 7, pid: 4711, state: State::Busy };

#[test]
fn a_struct_goes_there_and_back() {
    let scene = Scene::new();
    let (primary, secondary) = (scene.primary(), scene.secondary());
    primary
        .register("ping_request", |request| {
            let mut ping: Ping = request.param_as().unwrap();
            ping.sequence += 1;
            ping.state = State::Idle;
            request.reply_with(message("ping_request").with_struct(&ping).unwrap())
        })
        .unwrap();
    let ping = message("ping_request").with_struct(&PING).unwrap();
    let pong = secondary.request(&ping, Some(LONG)).unwrap().into_reply().unwrap();
    let expected = Ping { sequence: 8, state: State::Idle, ..PING };
    assert_eq!(pong.param_as::<Ping>().unwrap(), expected);
}

#[test]
fn the_bytes_are_those_of_a_c_struct() {
    let message = message("ping").with_struct(&PING).unwrap();
    let expected =
        [&7_u64.to_ne_bytes()[..], &4711_u32.to_ne_bytes(), &1_u32.to_ne_bytes()].concat();
    assert_eq!(message.param(), expected);
    assert_eq!(message_with("ping", &expected).param_as::<Ping>().unwrap(), PING);
}

#[test]
fn a_wrong_size_is_an_error_that_names_both() {
    for len in [0, 15, 17, 256] {
        let message = message_with("ping", &vec![0; len]);
        let error = message.param_as::<Ping>().unwrap_err();
        assert!(
            matches!(error, ParamError::Size { want: 16, len: l, .. } if l == len),
            "{error:?}"
        );
        let text = error.to_string();
        let named = [&len.to_string(), "16", "ping", "Ping"];
        assert!(named.iter().all(|part| text.contains(*part)), "{text}");
        assert_eq!(error.errno(), Errno::INVAL.raw_os_error());
    }
}

#[test]
fn bytes_that_the_type_cannot_have_are_an_error() {
    let mut bytes = PING.as_bytes().to_vec();
    bytes[12] = 2;
    let error = message_with("ping", &bytes).param_as::<Ping>().unwrap_err();
    assert!(matches!(error, ParamError::Value { .. }), "{error:?}");
    assert_eq!(error.errno(), Errno::INVAL.raw_os_error());
}

#[test]
fn a_struct_has_at_most_256_bytes() {
    assert_eq!(message("any").with_struct(&Bytes([7; 256])).unwrap().param(), [7; 256]);
    let error = message("any").with_struct(&Bytes([7; 257])).unwrap_err();
    assert_eq!(error, MessageError::ParamTooLong { len: 257, max: 256 });
}

#[test]
fn an_unaligned_parameter_is_read_all_the_same() {
    // 1 to 8 bytes of name before it do not matter to where it lies.
    for len in 1..=8 {
        let message = message(&"n".repeat(len)).with_struct(&PING).unwrap();
        assert_eq!(message.param_as::<Ping>().unwrap(), PING);
    }
}
