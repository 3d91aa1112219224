//! Payloads about devices: hot-plug, virtual devices, packet capture, tap queues.

use super::bytes::{Struct, result};

/// `eal_dev_mp_request`: 136 bytes.
pub(super) fn hotplug(param: &[u8], is_answer: bool) -> Option<String> {
    let param = Struct::<136>::new(param)?;
    let device = param.text(4, 128);
    let what = match param.i32(0) {
        0 => "attach",
        1 => "detach",
        2 => "undo the attaching of",
        3 => "undo the detaching of",
        _ => return None,
    };
    Some(match is_answer {
        true => format!("{what} {device}: {}", result(param.i32(132))),
        false => format!("{what} {device}"),
    })
}

/// `bus_vdev_mp`: 72 bytes.
pub(super) fn vdev(param: &[u8]) -> Option<String> {
    let param = Struct::<72>::new(param)?;
    match param.i32(0) {
        1 => Some("list the virtual devices".to_owned()),
        2 => Some(format!("virtual device {}", param.text(8, 64))),
        3 => Some(format!("end of the list: {} virtual devices", param.i32(4))),
        _ => None,
    }
}

/// `mp_pdump`: a request of 112 bytes (21.11 and later), a reply of 8.
pub(super) fn pdump(param: &[u8], is_answer: bool) -> Option<String> {
    let verb = |op| match op {
        1 => Some("stop"),
        2 => Some("start"),
        _ => None,
    };
    if is_answer {
        let param = Struct::<8>::new(param)?;
        return Some(format!("{} capturing: {}", verb(param.u16(2))?, result(param.i32(4))));
    }
    let param = Struct::<112>::new(param)?;
    let direction = match param.u32(4) & 3 {
        1 => "received",
        2 => "sent",
        3 => "received and sent",
        _ => return None,
    };
    let queue = match param.u16(72) {
        u16::MAX => "all queues".to_owned(),
        queue => format!("queue {queue}"),
    };
    let (verb, device) = (verb(param.u16(2))?, param.text(8, 64));
    Some(format!("{verb} capturing packets {direction} on {device}, {queue}"))
}

/// `tap_mp_sync_queues` and `tap_mp_req_start_rxtx`: 68 bytes.
pub(super) fn tap(param: &[u8]) -> Option<String> {
    let param = Struct::<68>::new(param)?;
    Some(format!("queues of the tap port {}: {}", param.text(0, 64), param.i32(64)))
}

#[cfg(test)]
mod tests {
    use rte_mp::Kind;

    use crate::decode::decode;

    fn hotplug(op: i32, device: &str, result: i32) -> Vec<u8> {
        let mut param = vec![0; 136];
        param[..4].copy_from_slice(&op.to_ne_bytes());
        param[4..4 + device.len()].copy_from_slice(device.as_bytes());
        param[132..].copy_from_slice(&result.to_ne_bytes());
        param
    }

    #[test]
    fn hot_plug_is_told_in_words() {
        let cases = [
            (Kind::Request, hotplug(0, "vdev:net_null7", 0), "attach \"vdev:net_null7\""),
            (Kind::Reply, hotplug(1, "net_null7", 0), "detach \"net_null7\": done"),
            (
                Kind::Reply,
                hotplug(2, "net_null7\x1b[2J", -2),
                r#"undo the attaching of "net_null7\x1b[2J": failed: No such file or directory (os error 2)"#,
            ),
        ];
        for (kind, param, expected) in cases {
            let words = decode(b"eal_dev_mp_request", kind, &param);
            assert_eq!(words.as_deref(), Some(expected));
        }
        assert_eq!(decode(b"eal_dev_mp_request", Kind::Request, &hotplug(9, "", 0)), None);
    }

    #[test]
    fn a_scan_for_virtual_devices_is_told_in_words() {
        let param = |op: i32, count: i32, name: &str| {
            let mut param = [&op.to_ne_bytes()[..], &count.to_ne_bytes(), name.as_bytes()].concat();
            param.resize(72, 0);
            param
        };
        let cases = [
            (param(1, 0, ""), "list the virtual devices"),
            (param(2, 0, "net_null0"), "virtual device \"net_null0\""),
            (param(3, 2, ""), "end of the list: 2 virtual devices"),
        ];
        for (param, expected) in cases {
            assert_eq!(decode(b"bus_vdev_mp", Kind::Message, &param).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_capture_is_told_in_words() {
        let mut param = vec![0; 112];
        param[2..4].copy_from_slice(&2_u16.to_ne_bytes());
        param[4..8].copy_from_slice(&1_u32.to_ne_bytes());
        param[8..17].copy_from_slice(b"net_null0");
        param[72..74].copy_from_slice(&u16::MAX.to_ne_bytes());
        let expected = "start capturing packets received on \"net_null0\", all queues";
        assert_eq!(decode(b"mp_pdump", Kind::Request, &param).as_deref(), Some(expected));
        let reply = [&2_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), &0_i32.to_ne_bytes()].concat();
        let expected = Some("stop capturing: done");
        assert_eq!(decode(b"mp_pdump", Kind::Reply, &reply).as_deref(), expected);
    }
}
