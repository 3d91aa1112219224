//! The lcores of this process: the thread that called `rte_eal_init`, and a worker for each other.
//!
//! Which there are is settled by `rte_eal_init` and stays so, also after `rte_eal_cleanup`. Here is
//! what they are; `launch` is what they run.
//!
//! DPDK 22.11: `eal_common_lcore.c`, `eal_common_thread.c`; `eal.c`, `rte_eal_init`. Differs from
//! DPDK: an lcore that there is not has no CPU and no index, also if the machine has such a CPU.

mod cpus;
mod launch;

use std::ffi::{c_int, c_uint};
use std::sync::{Mutex, OnceLock, PoisonError};

use rte_mp::EalArgs;

use crate::border::{Errno, enter};
use crate::log;
use crate::thread::Thread;
use cpus::{ANY_NODE, CpuSet};

/// Ids are below this (`RTE_MAX_LCORE`).
const MAX_LCORE: usize = 128;
/// In place of an id (`LCORE_ID_ANY`).
const ANY_LCORE: c_uint = c_uint::MAX;

unsafe extern "C" {
    safe fn rtemp_lcore_id() -> c_uint;
    safe fn rtemp_set_lcore_id(id: c_uint);
}

/// All lcores.
#[derive(Debug)]
struct Lcores {
    /// In numeric order.
    lcores: Vec<Lcore>,
    main: c_uint,
    /// What is left for other threads.
    control: CpuSet,
    control_node: c_int,
}

/// An lcore, and where it runs.
#[derive(Debug)]
struct Lcore {
    id: c_uint,
    cpus: CpuSet,
    /// The first of them.
    cpu: c_int,
    node: c_int,
}

static LCORES: OnceLock<Lcores> = OnceLock::new();
/// The threads of the workers, until they end.
static THREADS: Mutex<Vec<(c_uint, Thread)>> = Mutex::new(Vec::new());

fn lcores() -> Option<&'static Lcores> {
    LCORES.get()
}

/// Makes the calling thread the main lcore, and starts the workers that the command line asks for.
/// Nothing is left behind if that fails.
pub(crate) fn start(args: &EalArgs) -> Result<(), Errno> {
    Lcores::new(args)?.start()
}

/// Ends the workers that wait. One that runs a function is left to it, as in DPDK, and ends when that
/// has returned.
pub(crate) fn end() {
    let threads = std::mem::take(&mut *THREADS.lock().unwrap_or_else(PoisonError::into_inner));
    for (id, thread) in threads {
        if launch::worker(id).is_some_and(launch::Worker::end) {
            thread.join();
        }
    }
}

impl Lcores {
    fn new(args: &EalArgs) -> Result<Self, Errno> {
        let allowed = CpuSet::of_this_thread();
        let lcores: Vec<_> = args.lcores_or_allowed().into_iter().map(Lcore::new).collect();
        let Some(main) = args.main_lcore.or(lcores.first().map(|lcore| lcore.id)) else {
            log::error(&format!(
                "no lcore: none of the CPUs that this process may use ({allowed}) is below \
                 {MAX_LCORE}; give them lower ids, as in --lcores 0@CPU"
            ));
            return Err(Errno::INVALID);
        };
        let control = allowed.without(lcores.iter().map(|lcore| &lcore.cpus));
        Ok(Self { lcores, main, control, control_node: control.node() })
    }

    fn start(self) -> Result<(), Errno> {
        let mut threads = Vec::new();
        let started = self.start_workers(&mut threads).and_then(|()| self.pin_main());
        if let Err(errno) = started {
            for (id, thread) in threads {
                if let Some(worker) = launch::worker(id) {
                    worker.close();
                }
                thread.join();
            }
            return Err(errno);
        }
        rtemp_set_lcore_id(self.main);
        *THREADS.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        // `rte_eal_init` succeeds once.
        let _ = LCORES.set(self);
        Ok(())
    }

    fn start_workers(&self, threads: &mut Vec<(c_uint, Thread)>) -> Result<(), Errno> {
        for lcore in self.lcores.iter().filter(|lcore| lcore.id != self.main) {
            let id = lcore.id;
            let worker = launch::worker(id).ok_or(Errno::INVALID)?;
            worker.open();
            let thread = Thread::start(format!("dpdk-worker{id}"), move || {
                rtemp_set_lcore_id(id);
                worker.serve();
            });
            let thread = thread.map_err(|error| {
                worker.close();
                log::failure(&format!("cannot start a thread for lcore {id}"), &error);
                Errno(error.raw_os_error().unwrap_or(libc::EAGAIN))
            })?;
            let pthread = thread.id();
            threads.push((id, thread));
            lcore.cpus.pin(pthread).map_err(|error| lcore.unpinnable(&error))?;
            log::debug(&format!("lcore {id} is ready, on CPU {}", lcore.cpus));
        }
        Ok(())
    }

    /// Comes last, so that all that was started before may run on any CPU.
    fn pin_main(&self) -> Result<(), Errno> {
        let main = self.find(self.main).ok_or(Errno::INVALID)?;
        main.cpus.pin_this_thread().map_err(|error| main.unpinnable(&error))?;
        log::debug(&format!("lcore {} is the main one, on CPU {}", main.id, main.cpus));
        Ok(())
    }

    fn place(&self, id: c_uint) -> Option<usize> {
        self.lcores.binary_search_by_key(&id, |lcore| lcore.id).ok()
    }

    fn find(&self, id: c_uint) -> Option<&Lcore> {
        self.lcores.get(self.place(id)?)
    }

    fn workers(&self) -> impl Iterator<Item = c_uint> {
        self.lcores.iter().map(|lcore| lcore.id).filter(|&id| id != self.main)
    }
}

impl Lcore {
    fn new(lcore: rte_mp::Lcore) -> Self {
        let cpu = lcore.cpus.first().map_or(-1, |&cpu| cpu as c_int);
        let cpus = CpuSet::new(lcore.cpus);
        Self { id: lcore.id, cpus, cpu, node: cpus.node() }
    }

    fn unpinnable(&self, error: &std::io::Error) -> Errno {
        let allowed = CpuSet::of_this_thread();
        log::failure(
            &format!(
                "lcore {} cannot run on CPU {}; this process may use {allowed}",
                self.id, self.cpus
            ),
            error,
        );
        Errno(error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

/// Has the calling thread run on the CPUs that no lcore has, or on all of the process if none is
/// left. Before `rte_eal_init` it stays where it is.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rtemp_pin_control_thread() {
    enter((), || {
        if let Some(lcores) = lcores() {
            // Where it cannot, it runs elsewhere; that is slower at the most.
            let _ = lcores.control.pin_this_thread();
        }
        Ok(())
    });
}

/// Finds an lcore; the caller's own if `id` is negative.
fn find_signed(id: c_int) -> Option<(&'static Lcores, usize)> {
    let id = c_uint::try_from(id).unwrap_or_else(|_| rtemp_lcore_id());
    let lcores = lcores()?;
    Some((lcores, lcores.place(id)?))
}

/// Gives the id of the main lcore. `rte_get_main_lcore`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_get_main_lcore() -> c_uint {
    enter(0, || Ok(lcores().map_or(0, |lcores| lcores.main)))
}

/// Counts the lcores. `rte_lcore_count`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_count() -> c_uint {
    enter(0, || Ok(lcores().map_or(0, |lcores| lcores.lcores.len() as c_uint)))
}

/// Gives the place of an lcore among all, in numeric order. `rte_lcore_index`.
///
/// DPDK 25.11: `update_lcore_config`. Differs from DPDK 22.11: there `-l 3,1` gives lcore 3 the index
/// 0.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_index(id: c_int) -> c_int {
    enter(-1, || Ok(find_signed(id).map_or(-1, |(_, place)| place as c_int)))
}

/// Gives the first CPU of an lcore. `rte_lcore_to_cpu_id`.
///
/// Differs from DPDK: there it is the number of the physical core that the kernel has for the CPU
/// whose number is the lcore's id.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_to_cpu_id(id: c_int) -> c_int {
    enter(-1, || Ok(find_signed(id).map_or(-1, |(lcores, place)| lcores.lcores[place].cpu)))
}

/// Gives the CPUs of an lcore. `rte_lcore_cpuset`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_cpuset(id: c_uint) -> libc::cpu_set_t {
    let none = CpuSet::empty().0;
    enter(none, || Ok(lcores().and_then(|all| all.find(id)).map_or(none, |lcore| lcore.cpus.0)))
}

/// `ROLE_RTE` and `ROLE_OFF` of `enum rte_lcore_role_t`.
const ROLE_RTE: c_uint = 0;
const ROLE_OFF: c_uint = 1;

fn role(id: c_uint) -> c_uint {
    if lcores().is_some_and(|all| all.find(id).is_some()) { ROLE_RTE } else { ROLE_OFF }
}

/// Says what an id stands for. `rte_eal_lcore_role`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_eal_lcore_role(id: c_uint) -> c_uint {
    enter(ROLE_OFF, || Ok(role(id)))
}

/// Says whether an id stands for that. `rte_lcore_has_role`.
///
/// DPDK 25.11. Differs from 22.11: an id that is too large has no role, which is no error.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_has_role(id: c_uint, wanted: c_uint) -> c_int {
    enter(0, || Ok(c_int::from((id as usize) < MAX_LCORE && role(id) == wanted)))
}

/// Says whether there is such an lcore. `rte_lcore_is_enabled`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_is_enabled(id: c_uint) -> c_int {
    enter(0, || Ok(c_int::from(role(id) == ROLE_RTE)))
}

/// Gives the next lcore after one. `rte_get_next_lcore`.
///
/// Differs from DPDK: it does not go round for ever if there is none.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_get_next_lcore(id: c_uint, skip_main: c_int, wrap: c_int) -> c_uint {
    const NONE: c_uint = MAX_LCORE as c_uint;
    enter(NONE, || {
        let Some(all) = lcores() else { return Ok(NONE) };
        let skipped = (skip_main != 0).then_some(all.main);
        let ids = || all.lcores.iter().map(|lcore| lcore.id).filter(|&id| Some(id) != skipped);
        // The one before the first has the largest number of all.
        let next = ids().find(|&next| id == ANY_LCORE || next > id);
        let first = if wrap != 0 { ids().next() } else { None };
        Ok(next.or(first).unwrap_or(NONE))
    })
}

/// Gives the node of an lcore. `rte_lcore_to_socket_id`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_lcore_to_socket_id(id: c_uint) -> c_uint {
    enter(0, || Ok(lcores().and_then(|all| all.find(id)).map_or(0, |lcore| lcore.node as c_uint)))
}

/// Gives the node of the calling lcore; for other threads, that of the CPUs that are left to them.
/// `rte_socket_id`.
///
/// Differs from DPDK: in threads of the program's own it is any there.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_socket_id() -> c_uint {
    enter(ANY_NODE as c_uint, || {
        let Some(all) = lcores() else { return Ok(ANY_NODE as c_uint) };
        Ok(all.find(rtemp_lcore_id()).map_or(all.control_node, |lcore| lcore.node) as c_uint)
    })
}

/// The nodes of the machine, as soon as somebody asks.
fn nodes() -> &'static [c_int] {
    static NODES: OnceLock<Vec<c_int>> = OnceLock::new();
    if lcores().is_none() { &[] } else { NODES.get_or_init(cpus::nodes) }
}

/// Counts the nodes of the machine. `rte_socket_count`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_socket_count() -> c_uint {
    enter(0, || Ok(nodes().len() as c_uint))
}

/// Gives the number of a node by its place. `rte_socket_id_by_idx`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_socket_id_by_idx(place: c_uint) -> c_int {
    enter(-1, || nodes().get(place as usize).copied().ok_or(Errno::INVALID))
}

/// Writes down all lcores. `rte_lcore_dump`.
///
/// # Safety
/// `file` is null or a stream that may be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rte_lcore_dump(file: *mut libc::FILE) {
    enter((), || {
        let mut text = String::new();
        for lcore in lcores().iter().flat_map(|all| &all.lcores) {
            let main = if lcore.id == rte_get_main_lcore() { ", main" } else { "" };
            let Lcore { id, cpus, node, .. } = lcore;
            text.push_str(&format!("lcore {id}: CPU {cpus}, node {node}{main}\n"));
        }
        // SAFETY: the caller says that it is null or a stream.
        unsafe { crate::border::write(file, text.as_bytes()) }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::c_void;
    use std::ptr::null_mut;

    extern "C" fn give_7(_: *mut c_void) -> c_int {
        7
    }

    fn launch_on(id: c_uint) -> c_int {
        // SAFETY: the function may be called with anything.
        unsafe { launch::rte_eal_remote_launch(Some(give_7), null_mut(), id) }
    }

    /// Lcore 0, which is the main one, and two more, of which the last runs on `cpu`.
    fn three(cpu: u32) -> Lcores {
        let allowed = CpuSet::of_this_thread();
        let own = allowed.iter().next().expect("this thread runs somewhere");
        let lcores = [(0, own), (1, own), (2, cpu)];
        let lcores = lcores.map(|(id, cpu)| Lcore::new(rte_mp::Lcore { id, cpus: vec![cpu] }));
        Lcores { lcores: lcores.into(), main: 0, control: allowed, control_node: 0 }
    }

    #[test]
    fn a_start_that_fails_leaves_no_worker_behind() {
        let own = CpuSet::of_this_thread().iter().next().expect("this thread runs somewhere");
        // No machine that tests run on has it.
        assert_eq!(three(1023).start(), Err(Errno::INVALID));
        assert!(lcores().is_none());
        assert_eq!([1, 2].map(launch_on), [-libc::EINVAL; 2]);
        assert_eq!(rtemp_lcore_id(), ANY_LCORE);

        assert_eq!(three(own).start(), Ok(()));
        assert_eq!([1, 2].map(launch_on), [0; 2]);
        assert_eq!([1, 2].map(|id| launch::rte_eal_wait_lcore(id)), [7; 2]);
        end();
        assert_eq!(launch_on(1), -libc::EPIPE);
    }
}
