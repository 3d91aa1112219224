//! How datagrams travel: through Unix sockets, and through lanes while both sides are awake.
//!
//! Nothing here knows what a request is. Sends never block: who must wait, waits for a
//! [`socket::waiter`] under a deadline of his own, so that a full peer holds up nobody else.

pub(crate) mod lane;
pub(crate) mod return_address;
pub(crate) mod socket;
pub(crate) mod spin;
