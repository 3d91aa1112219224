/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Marks of stability, for programs that put them on declarations of their own.
 *
 * Differs from DPDK: they mean nothing here. Everything in these headers is stable, with and
 * without ALLOW_EXPERIMENTAL_API or ALLOW_INTERNAL_API.
 */
#ifndef RTE_MP_RTE_COMPAT_H
#define RTE_MP_RTE_COMPAT_H

#define __rte_experimental
#define __rte_internal

#endif
