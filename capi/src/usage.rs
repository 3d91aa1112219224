//! What a command line may have explained: `-h`, `--log-level help`, `-v`.
//!
//! It goes to C's standard output, so that it comes in order with what the program prints.

use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, PoisonError};

use rte_mp::{EalArgs, Information};

use crate::border::enter;
use crate::log;

/// `rte_usage_hook_t`.
type Hook = unsafe extern "C" fn(program: *const c_char);

static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

unsafe extern "C" {
    fn rtemp_print(text: *const c_char);
}

const FLAGS: &str = "\
EAL options that mean something here:

  --file-prefix NAME       name of the group to join (rte)
  --proc-type WORD         part in it: primary (default), secondary, auto
  --no-shconf, --in-memory no group: nobody finds this process, no messages
  -l LIST, --lcores LIST   lcores to run on: 0-3,8 or 0@8,(1-2)@(4-7)
  -c MASK                  the same as a hexadecimal mask
  -R, --remap-lcore-ids[=BASE]
                           number the lcores from BASE (0)
  --main-lcore ID          lcore of the thread that starts (the lowest)
  -m MB, --socket-mem MB,..
                           memory to reserve for a group of its own
  --no-huge                ordinary pages, as without huge pages
  --huge-dir DIR           huge pages from the hugetlbfs that is mounted there
  --base-virtaddr ADDRESS  where memory should lie
  --log-level LEVEL        what is logged: 1 to 8, or a name
  --log-level TYPES:LEVEL  the same for types that match a shell pattern
  --log-level TYPES,LEVEL  the same for types that match a regular expression
  --log-level help         show types and levels, and end
  -v, --version            show the version
  -h, --help               show this, and end
  --                       what follows is the program's own

Every other EAL option of DPDK is accepted, and has no effect.
";

/// Prints what the command line asks to be explained. Says whether the program is then to end.
pub(crate) fn explain(args: &EalArgs, program: &[u8]) -> bool {
    match args.information {
        Information::Help => {
            usage(program);
            true
        }
        Information::Version | Information::None
            if args.log_levels.iter().any(|level| level == "help") =>
        {
            print(log::help().as_bytes());
            true
        }
        Information::Version => {
            log::version();
            false
        }
        Information::None => false,
    }
}

fn usage(program: &[u8]) {
    let name = OsStr::from_bytes(program).display();
    print(format!("Usage: {name} [EAL options] [-- options of the program]\n\n{FLAGS}").as_bytes());
    let hook = *HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(hook), Ok(program)) = (hook, CString::new(program)) {
        print(b"\n");
        // SAFETY: whoever set it says that it may be called so.
        unsafe { hook(program.as_ptr()) };
    }
}

fn print(text: &[u8]) {
    if let Ok(text) = CString::new(text) {
        // SAFETY: it is a C string.
        unsafe { rtemp_print(text.as_ptr()) };
    }
}

/// Sets what prints the program's own usage, and gives what did before.
/// `rte_set_application_usage_hook`.
///
/// # Safety
/// `hook` is null or may be called with a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_set_application_usage_hook(hook: Option<Hook>) -> Option<Hook> {
    enter(None, || {
        let mut current = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut *current, hook))
    })
}
