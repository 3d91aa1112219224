/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Versions. What a program can compare at compile time is the DPDK release that these headers
 * follow (RTE_MP_ABI, see rte_build_config.h); what the library is, rte_version() says at run time.
 */
#ifndef RTE_MP_RTE_VERSION_H
#define RTE_MP_RTE_VERSION_H

#include <stdio.h>
#include <string.h>

#include <rte_compat.h>
#include <rte_config.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One number for year, month, minor and release, which compares as the versions do. */
#define RTE_VERSION_NUM(a, b, c, d) ((a) << 24 | (b) << 16 | (c) << 8 | (d))

#define RTE_VERSION \
	RTE_VERSION_NUM(RTE_VER_YEAR, RTE_VER_MONTH, RTE_VER_MINOR, RTE_VER_RELEASE)

/*
 * The same piece by piece. They need no library, and so follow the headers that were compiled in.
 */
static inline const char *rte_version_prefix(void)
{
	return RTE_VER_PREFIX;
}

static inline unsigned int rte_version_year(void)
{
	return RTE_VER_YEAR;
}

static inline unsigned int rte_version_month(void)
{
	return RTE_VER_MONTH;
}

static inline unsigned int rte_version_minor(void)
{
	return RTE_VER_MINOR;
}

static inline const char *rte_version_suffix(void)
{
	return RTE_VER_SUFFIX;
}

static inline unsigned int rte_version_release(void)
{
	return RTE_VER_RELEASE;
}

/*
 * Names the library that the program runs with, and DPDK's release that it follows, in one line
 * such as "rte-mp 0.1.0 (DPDK API 25.11)". The text is constant.
 *
 * Differs from DPDK: the text is another, and does not depend on RTE_MP_ABI.
 */
const char *rte_version(void);

#ifdef __cplusplus
}
#endif

#endif
