/* What is printed: one line a row, and the words in it. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

static const char *section;
static FILE *rows;

void begin_rows(const char *name)
{
	section = name;
	rows = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), "w");
	/* What a library prints is not for whoever reads the rows. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (rows == NULL)
		abort();
}

int row_fd(void)
{
	return rows != NULL ? fileno(rows) : STDOUT_FILENO;
}

void row(const char *name, const char *format, ...)
{
	va_list args;

	fprintf(rows, name != NULL ? "%s.%s: " : "%s: ", section, name);
	va_start(args, format);
	vfprintf(rows, format, args);
	va_end(args);
	fputc('\n', rows);
	fflush(rows);
}

const char *text(const char *format, ...)
{
	static _Thread_local char buffers[8][TEXT_SIZE];
	static _Thread_local unsigned int turn;
	char *buffer = buffers[turn++ % RTE_DIM(buffers)];
	va_list args;

	va_start(args, format);
	vsnprintf(buffer, TEXT_SIZE, format, args);
	va_end(args);
	return buffer;
}

const char *errno_name(int error)
{
	const char *name = error == ENOTSUP ? "ENOTSUP" : strerrorname_np(error);

	return name != NULL ? name : text("errno %d", error);
}

const char *outcome(int ret)
{
	if (ret == 0 && rte_errno == 0)
		return "0";
	if (rte_errno == 0)
		return text("%d without rte_errno", ret);
	if (ret == 0)
		return text("0 and rte_errno %s", errno_name(rte_errno));
	return text("%d %s", ret, errno_name(rte_errno));
}

const char *outcome_or_errno(int ret)
{
	return ret < 0 ? text("-%s", errno_name(-ret)) : text("%d", ret);
}

const char *yes(bool is_so)
{
	return is_so ? "yes" : "no";
}
