//! What `--log-level` says: `debug` for all types, `lib.*:debug` for those that match a shell pattern,
//! `^lib,debug` for those that match a regular expression.
//!
//! DPDK 22.11 and 25.11: `eal_common_options.c`, `eal_parse_log_level`.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

use super::pattern::{Pattern, Regex};
use super::types::{names, rte_log_set_global_level, set_for_good};
use super::{LEVELS, MAX, name, say};
use crate::border::Errno;
use crate::strings::number;

/// Takes over the levels of the command line, each in its turn.
pub(crate) fn start(levels: &[OsString]) -> Result<(), Errno> {
    for given in levels {
        let taken = take(given.as_bytes());
        taken.map_err(|reason| {
            say::error(&format!(
                "--log-level cannot be {:?}: {reason}",
                given.display().to_string()
            ));
            Errno::INVALID
        })?;
    }
    Ok(())
}

fn take(given: &[u8]) -> Result<(), String> {
    let split = |at: u8| {
        let at = given.iter().position(|&byte| byte == at)?;
        Some((&given[..at], &given[at + 1..]))
    };
    // As in DPDK, a comma counts wherever it stands.
    let (pattern, level) = if let Some((text, level)) = split(b',') {
        let regex = CString::new(text).ok().and_then(|text| Regex::new(&text));
        let text = text.escape_ascii();
        let regex = regex.ok_or_else(|| format!("\"{text}\" is no basic regular expression"))?;
        (Some(Pattern::Regular(regex)), level)
    } else if let Some((text, level)) = split(b':') {
        (Some(Pattern::Shell(CString::new(text).unwrap_or_default())), level)
    } else {
        (None, given)
    };
    let level = read(level)?;
    match pattern {
        Some(pattern) => set_for_good(pattern, level),
        None => rte_log_set_global_level(level),
    }
    Ok(())
}

/// Reads a level: a number, or a name or its beginning.
fn read(text: &[u8]) -> Result<u32, String> {
    let begins = |&level: &u32| !text.is_empty() && name(level).as_bytes().starts_with(text);
    if let Some(level) = (1..=MAX).find(begins) {
        return Ok(level);
    }
    match number(text) {
        Some((level, [])) if level > MAX.into() && level < u32::MAX.into() => {
            say::warning(&format!(
                "log level {level} is above the highest, {MAX}, and counts as that"
            ));
            Ok(MAX)
        }
        Some((level @ 1.., [])) if level <= MAX.into() => Ok(level as u32),
        _ => Err(format!(
            "\"{}\" is no level; give a number from 1 to {MAX}, or one of {}",
            text.escape_ascii(),
            LEVELS[1..].join(", ")
        )),
    }
}

/// Explains the option, with all types that are there.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "--log-level LEVEL            what is written of any type\n\
         --log-level PATTERN:LEVEL    the same for types that match a shell pattern\n\
         --log-level REGEXP,LEVEL     the same for types that match a basic regular expression\n\
         \n\
         A line is written if neither the level for all types nor that of its own is below its level.\n\
         A level is a number, or a name or its beginning:\n",
    );
    for level in 1..=MAX {
        text.push_str(&format!("  {level} {}\n", name(level)));
    }
    text.push_str("Types that are there, beside those that come as plugins are loaded:\n");
    for name in names() {
        text.push_str(&format!("  {}\n", name.to_string_lossy()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::types::{
        rte_log_get_global_level, rte_log_get_level, rte_log_register,
        rte_log_register_type_and_pick_level,
    };
    use super::*;
    use std::ffi::CStr;

    const EAL: u32 = 0;
    const USER1: u32 = 24;

    fn start_with(levels: &[&str]) -> Result<(), Errno> {
        start(&levels.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_level_is_a_number_or_the_beginning_of_a_name() {
        let cases = [
            ("1", Ok(1)),
            ("8", Ok(8)),
            (" 0x8", Ok(8)),
            ("010", Ok(8)),
            ("9", Ok(8)),
            ("4294967294", Ok(8)),
            ("debug", Ok(8)),
            ("d", Ok(8)),
            ("e", Ok(1)),
            ("er", Ok(4)),
            ("info", Ok(7)),
            ("0", Err(())),
            ("disabled", Err(())),
            ("", Err(())),
            ("-1", Err(())),
            ("4294967295", Err(())),
            ("8x", Err(())),
            ("Debug", Err(())),
            ("debugging", Err(())),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text.as_bytes()).map_err(drop), expected, "{text:?}");
        }
    }

    #[test]
    fn a_level_alone_is_for_all_types() {
        assert_eq!(start_with(&["error"]), Ok(()));
        assert_eq!((rte_log_get_global_level(), rte_log_get_level(EAL)), (4, 7));
    }

    #[test]
    fn a_level_with_a_pattern_is_for_the_types_that_match() {
        assert_eq!(start_with(&["lib.*:debug", "^user1$,2"]), Ok(()));
        let levels = [EAL, 2, USER1, USER1 + 1].map(|logtype| rte_log_get_level(logtype));
        assert_eq!((levels, rte_log_get_global_level()), ([8, 8, 2, 7], 8));
    }

    #[test]
    fn what_is_registered_later_gets_the_level_of_the_last_that_matches() {
        assert_eq!(start_with(&["app.*:debug", "app.quiet:error", "^app.odd,notice"]), Ok(()));
        let pick = |name: &CStr| {
            // SAFETY: it is a C string.
            let id = unsafe { rte_log_register_type_and_pick_level(name.as_ptr(), 5) };
            rte_log_get_level(id as u32)
        };
        let levels = [c"app.loud", c"app.quiet", c"app.oddity", c"another"].map(pick);
        assert_eq!(levels, [8, 4, 6, 5]);
        // SAFETY: it is a C string.
        let id = unsafe { rte_log_register(c"app.plain".as_ptr()) };
        assert_eq!(rte_log_get_level(id as u32), 7, "this one asks for no other");
    }

    #[test]
    fn a_bad_level_changes_nothing() {
        let cases = ["lib.eal:", "lib.eal:0", "lib.eal:debug:x", "x,y,8", "\\(,8", "loud"];
        for text in cases {
            assert_eq!(start_with(&[text]), Err(Errno::INVALID), "{text}");
        }
        assert_eq!((rte_log_get_global_level(), rte_log_get_level(EAL)), (8, 7));
    }
}
