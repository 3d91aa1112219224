/* rte_mp_request_sync in a primary. */
#include "sections.h"

#include <unistd.h>

#include "conformance.h"

static void obstacle_row(const char *name, enum raw_obstacle what)
{
	const char *path = make_obstacle(what);
	const char *replies = ask_sync("hello", "a", SHORT_MS);

	row(name, "%s, is %s", replies, exists(path) ? "still there" : "removed");
	remove_obstacle(path);
}

/* A send that fails: what the others say depends on the order in the directory, so only the end. */
static void failed_send_row(void)
{
	const char *path = make_obstacle(STREAM_SOCKET);
	struct rte_mp_msg request = message("hello", "a");
	struct timespec timeout = milliseconds(SHORT_MS);
	struct rte_mp_reply reply;
	struct raw_peer peer;
	int ret;

	open_raw_peer(&peer, RAW_REPLY);
	rte_errno = 0;
	ret = rte_mp_request_sync(&request, &reply, &timeout);
	row("a stream socket and a reply", "%s, received %d, msgs %s", outcome(ret),
	    reply.nb_received, reply.msgs == NULL ? "NULL" : "not NULL");
	free(reply.msgs);
	close_raw_peers(&peer, 1);
	remove_obstacle(path);
}

/* Asks a peer that replies with a descriptor, and gives up what it brought. */
static void ask_for_descriptor(struct raw_peer *peer)
{
	struct rte_mp_msg request = message("hello", "a");
	struct timespec timeout = milliseconds(SHORT_MS);
	int before = atomic_load(&peer->received);
	struct rte_mp_reply reply;

	rte_mp_request_sync(&request, &reply, &timeout);
	for (int i = 0; i < reply.nb_received; i++)
		take_contents(&reply.msgs[i]);
	free(reply.msgs);
	/* It lives in this process, and has closed its own by then. */
	reaches(&peer->received, before + 1);
}

/* The second request of two: the first opens what is kept for the next ones. */
static void left_open_row(const char *name, struct raw_peer *peer)
{
	int before;

	ask_for_descriptor(peer);
	before = open_descriptors();
	ask_for_descriptor(peer);
	row(name, "%d", open_descriptors() - before);
}

static void descriptor_rows(void)
{
	struct raw_peer peers[2];

	open_raw_peer(&peers[0], RAW_REPLY_FDS);
	sync_row("descriptor", "hello", "a", LONG_MS);
	left_open_row("descriptor.left open", &peers[0]);
	close_raw_peers(peers, 1);

	open_raw_peers(peers, 2);
	start_raw_peer(&peers[0], RAW_REPLY_FDS);
	start_raw_peer(&peers[1], RAW_SILENT);
	left_open_row("a descriptor, then silence.left open", &peers[0]);
	close_raw_peers(peers, 2);
}

/* ---- several at a time ---- */

struct asking {
	const char *action;
	char replies[TEXT_SIZE];
};

static void *ask_beside(void *arg)
{
	struct asking *asking = arg;

	snprintf(asking->replies, sizeof(asking->replies), "%s",
		 ask_sync(asking->action, "first", LONG_MS));
	return NULL;
}

static void beside_rows(const char *name, const char *second)
{
	struct asking first = { .action = "hello" };
	struct raw_peer peer;
	pthread_t thread;

	open_raw_peer(&peer, RAW_REPLY_LATE);
	pthread_create(&thread, NULL, ask_beside, &first);
	/* It answers late, and so has not been heard when it counts what it got. */
	while (peer.datagram_len == 0)
		rest(1);
	sync_row(text("%s.second", name), second, "second", LONG_MS);
	pthread_join(thread, NULL);
	row(text("%s.first", name), "%s", first.replies);
	close_raw_peers(&peer, 1);
}

static void async_beside_row(void)
{
	struct raw_peer peer;
	const char *returned;

	open_raw_peer(&peer, RAW_REPLY_LATE);
	returned = ask_async("hello", "first", LONG_MS);
	sync_row("beside an async one of the same name.sync", "hello", "second", LONG_MS);
	reaches(&called.calls, 1);
	row("beside an async one of the same name.async", "%s", called_text(returned));
	close_raw_peers(&peer, 1);
}

/* ---- timeouts ---- */

static void timeout_rows(void)
{
	struct raw_peer peers[2];
	const char *replies;
	int64_t start;

	open_raw_peer(&peers[0], RAW_SILENT);
	start = now_ms();
	replies = ask_sync("hello", "a", 0);
	row("timeout 0", "%s, %s", replies, now_ms() - start < SHORT_MS ? "at once" : "late");
	row("timeout 0.peer was asked", "%s", yes(reaches(&peers[0].received, 1)));
	start = now_ms();
	replies = ask_sync("hello", "a", SHORT_MS);
	row("silence", "%s, %s", replies, now_ms() - start < SHORT_MS ? "early" : "after the timeout");
	close_raw_peers(peers, 1);

	open_raw_peers(peers, 2);
	start_raw_peer(&peers[0], RAW_REPLY_LATE);
	start_raw_peer(&peers[1], RAW_REPLY_LATE);
	sync_row("two peers that take 2/3 of the timeout", "hello", "a", SHORT_MS);
	close_raw_peers(peers, 2);

	open_raw_peer(&peers[0], RAW_REPLY_LATE);
	sync_row("a late reply", "hello", "first", SHORT_MS / 3);
	sync_row("a late reply.next request", "hello", "second", LONG_MS);
	close_raw_peers(peers, 1);
}

/* ---- members with a library ---- */

static void secondary_rows(void)
{
	struct child peer = start_child("peer-secondary"), other;
	const char *replies;
	pthread_t killer;
	int64_t start;

	sync_row("a secondary", "echo", "a", LONG_MS);
	sync_row("a secondary.no param", "echo", "", LONG_MS);
	sync_row("a secondary.descriptors", "fds", "a", LONG_MS);
	sync_row("a secondary.replies later", "late", "a", LONG_MS);
	sync_row("a secondary.nobody handles it", "unknown", "a", SHORT_MS);
	sync_row("a secondary.handler NULL", "no handler", "a", SHORT_MS);
	sync_row("a secondary.handler says nothing", "silent", "a", SHORT_MS);
	sync_row("a secondary.handler refuses", "refuse", "a", SHORT_MS);
	sync_row("a secondary.handler replies and refuses", "reply and refuse", "a", LONG_MS);
	sync_row("a secondary.handler replies twice", "twice", "a", LONG_MS);
	rte_mp_action_register("echo", on_echo);
	sync_row("a secondary.asks inside its handler", "ask inside", "a", LONG_MS);
	other = start_child("peer-secondary");
	sync_row("two secondaries", "echo", "a", LONG_MS);
	end_child(&other);
	sync_row("one secondary has left", "echo", "a", LONG_MS);

	killer = kill_child_soon(&peer);
	start = now_ms();
	replies = ask_sync("silent", "a", KILL_MS);
	row("a secondary is killed", "%s, %s", replies,
	    now_ms() - start < KILL_MS ? "early" : "after the timeout");
	pthread_join(killer, NULL);
	sync_row("a secondary was killed", "echo", "a", LONG_MS);
}

void request_sync(void)
{
	expect_eal("primary");
	sync_row("nobody", "hello", "a", SHORT_MS);
	RAW_ROW(sync_row, "a reply", RAW_REPLY);
	RAW_ROW(sync_row, "three replies", RAW_REPLY, RAW_REPLY, RAW_REPLY);
	RAW_ROW(sync_row, "an ignore", RAW_IGNORE);
	RAW_ROW(sync_row, "two ignores", RAW_IGNORE, RAW_IGNORE);
	RAW_ROW(sync_row, "a reply and an ignore", RAW_REPLY, RAW_IGNORE);
	RAW_ROW(sync_row, "a reply, then silence", RAW_REPLY, RAW_SILENT);
	RAW_ROW(sync_row, "silence, then a reply", RAW_SILENT, RAW_REPLY);
	RAW_ROW(sync_row, "an ignore, then silence", RAW_IGNORE, RAW_SILENT);
	RAW_ROW(sync_row, "a reply twice", RAW_REPLY_TWICE);
	RAW_ROW(sync_row, "a reply of another name", RAW_REPLY_OTHER);
	RAW_ROW(sync_row, "a reply from elsewhere", RAW_REPLY_FORGED);
	obstacle_row("dead socket", DEAD_SOCKET);
	obstacle_row("stream socket", STREAM_SOCKET);
	obstacle_row("plain file", PLAIN_FILE);
	obstacle_row("directory", DIRECTORY);
	failed_send_row();
	descriptor_rows();
	beside_rows("beside one of the same name", "hello");
	beside_rows("beside one of another name", "good-bye");
	async_beside_row();
	timeout_rows();
	secondary_rows();
	rte_eal_cleanup();
}
