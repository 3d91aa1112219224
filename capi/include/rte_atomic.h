/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Barriers, and counters of 16, 32 and 64 bits that several threads or processes may use at once.
 */
#ifndef RTE_MP_RTE_ATOMIC_H
#define RTE_MP_RTE_ATOMIC_H

#include <stdint.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_compat.h>
#include <rte_stdatomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keeps the compiler from moving accesses to memory over this point. The CPU still may. */
#define rte_compiler_barrier() \
	do { \
		__asm__ volatile("" ::: "memory"); \
	} while (0)

/*
 * Barriers for the CPU too: no access, no store, no load comes before it that stands after it, or
 * the other way round. The plain ones also order stores that bypass the caches.
 */
static inline void rte_mb(void)
{
#if defined(RTE_ARCH_X86)
	__asm__ volatile("mfence" ::: "memory");
#else
	__asm__ volatile("dmb osh" ::: "memory");
#endif
}

static inline void rte_wmb(void)
{
#if defined(RTE_ARCH_X86)
	__asm__ volatile("sfence" ::: "memory");
#else
	__asm__ volatile("dmb oshst" ::: "memory");
#endif
}

static inline void rte_rmb(void)
{
#if defined(RTE_ARCH_X86)
	__asm__ volatile("lfence" ::: "memory");
#else
	__asm__ volatile("dmb oshld" ::: "memory");
#endif
}

/* The fence of C11's atomic_thread_fence(), such as __ATOMIC_ACQUIRE. */
static __rte_always_inline void rte_atomic_thread_fence(rte_memory_order memorder)
{
	__atomic_thread_fence(memorder);
}

/* Barriers between CPUs only: what threads and processes that share memory need. */
static inline void rte_smp_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void rte_smp_wmb(void)
{
#if defined(RTE_ARCH_X86)
	rte_compiler_barrier();
#else
	__asm__ volatile("dmb ishst" ::: "memory");
#endif
}

static inline void rte_smp_rmb(void)
{
#if defined(RTE_ARCH_X86)
	rte_compiler_barrier();
#else
	__asm__ volatile("dmb ishld" ::: "memory");
#endif
}

/* Barriers towards devices. */
static inline void rte_io_mb(void)
{
	rte_mb();
}

static inline void rte_io_wmb(void)
{
#if defined(RTE_ARCH_X86)
	rte_compiler_barrier();
#else
	rte_wmb();
#endif
}

static inline void rte_io_rmb(void)
{
#if defined(RTE_ARCH_X86)
	rte_compiler_barrier();
#else
	rte_rmb();
#endif
}

/* Counters. Initialised by RTE_ATOMIC32_INIT(5), or rte_atomic32_init() for 0. */
typedef struct {
	volatile int16_t cnt;
} rte_atomic16_t;

typedef struct {
	volatile int32_t cnt;
} rte_atomic32_t;

typedef struct {
	volatile int64_t cnt;
} rte_atomic64_t;

#define RTE_ATOMIC16_INIT(val) {(val)}
#define RTE_ATOMIC32_INIT(val) {(val)}
#define RTE_ATOMIC64_INIT(val) {(val)}

/*
 * For 16, 32 and 64 bits, shown for 32. All that change something are full barriers; reading,
 * setting, initialising and clearing are none.
 *
 *   int rte_atomic32_cmpset(volatile uint32_t *dst, uint32_t exp, uint32_t src);
 *                     if *dst is exp, makes it src and returns 1; else returns 0
 *   uint32_t rte_atomic32_exchange(volatile uint32_t *dst, uint32_t val);
 *                     makes *dst val, and returns what it was
 *   void rte_atomic32_init(rte_atomic32_t *v);                       makes it 0
 *   int32_t rte_atomic32_read(const rte_atomic32_t *v);
 *   void rte_atomic32_set(rte_atomic32_t *v, int32_t new_value);
 *   void rte_atomic32_add(rte_atomic32_t *v, int32_t inc);
 *   void rte_atomic32_sub(rte_atomic32_t *v, int32_t dec);
 *   void rte_atomic32_inc(rte_atomic32_t *v);
 *   void rte_atomic32_dec(rte_atomic32_t *v);
 *   int32_t rte_atomic32_add_return(rte_atomic32_t *v, int32_t inc); returns what it has become
 *   int32_t rte_atomic32_sub_return(rte_atomic32_t *v, int32_t dec);
 *   int rte_atomic32_inc_and_test(rte_atomic32_t *v);         returns whether it has become 0
 *   int rte_atomic32_dec_and_test(rte_atomic32_t *v);
 *   int rte_atomic32_test_and_set(rte_atomic32_t *v);         if it is 0, makes it 1 and returns 1
 *   void rte_atomic32_clear(rte_atomic32_t *v);                      makes it 0
 */
#define RTEMP_ATOMIC_OPERATIONS(bits) \
	static inline int rte_atomic##bits##_cmpset(volatile uint##bits##_t *dst, \
						    uint##bits##_t exp, uint##bits##_t src) \
	{ \
		return __atomic_compare_exchange_n(dst, &exp, src, 0, __ATOMIC_SEQ_CST, \
						   __ATOMIC_SEQ_CST); \
	} \
	static inline uint##bits##_t rte_atomic##bits##_exchange(volatile uint##bits##_t *dst, \
								 uint##bits##_t val) \
	{ \
		return __atomic_exchange_n(dst, val, __ATOMIC_SEQ_CST); \
	} \
	static inline int##bits##_t rte_atomic##bits##_read(const rte_atomic##bits##_t *v) \
	{ \
		return __atomic_load_n(&v->cnt, __ATOMIC_RELAXED); \
	} \
	static inline void rte_atomic##bits##_set(rte_atomic##bits##_t *v, \
						  int##bits##_t new_value) \
	{ \
		__atomic_store_n(&v->cnt, new_value, __ATOMIC_RELAXED); \
	} \
	static inline void rte_atomic##bits##_init(rte_atomic##bits##_t *v) \
	{ \
		rte_atomic##bits##_set(v, 0); \
	} \
	static inline void rte_atomic##bits##_clear(rte_atomic##bits##_t *v) \
	{ \
		rte_atomic##bits##_set(v, 0); \
	} \
	static inline int##bits##_t rte_atomic##bits##_add_return(rte_atomic##bits##_t *v, \
								  int##bits##_t inc) \
	{ \
		return __atomic_add_fetch(&v->cnt, inc, __ATOMIC_SEQ_CST); \
	} \
	static inline int##bits##_t rte_atomic##bits##_sub_return(rte_atomic##bits##_t *v, \
								  int##bits##_t dec) \
	{ \
		return __atomic_sub_fetch(&v->cnt, dec, __ATOMIC_SEQ_CST); \
	} \
	static inline void rte_atomic##bits##_add(rte_atomic##bits##_t *v, int##bits##_t inc) \
	{ \
		(void)rte_atomic##bits##_add_return(v, inc); \
	} \
	static inline void rte_atomic##bits##_sub(rte_atomic##bits##_t *v, int##bits##_t dec) \
	{ \
		(void)rte_atomic##bits##_sub_return(v, dec); \
	} \
	static inline void rte_atomic##bits##_inc(rte_atomic##bits##_t *v) \
	{ \
		rte_atomic##bits##_add(v, 1); \
	} \
	static inline void rte_atomic##bits##_dec(rte_atomic##bits##_t *v) \
	{ \
		rte_atomic##bits##_sub(v, 1); \
	} \
	static inline int rte_atomic##bits##_inc_and_test(rte_atomic##bits##_t *v) \
	{ \
		return rte_atomic##bits##_add_return(v, 1) == 0; \
	} \
	static inline int rte_atomic##bits##_dec_and_test(rte_atomic##bits##_t *v) \
	{ \
		return rte_atomic##bits##_sub_return(v, 1) == 0; \
	} \
	static inline int rte_atomic##bits##_test_and_set(rte_atomic##bits##_t *v) \
	{ \
		return rte_atomic##bits##_cmpset((volatile uint##bits##_t *)&v->cnt, 0, 1); \
	}

RTEMP_ATOMIC_OPERATIONS(16)
RTEMP_ATOMIC_OPERATIONS(32)
RTEMP_ATOMIC_OPERATIONS(64)

#undef RTEMP_ATOMIC_OPERATIONS

#ifdef __cplusplus
}
#endif

#endif
