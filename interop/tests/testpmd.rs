//! A running `dpdk-testpmd`, reconfigured from outside by an rte-mp member.

use std::sync::mpsc;

use rte_mp::{Group, Message};
use rte_mp_interop::{PATIENCE, with_dpdk_tool};

const HOTPLUG: &str = "eal_dev_mp_request";
const ATTACH: i32 = 0;
const DETACH: i32 = 1;
const EINVAL: i32 = 22;

/// The param of a hot-plug request: the operation, the device's arguments, the result.
///
/// DPDK 22.11: `hotplug_mp.h`, `struct eal_dev_mp_req`.
fn hotplug_param(operation: i32, device: &str) -> [u8; 136] {
    let mut param = [0; 136];
    param[..4].copy_from_slice(&operation.to_ne_bytes());
    param[4..4 + device.len()].copy_from_slice(device.as_bytes());
    param
}

/// Has the primary plug a device in or out, and gives its result.
fn hotplug(member: &Group, operation: i32, device: &str) -> i32 {
    let request = Message::new(HOTPLUG)
        .and_then(|request| request.with_param(&hotplug_param(operation, device)))
        .expect("name and param fit");
    let replies = member.request(&request, None).expect("testpmd runs");
    let reply = replies.into_reply().expect("testpmd answers");
    let result = reply.param()[132..].try_into().expect("136 bytes came back");
    i32::from_ne_bytes(result)
}

#[test]
fn a_member_plugs_a_device_into_testpmd_and_removes_it() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        let member = room.member();
        assert_eq!(testpmd.ports(), ["net_null0"]);
        assert_eq!(hotplug(&member, ATTACH, "net_null7"), 0);
        assert_eq!(testpmd.ports(), ["net_null0", "net_null7"]);
        assert_eq!(hotplug(&member, DETACH, "net_null7"), 0);
        assert_eq!(testpmd.ports(), ["net_null0"]);
        assert!(hotplug(&member, DETACH, "net_null7") < 0, "it is not there");
        drop(member);
        testpmd.quit();
    });
}

/// The primary asks all members, the one who asked it included, before it answers.
#[test]
fn a_member_has_a_say_in_the_hot_plug_that_it_asked_for() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let mut testpmd = room.testpmd();
        let member = room.member();
        let answer = |result: i32| {
            let (sender, asked) = mpsc::channel();
            member
                .register(HOTPLUG, move |request| {
                    let mut param = request.param().to_vec();
                    sender.send(param[0]).unwrap();
                    param[132..].copy_from_slice(&result.to_ne_bytes());
                    request.reply(&param)
                })
                .unwrap();
            asked
        };
        let asked = answer(0);
        assert_eq!(hotplug(&member, ATTACH, "net_null7"), 0);
        assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), 0);
        assert_eq!(testpmd.ports(), ["net_null0", "net_null7"]);
        assert!(member.unregister(HOTPLUG));

        // Objecting undoes it.
        let asked = answer(-EINVAL);
        assert!(hotplug(&member, ATTACH, "net_null8") < 0);
        assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), 0);
        assert_eq!(testpmd.ports(), ["net_null0", "net_null7"]);
    });
}

#[test]
fn a_member_lists_the_virtual_devices_of_testpmd() {
    with_dpdk_tool("dpdk-testpmd", |room| {
        let _testpmd = room.testpmd();
        let member = room.member();
        let (sender, devices) = mpsc::channel();
        // DPDK 22.11: `vdev.c`, `struct vdev_param`: operation, count, name.
        member
            .register("bus_vdev_mp", move |request| {
                let name = request.param()[8..].split(|&byte| byte == 0).next().unwrap();
                sender.send(String::from_utf8_lossy(name).into_owned()).unwrap();
            })
            .unwrap();
        let mut param = [0; 72];
        param[0] = 1;
        let scan = Message::new("bus_vdev_mp").unwrap().with_param(&param).unwrap();
        let reply = member.request(&scan, None).unwrap().into_reply().unwrap();
        assert_eq!(reply.param()[..8], [3, 0, 0, 0, 1, 0, 0, 0], "the end, and one device");
        assert_eq!(devices.recv_timeout(PATIENCE).unwrap(), "net_null0");
    });
}
