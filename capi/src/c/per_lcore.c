/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* The variables that each thread has for itself: headers read them without a call. */

#include <limits.h>

__thread unsigned int per_lcore__lcore_id = UINT_MAX;
__thread int per_lcore__rte_errno;

/* For the Rust side, which cannot name such variables. */

void rtemp_set_lcore_id(unsigned int id);
int rtemp_errno(void);
void rtemp_set_errno(int value);

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
