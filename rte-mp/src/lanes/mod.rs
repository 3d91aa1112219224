//! Which members have lanes to each other, and how they come to them.
//!
//! Who sends much to one member offers it a lane, by a one-way message that carries what it needs.
//! There is no answer: a member that takes the lane says so in it; until then the sockets go on.
//! Only in native groups.

pub(crate) mod inlets;
pub(crate) mod outlets;

use rte_mp_proto::{ActionName, Param};

/// The offer's name.
const ACTION: &str = "rte-mp/lane";
/// What a lane looks like; another one is not accepted.
const VERSION: u32 = 1;

fn action() -> ActionName {
    ActionName::new(ACTION).expect("it is short and has no NUL")
}

/// What stands in an offer: the version, and the process id of who makes it, as he has it.
fn offer(process: u32) -> Param {
    let [a, b, c, d] = VERSION.to_ne_bytes();
    let [e, f, g, h] = process.to_ne_bytes();
    Param::new(&[a, b, c, d, e, f, g, h]).expect("eight bytes fit")
}

/// Reads the process id out of an offer.
fn offerer(param: &[u8]) -> Option<u32> {
    let (version, process) = param.split_first_chunk()?;
    let process = process.try_into().ok()?;
    (u32::from_ne_bytes(*version) == VERSION).then(|| u32::from_ne_bytes(process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_says_who_makes_it() {
        assert_eq!(offerer(offer(4711).as_bytes()), Some(4711));
        assert!(action().is_reserved());
        let mut newer = offer(4711).as_bytes().to_vec();
        newer[0] += 1;
        for wrong in [&newer[..], &[], &offer(1).as_bytes()[..7], &[0; 9]] {
            assert_eq!(offerer(wrong), None, "{wrong:?}");
        }
    }
}
