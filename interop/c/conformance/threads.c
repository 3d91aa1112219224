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

static void tell(struct raw_peer *peer, int type, const char *action)
{
	send_raw(peer, text("%s/mp_socket", runtime_dir), type, action, "told");
}

static void thread_rows(struct raw_peer *peer)
{
	rte_mp_action_register("first", on_first);
	rte_mp_action_register("second", on_second);
	tell(peer, RAW_MSG, "first");
	tell(peer, RAW_MSG, "second");
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

	tell(peer, RAW_MSG, "first");
	replies = ask_sync("echo", "a", LONG_MS);
	row("a request beside a busy handler", "%s, %s", replies,
	    atomic_load(&first_calls) == before ? "before it is done" : "once it is done");
	reaches(&first_calls, before + 1);

	rte_mp_action_register("ask async", on_ask_async);
	tell(peer, RAW_MSG, "ask async");
	reaches(&called.calls, 1);
	row("async inside a handler", "%s", called_text(inside));
	end_child(&secondary);
}

static void registration_rows(struct raw_peer *peer)
{
	int before;

	rte_mp_action_register("once", on_unregister);
	before = atomic_load(&peer->received);
	tell(peer, RAW_REQ, "once");
	reaches(&peer->received, before + 1);
	row("unregisters itself", "%s '%s'", peer->name, peer->param);
	row("registers another", "%s", inside);
	tell(peer, RAW_REQ, "new");
	reaches(&peer->received, before + 2);
	row("registers another.is called", "%s '%s'", peer->name, peer->param);
}

void run_handlers(void)
{
	struct rte_mp_msg hello = message("hello", "");
	struct raw_peer peer;

	expect_eal("primary");
	main_thread = pthread_self();
	open_raw_peer(&peer, RAW_SILENT);
	rte_mp_sendmsg(&hello);
	reaches(&peer.received, 1);
	thread_rows(&peer);
	registration_rows(&peer);
	/* It would keep the requests below from ending. */
	peer.mode = RAW_IGNORE;
	busy_row(&peer);
	close_raw_peers(&peer, 1);
	rte_eal_cleanup();
}
