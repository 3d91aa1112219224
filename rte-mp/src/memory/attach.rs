//! How a secondary comes by the primary's arena: it asks, and is handed the file.
//!
//! The request `rte-mp/attach` has no parameter. The reply has one descriptor, and as its parameter
//! the arena's id (a `u64` in the byte order of the machine), which the file's header repeats. So
//! there is no file with a name: nothing is left behind when all are gone, and who may have the
//! memory is who may talk to the primary.

use std::fs::File;
use std::sync::Arc;

use rte_mp_proto::{ActionName, Param};

use super::arena::Arena;
use crate::action::Actions;
use crate::error::MemoryError;
use crate::incoming::Request;
use crate::message::Message;
use crate::request::request;
use crate::route::Target;
use crate::shared::Shared;

const ACTION: &str = "rte-mp/attach";

/// Has whoever asks be handed the arena.
pub(super) fn serve(actions: &Actions, arena: Arc<Arena>) {
    let handler = move |request: Request| -> Result<(), Box<dyn std::error::Error>> {
        let param = Param::new(&arena.id().to_ne_bytes())?;
        let file = arena.file().try_clone()?;
        Ok(request.reply_with(Message::from_parts(action(), param, vec![file.into()]))?)
    };
    actions.add(action(), handler).expect("a member registers it once, before all others");
}

/// Asks the primary for its arena, and maps it. Blocks for at most 5 s.
pub(super) fn attach(shared: &Shared) -> Result<Arena, MemoryError> {
    let message = Message::from_parts(action(), Param::EMPTY, Vec::new());
    let replies = request(shared, Target::Default, &message, None)
        .map_err(|source| MemoryError::Request { source })?;
    let mut reply = replies.into_reply().map_err(|source| MemoryError::NoReply { source })?;
    let not_one = |reason| MemoryError::NotAnArena { reason };
    let id = reply.param().try_into().map_err(|_| not_one("the reply does not name it"))?;
    let file = reply.take_fds().pop().ok_or(not_one("no descriptor came"))?;
    Arena::attach(File::from(file), u64::from_ne_bytes(id))
}

fn action() -> ActionName {
    ActionName::new(ACTION).expect("it is short, and has no NUL")
}
