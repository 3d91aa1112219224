/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Functions that are called later, once. */
#ifndef RTE_MP_RTE_ALARM_H
#define RTE_MP_RTE_ALARM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an alarm calls, with the argument that was given for it. */
typedef void (*rte_eal_alarm_callback)(void *arg);

/*
 * Calls `cb(cb_arg)` once, `us` microseconds from now or a little later, in the library's own
 * thread for alarms. Alarms run one after the other, so one that takes long makes others late; one
 * may set and cancel alarms, and must return. `us` is at least 1. The same function may be set any
 * number of times.
 *
 * Does not block. Returns 0, or a negative errno: -EINVAL when `us` is 0 or too far away or `cb` is
 * NULL, -EPIPE after rte_eal_cleanup(), which forgets all alarms, -EAGAIN or what the kernel said
 * when there can be no thread.
 *
 * Differs from DPDK: it may be called before rte_eal_init().
 */
int rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback cb, void *cb_arg);

/*
 * Takes back every alarm of `cb_fn` that was set with `cb_arg`, or with anything when `cb_arg` is
 * (void *)-1. Waits for one that is being run just now, unless it is itself the caller.
 *
 * Returns how many were taken back, those that had begun to run not counted. rte_errno is then
 * EINPROGRESS when one of them is the caller, ENOENT when none was found, and else what it was.
 * With NULL for `cb_fn` it is -1 and EINVAL.
 */
int rte_eal_alarm_cancel(rte_eal_alarm_callback cb_fn, void *cb_arg);

#ifdef __cplusplus
}
#endif

#endif
