/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* Lines of the log: formatted and written here, let through by levels that are kept in Rust. */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_log.h>
#include <rte_per_lcore.h>

/* NULL for what stderr is at the time. */
static FILE *_Atomic stream;

/* The line that the thread is writing. */
static RTE_DEFINE_PER_LCORE(uint32_t, current_level);
static RTE_DEFINE_PER_LCORE(uint32_t, current_type);

int rte_openlog_stream(FILE *f)
{
	stream = f;
	return 0;
}

FILE *rte_log_get_stream(void)
{
	FILE *f = stream;

	return f == NULL ? stderr : f;
}

int rte_log_cur_msg_loglevel(void)
{
	return (int)RTE_PER_LCORE(current_level);
}

int rte_log_cur_msg_logtype(void)
{
	return (int)RTE_PER_LCORE(current_type);
}

int rte_vlog(uint32_t level, uint32_t logtype, const char *format, va_list ap)
{
	FILE *f;
	int written;

	if (!rte_log_can_log(logtype, level))
		return rte_log_get_level(logtype) < 0 ? -1 : 0;
	RTE_PER_LCORE(current_level) = level;
	RTE_PER_LCORE(current_type) = logtype;
	f = rte_log_get_stream();
	written = vfprintf(f, format, ap);
	fflush(f);
	return written;
}

int rte_log(uint32_t level, uint32_t logtype, const char *format, ...)
{
	va_list ap;
	int written;

	va_start(ap, format);
	written = rte_vlog(level, logtype, format, ap);
	va_end(ap);
	return written;
}

/* For the Rust side: what was asked for goes to stdout, in order with what the program prints. */

void rtemp_print(const char *text);

void rtemp_print(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}
