/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Sizes of pages, and NUMA nodes.
 *
 * Differs from DPDK: nothing about segments of memory, which are not the program's business here.
 */
#ifndef RTE_MP_RTE_MEMORY_H
#define RTE_MP_RTE_MEMORY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_config.h>
#include <rte_spinlock.h> /* and with it most of the others: programs count on that */

#define RTE_PGSIZE_4K (1ULL << 12)
#define RTE_PGSIZE_64K (1ULL << 16)
#define RTE_PGSIZE_256K (1ULL << 18)
#define RTE_PGSIZE_2M (1ULL << 21)
#define RTE_PGSIZE_16M (1ULL << 24)
#define RTE_PGSIZE_256M (1ULL << 28)
#define RTE_PGSIZE_512M (1ULL << 29)
#define RTE_PGSIZE_1G (1ULL << 30)
#define RTE_PGSIZE_4G (1ULL << 32)
#define RTE_PGSIZE_16G (1ULL << 34)

/* In place of the number of a NUMA node: any will do. */
#define SOCKET_ID_ANY (-1)

#endif
