//! What rustix lacks, asked of libc: receiving many datagrams at once, locks on byte ranges, and whether
//! our user is to be trusted.
//!
//! A received descriptor is owned from the line that reads it out of the control message, and
//! close-on-exec. Control messages and addresses are parsed from bytes, without pointers.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use rte_mp_proto::{Layout, PeerName, Received};

/// Room for one datagram: a little more than the longest, so that a longer one shows.
const BYTES: usize = Layout::MAX_LEN + 4;
/// Room for one `SCM_CREDENTIALS` and one `SCM_RIGHTS` as large as the kernel makes them.
const CONTROL: usize = cmsg_space(mem::size_of::<libc::ucred>()) + cmsg_space(4 * Layout::MAX_FDS);
const ADDRESS: usize = mem::size_of::<libc::sockaddr_un>();
const CMSG_ALIGN: usize = mem::size_of::<usize>();
const CMSG_HEADER: usize = CMSG_ALIGN + 8;

/// The most datagrams that are received by one call. The kernel queues about 11 per socket.
const MAX_BATCH: usize = 16;

const fn cmsg_space(len: usize) -> usize {
    CMSG_HEADER + len.next_multiple_of(CMSG_ALIGN)
}

/// One datagram as the kernel gave it.
pub(crate) struct Slot {
    bytes: [u8; BYTES],
    control: Aligned<CONTROL>,
    address: Aligned<ADDRESS>,
    len: usize,
    /// Bytes or descriptors were cut off.
    truncated: bool,
    /// The path that the sender is bound to; an abstract address is none.
    pub(crate) from: Option<PeerName>,
    /// Process and user id of the sender, from the kernel.
    pub(crate) credentials: Option<Credentials>,
    /// The descriptors that came along.
    pub(crate) fds: Vec<OwnedFd>,
}

/// Who sent a datagram, as the kernel says (`SCM_CREDENTIALS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// In our pid namespace; 0 if the sender is not visible there.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

impl Slot {
    fn new() -> Self {
        Self {
            bytes: [0; BYTES],
            control: Aligned([0; CONTROL]),
            address: Aligned([0; ADDRESS]),
            len: 0,
            truncated: false,
            from: None,
            credentials: None,
            fds: Vec::new(),
        }
    }

    /// Says what came, for `rte_mp_proto::dispatch`; `fd_count` descriptors were taken out of it.
    pub(crate) fn received(&self, fd_count: usize) -> Received<'_> {
        Received {
            bytes: &self.bytes[..self.len],
            truncated: self.truncated,
            from: self.from,
            uid: self.credentials.map(|credentials| credentials.uid),
            fd_count,
        }
    }

    /// Points a header to our buffers. The kernel need not say who sent what only `peer` can send.
    fn header(&mut self, iov: &mut libc::iovec, peer: Option<PeerName>) -> libc::mmsghdr {
        *iov = libc::iovec { iov_base: self.bytes.as_mut_ptr().cast(), iov_len: BYTES };
        // SAFETY: every field of `mmsghdr` is an integer or a pointer, for which zero is a value.
        let mut header: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        header.msg_hdr.msg_iov = ptr::from_mut(iov);
        header.msg_hdr.msg_iovlen = 1;
        if peer.is_none() {
            header.msg_hdr.msg_name = self.address.0.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = ADDRESS as libc::socklen_t;
        }
        header.msg_hdr.msg_control = self.control.0.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = CONTROL;
        header
    }

    /// Takes over what the kernel wrote, descriptors first.
    fn fill(&mut self, header: &libc::mmsghdr, peer: Option<PeerName>) {
        let control_len = header.msg_hdr.msg_controllen.min(CONTROL);
        self.fds.clear();
        self.credentials = None;
        for (level, kind, data) in control_messages(&self.control.0[..control_len]) {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    self.fds.extend(words(data).map(|fd| {
                        // SAFETY: the kernel has just put this descriptor into our table for this
                        // control message, which is read once, so nobody else owns it.
                        unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
                    }));
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                    let mut ids = words(data);
                    if let (Some(pid), Some(uid)) = (ids.next(), ids.next()) {
                        self.credentials = Some(Credentials { pid: pid as u32, uid: uid as u32 });
                    }
                }
                _ => {}
            }
        }
        self.len = (header.msg_len as usize).min(BYTES);
        self.truncated = header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
        let address_len = (header.msg_hdr.msg_namelen as usize).min(ADDRESS);
        self.from = peer.or_else(|| socket_path(&self.address.0[..address_len]));
    }
}

/// Reads the messages out of a control buffer: level, type and data of each.
fn control_messages(mut rest: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from_ne_bytes(rest.get(..CMSG_ALIGN)?.try_into().ok()?);
        let mut fields = words(rest.get(CMSG_ALIGN..CMSG_HEADER)?);
        let (level, kind) = (fields.next()?, fields.next()?);
        let data = rest.get(CMSG_HEADER..len)?;
        rest = rest.get(len.next_multiple_of(CMSG_ALIGN)..).unwrap_or(&[]);
        Some((level, kind, data))
    })
}

fn words(bytes: &[u8]) -> impl Iterator<Item = i32> + '_ {
    bytes.chunks_exact(4).map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
}

/// Reads the path out of a `sockaddr_un`.
fn socket_path(address: &[u8]) -> Option<PeerName> {
    let path = address.get(mem::size_of::<libc::sa_family_t>()..)?;
    let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
    PeerName::new(OsStr::from_bytes(&path[..end])).ok()
}

/// Room for what is received at once.
pub(crate) struct Batch {
    slots: Box<[Slot]>,
    /// The only one who can send here, so that the kernel need not say who did.
    peer: Option<PeerName>,
    /// How many datagrams are asked for next: one as long as they come one by one, since that is
    /// the cheaper call.
    want: usize,
}

impl Batch {
    /// Makes room for datagrams of anybody.
    pub(crate) fn new() -> Self {
        Self { slots: (0..MAX_BATCH).map(|_| Slot::new()).collect(), peer: None, want: 1 }
    }

    /// Makes room for datagrams of `peer`, which the socket is connected to.
    pub(crate) fn from_peer(peer: PeerName) -> Self {
        Self { slots: Box::new([Slot::new()]), peer: Some(peer), want: 1 }
    }

    /// Receives what is there, without blocking, and says how much of it is in the first slots.
    /// An empty queue is [`io::ErrorKind::WouldBlock`].
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<&mut [Slot]> {
        let received = match self.want {
            1 => self.receive_one(socket),
            _ => self.receive_many(socket),
        };
        // One that came alone may be the first of many; many that were fewer are the last.
        self.want = match received {
            Ok(count) if count == self.want => self.slots.len(),
            Ok(_) | Err(_) => 1,
        };
        Ok(&mut self.slots[..received?])
    }

    fn receive_one(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let slot = &mut self.slots[0];
        // SAFETY: integers and pointers, for which zero is a value.
        let mut iov: libc::iovec = unsafe { MaybeUninit::zeroed().assume_init() };
        let mut header = slot.header(&mut iov, self.peer);
        // Not by libc's own function, which is a point of cancellation and costs its share.
        // SAFETY: the header points to buffers of the stated lengths, which live in `slot` and `iov`
        // and are not touched until the call returns.
        let len = unsafe {
            libc::syscall(
                libc::SYS_recvmsg,
                socket.as_raw_fd(),
                &raw mut header.msg_hdr,
                libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
            )
        };
        header.msg_len = u32::try_from(len).map_err(|_| io::Error::last_os_error())?;
        slot.fill(&header, self.peer);
        Ok(1)
    }

    fn receive_many(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        // SAFETY: integers and pointers, for which zero is a value.
        let mut iovs: [libc::iovec; MAX_BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: integers and pointers, for which zero is a value.
        let mut headers: [libc::mmsghdr; MAX_BATCH] =
            unsafe { MaybeUninit::zeroed().assume_init() };
        for ((slot, iov), header) in self.slots.iter_mut().zip(&mut iovs).zip(&mut headers) {
            *header = slot.header(iov, self.peer);
        }
        // SAFETY: the first `slots.len()` headers point to buffers of the stated lengths, which
        // live in `self.slots` and `iovs` and are not touched until the call returns; a null
        // timeout means none.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                self.slots.len() as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots[..count].iter_mut().zip(&headers) {
            slot.fill(header, self.peer);
        }
        Ok(count)
    }
}

/// Tells whether this program may do more than whoever started it, who is not to be trusted then: by the
/// rights of another user or by capabilities of its own (`AT_SECURE`).
pub(crate) fn is_privileged() -> bool {
    // SAFETY: it reads what the kernel gave this process at its start, and any number may be asked for.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// What holds a lock that is in our way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The process, if the lock says: an OFD lock, and one of another pid namespace, do not.
    pub(crate) pid: Option<u32>,
}

/// Takes a write lock on `len` bytes from `start` for this open file description (`F_OFD_SETLK`).
///
/// It conflicts with the classic POSIX lock of a DPDK primary both ways, but is not lost when
/// another descriptor of the file is closed. Does not block: a conflict is `WouldBlock`.
pub(crate) fn lock_range(file: &File, start: u64, len: u64) -> io::Result<()> {
    set_lock(file, flock(start, len)?)
}

/// Gives up the locks of this open file description on `len` bytes from `start`.
pub(crate) fn unlock_range(file: &File, start: u64, len: u64) -> io::Result<()> {
    let mut lock = flock(start, len)?;
    lock.l_type = libc::F_UNLCK as libc::c_short;
    set_lock(file, lock)
}

fn set_lock(file: &File, mut lock: libc::flock) -> io::Result<()> {
    // SAFETY: `lock` is a valid `flock` for the whole call, and `l_pid` is 0 as OFD locks want.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut lock) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Finds whether any other open file description or process holds a lock in the whole file that a
/// write lock would conflict with (`F_OFD_GETLK`).
pub(crate) fn lock_holder(file: &File) -> io::Result<Option<Holder>> {
    let mut lock = flock(0, 0)?;
    // SAFETY: `lock` is a valid `flock` for the whole call, and `l_pid` is 0 as OFD locks want.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    let held = lock.l_type != libc::F_UNLCK as libc::c_short;
    Ok(held.then(|| Holder { pid: u32::try_from(lock.l_pid).ok().filter(|&pid| pid > 0) }))
}

fn flock(start: u64, len: u64) -> io::Result<libc::flock> {
    let offset = |value: u64| {
        libc::off_t::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    // SAFETY: every field of `flock` is an integer, for which zero is a value.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = offset(start)?;
    lock.l_len = offset(len)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control_message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (CMSG_HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(cmsg_space(data.len()), 0);
        bytes
    }

    #[test]
    fn control_messages_are_read_one_after_the_other() {
        let mut bytes = control_message(1, 2, &[1; 12]);
        bytes.extend(control_message(1, 1, &[2; 4]));
        let found: Vec<_> = control_messages(&bytes).collect();
        assert_eq!(found, [(1, 2, &[1; 12][..]), (1, 1, &[2; 4][..])]);
    }

    #[test]
    fn a_broken_control_buffer_ends_the_reading() {
        let whole = control_message(1, 1, &[2; 4]);
        for len in 0..CMSG_HEADER + 4 {
            assert_eq!(control_messages(&whole[..len]).count(), 0, "{len} bytes");
        }
        assert_eq!(control_messages(&[0; 64]).count(), 0, "a length of zero");
        assert_eq!(control_messages(&[0xff; 64]).count(), 0, "a length beyond everything");
    }

    #[test]
    fn only_a_path_is_an_address() {
        let address = |path: &[u8]| [&[1, 0], path].concat();
        let peer = PeerName::new("/run/x").unwrap();
        assert_eq!(socket_path(&address(b"/run/x\0\0\0")), Some(peer));
        assert_eq!(socket_path(&address(b"/run/x")), Some(peer));
        assert_eq!(socket_path(&address(b"\0abstract")), None);
        assert_eq!(socket_path(&address(b"")), None);
        assert_eq!(socket_path(&[]), None);
    }
}
