/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Locks for which a thread spins. They hold between the processes of a group when they lie in its
 * memory.
 *
 * A process that dies leaves the locks that it holds locked for ever.
 */
#ifndef RTE_MP_RTE_SPINLOCK_H
#define RTE_MP_RTE_SPINLOCK_H

#include <errno.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
	volatile int locked; /* 0 or 1 */
} rte_spinlock_t;

#define RTE_SPINLOCK_INITIALIZER {0}

/* Makes a lock, unlocked. */
static inline void rte_spinlock_init(rte_spinlock_t *sl)
{
	sl->locked = 0;
}

/* Takes the lock if it is free: 1, else 0. Does not wait. */
__rte_warn_unused_result static inline int rte_spinlock_trylock(rte_spinlock_t *sl)
{
	return __atomic_exchange_n(&sl->locked, 1, __ATOMIC_ACQUIRE) == 0;
}

/*
 * Takes the lock, and spins for as long as another thread has it. A thread that has it itself spins
 * for ever.
 */
static inline void rte_spinlock_lock(rte_spinlock_t *sl)
{
	while (!rte_spinlock_trylock(sl)) {
		while (__atomic_load_n(&sl->locked, __ATOMIC_RELAXED) != 0)
			rte_pause();
	}
}

/* Gives the lock back. */
static inline void rte_spinlock_unlock(rte_spinlock_t *sl)
{
	__atomic_store_n(&sl->locked, 0, __ATOMIC_RELEASE);
}

/* Whether somebody has it now: 1 or 0. */
static inline int rte_spinlock_is_locked(rte_spinlock_t *sl)
{
	return __atomic_load_n(&sl->locked, __ATOMIC_ACQUIRE);
}

/*
 * A lock that the thread which has it may take again; it is free when it was given back as often.
 * Threads are told apart by the kernel's number, so it holds between processes of one PID
 * namespace.
 */
typedef struct {
	rte_spinlock_t sl;
	volatile int user;  /* the thread that has it, or -1 */
	volatile int count; /* how often it has taken it */
} rte_spinlock_recursive_t;

#define RTE_SPINLOCK_RECURSIVE_INITIALIZER {RTE_SPINLOCK_INITIALIZER, -1, 0}

static inline void rte_spinlock_recursive_init(rte_spinlock_recursive_t *slr)
{
	rte_spinlock_init(&slr->sl);
	slr->user = -1;
	slr->count = 0;
}

/* As for the plain ones, except that a thread that has it never waits. */
static inline void rte_spinlock_recursive_lock(rte_spinlock_recursive_t *slr)
{
	int thread = rte_gettid();

	if (__atomic_load_n(&slr->user, __ATOMIC_RELAXED) != thread) {
		rte_spinlock_lock(&slr->sl);
		__atomic_store_n(&slr->user, thread, __ATOMIC_RELAXED);
	}
	slr->count = slr->count + 1;
}

__rte_warn_unused_result static inline int
rte_spinlock_recursive_trylock(rte_spinlock_recursive_t *slr)
{
	int thread = rte_gettid();

	if (__atomic_load_n(&slr->user, __ATOMIC_RELAXED) != thread) {
		if (!rte_spinlock_trylock(&slr->sl))
			return 0;
		__atomic_store_n(&slr->user, thread, __ATOMIC_RELAXED);
	}
	slr->count = slr->count + 1;
	return 1;
}

static inline void rte_spinlock_recursive_unlock(rte_spinlock_recursive_t *slr)
{
	slr->count = slr->count - 1;
	if (slr->count == 0) {
		__atomic_store_n(&slr->user, -1, __ATOMIC_RELAXED);
		rte_spinlock_unlock(&slr->sl);
	}
}

/*
 * The same by transactions of the CPU, where it has them.
 *
 * Differs from DPDK: it never has; these are the plain ones.
 */
static inline int rte_tm_supported(void)
{
	return 0;
}

static inline void rte_spinlock_lock_tm(rte_spinlock_t *sl)
{
	rte_spinlock_lock(sl);
}

__rte_warn_unused_result static inline int rte_spinlock_trylock_tm(rte_spinlock_t *sl)
{
	return rte_spinlock_trylock(sl);
}

static inline void rte_spinlock_unlock_tm(rte_spinlock_t *sl)
{
	rte_spinlock_unlock(sl);
}

static inline void rte_spinlock_recursive_lock_tm(rte_spinlock_recursive_t *slr)
{
	rte_spinlock_recursive_lock(slr);
}

__rte_warn_unused_result static inline int
rte_spinlock_recursive_trylock_tm(rte_spinlock_recursive_t *slr)
{
	return rte_spinlock_recursive_trylock(slr);
}

static inline void rte_spinlock_recursive_unlock_tm(rte_spinlock_recursive_t *slr)
{
	rte_spinlock_recursive_unlock(slr);
}

#ifdef __cplusplus
}
#endif

#endif
