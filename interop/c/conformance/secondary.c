/* The IPC of a secondary: it talks to the primary alone, which may be gone. */
#include "sections.h"

#include <unistd.h>

#include "conformance.h"

static void send_row(const char *name, struct rte_mp_msg *msg)
{
	rte_errno = 0;
	row(name, "%s", outcome(rte_mp_sendmsg(msg)));
}

static void reply_row(const char *name, const char *peer)
{
	struct rte_mp_msg reply = message("answer", "unasked");

	rte_errno = 0;
	row(name, "%s", outcome(rte_mp_reply(&reply, peer)));
}

static void reply_rows(void)
{
	const char *path;

	reply_row("reply.missing", text("%s/nobody", runtime_dir));
	path = make_obstacle(DEAD_SOCKET);
	reply_row("reply.dead socket", path);
	row("reply.dead socket.afterwards", "%s", exists(path) ? "still there" : "removed");
	remove_obstacle(path);
}

static void one_way_rows(void)
{
	struct rte_mp_msg msg = message("unknown", "");

	send_row("sendmsg.nobody handles it", &msg);
	rte_mp_action_register("news", on_silent);
	msg = message("spread", "a word");
	send_row("sendmsg", &msg);
	row("sendmsg.a message back", "%s", reaches(&silent_calls, 1) ? silent_param : "not called");
}

/* The primary's alarm answers the first one late: what is that to the second? */
static void late_rows(void)
{
	sync_row("sync.a late reply", "late", "first", SHORT_MS / 3);
	sync_row("sync.a late reply.next request", "late", "second", LONG_MS);
	/* The second answer may be out still. */
	rest(SHORT_MS);
	async_row("async.a late reply", "late", "first", SHORT_MS / 3);
	async_row("async.a late reply.next request", "late", "second", LONG_MS);
	rest(SHORT_MS);
}

static void beside_rows(void)
{
	struct rte_mp_msg request = message("late", "second");
	struct timespec timeout = milliseconds(LONG_MS);

	row("beside one of the same name.async", "%s", ask_async("late", "first", LONG_MS));
	rte_errno = 0;
	row("beside one of the same name.async again", "%s",
	    outcome(rte_mp_request_async(&request, &timeout, on_replies)));
	sync_row("beside one of the same name.sync", "late", "third", LONG_MS);
	sync_row("beside one of another name.sync", "echo", "a", LONG_MS);
	reaches(&called.calls, 1);
	rest(SHORT_MS);
	row("beside one of the same name.calls", "%d", atomic_load(&called.calls));
}

void be_secondary(void)
{
	struct child primary = start_child("peer-primary");

	expect_eal("secondary");
	row("role", "%s", rte_eal_process_type() == RTE_PROC_SECONDARY ? "secondary" : "another");
	row("primary_proc_alive", "%d", rte_eal_primary_proc_alive(NULL));
	row("disable", "%s", yes(rte_mp_disable()));
	reply_rows();
	one_way_rows();
	sync_row("sync", "echo", "a", LONG_MS);
	sync_row("sync.descriptors", "fds", "a", LONG_MS);
	sync_row("sync.nobody handles it", "unknown", "a", SHORT_MS);
	sync_row("sync.handler NULL", "no handler", "a", SHORT_MS);
	sync_row("sync.handler says nothing", "silent", "a", SHORT_MS);
	sync_row("sync.handler refuses", "refuse", "a", SHORT_MS);
	sync_row("sync.timeout 0", "silent", "a", 0);
	async_row("async", "echo", "a", LONG_MS);
	async_row("async.nobody handles it", "unknown", "a", SHORT_MS);
	async_row("async.handler says nothing", "silent", "a", SHORT_MS);
	async_row("async.timeout 0", "silent", "a", 0);
	beside_rows();
	late_rows();
	rte_mp_action_register("echo", on_echo);
	sync_row("sync.asks inside its handler", "ask inside", "a", LONG_MS);
	rte_eal_cleanup();
	end_child(&primary);
}

static void rows_without_primary(void)
{
	struct rte_mp_msg msg = message("echo", "");

	row("primary_proc_alive", "%d", rte_eal_primary_proc_alive(NULL));
	send_row("sendmsg", &msg);
	sync_row("sync", "echo", "a", SHORT_MS);
	async_row("async", "echo", "a", SHORT_MS);
	reply_row("reply", text("%s/mp_socket", runtime_dir));
}

void be_secondary_of_killed(void)
{
	struct child primary = start_child("peer-primary");
	const char *replies;
	pthread_t killer;
	int64_t start;

	expect_eal("secondary");
	killer = kill_child_soon(&primary);
	start = now_ms();
	replies = ask_sync("silent", "a", KILL_MS);
	row("while it is asked", "%s, %s", replies,
	    now_ms() - start < KILL_MS ? "early" : "after the timeout");
	pthread_join(killer, NULL);
	rows_without_primary();
	rte_eal_cleanup();
}

void be_secondary_of_ended(void)
{
	struct child primary = start_child("peer-primary");

	expect_eal("secondary");
	end_child(&primary);
	rows_without_primary();
	rte_eal_cleanup();
}
