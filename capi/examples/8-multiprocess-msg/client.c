/*
 * The client of the pair: a secondary that greets the primary, sync every 3 s, async every 5 s, and
 * shows what the primary counts in shared memory.
 *
 *   ./client -l 2-3 -n 4 --proc-type=secondary --file-prefix=mp_ipc
 *
 * It runs until Ctrl-C, until the server ends, or with `--count N` until N requests of each kind
 * have been made. Without a machine of four cores, name others with `-l`.
 */
#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include <rte_debug.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#define SYNC_PERIOD_MS 3000
#define ASYNC_PERIOD_MS 5000

static const struct timespec timeout = { .tv_sec = 5 };

/* What the server counts, if it does. */
static const struct shared_info *info;
/* Async requests that are out. */
static atomic_uint awaited;
/* Requests that brought no reply. */
static atomic_uint failed;

/* When the next request of a kind is due, and how many were made. */
struct pace {
	int64_t period;
	uint64_t count;
	uint64_t made;
	int64_t due;
};

/* Tells whether a request is due, which then counts as made. Its number is `made`. */
static bool
is_turn(struct pace *pace)
{
	if (pace->made == pace->count || now_ms() < pace->due)
		return false;
	pace->made++;
	pace->due = pace->made == pace->count ? INT64_MAX : now_ms() + pace->period;
	return true;
}

/* Looks for what the server counts. Without it, the client does all the rest. */
static void
find_counters(void)
{
	const struct rte_memzone *zone = rte_memzone_lookup(SHARED_INFO);

	if (zone != NULL && zone->len >= sizeof(*info))
		info = zone->addr;
	else
		printf("[SHARED] %s: %s\n", pick("no counters", "没有计数器"),
		       zone != NULL ? "the zone is too small" : rte_strerror(rte_errno));
}

static bool
is_to_quit(void)
{
	return stopped || (info != NULL && atomic_load(&info->force_quit) != 0);
}

/* Counts and reports a failure, unless it is that everybody is told to quit. */
static void
note_failure(const char *action, const char *why)
{
	if (is_to_quit())
		return;
	failed++;
	fprintf(stderr, "client: no reply to %s: %s\n", action, why);
}

/* Prints the reply, of which there is one: the primary's. */
static void
print_reply(const char *action, const char *kind, const struct rte_mp_reply *reply)
{
	if (reply->nb_received == 0)
		note_failure(action, reply->nb_sent == 0 ? "nobody was asked" : "none came in time");
	else
		printf("[%s] %s: %.*s\n", kind, pick("reply", "回复"), text_len(&reply->msgs[0]),
		       text_of(&reply->msgs[0]));
}

/* Prints what the server has counted. */
static void
show_counters(void)
{
	if (info != NULL)
		printf(pick("[SHARED] sync requests: %" PRIu64 ", async requests: %" PRIu64 "\n",
			    "[SHARED] 同步请求: %" PRIu64 " 个, 异步请求: %" PRIu64 " 个\n"),
		       atomic_load(&info->request_count), atomic_load(&info->async_request_count));
}

/* Asks, and waits for the reply. */
static void
ask(uint64_t number)
{
	struct rte_mp_reply reply;
	struct rte_mp_msg hello;

	fill_message(&hello, SYNC_ACTION, "SYNC Hello %" PRIu64 " from Client", number);
	if (rte_mp_request_sync(&hello, &reply, &timeout) != 0) {
		note_failure(SYNC_ACTION, rte_strerror(rte_errno));
		return;
	}
	print_reply(SYNC_ACTION, "SYNC", &reply);
	free(reply.msgs);
	show_counters();
}

static int
on_replies(const struct rte_mp_msg *request, const struct rte_mp_reply *reply)
{
	printf("%s\n", pick("[ASYNC] callback called", "[ASYNC] 回调被调用"));
	print_reply(request->name, "ASYNC", reply);
	awaited--;
	return 0;
}

/* Asks; the reply comes to the callback. */
static void
ask_async(uint64_t number)
{
	struct rte_mp_msg hello;

	fill_message(&hello, ASYNC_ACTION, "ASYNC Hello %" PRIu64 " from Client", number);
	awaited++;
	/* As long as we hold it, the callback cannot print before we have. */
	flockfile(stdout);
	if (rte_mp_request_async(&hello, &timeout, on_replies) == 0) {
		printf("%s\n", pick("[ASYNC] request sent", "[ASYNC] 请求已发送"));
	} else {
		awaited--;
		note_failure(ASYNC_ACTION, rte_strerror(rte_errno));
	}
	funlockfile(stdout);
}

/* Makes requests at their times, until `count` of each are through, or we are to quit. */
static void
talk(uint64_t count)
{
	struct pace sync = { .period = SYNC_PERIOD_MS, .count = count };
	struct pace async = { .period = ASYNC_PERIOD_MS, .count = count };

	while (!is_to_quit()) {
		if (is_turn(&sync))
			ask(sync.made);
		if (is_turn(&async))
			ask_async(async.made);
		if (sync.made == count && async.made == count && awaited == 0)
			return;
		wait_until(RTE_MIN(sync.due, async.due));
	}
}

static uint64_t
parse_count(const char *value)
{
	char *end;
	uint64_t count;

	errno = 0;
	count = strtoull(value, &end, 10);
	if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0' || count == 0) {
		fprintf(stderr, "client: --count cannot be \"%s\": it takes a number from 1\n",
			value);
		exit(EXIT_FAILURE);
	}
	return count;
}

/* Takes `--count N` or `--count=N` out of a command line, wherever it stands. */
static uint64_t
take_count(int *argc, char **argv)
{
	uint64_t count = UINT64_MAX;
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--count") == 0)
			count = parse_count(i + 1 < *argc ? argv[++i] : "");
		else if (strncmp(argv[i], "--count=", strlen("--count=")) == 0)
			count = parse_count(argv[i] + strlen("--count="));
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return count;
}

int
main(int argc, char **argv)
{
	uint64_t count = take_count(&argc, argv);
	int eal_words;

	set_up();
	eal_words = rte_eal_init(argc, argv);
	if (eal_words < 0) {
		/* Not rte_exit, which cleans up what has not begun. */
		fprintf(stderr, "client: cannot start EAL: %s\n", rte_strerror(rte_errno));
		return EXIT_FAILURE;
	}
	if (argc - eal_words > 1)
		rte_exit(EXIT_FAILURE, "there is no use for \"%s\" on the command line\n",
			 argv[eal_words + 1]);

	find_counters();
	talk(count);
	rte_eal_cleanup();
	if (failed != 0)
		fprintf(stderr, "client: requests without a reply: %u\n", failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
