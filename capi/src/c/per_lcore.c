/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* The variables that each thread has for itself: headers read them without a call. */

#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_per_lcore.h>

RTE_DEFINE_PER_LCORE(unsigned int, _lcore_id) = LCORE_ID_ANY;
RTE_DEFINE_PER_LCORE(int, _rte_errno);
RTE_DEFINE_PER_LCORE(int, _thread_id) = -1;

int rte_sys_gettid(void)
{
	return (int)gettid();
}

/* For the Rust side, which cannot name such variables. */

unsigned int rtemp_lcore_id(void);
void rtemp_set_lcore_id(unsigned int id);
int rtemp_errno(void);
void rtemp_set_errno(int value);

unsigned int rtemp_lcore_id(void)
{
	return per_lcore__lcore_id;
}

void rtemp_set_lcore_id(unsigned int id)
{
	per_lcore__lcore_id = id;
}

int rtemp_errno(void)
{
	return per_lcore__rte_errno;
}

void rtemp_set_errno(int value)
{
	per_lcore__rte_errno = value;
}
