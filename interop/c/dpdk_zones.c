/*
 * A DPDK primary that reserves memory zones, and that a test drives: one command a line on stdin,
 * one answer a line on stdout.
 *
 *   dpdk_zones EAL-ARGUMENTS...
 *
 * The first line is `ready`, or `failed errno=N` when EAL does not start. The zone MZ_SHARED_INFO
 * is there by then, and the action `hello_request` counts in it and answers. Words are separated by
 * single spaces. The answer to a command is `ok key=value...` or `error errno=N`.
 *
 *   reserve NAME LEN          -> ok address=N len=N iova=N page=N socket=N flags=N
 *   free NAME                 -> ok
 *   set NAME OFFSET VALUE     -> ok             stores a 64-bit word
 *   get NAME OFFSET           -> ok value=N
 *   count                     -> ok             counts as a request would
 *   counters                  -> ok force_quit=N request_count=N async_request_count=N
 *   churn NAME LEN COUNT      -> ok, and later `churned`: reserves the zone, fills it several times
 *                                with copies of its address, and frees it, COUNT times
 *   quit
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#define MAX_WORDS 5
#define SHARED_INFO "MZ_SHARED_INFO"
/* So often that a zone is there for longer than it is not. */
#define CHURN_FILLS 10

/* What the multi-process tutorial keeps in its zone. */
struct shared_info {
	uint32_t force_quit;
	uint64_t request_count;
	uint64_t async_request_count;
} __rte_cache_aligned;

struct churn {
	char name[RTE_MEMZONE_NAMESIZE];
	size_t len;
	unsigned long count;
};

static struct shared_info *info;

static void end_line(void)
{
	putchar('\n');
	fflush(stdout);
}

static void answer_error(int error)
{
	printf("error errno=%d", error);
	end_line();
}

static void answer_ok(void)
{
	fputs("ok", stdout);
	end_line();
}

static int on_hello(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply;

	__atomic_fetch_add(&info->request_count, 1, __ATOMIC_RELAXED);
	memset(&reply, 0, sizeof(reply));
	snprintf(reply.name, sizeof(reply.name), "%s", msg->name);
	return rte_mp_reply(&reply, peer);
}

static void do_reserve(const char *name, const char *len)
{
	const struct rte_memzone *zone =
		rte_memzone_reserve(name, strtoull(len, NULL, 10), SOCKET_ID_ANY, 0);

	if (zone == NULL) {
		answer_error(rte_errno);
		return;
	}
	printf("ok address=%" PRIu64 " len=%zu iova=%" PRIu64 " page=%" PRIu64 " socket=%d flags=%u",
	       zone->addr_64, zone->len, zone->iova, zone->hugepage_sz, zone->socket_id, zone->flags);
	end_line();
}

static void do_free(const char *name)
{
	int error = rte_memzone_free(rte_memzone_lookup(name));

	if (error == 0)
		answer_ok();
	else
		answer_error(-error);
}

/* Finds a word of a zone that is there, or answers that it is not. */
static uint64_t *find_word(const char *name, const char *offset)
{
	const struct rte_memzone *zone = rte_memzone_lookup(name);
	uint64_t at = strtoull(offset, NULL, 10);

	if (zone == NULL || at % sizeof(uint64_t) != 0 || at + sizeof(uint64_t) > zone->len) {
		answer_error(zone == NULL ? ENOENT : EINVAL);
		return NULL;
	}
	return RTE_PTR_ADD(zone->addr, at);
}

static void do_set(const char *name, const char *offset, const char *value)
{
	uint64_t *word = find_word(name, offset);

	if (word != NULL) {
		__atomic_store_n(word, strtoull(value, NULL, 10), __ATOMIC_RELEASE);
		answer_ok();
	}
}

static void do_get(const char *name, const char *offset)
{
	uint64_t *word = find_word(name, offset);

	if (word != NULL) {
		printf("ok value=%" PRIu64, __atomic_load_n(word, __ATOMIC_ACQUIRE));
		end_line();
	}
}

static void do_count(void)
{
	__atomic_fetch_add(&info->request_count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&info->async_request_count, 2, __ATOMIC_RELAXED);
	answer_ok();
}

static void do_counters(void)
{
	printf("ok force_quit=%u request_count=%" PRIu64 " async_request_count=%" PRIu64,
	       __atomic_load_n(&info->force_quit, __ATOMIC_RELAXED),
	       __atomic_load_n(&info->request_count, __ATOMIC_RELAXED),
	       __atomic_load_n(&info->async_request_count, __ATOMIC_RELAXED));
	end_line();
}

static void fill(const struct rte_memzone *zone)
{
	for (size_t at = 0; at + sizeof(uint64_t) <= zone->len; at += sizeof(uint64_t))
		__atomic_store_n((uint64_t *)RTE_PTR_ADD(zone->addr, at), zone->addr_64,
				 __ATOMIC_RELAXED);
}

static void *churn(void *arg)
{
	struct churn *what = arg;

	for (unsigned long i = 0; i < what->count; i++) {
		const struct rte_memzone *zone =
			rte_memzone_reserve(what->name, what->len, SOCKET_ID_ANY, 0);

		if (zone == NULL)
			break;
		for (int fills = 0; fills < CHURN_FILLS; fills++)
			fill(zone);
		rte_memzone_free(zone);
	}
	free(what);
	fputs("churned", stdout);
	end_line();
	return NULL;
}

static void do_churn(const char *name, const char *len, const char *count)
{
	struct churn *what = malloc(sizeof(*what));
	pthread_t thread;

	if (what == NULL) {
		answer_error(ENOMEM);
		return;
	}
	snprintf(what->name, sizeof(what->name), "%s", name);
	what->len = strtoull(len, NULL, 10);
	what->count = strtoul(count, NULL, 10);
	answer_ok();
	if (pthread_create(&thread, NULL, churn, what) == 0)
		pthread_detach(thread);
}

static void obey(char **words, int count)
{
	const char *command = words[0];

	if (strcmp(command, "reserve") == 0 && count == 3)
		do_reserve(words[1], words[2]);
	else if (strcmp(command, "free") == 0 && count == 2)
		do_free(words[1]);
	else if (strcmp(command, "set") == 0 && count == 4)
		do_set(words[1], words[2], words[3]);
	else if (strcmp(command, "get") == 0 && count == 3)
		do_get(words[1], words[2]);
	else if (strcmp(command, "count") == 0 && count == 1)
		do_count();
	else if (strcmp(command, "counters") == 0 && count == 1)
		do_counters();
	else if (strcmp(command, "churn") == 0 && count == 4)
		do_churn(words[1], words[2], words[3]);
	else
		answer_error(EINVAL);
}

static int split_words(char *line, char **words)
{
	int count = 0;

	for (char *word = strtok(line, " \n"); word != NULL && count < MAX_WORDS;
	     word = strtok(NULL, " \n"))
		words[count++] = word;
	return count;
}

static int start(int argc, char **argv)
{
	const struct rte_memzone *zone;

	if (rte_eal_init(argc, argv) < 0)
		return rte_errno;
	zone = rte_memzone_reserve_aligned(SHARED_INFO, sizeof(*info), SOCKET_ID_ANY, 0,
					   RTE_CACHE_LINE_SIZE);
	if (zone == NULL)
		return rte_errno;
	info = zone->addr;
	memset(info, 0, sizeof(*info));
	/* Without shared files there are no messages; the test knows. */
	if (rte_mp_action_register("hello_request", on_hello) != 0 && rte_errno != ENOTSUP)
		return rte_errno;
	return 0;
}

int main(int argc, char **argv)
{
	char *words[MAX_WORDS];
	char *line = NULL;
	size_t size = 0;
	int error = start(argc, argv);

	if (error != 0) {
		printf("failed errno=%d", error);
		end_line();
		return EXIT_FAILURE;
	}
	fputs("ready", stdout);
	end_line();
	while (getline(&line, &size, stdin) > 0 && strcmp(line, "quit\n") != 0) {
		int count = split_words(line, words);

		if (count > 0)
			obey(words, count);
	}
	free(line);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
