/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the parts share that take several processes: each is forked before any has joined the group, and
 * they tell each other by shared memory how far they are. */
#ifndef GROUP_H
#define GROUP_H

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <rte_errno.h>

#include "parts.h"

/* Below that of the process that began them, so that this one gives the reason. */
#define MEMBER_PATIENCE_SECONDS 20

static const struct timespec long_enough = { .tv_sec = MEMBER_PATIENCE_SECONDS - 5 };

static struct shared {
	sem_t ready;    /* the primary has joined */
	sem_t joined;   /* so has a secondary */
	sem_t go;       /* it is time to do what the part is about */
	sem_t done;     /* that is done */
	atomic_int calls;
	atomic_int result;
	atomic_int type;
	char path[PATH_MAX];
	char peer[PATH_MAX];
} *shared;

static inline void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	CHECK(sem_init(&shared->ready, 1, 0) == 0 && sem_init(&shared->joined, 1, 0) == 0);
	CHECK(sem_init(&shared->go, 1, 0) == 0 && sem_init(&shared->done, 1, 0) == 0);
}

/* Begins a process, which does not outlive this one. */
static inline pid_t begin(void (*run)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		alarm(MEMBER_PATIENCE_SECONDS);
		run();
		exit(EXIT_SUCCESS);
	}
	return pid;
}

/* Waits for its end, and gives its status; -1 if a signal ended it. */
static inline int status_of(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void kill_at_once(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(status_of(pid) == -1);
}

/* Joins a group as primary or secondary, with one more flag. */
static inline int join_with(const char *prefix, const char *role, const char *flag)
{
	static char words[6][64];
	char *argv[RTE_DIM(words) + 1] = { NULL };

	snprintf(words[0], sizeof(words[0]), "edges");
	snprintf(words[1], sizeof(words[1]), "--file-prefix=%s", prefix);
	snprintf(words[2], sizeof(words[2]), "--proc-type=%s", role);
	snprintf(words[3], sizeof(words[3]), "--no-huge");
	snprintf(words[4], sizeof(words[4]), "-m64");
	snprintf(words[5], sizeof(words[5]), "%s", flag);
	for (size_t i = 0; i < RTE_DIM(words); i++)
		argv[i] = words[i];
	return rte_eal_init(RTE_DIM(words), argv);
}

/* Joins the one that most parts are about, with lcores that are numbered so. */
static inline void join_as(const char *role, const char *lcores)
{
	char flag[64];

	snprintf(flag, sizeof(flag), "--lcores=%s@%d", lcores, processor());
	CHECK(join_with("edges", role, flag) > 0);
}

static inline void join(const char *role)
{
	join_as(role, "0");
}

static inline struct rte_mp_msg message(const char *name)
{
	struct rte_mp_msg made;

	memset(&made, 0, sizeof(made));
	snprintf(made.name, sizeof(made.name), "%s", name);
	return made;
}

/* Asks, gives the answers' messages back, and says what came: -1, or nb_sent and nb_received as in 11. */
static inline int ask(const char *name)
{
	struct rte_mp_msg request = message(name);
	struct rte_mp_reply reply;

	if (rte_mp_request_sync(&request, &reply, &long_enough) != 0)
		return -1;
	free(reply.msgs);
	return reply.nb_sent * 10 + reply.nb_received;
}

#endif
