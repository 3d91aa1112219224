/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What this build is: which DPDK release its types follow, for which machine, with which limits.
 *
 * RTE_MP_ABI chooses the release whose layouts a program is compiled with. All of a program's
 * object files must be compiled with the same choice: the linker refuses a mixture (see rte_eal.h).
 *
 *   25  the default: DPDK 25.11. A message carries up to 253 descriptors, and its param is aligned
 *       to 8 bytes. Source that was written for 24.11 or later compiles with it.
 *   22  DPDK 22.11, and every release up to 24.07: up to 8 descriptors, param aligned to 4 bytes.
 *
 * What goes over the wire does not depend on it: that follows the group that the process joins.
 */
#ifndef RTE_MP_RTE_BUILD_CONFIG_H
#define RTE_MP_RTE_BUILD_CONFIG_H

#if !defined(__linux__)
#error "rte-mp runs on Linux only"
#endif

#ifndef RTE_MP_ABI
#define RTE_MP_ABI 25
#endif

/* The release that rte_version.h speaks of. */
#if RTE_MP_ABI == 25
#define RTE_VER_YEAR 25
#define RTE_VER_MONTH 11
#elif RTE_MP_ABI == 22
#define RTE_VER_YEAR 22
#define RTE_VER_MONTH 11
#else
#error "RTE_MP_ABI must be 25 (DPDK 25.11, the default) or 22 (DPDK 22.11)"
#endif
#define RTE_VER_MINOR 0
#define RTE_VER_SUFFIX ""
#define RTE_VER_RELEASE 99

#define RTE_EXEC_ENV_LINUX 1
#define RTE_ENV_FREEBSD 0
#define RTE_ENV_LINUX 1
#define RTE_ENV_WINDOWS 2
#define RTE_EXEC_ENV RTE_ENV_LINUX
#define RTE_EXEC_ENV_IS_FREEBSD 0
#define RTE_EXEC_ENV_IS_LINUX 1
#define RTE_EXEC_ENV_IS_WINDOWS 0

#if defined(__x86_64__)
#define RTE_ARCH_X86 1
#define RTE_ARCH_X86_64 1
#define RTE_ARCH_64 1
#define RTE_CACHE_LINE_SIZE 64
#elif defined(__aarch64__)
#define RTE_ARCH_ARM64 1
#define RTE_ARCH_64 1
#define RTE_CACHE_LINE_SIZE 128
#else
#error "rte-mp has C headers for x86-64 and aarch64"
#endif

/*
 * Of DPDK's libraries this is the one that is here. Programs test these to see what they may use.
 */
#define RTE_LIB_EAL 1

/* lcore ids are smaller than this, and NUMA nodes than the next. */
#define RTE_MAX_LCORE 128
#define RTE_MAX_NUMA_NODES 32

#endif
