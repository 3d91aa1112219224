//! Sets of CPUs, threads on them, and the NUMA nodes that they are of.
//!
//! DPDK 22.11: `eal_lcore.c`.

use std::ffi::c_int;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// Numbers of CPUs are below this.
const MAX_CPU: u32 = libc::CPU_SETSIZE as u32;
/// Numbers of nodes are below this (`RTE_MAX_NUMA_NODES`).
const MAX_NODE: u32 = 32;
/// In place of a node: of several (`SOCKET_ID_ANY`).
pub(super) const ANY_NODE: c_int = -1;

/// Some CPUs: `rte_cpuset_t`.
#[derive(Clone, Copy)]
pub(crate) struct CpuSet(pub(super) libc::cpu_set_t);

impl CpuSet {
    /// No CPU.
    pub(super) fn empty() -> Self {
        // SAFETY: it is an array of integers, for which zeros will do.
        Self(unsafe { std::mem::zeroed() })
    }

    /// These CPUs; numbers that are too large are left out.
    pub(super) fn new(cpus: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self::empty();
        for cpu in cpus.into_iter().filter(|&cpu| cpu < MAX_CPU) {
            // SAFETY: the number fits.
            unsafe { libc::CPU_SET(cpu as usize, &mut set.0) };
        }
        set
    }

    /// The CPUs that the calling thread may use; none if the kernel does not say.
    pub(super) fn of_this_thread() -> Self {
        let mut set = Self::empty();
        // SAFETY: the set is as large as is said; 0 is the calling thread.
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set.0) };
        set
    }

    /// The CPUs of this set that are in none of the others; this one if none is left.
    pub(super) fn without<'a>(self, others: impl Iterator<Item = &'a CpuSet> + Clone) -> Self {
        let left =
            Self::new(self.iter().filter(|&cpu| !others.clone().any(|other| other.contains(cpu))));
        if left.iter().next().is_none() { self } else { left }
    }

    fn contains(&self, cpu: u32) -> bool {
        // SAFETY: the number fits: it comes from a set.
        cpu < MAX_CPU && unsafe { libc::CPU_ISSET(cpu as usize, &self.0) }
    }

    /// Gives the CPUs in numeric order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..MAX_CPU).filter(|&cpu| self.contains(cpu))
    }

    /// Has a thread run on these CPUs only.
    pub(crate) fn pin(&self, thread: libc::pthread_t) -> io::Result<()> {
        // SAFETY: the set is as large as is said, and the thread has not been waited for.
        let errno = unsafe {
            libc::pthread_setaffinity_np(thread, size_of::<libc::cpu_set_t>(), &raw const self.0)
        };
        if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
    }

    /// Has the calling thread run on these CPUs only.
    pub(crate) fn pin_this_thread(&self) -> io::Result<()> {
        // SAFETY: it takes nothing.
        self.pin(unsafe { libc::pthread_self() })
    }

    /// The node of these CPUs; [`ANY_NODE`] if they are of several, or none.
    pub(super) fn node(&self) -> c_int {
        let mut nodes = self.iter().map(node_of);
        let first = nodes.next().unwrap_or(ANY_NODE);
        if nodes.all(|node| node == first) { first } else { ANY_NODE }
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The numbers with a comma between them.
impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.iter().map(|cpu| cpu.to_string()).collect();
        f.write_str(&numbers.join(","))
    }
}

/// The node of a CPU; 0 where the kernel knows of none.
fn node_of(cpu: u32) -> c_int {
    let is_of =
        |node: &u32| Path::new(&format!("/sys/devices/system/node/node{node}/cpu{cpu}")).exists();
    (0..MAX_NODE).find(is_of).map_or(0, |node| node as c_int)
}

/// The nodes of all CPUs of the machine that are online, in numeric order; at least one.
pub(super) fn nodes() -> Vec<c_int> {
    let entries = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let cpus = entries.filter(|entry| entry.path().join("topology").exists());
    let mut nodes: Vec<_> = cpus
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("cpu")?.parse().ok())
        .map(node_of)
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.is_empty() { vec![0] } else { nodes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_the_numbers_that_it_was_made_of() {
        let set = CpuSet::new([3, 1, 1023, 1024, u32::MAX]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 3, 1023]);
        assert_eq!(set.to_string(), "1,3,1023");
        assert_eq!(CpuSet::empty().to_string(), "");
    }

    #[test]
    fn what_is_left_is_all_if_nothing_would_be_left() {
        let set = CpuSet::new([0, 1, 2]);
        let some = [CpuSet::new([0]), CpuSet::new([2, 5])];
        assert_eq!(set.without(some.iter()).to_string(), "1");
        let all = [CpuSet::new([0, 1]), CpuSet::new([2])];
        assert_eq!(set.without(all.iter()).to_string(), "0,1,2");
    }

    #[test]
    fn the_cpus_of_this_machine_have_a_node() {
        let allowed = CpuSet::of_this_thread();
        assert!(allowed.iter().next().is_some());
        assert!(nodes().contains(&CpuSet::new(allowed.iter().take(1)).node()));
        assert_eq!(CpuSet::empty().node(), ANY_NODE);
    }
}
