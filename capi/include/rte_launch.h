/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Functions that run on other lcores. */
#ifndef RTE_MP_RTE_LAUNCH_H
#define RTE_MP_RTE_LAUNCH_H

#ifdef __cplusplus
extern "C" {
#endif

/* What a worker is doing. */
enum rte_lcore_state_t {
	WAIT,   /* nothing: it may be given something */
	RUNNING /* it runs what it was given */
};

/* What a worker runs: any function of this type. Its result is what waiting for it gives. */
typedef int(lcore_function_t)(void *);

/*
 * Makes the worker `worker_id` call `f(arg)`, and returns without waiting for it. What this thread
 * has written before is seen by the worker.
 *
 * Returns 0; or a negative errno: -EBUSY when it still runs something else, -EPIPE after
 * rte_eal_cleanup().
 *
 * Differs from DPDK: -EINVAL when `f` is NULL or there is no such worker. Any thread may launch.
 * The function must return: pthread_exit() in it ends the process.
 */
int rte_eal_remote_launch(lcore_function_t *f, void *arg, unsigned int worker_id);

/* Whether the main lcore takes part. */
enum rte_rmt_call_main_t {
	SKIP_MAIN = 0, /* the workers only */
	CALL_MAIN      /* the caller too, for the main lcore, before the launch returns */
};

/*
 * Makes all workers call `f(arg)`. Returns 0; or -EBUSY, and nothing is launched, when one of them
 * still runs something else. The results are there for rte_eal_wait_lcore(), also that of the main
 * lcore.
 *
 * Differs from DPDK: -EINVAL when `f` is NULL and before rte_eal_init(), -EPIPE after
 * rte_eal_cleanup().
 */
int rte_eal_mp_remote_launch(lcore_function_t *f, void *arg, enum rte_rmt_call_main_t call_main);

/* Says what a worker is doing; WAIT also when there is no such worker. Does not block. */
enum rte_lcore_state_t rte_eal_get_lcore_state(unsigned int worker_id);

/*
 * Waits asleep, as long as it takes, until an lcore has finished what it runs. Returns the result
 * of the last function that it was given, as often as it is asked; 0 when there was none.
 */
int rte_eal_wait_lcore(unsigned int worker_id);

/* Waits for all workers. Their results are lost. */
void rte_eal_mp_wait_lcore(void);

#ifdef __cplusplus
}
#endif

#endif
