/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Copying memory. */
#ifndef RTE_MP_RTE_MEMCPY_H
#define RTE_MP_RTE_MEMCPY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_config.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Copies `n` bytes, which must not overlap, and returns `dst`.
 *
 * Differs from DPDK: it is libc's memcpy().
 */
static __rte_always_inline void *rte_memcpy(void *dst, const void *src, size_t n)
{
	return memcpy(dst, src, n);
}

#ifdef __cplusplus
}
#endif

#endif
