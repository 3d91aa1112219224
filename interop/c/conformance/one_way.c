/* rte_mp_sendmsg and rte_mp_reply in a primary: who gets it, and what is said of those who don't. */
#include "sections.h"

#include <errno.h>
#include <unistd.h>

#include "conformance.h"

static void send_row(const char *name, struct rte_mp_msg *msg)
{
	rte_errno = 0;
	row(name, "%s", outcome(rte_mp_sendmsg(msg)));
}

static void obstacle_row(const char *name, enum raw_obstacle what)
{
	struct rte_mp_msg msg = message("news", "");
	const char *path = make_obstacle(what);
	int ret;

	rte_errno = 0;
	ret = rte_mp_sendmsg(&msg);
	row(name, "%s, is %s", outcome(ret), exists(path) ? "still there" : "removed");
	remove_obstacle(path);
}

static void received_row(const char *name, struct raw_peer *peer, int least)
{
	if (reaches(&peer->received, least))
		row(name, "type %d, %s '%s' %s", peer->type, peer->name, peer->param, peer->content);
	else
		row(name, "nothing came");
}

static void raw_rows(void)
{
	struct rte_mp_msg msg = message("news", "for all");
	struct raw_peer peers[2];
	const char *path;

	open_raw_peers(peers, 2);
	start_raw_peer(&peers[0], RAW_SILENT);
	start_raw_peer(&peers[1], RAW_SILENT);
	send_row("two peers", &msg);
	received_row("two peers.first", &peers[0], 1);
	received_row("two peers.second", &peers[1], 1);

	path = make_obstacle(STREAM_SOCKET);
	send_row("a stream socket among them", &msg);
	received_row("a stream socket among them.first", &peers[0], 2);
	received_row("a stream socket among them.second", &peers[1], 2);
	remove_obstacle(path);

	msg.num_fds = 1;
	msg.fds[0] = file_holding("and a file");
	send_row("descriptor", &msg);
	received_row("descriptor.peer", &peers[0], 3);
	row("descriptor.is still the sender's", "%s", yes(close(msg.fds[0]) == 0));
	msg.fds[0] = -1;
	send_row("descriptor that is none", &msg);
	close_raw_peers(peers, 2);
}

static void handler_rows(void)
{
	struct rte_mp_msg msg = message("unknown", "");
	struct child peer = start_child("peer-secondary");

	rte_mp_action_register("news", on_silent);
	send_row("nobody handles it", &msg);
	msg = message("spread", "a word");
	send_row("a message back", &msg);
	row("a message back.handler", "%s", reaches(&silent_calls, 1) ? silent_param : "not called");
	msg.num_fds = 1;
	msg.fds[0] = file_holding("a file");
	snprintf(msg.name, sizeof(msg.name), "fds");
	send_row("a handler that replies to a message", &msg);
	close(msg.fds[0]);
	sync_row("a handler that replies to a message.afterwards", "echo", "a", LONG_MS);
	end_child(&peer);
	rte_mp_action_unregister("news");
}

void send_one_way(void)
{
	struct rte_mp_msg msg = message("news", "");

	expect_eal("primary");
	send_row("nobody", &msg);
	obstacle_row("dead socket", DEAD_SOCKET);
	obstacle_row("stream socket", STREAM_SOCKET);
	obstacle_row("plain file", PLAIN_FILE);
	obstacle_row("directory", DIRECTORY);
	raw_rows();
	handler_rows();
	rte_eal_cleanup();
}

/* ---- replies, also to what nobody asked ---- */

static void reply_row(const char *name, const char *peer)
{
	struct rte_mp_msg reply = message("answer", "unasked");

	rte_errno = 0;
	row(name, "%s", outcome(rte_mp_reply(&reply, peer)));
}

static void reply_obstacle_row(const char *name, enum raw_obstacle what)
{
	const char *path = make_obstacle(what);

	reply_row(name, path);
	row(text("%s.afterwards", name), "%s", exists(path) ? "still there" : "removed");
	remove_obstacle(path);
}

static void asked_row(const char *name, struct raw_peer *peer, int type, const char *action)
{
	/* Only for what nobody may answer, there is no time to lose. */
	static const char *const answered[] = { "echo", "late", "whose" };
	int64_t timeout_ms = SHORT_MS;

	for (size_t i = 0; i < RTE_DIM(answered); i++) {
		if (strcmp(action, answered[i]) == 0 && type < RAW_REP)
			timeout_ms = LONG_MS;
	}
	if (ask_raw(peer, type, action, timeout_ms))
		row(name, "type %d, %s '%s'", peer->type, peer->name, peer->param);
	else
		row(name, "no answer");
}

static char path_of_sender[TEXT_SIZE];

static int on_whose(const struct rte_mp_msg *msg, const void *peer)
{
	snprintf(path_of_sender, sizeof(path_of_sender), "%s", (const char *)peer);
	return on_echo(msg, peer);
}

static void answer_rows(struct raw_peer *peer)
{
	register_actions();
	rte_mp_action_register("whose", on_whose);
	asked_row("request", peer, RAW_REQ, "echo");
	asked_row("request.late", peer, RAW_REQ, "late");
	asked_row("request.nobody handles it", peer, RAW_REQ, "unknown");
	asked_row("request.handler NULL", peer, RAW_REQ, "no handler");
	asked_row("request.handler says nothing", peer, RAW_REQ, "silent");
	asked_row("request.handler refuses", peer, RAW_REQ, "refuse");
	asked_row("message", peer, RAW_MSG, "echo");
	asked_row("message.nobody handles it", peer, RAW_MSG, "unknown");
	asked_row("message of type 7", peer, 7, "echo");
	asked_row("unwanted reply", peer, RAW_REP, "echo");
	asked_row("unwanted ignore", peer, RAW_IGN, "echo");
	asked_row("request.peer", peer, RAW_REQ, "whose");
	row("request.peer is the sender's path", "%s", yes(strcmp(path_of_sender, peer->path) == 0));
}

/* Nobody takes what came along, so it must not stay. */
static void descriptor_row(const char *name, struct raw_peer *peer, int type)
{
	int before = open_descriptors(), fd = file_holding("a file");

	send_raw_fd(peer, type, "unknown", fd);
	close(fd);
	/* Once this is answered, that has been dealt with. */
	asked_row(text("%s.next", name), peer, RAW_REQ, "echo");
	row(text("%s.descriptors left open", name), "%d", open_descriptors() - before);
}

void send_replies(void)
{
	struct raw_peer peer;

	expect_eal("primary");
	reply_row("missing", text("%s/nobody", runtime_dir));
	reply_obstacle_row("dead socket", DEAD_SOCKET);
	reply_obstacle_row("stream socket", STREAM_SOCKET);
	reply_obstacle_row("plain file", PLAIN_FILE);
	open_raw_peer(&peer, RAW_SILENT);
	teach_raw_peer(&peer);
	reply_row("unasked", peer.path);
	reply_row("unasked.again", peer.path);
	received_row("unasked.peer", &peer, 3);
	answer_rows(&peer);
	descriptor_row("unhandled message", &peer, RAW_MSG);
	descriptor_row("unhandled request", &peer, RAW_REQ);
	descriptor_row("unwanted reply", &peer, RAW_REP);
	close_raw_peers(&peer, 1);
	rte_eal_cleanup();
}
