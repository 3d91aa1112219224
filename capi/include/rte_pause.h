/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a thread does while it spins. */
#ifndef RTE_MP_RTE_PAUSE_H
#define RTE_MP_RTE_PAUSE_H

#include <assert.h>
#include <stdint.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_stdatomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Tells the CPU that the thread spins: it saves power, and leaves more to the core's other thread.
 */
static inline void rte_pause(void)
{
#if defined(RTE_ARCH_X86)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield" ::: "memory");
#endif
}

/*
 * Spins until the number at `addr` is `expected`, as long as it takes. `memorder` is
 * rte_memory_order_acquire or rte_memory_order_relaxed.
 */
static __rte_always_inline void rte_wait_until_equal_16(volatile uint16_t *addr, uint16_t expected,
							rte_memory_order memorder)
{
	while (__atomic_load_n(addr, memorder) != expected)
		rte_pause();
}

static __rte_always_inline void rte_wait_until_equal_32(volatile uint32_t *addr, uint32_t expected,
							rte_memory_order memorder)
{
	while (__atomic_load_n(addr, memorder) != expected)
		rte_pause();
}

static __rte_always_inline void rte_wait_until_equal_64(volatile uint64_t *addr, uint64_t expected,
							rte_memory_order memorder)
{
	while (__atomic_load_n(addr, memorder) != expected)
		rte_pause();
}

/* The same for a part of the number and any comparison: until (*addr & mask) cond expected. */
#define RTE_WAIT_UNTIL_MASKED(addr, mask, cond, expected, memorder) \
	do { \
		__typeof__(*(addr)) rtemp_expected = (expected); \
		while (!((__atomic_load_n((addr), (memorder)) & (mask)) cond rtemp_expected)) \
			rte_pause(); \
	} while (0)

#ifdef __cplusplus
}
#endif

#endif
