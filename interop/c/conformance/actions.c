/* What peers answer, and the handlers of sections. */
#include "conformance.h"

#include <errno.h>
#include <unistd.h>

#include <rte_alarm.h>

atomic_int silent_calls;
pthread_t silent_thread;
char silent_param[TEXT_SIZE];

/* An answer that waits for its time. */
struct late_reply {
	struct rte_mp_msg reply;
	char peer[108];
};

static struct rte_mp_msg echo_of(const struct rte_mp_msg *msg)
{
	return message(msg->name, text("Got '%.*s'%s", msg->len_param, (const char *)msg->param,
				       take_contents(msg)));
}

int on_echo(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = echo_of(msg);

	return rte_mp_reply(&reply, peer);
}

int on_silent(const struct rte_mp_msg *msg, const void *peer)
{
	RTE_SET_USED(peer);
	silent_thread = pthread_self();
	snprintf(silent_param, sizeof(silent_param), "%.*s%s", msg->len_param,
		 (const char *)msg->param, take_contents(msg));
	atomic_fetch_add(&silent_calls, 1);
	return 0;
}

static int on_refuse(const struct rte_mp_msg *msg, const void *peer)
{
	on_silent(msg, peer);
	return -1;
}

static int on_reply_and_refuse(const struct rte_mp_msg *msg, const void *peer)
{
	on_echo(msg, peer);
	return -1;
}

static int on_twice(const struct rte_mp_msg *msg, const void *peer)
{
	on_echo(msg, peer);
	return on_echo(msg, peer);
}

static int on_fds(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = echo_of(msg);
	int ret;

	reply.num_fds = 2;
	reply.fds[0] = file_holding("one");
	reply.fds[1] = file_holding("two");
	ret = rte_mp_reply(&reply, peer);
	close(reply.fds[0]);
	close(reply.fds[1]);
	return ret;
}

static void reply_now(void *arg)
{
	struct late_reply *late = arg;

	rte_mp_reply(&late->reply, late->peer);
	free(late);
}

static int on_late(const struct rte_mp_msg *msg, const void *peer)
{
	struct late_reply *late = malloc(sizeof(*late));

	if (late == NULL)
		return -1;
	late->reply = echo_of(msg);
	snprintf(late->peer, sizeof(late->peer), "%s", (const char *)peer);
	return rte_eal_alarm_set(SHORT_MS * 2 / 3 * 1000, reply_now, late);
}

/* Tells everybody it may talk to. */
static int on_spread(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg news = message("news", text("%.*s is spread", msg->len_param,
						      (const char *)msg->param));

	RTE_SET_USED(peer);
	return rte_mp_sendmsg(&news);
}

/* Asks the sender's side, and replies with what came of it. */
static int on_ask_inside(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = message(msg->name, ask_sync("echo", "inside", SHORT_MS));

	return rte_mp_reply(&reply, peer);
}

void register_actions(void)
{
	static const struct {
		const char *name;
		rte_mp_t handler;
	} actions[] = {
		{ "echo", on_echo },
		{ "silent", on_silent },
		{ "refuse", on_refuse },
		{ "reply and refuse", on_reply_and_refuse },
		{ "twice", on_twice },
		{ "fds", on_fds },
		{ "late", on_late },
		{ "spread", on_spread },
		{ "ask inside", on_ask_inside },
		{ "no handler", NULL },
	};

	for (size_t i = 0; i < RTE_DIM(actions); i++) {
		if (rte_mp_action_register(actions[i].name, actions[i].handler) != 0)
			abort();
	}
}
