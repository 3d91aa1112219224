//! One-way messages: `rte_mp_sendmsg`.

use crate::abi::Layout;
use crate::border::Errno;
use crate::eal;

pub(super) fn send<M: Layout>(message: &M) -> Result<(), Errno> {
    let group = eal::shared_group()?;
    group.send(&message.to_message()?).map_err(|error| Errno(error.errno()))
}
