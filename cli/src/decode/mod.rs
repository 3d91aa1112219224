//! What DPDK says to itself, in words.
//!
//! The names and payloads that DPDK's own libraries and drivers use. What a payload says is only a claim: any
//! bytes may come under any name, and what is not of the known form has no words.
//!
//! DPDK 18.11 to 26.07: the payloads are C structs of one machine, in its byte order.

mod bytes;
mod device;
mod memory;

use rte_mp::Kind;

/// The names of DPDK's own messages and requests, but for drivers' that keep to the pattern below.
const DPDK_NAMES: [&str; 16] = [
    "mp_malloc_request",
    "mp_malloc_sync",
    "mp_malloc_rollback",
    "mp_malloc_response",
    "eal_dev_mp_request",
    "eal_vfio_mp_sync",
    "bus_vdev_mp",
    "mp_pdump",
    "mp_testpmd",
    "fslmc_vfio_mp_sync",
    "tap_mp_sync_queues",
    "tap_mp_req_start_rxtx",
    "afxdp_mp_send_fds",
    "memif_mp_send_region",
    "sxe2_mp_msg",
    "ipsec_mb_mp_msg",
];

/// Drivers' names that follow no list: `net_ena_mp`, `common_mlx5_mp`.
const DRIVER_PREFIXES: [&str; 2] = ["net_", "common_"];
const DRIVER_SUFFIX: &str = "_mp";

/// Tells whether DPDK itself uses a name. Who answers such a request says something about memory or devices
/// that it does not have; an ignore lets DPDK go on as if nobody were there.
pub(crate) fn is_dpdk_own(name: &[u8]) -> bool {
    let of_a_driver = || {
        DRIVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
            && name.ends_with(DRIVER_SUFFIX.as_bytes())
    };
    DPDK_NAMES.iter().any(|own| own.as_bytes() == name) || of_a_driver()
}

/// Says in words what a payload of DPDK's own says; safe to be shown on a terminal.
pub(crate) fn decode(name: &[u8], kind: Kind, param: &[u8]) -> Option<String> {
    let is_answer = match kind {
        Kind::Message | Kind::Request => false,
        Kind::Reply => true,
        // It carries nothing.
        Kind::Ignore => return None,
    };
    match name {
        b"eal_dev_mp_request" => device::hotplug(param, is_answer),
        b"bus_vdev_mp" => device::vdev(param),
        b"mp_pdump" => device::pdump(param, is_answer),
        b"tap_mp_sync_queues" | b"tap_mp_req_start_rxtx" => device::tap(param),
        b"mp_malloc_request"
        | b"mp_malloc_sync"
        | b"mp_malloc_rollback"
        | b"mp_malloc_response" => {
            let has_result = is_answer || name == b"mp_malloc_response";
            memory::malloc(param, has_result)
        }
        b"eal_vfio_mp_sync" => memory::vfio(param, is_answer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_dpdk_are_known() {
        for name in
            ["mp_malloc_sync", "eal_dev_mp_request", "mp_pdump", "net_ena_mp", "common_mlx5_mp"]
        {
            assert!(is_dpdk_own(name.as_bytes()), "{name}");
        }
        for name in ["hello", "mp_malloc", "net_mp_stats", "ping_request", "rte-mp/ping"] {
            assert!(!is_dpdk_own(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_not_of_the_known_form() {
        for name in DPDK_NAMES {
            for param in [&[][..], &[1], &[0xff; 256], &[0xff; 136]] {
                assert_eq!(decode(name.as_bytes(), Kind::Ignore, param), None, "{name}");
                if param.len() != 136 {
                    assert_eq!(decode(name.as_bytes(), Kind::Request, param), None, "{name}");
                }
            }
        }
        assert_eq!(decode(b"hello", Kind::Request, &[0; 136]), None);
    }

    proptest! {
        #[test]
        fn what_is_said_of_any_bytes_is_safe_to_be_shown(
            name in proptest::sample::select(&DPDK_NAMES),
            kind in proptest::sample::select(&Kind::ALL),
            len in proptest::sample::select(&[8_usize, 12, 68, 72, 80, 112, 136]),
            mut param in proptest::collection::vec(any::<u8>(), 136),
            small in any::<bool>(),
        ) {
            param.truncate(len);
            if small {
                // Numbers that are in use, so that more than refusals is seen.
                param[..4].copy_from_slice(&1_i32.to_ne_bytes());
            }
            let words = decode(name.as_bytes(), kind, &param).unwrap_or_default();
            prop_assert!(!words.chars().any(char::is_control), "{words:?}");
        }
    }
}
