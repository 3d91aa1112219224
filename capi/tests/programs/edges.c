/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The edges of a process's life: starts that fail, ways out, and what holds before and after. */
#include <rte_debug.h>
#include <rte_memzone.h>

#include "group.h"

#define EXIT_STATUS 3
/* Long for a thread that has something to do, short for a test. */
#define QUIET_US 300000

static void exit_in_usage(const char *program)
{
	RTE_SET_USED(program);
	rte_exit(EXIT_STATUS, "the usage was shown\n");
}

static void clean_up_in_usage(const char *program)
{
	RTE_SET_USED(program);
	CHECK(rte_eal_cleanup() == 0);
	shared->calls++;
}

static void ask_for_usage(void)
{
	join_with("edges", "primary", "--help");
}

static void usage_exits(void)
{
	share();
	CHECK(rte_set_application_usage_hook(exit_in_usage) == NULL);
	CHECK(status_of(begin(ask_for_usage)) == EXIT_STATUS);
}

static void usage_cleans_up(void)
{
	share();
	CHECK(rte_set_application_usage_hook(clean_up_in_usage) == NULL);
	CHECK(status_of(begin(ask_for_usage)) == EXIT_SUCCESS);
	CHECK(shared->calls == 1);
}

static struct timespec timeout;
static atomic_bool library_is_done;
static atomic_int calls, calls_afterwards;

static int note_call(const struct rte_mp_msg *request, const struct rte_mp_reply *reply)
{
	RTE_SET_USED(request);
	RTE_SET_USED(reply);
	calls++;
	if (library_is_done)
		calls_afterwards++;
	return 0;
}

/* Called after what the library does at exit, since it was registered before that. */
static void watch(void)
{
	int64_t until;

	library_is_done = true;
	until = now_us(CLOCK_MONOTONIC) + QUIET_US;
	while (now_us(CLOCK_MONOTONIC) < until && calls_afterwards == 0)
		sched_yield();
	CHECK(calls_afterwards == 0);
	/* Before the library's turn, only the timeout may have brought one. */
	CHECK(calls == 0 || timeout.tv_sec == 0);
	sem_post(&shared->done);
}

static void asking_primary(void)
{
	struct rte_mp_msg request = message("silent");

	CHECK(atexit(watch) == 0);
	join("primary");
	sem_post(&shared->ready);
	wait_for(&shared->go);
	CHECK(rte_mp_request_async(&request, &timeout, note_call) == 0);
}

static void stopped_secondary(void)
{
	wait_for(&shared->ready);
	join("secondary");
	raise(SIGSTOP);
}

static void exit_while_asking(struct timespec how_long)
{
	pid_t primary, secondary;
	int status;

	share();
	timeout = how_long;
	primary = begin(asking_primary);
	secondary = begin(stopped_secondary);
	CHECK(waitpid(secondary, &status, WUNTRACED) == secondary && WIFSTOPPED(status));
	sem_post(&shared->go);
	CHECK(status_of(primary) == 0);
	CHECK(sem_trywait(&shared->done) == 0);
	kill_at_once(secondary);
}

static void exit_long_before_the_timeout(void)
{
	exit_while_asking(long_enough);
}

/* The timeout is in the time that is watched, or this tells nothing. */
static void exit_just_before_the_timeout(void)
{
	exit_while_asking((struct timespec){ .tv_nsec = QUIET_US / 2 * 1000 });
}

static int nothing(const struct rte_mp_msg *msg, const void *peer)
{
	RTE_SET_USED(msg);
	RTE_SET_USED(peer);
	return 0;
}

/* Joins after an attempt that failed, and checks that nothing of that is left. */
static void join_after(const char *prefix, const char *role, const char *flag)
{
	char expected[PATH_MAX], socket[PATH_MAX];
	const char *base = getenv("RUNTIME_DIRECTORY");

	CHECK(base != NULL);
	CHECK(rte_mp_action_register("early", nothing) == 0);
	CHECK(join_with(prefix, role, flag) == -1);
	CHECK(strcmp(rte_eal_get_runtime_dir(), "") == 0);
	snprintf(socket, sizeof(socket), "%s/dpdk/%s/mp_socket", base, prefix);
	CHECK(access(socket, F_OK) == -1);
	join("primary");
	snprintf(expected, sizeof(expected), "%s/dpdk/edges", base);
	CHECK(strcmp(rte_eal_get_runtime_dir(), expected) == 0);
	CHECK(rte_mp_action_register("early", nothing) == -1 && rte_errno == EEXIST);
	CHECK(join_with("edges", "primary", "-l0") == -1 && rte_errno == EALREADY);
	CHECK(rte_eal_cleanup() == 0);
}

static void join_after_bad_prefix(void)
{
	join_after("a/b", "primary", "-l0");
}

static void join_after_no_primary(void)
{
	join_after("first", "secondary", "-l0");
}

static void join_after_bad_lcore(void)
{
	join_after("first", "primary", "-l1023");
}

static void join_after_bad_cpu(void)
{
	join_after("first", "primary", "--lcores=0@1023");
}

/* By this path a primary is told 0 of itself, and goes on to be seen by others. */
static void check_path(const char *path)
{
	int alive = rte_eal_primary_proc_alive(path);

	snprintf(shared->path, sizeof(shared->path), "%s", path);
	sem_post(&shared->go);
	wait_for(&shared->done);
	if (alive != 0 || shared->result != 1)
		fprintf(stderr, "%s: %d, to others %d\n", path, alive, shared->result);
	CHECK(alive == 0);
	CHECK(shared->result == 1);
}

/* Another process, which looks for the primary whenever it is told to. */
static void onlooker(void)
{
	for (;;) {
		wait_for(&shared->go);
		shared->result = rte_eal_primary_proc_alive(shared->path);
		sem_post(&shared->done);
	}
}

static void own_config(void)
{
	static const char *const spellings[] = {
		"%s/dpdk/edges/config",
		"%s//dpdk/edges/config",
		"%s/dpdk/edges//config",
		"%s/dpdk/./edges/config",
		"%s/dpdk/../dpdk/edges/config",
		"%s/link",
		"%s/linked/edges/config",
	};
	const char *base = getenv("RUNTIME_DIRECTORY");
	char path[PATH_MAX], target[PATH_MAX];
	pid_t other;

	share();
	CHECK(base != NULL);
	other = begin(onlooker);
	join("primary");
	snprintf(path, sizeof(path), "%s/link", base);
	CHECK(symlink("dpdk/edges/config", path) == 0);
	snprintf(path, sizeof(path), "%s/linked", base);
	snprintf(target, sizeof(target), "%s/dpdk", base);
	CHECK(symlink(target, path) == 0);
	CHECK(rte_eal_primary_proc_alive(NULL) == 0);
	for (size_t i = 0; i < RTE_DIM(spellings); i++) {
		snprintf(path, sizeof(path), spellings[i], base);
		check_path(path);
	}
	kill_at_once(other);
	CHECK(rte_eal_cleanup() == 0);
}

static void reserved_name(void)
{
	const char *const name = "rte-mp/own";

	CHECK(rte_mp_action_register(name, nothing) == -1 && rte_errno == EINVAL);
	join("primary");
	rte_errno = 0;
	CHECK(rte_mp_action_register(name, nothing) == -1 && rte_errno == EINVAL);
	CHECK(rte_eal_cleanup() == 0);
}

static void late_action(void)
{
	join("primary");
	CHECK(rte_eal_cleanup() == 0);
	CHECK(rte_mp_action_register("late", nothing) == -1 && rte_errno == ENOTSUP);
}

static void no_zone(void)
{
	CHECK(rte_memzone_free(NULL) == -EINVAL);
	join("primary");
	CHECK(rte_memzone_free(NULL) == -EINVAL);
	CHECK(rte_eal_cleanup() == 0);
}

static void reserving_primary(void)
{
	const struct rte_memzone *zone;

	join("primary");
	zone = rte_memzone_reserve("left behind", 4096, SOCKET_ID_ANY, 0);
	CHECK(zone != NULL);
	strcpy(zone->addr, "still here");
	sem_post(&shared->ready);
	pause();
}

static void looking_secondary(void)
{
	const struct rte_memzone *zone;

	wait_for(&shared->ready);
	join("secondary");
	sem_post(&shared->joined);
	wait_for(&shared->go);
	zone = rte_memzone_lookup("left behind");
	if (zone == NULL)
		fprintf(stderr, "lookup: %s\n", rte_strerror(rte_errno));
	CHECK(zone != NULL);
	CHECK(strcmp(zone->addr, "still here") == 0);
	CHECK(rte_eal_cleanup() == 0);
}

static void zone_of_killed(void)
{
	pid_t primary, secondary;

	share();
	primary = begin(reserving_primary);
	secondary = begin(looking_secondary);
	wait_for(&shared->joined);
	kill_at_once(primary);
	sem_post(&shared->go);
	CHECK(status_of(secondary) == 0);
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{ "usage exits", usage_exits },
		{ "usage cleans up", usage_cleans_up },
		{ "exit long before the timeout", exit_long_before_the_timeout },
		{ "exit just before the timeout", exit_just_before_the_timeout },
		{ "join after bad prefix", join_after_bad_prefix },
		{ "join after no primary", join_after_no_primary },
		{ "join after bad lcore", join_after_bad_lcore },
		{ "join after bad cpu", join_after_bad_cpu },
		{ "own config", own_config },
		{ "reserved name", reserved_name },
		{ "late action", late_action },
		{ "no zone", no_zone },
		{ "zone of killed", zone_of_killed },
	};

	return run_part(parts, RTE_DIM(parts), argc, argv);
}
