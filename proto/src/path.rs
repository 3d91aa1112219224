//! The names of a group's files: sockets, return addresses, the config file.
//!
//! Only names; directories are chosen and opened elsewhere. A secondary's socket is found by the
//! shell pattern `mp_socket_*`, whatever follows; nothing of ours that is no member may match it.
//!
//! DPDK 25.11: `eal_filesystem.h`, and `eal_common_proc.c`, `create_socket_path`.

use std::str;

/// The file that holds the group's configuration, and the primary's lock.
pub const CONFIG: &str = "config";

/// The primary's socket. A secondary's has this name, an underscore, and more.
pub const PRIMARY_SOCKET: &str = "mp_socket";

const SECONDARY_PREFIX: &str = "mp_socket_";
const RETURN_ADDRESS_PREFIX: &str = "mp_reply_";

/// The longest file name that this module makes, in bytes: a 10-digit pid and a 64-bit number.
pub const MAX_FILE_NAME_LEN: usize = SECONDARY_PREFIX.len() + 10 + 1 + 16;

/// Names a secondary's socket. `unique` tells apart what a process joins one after the other.
pub fn secondary_socket(process_id: u32, unique: u64) -> String {
    format!("{SECONDARY_PREFIX}{process_id}_{unique:x}")
}

/// Names a return address: a socket that only replies come to.
///
/// `unique` is to be random: process ids come back, and a late reply to a process that ended must
/// not find the one that has its id now.
pub fn return_address(process_id: u32, unique: u64) -> String {
    format!("{RETURN_ADDRESS_PREFIX}{process_id}_{unique:x}")
}

/// Tells whether a file of this name is a secondary's socket, as a DPDK primary would see it.
pub fn is_secondary_socket(file_name: &[u8]) -> bool {
    file_name.starts_with(SECONDARY_PREFIX.as_bytes())
}

/// Tells whether a file of this name is a return address.
pub fn is_return_address(file_name: &[u8]) -> bool {
    file_name.starts_with(RETURN_ADDRESS_PREFIX.as_bytes())
}

/// Reads the process id out of the name of a secondary's socket or a return address.
///
/// DPDK never looks at it; a name without one is a member all the same.
pub fn process_id(file_name: &[u8]) -> Option<u32> {
    let rest = file_name
        .strip_prefix(SECONDARY_PREFIX.as_bytes())
        .or_else(|| file_name.strip_prefix(RETURN_ADDRESS_PREFIX.as_bytes()))?;
    let digits = rest.split(|&byte| byte == b'_').next()?;
    let id = str::from_utf8(digits).ok()?.parse().ok()?;
    (id != 0 && !digits.starts_with(b"+")).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_is_read_only_from_names_that_have_one() {
        let cases: [(&[u8], Option<u32>); 9] = [
            (b"mp_socket_123_4f2a", Some(123)),
            (b"mp_reply_9_1", Some(9)),
            (b"mp_socket_77", Some(77)),
            (b"mp_socket", None),
            (b"mp_socket_", None),
            (b"mp_socket_x_1", None),
            (b"mp_socket_0_1", None),
            (b"mp_socket_+5_1", None),
            (b"mp_socket_99999999999_1", None),
        ];
        for (name, expected) in cases {
            assert_eq!(process_id(name), expected, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn broadcasts_do_not_see_return_addresses() {
        assert!(is_secondary_socket(secondary_socket(1, 255).as_bytes()));
        assert!(!is_secondary_socket(return_address(1, 255).as_bytes()));
        assert!(!is_secondary_socket(PRIMARY_SOCKET.as_bytes()));
        assert_eq!(secondary_socket(12, 0xab), "mp_socket_12_ab");
        assert_eq!(secondary_socket(u32::MAX, u64::MAX).len(), MAX_FILE_NAME_LEN);
    }
}
