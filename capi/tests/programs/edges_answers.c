/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Answers that come at the edges of a process's life, and of what one layout of messages can hold. */
#include <dirent.h>
#include <fcntl.h>

#include "group.h"

#define EARLY_ACTIONS 500
#define LAST_EARLY "early 499"
/* To start them takes a while, in which others see that the process is there. */
#define MANY_LCORES "(0-99)"
#define MORE_THAN_22_HOLDS 9

/* Answers, and notes how that went and what the process takes itself for. */
static int answer(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = message(msg->name);

	shared->type = rte_eal_process_type();
	shared->result = rte_mp_reply(&reply, peer);
	shared->calls++;
	return 0;
}

static void register_early(void)
{
	char name[RTE_MP_MAX_NAME_LEN];

	for (int i = 0; i < EARLY_ACTIONS; i++) {
		snprintf(name, sizeof(name), "early %03d", i);
		CHECK(rte_mp_action_register(name, answer) == 0);
	}
}

/* A primary that is killed; then one that has registered early. */
static void first_primary(void)
{
	join("primary");
	sem_post(&shared->ready);
	pause();
}

static void early_primary(void)
{
	register_early();
	join_as("primary", MANY_LCORES);
	wait_for(&shared->done);
	CHECK(rte_eal_cleanup() == 0);
}

/* Asks again and again, until something comes of it. */
static void ask_until_answered(void)
{
	int got;

	do
		got = ask(LAST_EARLY);
	while (got == -1);
	if (got != 11)
		fprintf(stderr, "sent and received: %02d\n", got);
	CHECK(got == 11);
	sem_post(&shared->done);
}

/* Asks from before the second primary is there. */
static void insistent_secondary(void)
{
	wait_for(&shared->ready);
	join("secondary");
	sem_post(&shared->joined);
	wait_for(&shared->go);
	ask_until_answered();
	CHECK(rte_eal_cleanup() == 0);
}

static void early_in_primary(void)
{
	pid_t first, second, secondary;

	share();
	first = begin(first_primary);
	secondary = begin(insistent_secondary);
	wait_for(&shared->joined);
	kill_at_once(first);
	sem_post(&shared->go);
	second = begin(early_primary);
	CHECK(status_of(secondary) == 0);
	CHECK(status_of(second) == 0);
	CHECK(shared->calls == 1 && shared->result == 0);
	CHECK(shared->type == RTE_PROC_PRIMARY);
}

static void early_secondary(void)
{
	register_early();
	wait_for(&shared->ready);
	join_as("secondary", MANY_LCORES);
	wait_for(&shared->done);
	CHECK(rte_eal_cleanup() == 0);
}

/* Says whether the socket of a secondary is there. */
static bool is_someone_there(void)
{
	DIR *directory = opendir(rte_eal_get_runtime_dir());
	struct dirent *entry;
	bool found = false;

	CHECK(directory != NULL);
	while ((entry = readdir(directory)) != NULL)
		found = found || strncmp(entry->d_name, "mp_socket_", 10) == 0;
	closedir(directory);
	return found;
}

static void insistent_primary(void)
{
	join("primary");
	sem_post(&shared->ready);
	while (!is_someone_there())
		continue;
	ask_until_answered();
	CHECK(rte_eal_cleanup() == 0);
}

static void early_in_secondary(void)
{
	pid_t primary, secondary;

	share();
	primary = begin(insistent_primary);
	secondary = begin(early_secondary);
	CHECK(status_of(primary) == 0);
	CHECK(status_of(secondary) == 0);
	CHECK(shared->calls == 1 && shared->result == 0);
	CHECK(shared->type == RTE_PROC_SECONDARY);
}

/* Keeps whom to answer, for later. */
static int keep(const struct rte_mp_msg *msg, const void *peer)
{
	RTE_SET_USED(msg);
	snprintf(shared->peer, sizeof(shared->peer), "%s", (const char *)peer);
	sem_post(&shared->go);
	return 0;
}

static void leave_by_cleanup(void)
{
	CHECK(rte_eal_cleanup() == 0);
	_exit(EXIT_SUCCESS);
}

static void leave_by_exit(void)
{
	exit(EXIT_SUCCESS);
}

static void (*leave)(void);

static void primary_with_child(void)
{
	struct rte_mp_msg reply = message("later");

	join("primary");
	CHECK(rte_mp_action_register("later", keep) == 0);
	sem_post(&shared->ready);
	wait_for(&shared->go);
	CHECK(status_of(begin(leave)) == 0);
	CHECK(rte_mp_reply(&reply, shared->peer) == 0);
	wait_for(&shared->done);
	CHECK(rte_eal_cleanup() == 0);
}

static void patient_secondary(void)
{
	wait_for(&shared->ready);
	join("secondary");
	CHECK(ask("later") == 11);
	sem_post(&shared->done);
	CHECK(rte_eal_cleanup() == 0);
}

static void child_ends_by(void (*how)(void))
{
	pid_t primary, secondary;

	share();
	leave = how;
	primary = begin(primary_with_child);
	secondary = begin(patient_secondary);
	CHECK(status_of(secondary) == 0);
	CHECK(status_of(primary) == 0);
}

static void child_cleans_up(void)
{
	child_ends_by(leave_by_cleanup);
}

static void child_exits(void)
{
	child_ends_by(leave_by_exit);
}

static atomic_bool is_leaving;

/* Answers when the main thread, which is leaving the group, waits for this to return. */
static int answer_while_leaving(const struct rte_mp_msg *msg, const void *peer)
{
	sem_post(&shared->go);
	while (!is_leaving)
		sched_yield();
	await_asleep(getpid());
	return answer(msg, peer);
}

static void leaving_secondary(void)
{
	wait_for(&shared->ready);
	CHECK(rte_mp_action_register("leaving", answer_while_leaving) == 0);
	join("secondary");
	CHECK(rte_eal_has_hugepages() == 0);
	sem_post(&shared->joined);
	wait_for(&shared->go);
	is_leaving = true;
	CHECK(rte_eal_cleanup() == 0);
	CHECK(rte_eal_process_type() == RTE_PROC_SECONDARY);
	CHECK(rte_eal_has_hugepages() == 0);
}

static void asking_primary(void)
{
	join("primary");
	sem_post(&shared->ready);
	wait_for(&shared->joined);
	CHECK(ask("leaving") == 11);
	CHECK(rte_eal_cleanup() == 0);
}

static void answer_in_cleanup(void)
{
	pid_t primary, secondary;

	share();
	primary = begin(asking_primary);
	secondary = begin(leaving_secondary);
	CHECK(status_of(secondary) == 0);
	CHECK(status_of(primary) == 0);
	CHECK(shared->calls == 1 && shared->result == 0);
	CHECK(shared->type == RTE_PROC_SECONDARY);
}

/* Replies with as many descriptors as the request's param says. */
static int give_descriptors(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = message(msg->name);

	reply.num_fds = msg->param[0];
	for (int i = 0; i < reply.num_fds; i++)
		reply.fds[i] = STDERR_FILENO;
	return rte_mp_reply(&reply, peer);
}

/* A primary with the layout that this was compiled with. It ends with its standard input. */
static void descriptors_primary(void)
{
	char end;

	join("primary");
	CHECK(rte_mp_action_register("descriptors", give_descriptors) == 0);
	puts("ready");
	fflush(stdout);
	CHECK(read(STDIN_FILENO, &end, 1) == 0);
	CHECK(rte_eal_cleanup() == 0);
}

static int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	CHECK(directory != NULL);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

/* Asks for descriptors; those that come are closed. */
static int ask_for(uint8_t count, struct rte_mp_reply *reply)
{
	struct rte_mp_msg request = message("descriptors");
	int result;

	request.param[0] = count;
	request.len_param = 1;
	result = rte_mp_request_sync(&request, reply, &long_enough);
	for (int i = 0; result == 0 && reply->nb_received == 1 && i < reply->msgs[0].num_fds; i++)
		CHECK(close(reply->msgs[0].fds[i]) == 0);
	return result;
}

static void descriptors_secondary(void)
{
	struct rte_mp_reply reply;
	int before;

	join("secondary");
	CHECK(ask_for(8, &reply) == 0);
	CHECK(reply.nb_sent == 1 && reply.nb_received == 1 && reply.msgs[0].num_fds == 8);
	free(reply.msgs);
	before = open_descriptors();
	CHECK(ask_for(MORE_THAN_22_HOLDS, &reply) == -1);
	CHECK(rte_errno == ETIMEDOUT);
	CHECK(reply.nb_sent == 1 && reply.nb_received == 0 && reply.msgs == NULL);
	CHECK(open_descriptors() == before);
	CHECK(rte_eal_cleanup() == 0);
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{ "early in primary", early_in_primary },
		{ "early in secondary", early_in_secondary },
		{ "child cleans up", child_cleans_up },
		{ "child exits", child_exits },
		{ "answer in cleanup", answer_in_cleanup },
		{ "descriptors primary", descriptors_primary },
		{ "descriptors secondary", descriptors_secondary },
	};

	return run_part(parts, RTE_DIM(parts), argc, argv);
}
