/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a program writes, and how it ends: `says WORD EAL-FLAGS...`. */

#include <errno.h>

#include <rte_alarm.h>
#include <rte_debug.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_version.h>

#include "parts.h"

#define RTE_LOGTYPE_OWN own_type

RTE_LOG_REGISTER(early_type, app.early, NOTICE)

static int own_type;

static void say(void)
{
	int later = rte_log_register_type_and_pick_level("app.later", RTE_LOG_NOTICE);

	CHECK(later >= RTE_LOGTYPE_FIRST_EXT_ID && later != early_type);
	RTE_LOG(ERR, USER1, "an error\n");
	RTE_LOG(INFO, USER1, "news, %d of %s\n", 2, "two");
	RTE_LOG(DEBUG, USER1, "details\n");
	for (uint32_t level = RTE_LOG_ERR; level <= RTE_LOG_DEBUG; level++) {
		rte_log(level, (uint32_t)early_type, "early %u\n", level);
		rte_log(level, (uint32_t)later, "later %u\n", level);
	}
}

/* What the program does at its end, when the group has been left. */
static void tell_end(void)
{
	CHECK(rte_eal_cleanup() == -1 && rte_errno == EALREADY);
	printf("after\n");
}

static void exit_well(void)
{
	atexit(tell_end);
	rte_exit(0, "all is %s\n", "well");
}

static void exit_badly(void)
{
	atexit(tell_end);
	rte_exit(3, "this is %s\n", "bad");
}

static int exit_on_worker(void *arg)
{
	RTE_SET_USED(arg);
	atexit(tell_end);
	rte_exit(4, "on lcore %u\n", rte_lcore_id());
	return 0;
}

static void exit_elsewhere(void)
{
	CHECK(rte_eal_remote_launch(exit_on_worker, NULL, 3) == 0);
	rte_eal_mp_wait_lcore();
}

static void exit_from_alarm(void *arg)
{
	atexit(tell_end);
	rte_exit(5, "in an %s\n", (const char *)arg);
}

static void exit_later(void)
{
	CHECK(rte_eal_alarm_set(1, exit_from_alarm, "alarm") == 0);
	for (;;)
		pause();
}

__rte_noinline static void panic_here(void)
{
	rte_panic("%s is wrong\n", "something");
}

static void verify(void)
{
	RTE_VERIFY(1 + 1 == 2);
	RTE_VERIFY(own_type == 77);
}

static ssize_t note_line(void *cookie, const char *text, size_t size)
{
	fprintf(cookie, "[%d of %d] %.*s", rte_log_cur_msg_loglevel(), rte_log_cur_msg_logtype(),
		(int)size, text);
	return (ssize_t)size;
}

/* To a stream that asks of which level a line is, and back. */
static void other_stream(void)
{
	cookie_io_functions_t functions = { .write = note_line };
	FILE *stream = fopencookie(stdout, "w", functions);

	CHECK(rte_log_get_stream() == stderr);
	CHECK(rte_openlog_stream(stream) == 0 && rte_log_get_stream() == stream);
	RTE_LOG(NOTICE, USER2, "elsewhere\n");
	CHECK(rte_openlog_stream(NULL) == 0 && rte_log_get_stream() == stderr);
	RTE_LOG(NOTICE, USER2, "back\n");
	fclose(stream);
}

static void levels(void)
{
	own_type = rte_log_register("app.own");
	CHECK(own_type >= RTE_LOGTYPE_FIRST_EXT_ID && rte_log_register("app.own") == own_type);
	CHECK(rte_log_get_level((uint32_t)own_type) == RTE_LOG_INFO);
	CHECK(rte_log_get_level(RTE_LOGTYPE_EAL) == RTE_LOG_INFO && rte_log_get_level(21) == 0);
	CHECK(rte_log_get_level((uint32_t)own_type + 1) == -1);
	CHECK(RTE_LOG(INFO, OWN, "shown\n") == (int)strlen("OWN: shown\n"));
	CHECK(RTE_LOG(DEBUG, OWN, "not shown\n") == 0);
	CHECK(rte_log(RTE_LOG_ERR, 12345, "not shown\n") == -1);
	CHECK(rte_log(RTE_LOG_DEBUG + 1, 12345, "not shown\n") == -1);
	CHECK(rte_log_set_level((uint32_t)own_type, RTE_LOG_DEBUG) == 0);
	CHECK(rte_log_can_log((uint32_t)own_type, RTE_LOG_DEBUG));
	CHECK(RTE_LOG(DEBUG, OWN, "shown too\n") > 0);
	rte_log_set_global_level(RTE_LOG_ERR);
	CHECK(rte_log_get_global_level() == RTE_LOG_ERR);
	CHECK(!rte_log_can_log((uint32_t)own_type, RTE_LOG_WARNING));
	rte_log_set_global_level(RTE_LOG_DEBUG);
	CHECK(rte_log_set_level((uint32_t)own_type, RTE_LOG_MAX + 1) == -1);
	CHECK(rte_log_set_level(12345, RTE_LOG_ERR) == -1);
	CHECK(rte_log_set_level((uint32_t)own_type, 0) == 0);
	CHECK(rte_log(RTE_LOG_EMERG, (uint32_t)own_type, "not shown\n") == 0);

	CHECK(rte_log_set_level_pattern("app.*", RTE_LOG_CRIT) == 0);
	CHECK(rte_log_get_level((uint32_t)early_type) == RTE_LOG_CRIT);
	CHECK(rte_log_get_level((uint32_t)rte_log_register("app.new")) == RTE_LOG_INFO);
	CHECK(rte_log_set_level_pattern("app.*", RTE_LOG_MAX + 1) == -1);
	CHECK(rte_log_set_level_regexp("rly$", RTE_LOG_ALERT) == 0);
	CHECK(rte_log_get_level((uint32_t)early_type) == RTE_LOG_ALERT);
	CHECK(rte_log_set_level_regexp("\\(", RTE_LOG_ALERT) == -1);
	CHECK(rte_log_set_level_regexp(NULL, RTE_LOG_ALERT) == -1);
	CHECK(rte_log_register(NULL) < 0);
	rte_log_list_types(stdout, "type ");
	rte_log_dump(stdout);
}

/* Many names: each its own id, until there is no room; and no crash. */
static void many(void)
{
	char name[32];
	int id = 0, before;

	for (int i = 0; i < 10000; i++) {
		before = id;
		snprintf(name, sizeof(name), "many.%d", i);
		id = rte_log_register(name);
		if (id < 0)
			break;
		CHECK(id > before && rte_log_get_level((uint32_t)id) == RTE_LOG_INFO);
	}
	CHECK(id == -12 && rte_log_register("many.7") > 0);
}

static void own_usage(const char *program)
{
	printf("%s knows words\n", program);
}

static void nothing(void)
{
}

static const struct part parts[] = {
	{ "nothing", nothing },
	{ "lines", say },
	{ "exit well", exit_well },
	{ "exit badly", exit_badly },
	{ "exit on a worker", exit_elsewhere },
	{ "exit in an alarm", exit_later },
	{ "panic", panic_here },
	{ "verify", verify },
	{ "stream", other_stream },
	{ "levels", levels },
	{ "many", many },
};

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	CHECK(rte_set_application_usage_hook(own_usage) == NULL);
	CHECK(rte_set_application_usage_hook(own_usage) == own_usage);
	printf("before\n");
	if (rte_eal_init(argc - 1, argv + 1) < 0)
		return 2;
	return run_part(parts, RTE_DIM(parts), argc, argv);
}
