/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Lcores, and what runs on them. */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_memory.h>

#include "parts.h"

#define LAST 5

static sem_t begun, may_end;

static int give_back(void *arg)
{
	return *(int *)arg + (int)rte_lcore_id();
}

static int wait_for_end(void *arg)
{
	RTE_SET_USED(arg);
	sem_post(&begun);
	wait_for(&may_end);
	return 7;
}

static void lists(void)
{
	CHECK(rte_lcore_count() == 0 && rte_lcore_index(0) == -1 && !rte_lcore_is_enabled(0));
	CHECK(rte_get_next_lcore(UINT_MAX, 0, 1) == RTE_MAX_LCORE && rte_socket_count() == 0);
	CHECK(rte_lcore_id() == LCORE_ID_ANY);
	CHECK(start() == 4);
	CHECK(rte_lcore_count() == 3 && rte_get_main_lcore() == 0 && rte_lcore_id() == 0);
	CHECK(rte_eal_lcore_role(LAST) == ROLE_RTE && rte_eal_lcore_role(2) == ROLE_OFF);
	CHECK(rte_eal_lcore_role(UINT_MAX) == ROLE_OFF);
	CHECK(rte_lcore_has_role(LAST, ROLE_RTE) && !rte_lcore_has_role(LAST, ROLE_OFF));
	CHECK(rte_lcore_has_role(2, ROLE_OFF) && !rte_lcore_has_role(RTE_MAX_LCORE, ROLE_OFF));
	CHECK(rte_lcore_to_cpu_id(LAST) == processor() && rte_lcore_to_cpu_id(-1) == processor());
	CHECK(rte_lcore_to_cpu_id(2) == -1 && rte_lcore_to_cpu_id(INT_MAX) == -1);
	CHECK(rte_lcore_index(INT_MAX) == -1 && rte_lcore_index(INT_MIN) == 0);
	/* With nobody else it ends as well. */
	CHECK(rte_get_next_lcore(LAST, 1, 1) == 1 && rte_get_next_lcore(LAST, 0, 1) == 0);
	CHECK(rte_get_next_lcore(RTE_MAX_LCORE, 0, 0) == RTE_MAX_LCORE);
}

static void nodes(void)
{
	bool found = false;

	CHECK(rte_socket_id() == (unsigned int)SOCKET_ID_ANY);
	CHECK(start() >= 0);
	CHECK(rte_socket_count() >= 1);
	for (unsigned int i = 0; i < rte_socket_count(); i++)
		found |= rte_socket_id_by_idx(i) == (int)rte_socket_id();
	CHECK(found && rte_socket_id() == rte_lcore_to_socket_id(LAST));
	rte_errno = 0;
	CHECK(rte_socket_id_by_idx(rte_socket_count()) == -1 && rte_errno == EINVAL);
	CHECK(rte_lcore_to_socket_id(2) == 0 && rte_lcore_to_socket_id(UINT_MAX) == 0);
}

static int is_pinned(void *arg)
{
	cpu_set_t set, own;

	RTE_SET_USED(arg);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	own = rte_lcore_cpuset(rte_lcore_id());
	CHECK(CPU_EQUAL(&set, &own) && CPU_COUNT(&set) == 1);
	CHECK(rte_gettid() == rte_sys_gettid());
	return CPU_ISSET(rte_lcore_to_cpu_id(-1), &set);
}

static void threads(void)
{
	cpu_set_t none;

	CHECK(start() >= 0);
	CHECK(threads_named("dpdk-worker") == 2 && threads_named("dpdk-worker5$") == 1);
	CHECK(rte_eal_mp_remote_launch(is_pinned, NULL, CALL_MAIN) == 0);
	CHECK(rte_eal_wait_lcore(0) == 1 && rte_eal_wait_lcore(1) == 1);
	CHECK(rte_eal_wait_lcore(LAST) == 1);
	none = rte_lcore_cpuset(2);
	CHECK(CPU_COUNT(&none) == 0);
	rte_lcore_dump(stdout);
}

static void results(void)
{
	int ten = 10, twenty = 20;

	CHECK(rte_eal_remote_launch(give_back, &ten, 1) == -EINVAL);
	CHECK(rte_eal_mp_remote_launch(give_back, &ten, CALL_MAIN) == -EINVAL);
	CHECK(start() >= 0);
	CHECK(rte_eal_wait_lcore(LAST) == 0);
	CHECK(rte_eal_remote_launch(give_back, &ten, LAST) == 0 && rte_eal_wait_lcore(LAST) == 15);
	CHECK(rte_eal_wait_lcore(LAST) == 15);
	CHECK(rte_eal_remote_launch(give_back, &twenty, LAST) == 0);
	CHECK(rte_eal_wait_lcore(LAST) == 25);
	CHECK(rte_eal_mp_remote_launch(give_back, &ten, SKIP_MAIN) == 0);
	rte_eal_mp_wait_lcore();
	CHECK(rte_eal_wait_lcore(0) == 0 && rte_eal_wait_lcore(1) == 11);
	CHECK(rte_eal_mp_remote_launch(give_back, &twenty, CALL_MAIN) == 0);
	CHECK(rte_eal_wait_lcore(0) == 20);
	rte_eal_mp_wait_lcore();

	CHECK(rte_eal_remote_launch(NULL, &ten, LAST) == -EINVAL);
	CHECK(rte_eal_mp_remote_launch(NULL, &ten, CALL_MAIN) == -EINVAL);
	CHECK(rte_eal_remote_launch(give_back, &ten, 0) == -EINVAL);
	CHECK(rte_eal_remote_launch(give_back, &ten, 2) == -EINVAL);
	CHECK(rte_eal_remote_launch(give_back, &ten, UINT_MAX) == -EINVAL);
	CHECK(rte_eal_get_lcore_state(UINT_MAX) == WAIT && rte_eal_wait_lcore(UINT_MAX) == 0);
}

static void busy(void)
{
	int ten = 10;

	CHECK(start() >= 0);
	CHECK(rte_eal_get_lcore_state(LAST) == WAIT);
	CHECK(rte_eal_remote_launch(wait_for_end, NULL, LAST) == 0);
	CHECK(rte_eal_get_lcore_state(LAST) == RUNNING);
	wait_for(&begun);
	CHECK(rte_eal_get_lcore_state(LAST) == RUNNING && rte_eal_get_lcore_state(1) == WAIT);
	CHECK(rte_eal_remote_launch(give_back, &ten, LAST) == -EBUSY);
	CHECK(rte_eal_mp_remote_launch(give_back, &ten, CALL_MAIN) == -EBUSY);
	CHECK(rte_eal_wait_lcore(1) == 0 && rte_eal_wait_lcore(0) == 0);
	sem_post(&may_end);
	CHECK(rte_eal_wait_lcore(LAST) == 7 && rte_eal_get_lcore_state(LAST) == WAIT);
}

/* A plain variable, seen in turn by both sides. */
static int turns;

static int take_turn(void *arg)
{
	CHECK(*(int *)arg == turns);
	return ++turns;
}

static void order(void)
{
	CHECK(start() >= 0);
	for (int i = 1; i <= 10000; i++) {
		int before = turns;

		CHECK(rte_eal_remote_launch(take_turn, &before, i % 2 ? 1 : LAST) == 0);
		CHECK(rte_eal_wait_lcore(i % 2 ? 1 : LAST) == i && turns == i);
	}
}

static void post(void *arg)
{
	sem_post(arg);
}

/* Who waits sleeps: workers, whoever waits for them, and the thread of the alarms. */
static void idle(void)
{
	int64_t before;

	CHECK(start() >= 0);
	CHECK(rte_eal_remote_launch(wait_for_end, NULL, LAST) == 0);
	wait_for(&begun);
	before = now_us(CLOCK_PROCESS_CPUTIME_ID);
	CHECK(rte_eal_alarm_set(300 * 1000, post, &may_end) == 0);
	CHECK(rte_eal_wait_lcore(LAST) == 7);
	CHECK(now_us(CLOCK_PROCESS_CPUTIME_ID) - before < 30 * 1000);
}

#define DEEP (6 << 20)

static int go_deep(void *arg)
{
	volatile char stack[DEEP];

	RTE_SET_USED(arg);
	for (size_t i = 0; i < DEEP; i += 4096)
		stack[i] = 1;
	return stack[4096];
}

static void stack(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_remote_launch(go_deep, NULL, 1) == 0 && rte_eal_wait_lcore(1) == 1);
}

static pthread_key_t key;
static bool has_ended;

static void note_end(void *arg)
{
	RTE_SET_USED(arg);
	rte_delay_us_sleep(20 * 1000);
	has_ended = true;
}

static int have_end_noted(void *arg)
{
	return pthread_setspecific(key, arg);
}

static void end(void)
{
	int ten = 10;

	CHECK(pthread_key_create(&key, note_end) == 0);
	CHECK(start() >= 0);
	CHECK(rte_eal_remote_launch(give_back, &ten, LAST) == 0 && rte_eal_wait_lcore(LAST) == 15);
	CHECK(rte_eal_remote_launch(have_end_noted, &ten, 1) == 0 && rte_eal_wait_lcore(1) == 0);
	CHECK(rte_eal_cleanup() == 0 && has_ended);
	await_threads_named("dpdk-", 0);
	CHECK(rte_lcore_count() == 3 && rte_eal_get_lcore_state(LAST) == WAIT);
	CHECK(rte_eal_remote_launch(give_back, &ten, LAST) == -EPIPE);
	CHECK(rte_eal_mp_remote_launch(give_back, &ten, CALL_MAIN) == -EPIPE);
	rte_eal_mp_wait_lcore();
	CHECK(rte_eal_wait_lcore(LAST) == 15);
}

static void end_while_busy(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_remote_launch(wait_for_end, NULL, LAST) == 0);
	wait_for(&begun);
	CHECK(rte_eal_cleanup() == 0);
	CHECK(threads_named("dpdk-") == 1 && rte_eal_get_lcore_state(LAST) == RUNNING);
	sem_post(&may_end);
	CHECK(rte_eal_wait_lcore(LAST) == 7);
	await_threads_named("dpdk-", 0);
}

/* The child has neither the workers nor the thread of the alarms, and waits for none. */
static void end_in_child(void)
{
	int status;
	pid_t child;

	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(PATIENCE_SECONDS * 1000000, post, &may_end) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		alarm(PATIENCE_SECONDS / 2);
		_exit(rte_eal_cleanup());
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(threads_named("dpdk-worker") == 2);
	CHECK(rte_eal_cleanup() == 0);
}

static int launch_from_worker(void *arg)
{
	CHECK(rte_eal_remote_launch(give_back, arg, 1) == 0);
	CHECK(rte_eal_remote_launch(give_back, arg, LAST) == -EBUSY);
	return rte_eal_wait_lcore(1);
}

static void launch_of_others(void)
{
	int ten = 10;

	CHECK(start() >= 0);
	CHECK(rte_eal_remote_launch(launch_from_worker, &ten, LAST) == 0);
	CHECK(rte_eal_wait_lcore(LAST) == 11);
}

static void *control(void *arg)
{
	cpu_set_t set;
	char name[16];

	CHECK(rte_lcore_id() == LCORE_ID_ANY);
	CHECK(rte_socket_count() > 1 || (int)rte_socket_id() == rte_socket_id_by_idx(0));
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	CHECK(CPU_EQUAL(&set, (cpu_set_t *)arg));
	CHECK(pthread_getname_np(pthread_self(), name, sizeof(name)) == 0);
	CHECK(strcmp(name, "a-name-that-is-") == 0);
	/* As a C thread may: through the library's part of the stack. */
	pthread_exit(arg);
}

/* On what no lcore has, or on all if nothing is left. */
static void control_threads(void)
{
	cpu_set_t rest;
	pthread_t thread;
	void *result = NULL;

	CHECK(sched_getaffinity(0, sizeof(rest), &rest) == 0);
	CHECK(start() >= 0);
	if (CPU_COUNT(&rest) > 1)
		CPU_CLR(processor(), &rest);
	CHECK(rte_ctrl_thread_create(&thread, "a-name-that-is-too-long", NULL, control, &rest) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result == &rest);
	CHECK(rte_ctrl_thread_create(&thread, NULL, NULL, NULL, NULL) == -EINVAL);
	CHECK(rte_thread_setname(pthread_self(), NULL) == -EINVAL);
}

/* Nothing has begun, and it can be tried again. */
static void no_such_cpu(void)
{
	char program[] = "part", alone[] = "--in-memory", flag[] = "--lcores", lcores[] = "0,1@900";
	char *argv[] = { program, alone, flag, lcores, NULL };

	CHECK(rte_eal_init(4, argv) == -1 && rte_errno == EINVAL);
	CHECK(rte_lcore_count() == 0 && rte_lcore_id() == LCORE_ID_ANY);
	CHECK(start() >= 0 && rte_lcore_count() == 3);
}

static void main_lcore(void)
{
	char program[] = "part", alone[] = "--in-memory", flag[] = "--lcores", lcores[64];
	char main_flag[] = "--main-lcore", id[] = "5";
	char *argv[] = { program, alone, flag, lcores, main_flag, id, NULL };
	unsigned int lcore, workers = 0;

	snprintf(lcores, sizeof(lcores), "1@%d,5@%d", processor(), processor());
	CHECK(rte_eal_init(6, argv) == 5);
	CHECK(rte_get_main_lcore() == 5 && rte_lcore_id() == 5 && rte_lcore_index(-1) == 1);
	RTE_LCORE_FOREACH_WORKER(lcore)
		workers += lcore;
	CHECK(workers == 1 && threads_named("dpdk-worker1$") == 1);
}

static const struct part parts[] = {
	{ "lists", lists },
	{ "nodes", nodes },
	{ "threads", threads },
	{ "results", results },
	{ "busy", busy },
	{ "order", order },
	{ "idle", idle },
	{ "stack", stack },
	{ "end", end },
	{ "end while busy", end_while_busy },
	{ "end in child", end_in_child },
	{ "launch of others", launch_of_others },
	{ "control threads", control_threads },
	{ "no such cpu", no_such_cpu },
	{ "main lcore", main_lcore },
};

int main(int argc, char **argv)
{
	sem_init(&begun, 0, 0);
	sem_init(&may_end, 0, 0);
	return run_part(parts, RTE_DIM(parts), argc, argv);
}
