/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The settings that every program sees, those of rte_build_config.h included.
 *
 * pkg-config makes the compiler read it first, as DPDK's does, so that a program may use these
 * names without including anything.
 */
#ifndef RTE_MP_RTE_CONFIG_H
#define RTE_MP_RTE_CONFIG_H

#include <rte_build_config.h>

#if defined(__clang__)
#define RTE_TOOLCHAIN "clang"
#define RTE_TOOLCHAIN_CLANG 1
#elif defined(__GNUC__)
#define RTE_TOOLCHAIN "gcc"
#define RTE_TOOLCHAIN_GCC 1
#else
#error "rte-mp's C headers are for gcc and clang"
#endif

#define RTE_EXEC_ENV_LINUXAPP 1

/* Differs from DPDK: "DPDK" there. */
#define RTE_VER_PREFIX "rte-mp"

/* So many zones can be reserved in one group. */
#define RTE_MAX_MEMZONE 2560

/* RTE_LOG_DP leaves nothing behind for levels above this one; -DRTE_LOG_DP_LEVEL=... before. */
#ifndef RTE_LOG_DP_LEVEL
#define RTE_LOG_DP_LEVEL RTE_LOG_INFO
#endif

/* Cache lines that RTE_CACHE_GUARD keeps free. */
#define RTE_CACHE_GUARD_LINES 1

#endif
