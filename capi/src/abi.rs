//! The structs that C programs have compiled in, in the two layouts that they may choose
//! (`RTE_MP_ABI`).
//!
//! DPDK 22.11 and 25.11: `rte_eal.h`, `struct rte_mp_msg`, `struct rte_mp_reply`.

use std::ffi::{c_char, c_int, c_uint};
use std::mem::offset_of;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::slice;

use rte_mp::{ActionName, Message, MessageError};

use crate::border::Errno;

/// The bytes of a name, its NUL included (`RTE_MP_MAX_NAME_LEN`).
pub(crate) const NAME_SIZE: usize = 64;
/// The bytes of a parameter (`RTE_MP_MAX_PARAM_LEN`).
pub(crate) const PARAM_SIZE: usize = 256;

/// `struct rte_mp_msg`, with a parameter of `P` and room for `FDS` descriptors.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Msg<P, const FDS: usize> {
    name: [u8; NAME_SIZE],
    len_param: c_int,
    num_fds: c_int,
    param: P,
    fds: [c_int; FDS],
}

/// A parameter that begins at a multiple of 8 bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Aligned([u8; PARAM_SIZE]);

/// The layout of DPDK 18.02 to 24.07.
pub(crate) type Msg22 = Msg<[u8; PARAM_SIZE], 8>;
/// The layout of DPDK 25.11 and later.
pub(crate) type Msg25 = Msg<Aligned, 253>;

const _: () = {
    assert!(size_of::<Msg22>() == 360 && align_of::<Msg22>() == 4);
    assert!(size_of::<Msg25>() == 1344 && align_of::<Msg25>() == 8);
    assert!(offset_of!(Msg22, param) == 72 && offset_of!(Msg22, fds) == 328);
    assert!(offset_of!(Msg25, param) == 72 && offset_of!(Msg25, fds) == 328);
    assert!(size_of::<Reply<Msg22>>() == 16);
};

/// `struct rte_mp_reply`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Reply<M> {
    pub(crate) nb_sent: c_int,
    pub(crate) nb_received: c_int,
    pub(crate) msgs: *mut M,
}

/// What the two layouts of `struct rte_mp_msg` have in common.
pub(crate) trait Layout: Copy + Send + 'static {
    /// Copies what C wrote, but for bytes that mean nothing, after the checks that DPDK makes in
    /// the order in which it makes them.
    ///
    /// # Safety
    /// `message` is null or points to a message whose name, `len_param` and `num_fds` are set, and
    /// so are as many bytes of its parameter and descriptors as those say.
    unsafe fn copy(message: *const Self) -> Result<Self, Errno>;

    /// Makes one of what came, with its descriptors, which are the receiver's from now on.
    ///
    /// Gives nothing if there are more descriptors than it has room for; they are closed then.
    fn received(message: &Message, fds: Vec<OwnedFd>) -> Option<Self>;

    /// Makes the library's of it, with duplicates of the descriptors.
    fn to_message(&self) -> Result<Message, Errno>;

    /// Gives the action that it is for.
    fn name(&self) -> Result<ActionName, Errno>;

    /// Closes the descriptors of one that was received, but will not be given to anybody.
    fn close(self);
}

impl<P: Param, const FDS: usize> Layout for Msg<P, FDS> {
    unsafe fn copy(message: *const Self) -> Result<Self, Errno> {
        const TOO_BIG: Errno = Errno(libc::E2BIG);
        if message.is_null() {
            return Err(Errno::INVALID);
        }
        let mut copy = Self::EMPTY;
        let name = message.cast::<u8>().wrapping_add(offset_of!(Self, name));
        for (at, slot) in copy.name.iter_mut().enumerate() {
            // SAFETY: it lies in the name, of which no byte after the NUL is read.
            *slot = unsafe { name.wrapping_add(at).read() };
            if *slot == 0 {
                break;
            }
        }
        if copy.name[0] == 0 {
            return Err(Errno::INVALID);
        }
        if copy.name[NAME_SIZE - 1] != 0 {
            return Err(TOO_BIG);
        }
        // SAFETY: the caller says that it points to a message where this is set.
        copy.len_param = unsafe { (*message).len_param };
        // SAFETY: as before.
        copy.num_fds = unsafe { (*message).num_fds };
        let (Ok(len), Ok(count)) = (usize::try_from(copy.len_param), usize::try_from(copy.num_fds))
        else {
            return Err(Errno::INVALID);
        };
        if len > PARAM_SIZE || count > FDS {
            return Err(TOO_BIG);
        }
        let param = message.cast::<u8>().wrapping_add(offset_of!(Self, param));
        // SAFETY: the caller says that as many bytes of it are set; that was checked to fit.
        let param = unsafe { slice::from_raw_parts(param, len) };
        copy.param.bytes_mut()[..len].copy_from_slice(param);
        let fds = message.wrapping_byte_add(offset_of!(Self, fds)).cast::<c_int>();
        // SAFETY: the caller says that as many of them are set; that was checked to fit.
        let fds = unsafe { slice::from_raw_parts(fds, count) };
        copy.fds[..count].copy_from_slice(fds);
        Ok(copy)
    }

    fn received(message: &Message, fds: Vec<OwnedFd>) -> Option<Self> {
        if fds.len() > FDS {
            return None;
        }
        let mut copy = Self::EMPTY;
        let (name, param) = (message.name().as_bytes(), message.param());
        copy.name[..name.len()].copy_from_slice(name);
        copy.param.bytes_mut()[..param.len()].copy_from_slice(param);
        copy.len_param = param.len() as c_int;
        copy.num_fds = fds.len() as c_int;
        for (slot, fd) in copy.fds.iter_mut().zip(fds) {
            *slot = fd.into_raw_fd();
        }
        Some(copy)
    }

    fn to_message(&self) -> Result<Message, Errno> {
        let param = &self.param.bytes()[..self.len_param as usize];
        let mut message = Message::new(self.name()?.as_bytes())
            .and_then(|message| message.with_param(param))
            .map_err(|error| Errno(error.errno()))?;
        for &fd in &self.fds[..self.num_fds as usize] {
            message = message.with_fd(duplicate(fd)?).map_err(|error| Errno(error.errno()))?;
        }
        Ok(message)
    }

    fn name(&self) -> Result<ActionName, Errno> {
        let name = self.name.split(|&byte| byte == 0).next().unwrap_or_default();
        ActionName::new(name).map_err(|error| Errno(MessageError::Name(error).errno()))
    }

    fn close(self) {
        for &fd in &self.fds[..self.num_fds as usize] {
            // SAFETY: `received` took it from its owner, and nobody else was told of it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

impl<P: Param, const FDS: usize> Msg<P, FDS> {
    const EMPTY: Self =
        Self { name: [0; NAME_SIZE], len_param: 0, num_fds: 0, param: P::EMPTY, fds: [-1; FDS] };
}

/// A parameter, aligned in one way or the other; nothing but bytes.
pub(crate) trait Param: Copy + Send + 'static {
    /// All zeros.
    const EMPTY: Self;

    /// Borrows its bytes.
    fn bytes(&self) -> &[u8; PARAM_SIZE];

    /// Borrows its bytes to change them.
    fn bytes_mut(&mut self) -> &mut [u8; PARAM_SIZE];
}

impl Param for [u8; PARAM_SIZE] {
    const EMPTY: Self = [0; PARAM_SIZE];

    fn bytes(&self) -> &[u8; PARAM_SIZE] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8; PARAM_SIZE] {
        self
    }
}

impl Param for Aligned {
    const EMPTY: Self = Self([0; PARAM_SIZE]);

    fn bytes(&self) -> &[u8; PARAM_SIZE] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8; PARAM_SIZE] {
        &mut self.0
    }
}

/// Duplicates a descriptor of the program's.
fn duplicate(fd: c_int) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno(libc::EBADF));
    }
    // SAFETY: it is not -1. If it is no open descriptor the kernel says so; nothing is done by it here.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed
        .try_clone_to_owned()
        .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EBADF)))
}

/// What stands for an address that devices cannot use (`RTE_BAD_IOVA`).
pub(crate) const BAD_IOVA: u64 = u64::MAX;

/// `struct rte_memzone`.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Memzone {
    pub(crate) name: [c_char; 32],
    pub(crate) iova: u64,
    pub(crate) addr: u64,
    pub(crate) len: usize,
    pub(crate) hugepage_sz: u64,
    pub(crate) socket_id: i32,
    pub(crate) flags: u32,
}

const _: () = assert!(size_of::<Memzone>() == 72);

/// `struct rte_malloc_socket_stats`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct MallocSocketStats {
    pub(crate) heap_totalsz_bytes: usize,
    pub(crate) heap_freesz_bytes: usize,
    pub(crate) greatest_free_size: usize,
    pub(crate) free_count: c_uint,
    pub(crate) alloc_count: c_uint,
    pub(crate) heap_allocsz_bytes: usize,
}
