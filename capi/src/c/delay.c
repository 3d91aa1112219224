/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* How rte_delay_us() waits: a variable, as programs call it as one. */

#include <stddef.h>

#include <rte_cycles.h>

void (*rte_delay_us)(unsigned int us) = rte_delay_us_block;

void rte_delay_us_callback_register(void (*userfunc)(unsigned int us))
{
	rte_delay_us = userfunc == NULL ? rte_delay_us_block : userfunc;
}
