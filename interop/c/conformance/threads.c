/* Where handlers run, and what they may do there. */
#include "sections.h"

#include "conformance.h"

static pthread_t main_thread;
static pthread_t first_thread, second_thread;
static atomic_int first_calls, second_calls;
static bool second_ran_meanwhile;
static char inside[TEXT_SIZE];

static int on_first(const struct rte_mp_msg *msg, const void *peer)
{
	first_thread = pthread_self();
	/* Long enough for the second to be called, if it can be. */
	rest(SHORT_MS / 2);
	second_ran_meanwhile = atomic_load(&second_calls) != 0;
	atomic_fetch_add(&first_calls, 1);
	return on_echo(msg, peer);
}

static int on_second(const struct rte_mp_msg *msg, const void *peer)
{
	second_thread = pthread_self();
	atomic_fetch_add(&second_calls, 1);
	return on_echo(msg, peer);
}

static int on_unregister(const struct rte_mp_msg *msg, const void *peer)
{
	rte_mp_action_unregister(msg->name);
	rte_errno = 0;
	snprintf(inside, sizeof(inside), "%s", outcome(rte_mp_action_register("new", on_echo)));
	return on_echo(msg, peer);
}

static int on_ask_async(const struct rte_mp_msg *msg, const void *peer)
{
	snprintf(inside, sizeof(inside), "%s", ask_async("echo", "inside", LONG_MS));
	return on_echo(msg, peer);
}

static void thread_rows(struct raw_peer *peer)
{
	rte_mp_action_register("first", on_first);
	rte_mp_action_register("second", on_second);
	send_raw(peer, RAW_MSG, "first", "told");
	send_raw(peer, RAW_MSG, "second", "told");
	reaches(&second_calls, 1);
	reaches(&first_calls, 1);
	row("one after the other", "%s", yes(!second_ran_meanwhile));
	row("in one thread", "%s", yes(pthread_equal(first_thread, second_thread)));
	row("in the main thread", "%s", yes(pthread_equal(first_thread, main_thread)));
}

/* A sync request and a handler that is busy: the reply comes all the same, some time. */
static void busy_row(struct raw_peer *peer)
{
	struct child secondary = start_child("peer-secondary");
	int before = atomic_load(&first_calls);
	const char *replies;

	send_raw(peer, RAW_MSG, "first", "told");
	replies = ask_sync("echo", "a", LONG_MS);
	row("a request beside a busy handler", "%s, %s", replies,
	    atomic_load(&first_calls) == before ? "before it is done" : "once it is done");
	reaches(&first_calls, before + 1);

	rte_mp_action_register("ask async", on_ask_async);
	send_raw(peer, RAW_MSG, "ask async", "told");
	reaches(&called.calls, 1);
	row("async inside a handler", "%s", called_text(inside));
	end_child(&secondary);
}

static void registration_rows(struct raw_peer *peer)
{
	rte_mp_action_register("once", on_unregister);
	row("unregisters itself", "%s", yes(ask_raw(peer, RAW_REQ, "once", LONG_MS)));
	row("registers another", "%s", inside);
	row("registers another.is called", "%s", yes(ask_raw(peer, RAW_REQ, "new", LONG_MS)));
	rte_mp_action_register("once", on_echo);
	row("the same again", "%s", yes(ask_raw(peer, RAW_REQ, "once", LONG_MS)));
}

void run_handlers(void)
{
	struct raw_peer peer;

	expect_eal("primary");
	main_thread = pthread_self();
	open_raw_peer(&peer, RAW_SILENT);
	teach_raw_peer(&peer);
	thread_rows(&peer);
	registration_rows(&peer);
	/* It would keep the requests below from ending. */
	peer.mode = RAW_IGNORE;
	busy_row(&peer);
	close_raw_peers(&peer, 1);
	rte_eal_cleanup();
}
