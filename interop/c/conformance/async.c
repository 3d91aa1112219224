/* rte_mp_request_async in a primary. */
#include "sections.h"

#include <unistd.h>

#include "conformance.h"

static void obstacle_row(const char *name, enum raw_obstacle what)
{
	const char *path = make_obstacle(what);

	async_row(name, "hello", "a", SHORT_MS);
	row(text("%s.afterwards", name), "%s", exists(path) ? "still there" : "removed");
	remove_obstacle(path);
}

static void failed_send_row(void)
{
	const char *path = make_obstacle(STREAM_SOCKET);
	struct raw_peer peer;

	open_raw_peer(&peer, RAW_REPLY);
	async_row("a stream socket and a reply", "hello", "a", SHORT_MS);
	row("a stream socket and a reply.peer was asked", "%s", yes(reaches(&peer.received, 1)));
	close_raw_peers(&peer, 1);
	remove_obstacle(path);
}

static void beside_rows(void)
{
	struct rte_mp_msg request = message("hello", "second");
	struct timespec timeout = milliseconds(LONG_MS);
	struct raw_peer peer;

	open_raw_peer(&peer, RAW_REPLY_LATE);
	row("beside one of the same name.first", "%s", ask_async("hello", "first", LONG_MS));
	rte_errno = 0;
	row("beside one of the same name.second", "%s",
	    outcome(rte_mp_request_async(&request, &timeout, on_replies)));
	reaches(&called.calls, 1);
	rest(SHORT_MS);
	row("beside one of the same name.calls", "%d", atomic_load(&called.calls));
	close_raw_peers(&peer, 1);
}

static void timeout_rows(void)
{
	struct raw_peer peer;
	const char *returned;
	int64_t start;

	open_raw_peer(&peer, RAW_SILENT);
	async_row("timeout 0", "hello", "a", 0);
	row("timeout 0.peer was asked", "%s", yes(reaches(&peer.received, 1)));
	close_raw_peers(&peer, 1);

	open_raw_peer(&peer, RAW_SILENT);
	start = now_ms();
	returned = ask_async("hello", "a", SHORT_MS);
	row("silence.returns", "%s", now_ms() - start < SHORT_MS ? "at once" : "late");
	reaches(&called.calls, 1);
	row("silence", "%s, %s", called_text(returned),
	    called.at_ms - start < SHORT_MS - 1 ? "early" : "after the timeout");
	close_raw_peers(&peer, 1);

	open_raw_peer(&peer, RAW_REPLY_LATE);
	async_row("a late reply", "hello", "first", SHORT_MS / 3);
	async_row("a late reply.next request", "hello", "second", LONG_MS);
	close_raw_peers(&peer, 1);
}

/* ---- in which thread, and with what ---- */

static char inside[TEXT_SIZE];

static int on_replies_ask(const struct rte_mp_msg *request, const struct rte_mp_reply *reply)
{
	snprintf(inside, sizeof(inside), "%s", ask_sync("echo", "inside", SHORT_MS));
	return on_replies(request, reply);
}

static int on_replies_ask_async(const struct rte_mp_msg *request, const struct rte_mp_reply *reply)
{
	struct rte_mp_msg next = message("echo", "inside");
	struct timespec timeout = milliseconds(LONG_MS);

	on_replies(request, reply);
	return rte_mp_request_async(&next, &timeout, on_replies);
}

static void callback_row(const char *name, rte_mp_async_reply_t callback, int calls)
{
	struct rte_mp_msg request = message("echo", "outside");
	struct timespec timeout = milliseconds(LONG_MS);
	const char *returned;

	atomic_store(&called.calls, 0);
	rte_errno = 0;
	returned = outcome(rte_mp_request_async(&request, &timeout, callback));
	/* It is copied: what becomes of it afterwards is nobody's business. */
	memset(&request, 0xff, sizeof(request));
	reaches(&called.calls, calls);
	row(name, "%s", called_text(returned));
	row(text("%s.request", name), "%s", called.request);
}

static void secondary_rows(void)
{
	struct rte_mp_msg msg = message("spread", "a word");
	struct child peer = start_child("peer-secondary");
	const char *returned;
	pthread_t killer;
	int64_t start;

	rte_mp_action_register("news", on_silent);
	rte_mp_sendmsg(&msg);
	reaches(&silent_calls, 1);
	async_row("a secondary", "echo", "a", LONG_MS);
	row("a secondary.thread", "%s",
	    pthread_equal(called.thread, silent_thread) ? "that of handlers" : "another");
	row("a secondary.thread is the main one", "%s",
	    yes(pthread_equal(called.thread, pthread_self())));
	async_row("a secondary.descriptors", "fds", "a", LONG_MS);
	async_row("a secondary.nobody handles it", "unknown", "a", SHORT_MS);
	async_row("a secondary.handler refuses", "refuse", "a", SHORT_MS);
	async_row("a secondary.handler says nothing", "silent", "a", SHORT_MS);
	row("a secondary.handler says nothing.thread", "%s",
	    pthread_equal(called.thread, silent_thread) ? "that of handlers" : "another");
	callback_row("sync inside the callback", on_replies_ask, 1);
	row("sync inside the callback.inside", "%s", inside);
	callback_row("async inside the callback", on_replies_ask_async, 2);

	start = now_ms();
	returned = ask_async("silent", "a", KILL_MS);
	killer = kill_child_soon(&peer);
	reaches(&called.calls, 1);
	row("a secondary is killed", "%s, %s", called_text(returned),
	    called.at_ms - start < KILL_MS ? "early" : "after the timeout");
	pthread_join(killer, NULL);
	async_row("a secondary was killed", "echo", "a", SHORT_MS);
}

void request_async(void)
{
	expect_eal("primary");
	async_row("nobody", "hello", "a", SHORT_MS);
	RAW_ROW(async_row, "a reply", RAW_REPLY);
	RAW_ROW(async_row, "three replies", RAW_REPLY, RAW_REPLY, RAW_REPLY);
	RAW_ROW(async_row, "an ignore", RAW_IGNORE);
	RAW_ROW(async_row, "two ignores", RAW_IGNORE, RAW_IGNORE);
	RAW_ROW(async_row, "a reply and an ignore", RAW_REPLY, RAW_IGNORE);
	RAW_ROW(async_row, "a reply, then silence", RAW_REPLY, RAW_SILENT);
	RAW_ROW(async_row, "silence, then a reply", RAW_SILENT, RAW_REPLY);
	RAW_ROW(async_row, "a reply twice", RAW_REPLY_TWICE);
	RAW_ROW(async_row, "a reply of another name", RAW_REPLY_OTHER);
	RAW_ROW(async_row, "a reply from elsewhere", RAW_REPLY_FORGED);
	RAW_ROW(async_row, "a descriptor", RAW_REPLY_FDS);
	obstacle_row("dead socket", DEAD_SOCKET);
	obstacle_row("stream socket", STREAM_SOCKET);
	obstacle_row("plain file", PLAIN_FILE);
	failed_send_row();
	beside_rows();
	timeout_rows();
	secondary_rows();
	rte_eal_cleanup();
}
