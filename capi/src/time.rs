//! The time stamp counter's pace, and waiting for a short while.
//!
//! The counter itself is read inline by the headers. How fast it runs is measured against the
//! kernel's clock, over ten milliseconds at least: what the CPU says of itself is missing on many
//! machines, and wrong on some virtual ones.
//!
//! DPDK 22.11: `eal_common_timer.c`. Differs from DPDK: there a secondary takes what its primary
//! has measured.

use std::ffi::c_uint;
use std::hint;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::border::enter;

/// Begins to measure, so that nobody has to wait for it later.
pub(crate) fn start() {
    #[cfg(target_arch = "x86_64")]
    counter::start();
}

/// Gives the cycles in a second. `rte_get_tsc_hz`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_get_tsc_hz() -> u64 {
    static HZ: OnceLock<u64> = OnceLock::new();
    enter(0, || Ok(*HZ.get_or_init(counter::hz)))
}

/// Waits and keeps the CPU. `rte_delay_us_block`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_delay_us_block(microseconds: c_uint) {
    let start = Instant::now();
    let time = Duration::from_micros(microseconds.into());
    enter((), || {
        while start.elapsed() < time {
            hint::spin_loop();
        }
        Ok(())
    });
}

/// Waits asleep. `rte_delay_us_sleep`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn rte_delay_us_sleep(microseconds: c_uint) {
    enter((), || {
        thread::sleep(Duration::from_micros(microseconds.into()));
        Ok(())
    });
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use super::*;

    /// Over less the counter's pace is not known well enough.
    const LONG_ENOUGH: u64 = 10_000_000;

    /// What the counter said at a time.
    #[derive(Debug, Clone, Copy)]
    struct Sample {
        cycles: u64,
        /// Of a clock that nobody adjusts.
        nanoseconds: u64,
    }

    impl Sample {
        /// Reads both, as close to each other as it goes: an interrupt may come between.
        fn take() -> Self {
            let tries = (0..8).map(|_| {
                let before = cycles();
                let nanoseconds = nanoseconds();
                let length = cycles().wrapping_sub(before);
                (length, Self { cycles: before.wrapping_add(length / 2), nanoseconds })
            });
            let shortest = tries.min_by_key(|&(length, _)| length);
            shortest.map_or(Self { cycles: 0, nanoseconds: 0 }, |(_, sample)| sample)
        }
    }

    static FIRST: OnceLock<Sample> = OnceLock::new();

    pub(super) fn start() {
        FIRST.get_or_init(Sample::take);
    }

    pub(super) fn hz() -> u64 {
        let first = FIRST.get_or_init(Sample::take);
        let left = LONG_ENOUGH.saturating_sub(nanoseconds().saturating_sub(first.nanoseconds));
        thread::sleep(Duration::from_nanos(left));
        let second = Sample::take();
        let cycles = second.cycles.wrapping_sub(first.cycles);
        let nanoseconds = second.nanoseconds.saturating_sub(first.nanoseconds).max(1);
        let hz = u128::from(cycles) * 1_000_000_000 / u128::from(nanoseconds);
        u64::try_from(hz).unwrap_or(u64::MAX)
    }

    fn cycles() -> u64 {
        // SAFETY: every CPU of this kind has the counter, and Linux lets programs read it.
        unsafe { std::arch::x86_64::_rdtsc() }
    }

    fn nanoseconds() -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it fills in the struct; every Linux has this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &raw mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

#[cfg(target_arch = "aarch64")]
mod counter {
    pub(super) fn hz() -> u64 {
        let hz: u64;
        // SAFETY: it reads a register that Linux lets programs read.
        unsafe { std::arch::asm!("mrs {}, cntfrq_el0", out(reg) hz, options(nomem, nostack)) };
        hz
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// What was measured is held against a span that is twenty times as long.
    #[test]
    fn the_pace_of_the_counter_is_known_to_a_thousandth() {
        let (start, clock) = (cycles(), Instant::now());
        let hz = rte_get_tsc_hz();
        while clock.elapsed() < Duration::from_millis(200) {
            hint::spin_loop();
        }
        let (cycles, seconds) = (cycles() - start, clock.elapsed().as_secs_f64());
        let off = (hz as f64 * seconds / cycles as f64 - 1.0).abs();
        assert!(off < 0.001, "{hz} Hz, off by {off}");
    }

    #[test]
    fn a_delay_is_never_too_short() {
        for delay in [rte_delay_us_block, rte_delay_us_sleep] {
            for microseconds in [0, 1, 1000] {
                let clock = Instant::now();
                delay(microseconds);
                let elapsed = clock.elapsed();
                assert!(elapsed >= Duration::from_micros(microseconds.into()), "{elapsed:?}");
            }
        }
    }

    fn cycles() -> u64 {
        // SAFETY: every CPU of this kind has it.
        unsafe { std::arch::x86_64::_rdtsc() }
    }
}
