/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * lcores: the main thread and the worker threads of a process, one for each CPU of the command
 * line's list. Their ids are below RTE_MAX_LCORE and need not follow on each other.
 *
 * Workers are threads of rte_eal_init()'s making, each pinned to its CPUs, that wait for something
 * to run (rte_launch.h). Other threads have no lcore.
 */
#ifndef RTE_MP_RTE_LCORE_H
#define RTE_MP_RTE_LCORE_H

#include <stdint.h>
#include <stdio.h>

#include <rte_compat.h>
#include <rte_config.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_os.h>
#include <rte_per_lcore.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In place of an lcore's id: none. */
#define LCORE_ID_ANY UINT32_MAX

RTE_DECLARE_PER_LCORE(unsigned int, _lcore_id);

/* What an lcore id stands for. */
enum rte_lcore_role_t {
	ROLE_RTE,     /* the main lcore or a worker */
	ROLE_OFF,     /* nothing */
	ROLE_SERVICE, /* a service core: DPDK's; there are none here */
	ROLE_NON_EAL  /* a thread of the program's with an id: DPDK's; there are none here */
};

/* The calling thread's lcore; LCORE_ID_ANY in threads that are none, and before rte_eal_init(). */
static inline unsigned int rte_lcore_id(void)
{
	return RTE_PER_LCORE(_lcore_id);
}

/* The lcore that called rte_eal_init(). */
unsigned int rte_get_main_lcore(void);

/*
 * How many lcores there are, the main one included; 0 before rte_eal_init(). What is said of lcores
 * stays so after rte_eal_cleanup().
 */
unsigned int rte_lcore_count(void);

/*
 * An lcore's place in the list of lcores, from 0; a negative id means the caller's. Returns -1 when
 * there is no such lcore.
 */
int rte_lcore_index(int lcore_id);

/* What an id stands for; ROLE_OFF for one that is too large. */
enum rte_lcore_role_t rte_eal_lcore_role(unsigned int lcore_id);

/* Whether an id stands for that: 1 or 0. */
int rte_lcore_has_role(unsigned int lcore_id, enum rte_lcore_role_t role);

/* Whether it is the main lcore or a worker: 1 or 0. */
int rte_lcore_is_enabled(unsigned int lcore_id);

/*
 * The next lcore after `i`, without the main one if `skip_main`. After the last one comes
 * RTE_MAX_LCORE; or, if `wrap`, the first one. To begin, `i` is (unsigned int)-1.
 */
unsigned int rte_get_next_lcore(unsigned int i, int skip_main, int wrap);

/* Goes through all lcores, and through the workers; `i` is an integer variable of the program's. */
#define RTE_LCORE_FOREACH(i) \
	for (i = rte_get_next_lcore((unsigned int)-1, 0, 0); i < RTE_MAX_LCORE; \
	     i = rte_get_next_lcore(i, 0, 0))
#define RTE_LCORE_FOREACH_WORKER(i) \
	for (i = rte_get_next_lcore((unsigned int)-1, 1, 0); i < RTE_MAX_LCORE; \
	     i = rte_get_next_lcore(i, 1, 0))

/*
 * The NUMA node on which the calling thread runs: for an lcore that of its CPUs, for other threads
 * that of the CPUs that are no lcore's, though they may run elsewhere; (unsigned int)SOCKET_ID_ANY
 * when those are of several nodes, and before rte_eal_init().
 *
 * Differs from DPDK: there it is SOCKET_ID_ANY in threads that the program has made itself.
 */
unsigned int rte_socket_id(void);

/*
 * How many NUMA nodes the machine's CPUs are of, and the number of the node at place `idx`: -1 with
 * rte_errno EINVAL when there are not so many. There are none before rte_eal_init().
 */
unsigned int rte_socket_count(void);
int rte_socket_id_by_idx(unsigned int idx);

/* The NUMA node of an lcore; 0 when there is no such lcore. */
unsigned int rte_lcore_to_socket_id(unsigned int lcore_id);

/*
 * The CPU to which an lcore is pinned, the first of them if they are several; a negative id means
 * the caller's. Returns -1 when there is no such lcore.
 *
 * Differs from DPDK: there it is the number of a physical core, that of the CPU whose number is the
 * lcore's id.
 */
int rte_lcore_to_cpu_id(int lcore_id);

#ifdef RTE_HAS_CPUSET
/* All CPUs to which an lcore is pinned; none when there is no such lcore. */
rte_cpuset_t rte_lcore_cpuset(unsigned int lcore_id);
#endif

/* Writes a line about each lcore to `f`. */
void rte_lcore_dump(FILE *f);

/*
 * Names a thread, as ps and debuggers show it; what is longer than 15 bytes is cut off. Returns 0,
 * or a negative errno.
 */
int rte_thread_setname(pthread_t id, const char *name);

/*
 * Starts a thread that is no lcore, as pthread_create() does, named `name` if that is not NULL, on
 * the CPUs of the process that are no lcore's, or all of them if none is left. Returns 0 or a
 * negative errno.
 */
int rte_ctrl_thread_create(pthread_t *thread, const char *name, const pthread_attr_t *attr,
			   void *(*start_routine)(void *), void *arg);

#ifdef __cplusplus
}
#endif

#endif
