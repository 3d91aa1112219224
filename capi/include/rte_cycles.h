/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Time in cycles, and waiting for a short while.
 *
 * Cycles are those of the CPU's time stamp counter (x86-64) or generic timer (aarch64), which runs
 * at the same pace on all CPUs and whatever their frequency is.
 */
#ifndef RTE_MP_RTE_CYCLES_H
#define RTE_MP_RTE_CYCLES_H

#include <stdint.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_config.h>
#include <rte_debug.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MS_PER_S 1000
#define US_PER_S 1000000
#define NS_PER_S 1000000000

/* The counter now. */
static inline uint64_t rte_rdtsc(void)
{
#if defined(RTE_ARCH_X86)
	return __builtin_ia32_rdtsc();
#else
	uint64_t cycles;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(cycles));
	return cycles;
#endif
}

/* The same, not before all accesses to memory that stand before it are done. */
static inline uint64_t rte_rdtsc_precise(void)
{
	rte_mb();
#if !defined(RTE_ARCH_X86)
	__asm__ volatile("isb" ::: "memory");
#endif
	return rte_rdtsc();
}

static inline uint64_t rte_get_tsc_cycles(void)
{
	return rte_rdtsc();
}

static inline uint64_t rte_get_timer_cycles(void)
{
	return rte_get_tsc_cycles();
}

/*
 * Cycles in a second. On x86-64 they are counted against the kernel's clock, from rte_eal_init() or
 * else from the first call on, which waits until there were ten milliseconds to count in.
 */
uint64_t rte_get_tsc_hz(void);

static inline uint64_t rte_get_timer_hz(void)
{
	return rte_get_tsc_hz();
}

/* Waits for `us` microseconds, or a little longer: spinning, and so busily; or asleep. */
void rte_delay_us_block(unsigned int us);
void rte_delay_us_sleep(unsigned int us);

/* Waits for `us` microseconds in the way that was chosen: at first rte_delay_us_block(). */
extern void (*rte_delay_us)(unsigned int us);

/*
 * Chooses what rte_delay_us() does from now on, in the whole process; NULL stands for what it did
 * at first.
 */
void rte_delay_us_callback_register(void (*userfunc)(unsigned int us));

/* Waits for `ms` milliseconds, by rte_delay_us(). */
static inline void rte_delay_ms(unsigned int ms)
{
	rte_delay_us(ms * 1000);
}

#ifdef __cplusplus
}
#endif

#endif
