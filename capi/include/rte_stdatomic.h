/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * C11's atomic operations under RTE_ names, on ordinary variables, in C and C++ alike.
 *
 * Differs from DPDK: RTE_ENABLE_STDATOMIC, which makes them operate on _Atomic ones there, changes
 * nothing.
 */
#ifndef RTE_MP_RTE_STDATOMIC_H
#define RTE_MP_RTE_STDATOMIC_H

/* Before a type of which a variable is used with these operations. */
#define RTE_ATOMIC(type) type
#define __rte_atomic

typedef int rte_memory_order;
#define rte_memory_order_relaxed __ATOMIC_RELAXED
#define rte_memory_order_consume __ATOMIC_CONSUME
#define rte_memory_order_acquire __ATOMIC_ACQUIRE
#define rte_memory_order_release __ATOMIC_RELEASE
#define rte_memory_order_acq_rel __ATOMIC_ACQ_REL
#define rte_memory_order_seq_cst __ATOMIC_SEQ_CST

#define rte_atomic_load_explicit(ptr, memorder) __atomic_load_n(ptr, memorder)
#define rte_atomic_store_explicit(ptr, val, memorder) __atomic_store_n(ptr, val, memorder)
#define rte_atomic_exchange_explicit(ptr, val, memorder) __atomic_exchange_n(ptr, val, memorder)
#define rte_atomic_compare_exchange_strong_explicit(ptr, expected, desired, success, failure) \
	__atomic_compare_exchange_n(ptr, expected, desired, 0, success, failure)
#define rte_atomic_compare_exchange_weak_explicit(ptr, expected, desired, success, failure) \
	__atomic_compare_exchange_n(ptr, expected, desired, 1, success, failure)
#define rte_atomic_fetch_add_explicit(ptr, val, memorder) __atomic_fetch_add(ptr, val, memorder)
#define rte_atomic_fetch_sub_explicit(ptr, val, memorder) __atomic_fetch_sub(ptr, val, memorder)
#define rte_atomic_fetch_and_explicit(ptr, val, memorder) __atomic_fetch_and(ptr, val, memorder)
#define rte_atomic_fetch_xor_explicit(ptr, val, memorder) __atomic_fetch_xor(ptr, val, memorder)
#define rte_atomic_fetch_or_explicit(ptr, val, memorder) __atomic_fetch_or(ptr, val, memorder)
#define rte_atomic_fetch_nand_explicit(ptr, val, memorder) __atomic_fetch_nand(ptr, val, memorder)
#define rte_atomic_flag_test_and_set_explicit(ptr, memorder) __atomic_test_and_set(ptr, memorder)
#define rte_atomic_flag_clear_explicit(ptr, memorder) __atomic_clear(ptr, memorder)

#endif
