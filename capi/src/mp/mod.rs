//! The messages of a group: `rte_mp_*`.
//!
//! Five functions take a `struct rte_mp_msg` or a callback with one, and so stand here once for each
//! layout of it (`RTE_MP_ABI`): under DPDK's own name for the newer one, and with `_abi22` behind it
//! for the older one. Headers choose.
//!
//! DPDK 22.11: `eal_common_proc.c`.

pub(crate) mod actions;
mod replies;
mod reply;
mod request;
mod send;

use std::ffi::{c_char, c_int, c_void};

use crate::abi::{Layout, Msg22, Msg25, Reply};
use crate::border::{bytes, enter};
use crate::eal;

/// `rte_mp_t`: what is called for a message or a request.
pub(crate) type Action<M> = unsafe extern "C" fn(message: *const M, peer: *const c_void) -> c_int;

/// `rte_mp_async_reply_t`: what is called when all of an async request is known.
pub(crate) type AsyncReply<M> =
    unsafe extern "C" fn(request: *const M, reply: *const Reply<M>) -> c_int;

macro_rules! export {
    ($message:ty: $register:ident, $send:ident, $request:ident, $request_async:ident, $reply:ident) => {
        /// Has `action` called for what is named `name`. `rte_mp_action_register`.
        ///
        /// # Safety
        /// `name` is null or a C string; `action` is null or a function that may be called on another
        /// thread, at any time.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $register(
            name: *const c_char,
            action: Option<Action<$message>>,
        ) -> c_int {
            // SAFETY: the caller says that it is a C string.
            enter(-1, || actions::register(unsafe { bytes(name) }, action).map(|()| 0))
        }

        /// Sends a one-way message. `rte_mp_sendmsg`.
        ///
        /// # Safety
        /// `message` is null or points to one whose fields are set, as far as they are used.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $send(message: *mut $message) -> c_int {
            enter(-1, || {
                // SAFETY: the caller says so.
                let message = unsafe { <$message>::copy(message) }?;
                send::send(&message).map(|()| 0)
            })
        }

        /// Asks and waits for the replies. `rte_mp_request_sync`.
        ///
        /// # Safety
        /// `request` is as for sending; `reply` is null or points to one; `timeout` is null or points
        /// to one.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $request(
            request: *mut $message,
            reply: *mut Reply<$message>,
            timeout: *const libc::timespec,
        ) -> c_int {
            enter(-1, || {
                // SAFETY: the caller says so.
                let answer = unsafe { replies::Slot::new(reply) }?;
                // SAFETY: as before.
                let request = unsafe { <$message>::copy(request) }?;
                // SAFETY: as before.
                let timeout = unsafe { request::timeout(timeout) }?;
                request::ask(&request, timeout, answer).map(|()| 0)
            })
        }

        /// Asks, and has `done` called once when all is known. `rte_mp_request_async`.
        ///
        /// # Safety
        /// As for the one that waits; `done` is null or a function that may be called on another
        /// thread.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $request_async(
            request: *mut $message,
            timeout: *const libc::timespec,
            done: Option<AsyncReply<$message>>,
        ) -> c_int {
            enter(-1, || {
                // SAFETY: the caller says so.
                let request = unsafe { <$message>::copy(request) }?;
                // SAFETY: as before.
                let timeout = unsafe { request::timeout(timeout) }?;
                request::ask_async(request, timeout, done).map(|()| 0)
            })
        }

        /// Replies to the one who asked. `rte_mp_reply`.
        ///
        /// # Safety
        /// `message` is as for sending; `peer` is null or a C string.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $reply(
            message: *mut $message,
            peer: *const c_char,
        ) -> c_int {
            enter(-1, || {
                // SAFETY: the caller says so.
                let message = unsafe { <$message>::copy(message) }?;
                // SAFETY: the caller says that it is a C string.
                reply::reply(&message, unsafe { bytes(peer) }).map(|()| 0)
            })
        }
    };
}

export!(Msg25: rte_mp_action_register, rte_mp_sendmsg, rte_mp_request_sync, rte_mp_request_async, rte_mp_reply);
export!(Msg22: rte_mp_action_register_abi22, rte_mp_sendmsg_abi22, rte_mp_request_sync_abi22, rte_mp_request_async_abi22, rte_mp_reply_abi22);

/// Forgets what is called for `name`. `rte_mp_action_unregister`.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_mp_action_unregister(name: *const c_char) {
    enter((), || {
        // SAFETY: the caller says that it is a C string.
        if let Some(name) = unsafe { bytes(name) } {
            actions::unregister(name);
        }
        Ok(())
    });
}

/// Forbids secondaries for good, and says whether none has attached. `rte_mp_disable`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_mp_disable() -> bool {
    enter(false, || Ok(eal::group().is_some_and(|group| group.disable_multiprocess().is_ok())))
}
