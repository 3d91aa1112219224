/*
 * What the server and the client share: their language, the text in a parameter, their counters in
 * shared memory, how they end.
 */
#ifndef COMMON_H
#define COMMON_H

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_common.h>
#include <rte_eal.h>

/* Where the counters are. */
#define SHARED_INFO "MZ_SHARED_INFO"

#define SYNC_ACTION "hello_request"
#define ASYNC_ACTION "hello_async_req"

/* How often to look whether we are to quit, in milliseconds. */
#define QUIT_PERIOD_MS 100

/* What the server counts and all can see. Other processes may change it at any time. */
struct shared_info {
	_Alignas(64) _Atomic uint32_t force_quit; /* not 0 once everybody is to quit */
	_Atomic uint64_t request_count;           /* sync requests that were handled */
	_Atomic uint64_t async_request_count;     /* async requests that were handled */
};

/* Picks what is said in the user's language; what goes over the wire is the same in all. */
static inline const char *
pick(const char *english, const char *chinese)
{
	static const char *const variables[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < RTE_DIM(variables); i++) {
		const char *locale = getenv(variables[i]);

		if (locale != NULL && locale[0] != '\0')
			return strncmp(locale, "zh", 2) == 0 ? chinese : english;
	}
	return english;
}

/* Makes a message of an action's name and a text. The NUL goes over the wire and counts. */
__attribute__((format(printf, 3, 4)))
static inline void
fill_message(struct rte_mp_msg *msg, const char *action, const char *format, ...)
{
	va_list args;

	memset(msg, 0, sizeof(*msg));
	snprintf(msg->name, sizeof(msg->name), "%s", action);
	va_start(args, format);
	vsnprintf((char *)msg->param, sizeof(msg->param), format, args);
	va_end(args);
	msg->len_param = (int)strlen((char *)msg->param) + 1;
}

/* How long the text in a message is, which need not end with a NUL: for printf's `%.*s`. */
static inline int
text_len(const struct rte_mp_msg *msg)
{
	return (int)strnlen((const char *)msg->param, (size_t)msg->len_param);
}

static inline const char *
text_of(const struct rte_mp_msg *msg)
{
	return (const char *)msg->param;
}

static volatile sig_atomic_t stopped;

static inline void
stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* From now on, Ctrl-C (SIGINT) and SIGTERM only set `stopped`. Each line goes out at once. */
static inline void
set_up(void)
{
	struct sigaction action = { .sa_handler = stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* A clock that is never set, in milliseconds. */
static inline int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits, but not beyond `deadline`, nor for longer than until it is time to look again. */
static inline void
wait_until(int64_t deadline)
{
	int64_t wait = RTE_MIN(RTE_MAX(deadline - now_ms(), 0), QUIT_PERIOD_MS);
	struct timespec pause = { .tv_nsec = (long)wait * 1000000 };

	nanosleep(&pause, NULL);
}

#endif /* COMMON_H */
