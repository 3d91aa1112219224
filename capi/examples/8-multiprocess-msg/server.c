/*
 * The server of the pair: a primary that answers greetings, and counts them in shared memory.
 *
 *   ./server -l 0-1 -n 4 --proc-type=primary --file-prefix=mp_ipc
 *
 * It runs until Ctrl-C.
 */
#include "common.h"

#include <inttypes.h>

#include <rte_debug.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#define STATISTICS_PERIOD_MS 3000

static struct shared_info *info;

/* Prints what came, and sends it back with a frame around it. */
static int
greet(const struct rte_mp_msg *msg, const void *peer, const char *kind)
{
	struct rte_mp_msg reply;

	printf("[%s] %s: %.*s\n", kind, pick("received", "收到"), text_len(msg), text_of(msg));
	fill_message(&reply, msg->name, "Server %s reply: Got '%.*s'", kind, text_len(msg),
		     text_of(msg));
	return rte_mp_reply(&reply, peer);
}

static int
on_request(const struct rte_mp_msg *msg, const void *peer)
{
	atomic_fetch_add(&info->request_count, 1);
	return greet(msg, peer, "SYNC");
}

static int
on_async_request(const struct rte_mp_msg *msg, const void *peer)
{
	atomic_fetch_add(&info->async_request_count, 1);
	return greet(msg, peer, "ASYNC");
}

static void
reserve_counters(void)
{
	const struct rte_memzone *zone;

	zone = rte_memzone_reserve_aligned(SHARED_INFO, sizeof(*info), SOCKET_ID_ANY, 0,
					   _Alignof(struct shared_info));
	if (zone == NULL)
		rte_exit(EXIT_FAILURE, "cannot reserve %s: %s\n", SHARED_INFO,
			 rte_strerror(rte_errno));
	info = zone->addr;
	memset(info, 0, sizeof(*info));
}

static void
answer(const char *action, rte_mp_t handler)
{
	if (rte_mp_action_register(action, handler) != 0)
		rte_exit(EXIT_FAILURE, "cannot register %s: %s\n", action,
			 rte_strerror(rte_errno));
}

/* Prints the counters now and then, until we are stopped, or everybody is told to quit. */
static void
show_statistics(void)
{
	int64_t due = now_ms() + STATISTICS_PERIOD_MS;

	while (!stopped && atomic_load(&info->force_quit) == 0) {
		if (now_ms() >= due) {
			due += STATISTICS_PERIOD_MS;
			printf(pick("[Server] handled sync requests: %" PRIu64
				    ", async requests: %" PRIu64 "\n",
				    "[Server] 已处理同步请求: %" PRIu64
				    " 个, 异步请求: %" PRIu64 " 个\n"),
			       atomic_load(&info->request_count),
			       atomic_load(&info->async_request_count));
		}
		wait_until(due);
	}
}

int
main(int argc, char **argv)
{
	int eal_words;

	set_up();
	eal_words = rte_eal_init(argc, argv);
	if (eal_words < 0) {
		/* Not rte_exit, which cleans up what has not begun. */
		fprintf(stderr, "server: cannot start EAL: %s\n", rte_strerror(rte_errno));
		return EXIT_FAILURE;
	}
	if (argc - eal_words > 1)
		rte_exit(EXIT_FAILURE, "there is no use for \"%s\" on the command line\n",
			 argv[eal_words + 1]);

	reserve_counters();
	answer(SYNC_ACTION, on_request);
	answer(ASYNC_ACTION, on_async_request);
	show_statistics();

	/* The clients see it, and end too. */
	atomic_store(&info->force_quit, 1);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
