/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Uses rte-mp and another library in Rust. */
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>

int other_library(void);

int main(void)
{
	printf("%d, %d\n", rte_mp_sendmsg(NULL), other_library());
	return 0;
}
