/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Why the thread's last call failed. */
#ifndef RTE_MP_RTE_ERRNO_H
#define RTE_MP_RTE_ERRNO_H

#include <errno.h>

#include <rte_per_lcore.h>

#ifdef __cplusplus
extern "C" {
#endif

RTE_DECLARE_PER_LCORE(int, _rte_errno);

/*
 * The calling thread's error: a positive value of <errno.h>, or one of the values below. It may be
 * assigned to. It counts only after a call that has failed; one that succeeds may leave anything.
 */
#define rte_errno RTE_PER_LCORE(_rte_errno)

#ifndef __ELASTERROR
#define __ELASTERROR 1000
#endif

/* DPDK's own errors, beyond those of libc. */
enum {
	RTE_MIN_ERRNO = __ELASTERROR,
	E_RTE_SECONDARY, /* not allowed in a secondary */
	E_RTE_NO_CONFIG, /* no group was joined */
	RTE_MAX_ERRNO
};

/*
 * Says what an error means. `errnum` is positive: libc's or one of the above. The text belongs to
 * the library and holds until the same thread asks again; it is never NULL, also for an unknown
 * number.
 */
const char *rte_strerror(int errnum);

#ifdef __cplusplus
}
#endif

#endif
