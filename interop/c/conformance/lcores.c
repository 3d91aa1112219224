/* Lcores, and functions that run on them. There are 0, 1 and 5, all on one processor. */
#include "sections.h"

#include <errno.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "conformance.h"

#define LAST 5

static atomic_int may_end, runs;
static unsigned int id_in_worker[RTE_MAX_LCORE];

static void *note_id(void *arg)
{
	*(unsigned int *)arg = rte_lcore_id();
	return NULL;
}

static int note_id_in_worker(void *arg)
{
	id_in_worker[rte_lcore_id()] = rte_lcore_id();
	atomic_fetch_add(&runs, 1);
	return *(int *)arg + (int)rte_lcore_id();
}

static int wait_in_worker(void *arg)
{
	RTE_SET_USED(arg);
	return reaches(&may_end, 1) ? 7 : -1;
}

static bool is_the_processor(rte_cpuset_t set)
{
	return CPU_COUNT(&set) == 1 && CPU_ISSET(processor(), &set);
}

static void list_rows(void)
{
	const char *list = "";
	unsigned int lcore, other = 0;
	pthread_t thread;

	row("count", "%u", rte_lcore_count());
	row("main", "%u", rte_get_main_lcore());
	row("id", "%u", rte_lcore_id());
	pthread_create(&thread, NULL, note_id, &other);
	pthread_join(thread, NULL);
	row("id.in another thread", "%s", other == LCORE_ID_ANY ? "LCORE_ID_ANY" : text("%u", other));
	RTE_LCORE_FOREACH(lcore)
		list = text("%s %u", list, lcore);
	row("foreach", "%s", list);
	list = "";
	RTE_LCORE_FOREACH_WORKER(lcore)
		list = text("%s %u", list, lcore);
	row("foreach worker", "%s", list);
	row("index", "%d %d %d", rte_lcore_index(0), rte_lcore_index(1), rte_lcore_index(LAST));
	row("index.own", "%d", rte_lcore_index(-1));
	row("index.not enabled", "%d", rte_lcore_index(2));
	row("index.beyond all", "%d", rte_lcore_index(RTE_MAX_LCORE));
	row("is_enabled", "%d %d %d", rte_lcore_is_enabled(LAST), rte_lcore_is_enabled(2),
	    rte_lcore_is_enabled(RTE_MAX_LCORE));
	row("next", "%u", rte_get_next_lcore(1, 0, 0));
	row("next.of the last", "%s",
	    rte_get_next_lcore(LAST, 0, 0) == RTE_MAX_LCORE ? "RTE_MAX_LCORE" : "another");
	row("next.of the last, wrapping", "%u", rte_get_next_lcore(LAST, 0, 1));
	row("next.of the last, wrapping, not the main one", "%u", rte_get_next_lcore(LAST, 1, 1));
	row("role", "%d %d %d", (int)rte_eal_lcore_role(LAST), (int)rte_eal_lcore_role(2),
	    (int)rte_eal_lcore_role(RTE_MAX_LCORE));
	row("has_role", "%d %d", rte_lcore_has_role(LAST, ROLE_RTE), rte_lcore_has_role(2, ROLE_RTE));
	row("has_role.beyond all", "%s", outcome_or_errno(rte_lcore_has_role(RTE_MAX_LCORE, ROLE_RTE)));
	row("cpuset.is the one processor", "%s", yes(is_the_processor(rte_lcore_cpuset(LAST))));
	row("socket", "%d", (int)rte_socket_id());
	row("socket.of an lcore", "%u", rte_lcore_to_socket_id(LAST));
	row("socket.some", "%s", yes(rte_socket_count() > 0));
	row("socket.first", "%d", rte_socket_id_by_idx(0));
	rte_errno = 0;
	row("socket.beyond all", "%s", outcome(rte_socket_id_by_idx(RTE_MAX_NUMA_NODES)));
}

static void launch_rows(void)
{
	int ten = 10;

	row("state", "%d", (int)rte_eal_get_lcore_state(LAST));
	row("launch", "%s", outcome_or_errno(rte_eal_remote_launch(note_id_in_worker, &ten, LAST)));
	row("wait", "%d", rte_eal_wait_lcore(LAST));
	row("wait.again", "%d", rte_eal_wait_lcore(LAST));
	row("id.in a worker", "%u", id_in_worker[LAST]);
	row("wait.never launched", "%d", rte_eal_wait_lcore(1));

	rte_eal_remote_launch(wait_in_worker, NULL, LAST);
	row("state.busy", "%s", rte_eal_get_lcore_state(LAST) == RUNNING ? "RUNNING" : "another");
	row("launch.busy", "%s",
	    outcome_or_errno(rte_eal_remote_launch(note_id_in_worker, &ten, LAST)));
	row("launch all.one is busy", "%s",
	    outcome_or_errno(rte_eal_mp_remote_launch(note_id_in_worker, &ten, SKIP_MAIN)));
	atomic_store(&may_end, 1);
	row("wait.busy", "%d", rte_eal_wait_lcore(LAST));
	row("state.done", "%s", rte_eal_get_lcore_state(LAST) == WAIT ? "WAIT" : "another");

	atomic_store(&runs, 0);
	row("launch all", "%s",
	    outcome_or_errno(rte_eal_mp_remote_launch(note_id_in_worker, &ten, SKIP_MAIN)));
	rte_eal_mp_wait_lcore();
	row("launch all.runs", "%d", atomic_load(&runs));
	atomic_store(&runs, 0);
	row("launch all and main", "%s",
	    outcome_or_errno(rte_eal_mp_remote_launch(note_id_in_worker, &ten, CALL_MAIN)));
	rte_eal_mp_wait_lcore();
	row("launch all and main.runs", "%d", atomic_load(&runs));
	row("launch all and main.results", "%d %d %d", rte_eal_wait_lcore(0), rte_eal_wait_lcore(1),
	    rte_eal_wait_lcore(LAST));
}

/* Threads beside the lcores. */
static void control_rows(void)
{
	unsigned int id = 0;
	pthread_t thread;

	row("control thread", "%s", outcome_or_errno(rte_ctrl_thread_create(&thread, "control", NULL,
									    note_id, &id)));
	pthread_join(thread, NULL);
	row("control thread.id", "%s", id == LCORE_ID_ANY ? "LCORE_ID_ANY" : text("%u", id));
	row("setname", "%s", outcome_or_errno(rte_thread_setname(pthread_self(), "renamed")));
}

void run_lcores(void)
{
	lcores = text("0@%d,1@%d,5@%d", processor(), processor(), processor());
	expect_eal("primary");
	list_rows();
	launch_rows();
	control_rows();
	rte_eal_cleanup();
}

void choose_main_lcore(void)
{
	unsigned int lcore;
	const char *workers = "";

	lcores = text("0@%d,1@%d,5@%d", processor(), processor(), processor());
	if (init_eal("primary", "--main-lcore", "1", NULL) < 0)
		row("eal", "%s", outcome(-1));
	row("main", "%u", rte_get_main_lcore());
	row("id", "%u", rte_lcore_id());
	row("index", "%d %d %d", rte_lcore_index(0), rte_lcore_index(1), rte_lcore_index(LAST));
	RTE_LCORE_FOREACH_WORKER(lcore)
		workers = text("%s %u", workers, lcore);
	row("foreach worker", "%s", workers);
	rte_eal_cleanup();
}
