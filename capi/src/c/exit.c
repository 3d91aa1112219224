/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* The ways out: in order, and by a panic. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HAS_BACKTRACE 1
#endif

#include <rte_common.h>
#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#define MAX_FRAMES 256

void rte_exit(int exit_code, const char *format, ...)
{
	va_list ap;

	if (exit_code != 0)
		RTE_LOG(CRIT, EAL, "Error - exiting with code: %d\n  Cause: ", exit_code);
	va_start(ap, format);
	rte_vlog(RTE_LOG_CRIT, RTE_LOGTYPE_EAL, format, ap);
	va_end(ap);
	/* Another thread may be at it already. */
	if (rte_eal_cleanup() != 0 && rte_errno != EALREADY)
		RTE_LOG(CRIT, EAL, "the group could not be left in order\n");
	exit(exit_code);
}

void __rte_panic(const char *funcname, const char *format, ...)
{
	va_list ap;

	rte_log(RTE_LOG_CRIT, RTE_LOGTYPE_EAL, "PANIC in %s():\n", funcname);
	va_start(ap, format);
	rte_vlog(RTE_LOG_CRIT, RTE_LOGTYPE_EAL, format, ap);
	va_end(ap);
	rte_dump_stack();
	abort();
}

/* Straight to stderr and without memory of malloc's: it may be called when little else works. */
void rte_dump_stack(void)
{
#ifdef HAS_BACKTRACE
	void *frames[MAX_FRAMES];

	backtrace_symbols_fd(frames, backtrace(frames, MAX_FRAMES), STDERR_FILENO);
#endif
}
