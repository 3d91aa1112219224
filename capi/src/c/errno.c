/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* What an error means, in words. */

#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_per_lcore.h>

#define TEXT_SIZE 256

static RTE_DEFINE_PER_LCORE(char[TEXT_SIZE], text);

const char *rte_strerror(int errnum)
{
	char *buffer = RTE_PER_LCORE(text);
	const char *known;

	switch (errnum) {
	case E_RTE_SECONDARY:
		return "Not allowed in a secondary process";
	case E_RTE_NO_CONFIG:
		return "No group was joined";
	default:
		/* GNU's may give a text of its own, which other threads may share. */
		known = strerror_r(errnum, buffer, TEXT_SIZE);
		if (known != buffer)
			snprintf(buffer, TEXT_SIZE, "%s", known);
		return buffer;
	}
}
