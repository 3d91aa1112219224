/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What is the operating system's: sets of CPUs, and the lists of <sys/queue.h> under RTE_ names.
 *
 * Sets of CPUs need _GNU_SOURCE (g++ and clang++ define it themselves), as libc's do.
 */
#ifndef RTE_MP_RTE_OS_H
#define RTE_MP_RTE_OS_H

#include <alloca.h>
#include <sched.h>
#include <sys/queue.h>

#define RTE_TAILQ_HEAD(name, type) TAILQ_HEAD(name, type)
#define RTE_TAILQ_ENTRY(type) TAILQ_ENTRY(type)
#define RTE_TAILQ_FOREACH(var, head, field) TAILQ_FOREACH(var, head, field)
#define RTE_TAILQ_FIRST(head) TAILQ_FIRST(head)
#define RTE_TAILQ_NEXT(elem, field) TAILQ_NEXT(elem, field)
#define RTE_STAILQ_HEAD(name, type) STAILQ_HEAD(name, type)
#define RTE_STAILQ_ENTRY(type) STAILQ_ENTRY(type)

#ifdef CPU_SETSIZE
#define RTE_HAS_CPUSET 1

typedef cpu_set_t rte_cpuset_t;

static inline void rtemp_cpu_fill(rte_cpuset_t *set)
{
	unsigned int cpu;

	CPU_ZERO(set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, set);
}

static inline void rtemp_cpu_not(rte_cpuset_t *dst, const rte_cpuset_t *src)
{
	rte_cpuset_t all;

	rtemp_cpu_fill(&all);
	CPU_XOR(dst, &all, src);
}

#define RTE_CPU_AND(dst, src1, src2) CPU_AND(dst, src1, src2)
#define RTE_CPU_OR(dst, src1, src2) CPU_OR(dst, src1, src2)
#define RTE_CPU_FILL(set) rtemp_cpu_fill(set)
#define RTE_CPU_NOT(dst, src) rtemp_cpu_not(dst, src)
#endif

#endif
