/* What the functions check before they do anything, in which order, and what they say then. */
#include "sections.h"

#include <errno.h>

#include "conformance.h"

/* ---- the four functions that take a message, as one ---- */

static const char *call_sendmsg(struct rte_mp_msg *msg)
{
	return outcome(rte_mp_sendmsg(msg));
}

static const char *call_request_sync(struct rte_mp_msg *msg)
{
	struct timespec timeout = milliseconds(SHORT_MS);
	struct rte_mp_reply reply = { .nb_sent = 7, .nb_received = 8, .msgs = (void *)&reply };
	int ret = rte_mp_request_sync(msg, &reply, &timeout);

	if (ret != 0 && reply.msgs != NULL)
		return text("%s, and a reply that is not zeroed", outcome(ret));
	return replies_text(ret, &reply);
}

static const char *call_request_async(struct rte_mp_msg *msg)
{
	struct timespec timeout = milliseconds(SHORT_MS);

	return outcome(rte_mp_request_async(msg, &timeout, on_replies));
}

static const char *call_reply(struct rte_mp_msg *msg)
{
	return outcome(rte_mp_reply(msg, text("%s/nobody", runtime_dir)));
}

static const struct {
	const char *name;
	const char *(*call)(struct rte_mp_msg *msg);
} functions[] = {
	{ "sendmsg", call_sendmsg },
	{ "request_sync", call_request_sync },
	{ "request_async", call_request_async },
	{ "reply", call_reply },
};

/* ---- messages ---- */

static const struct {
	const char *what;
	int name_len;
	int len_param;
	int num_fds;
} messages[] = {
	{ "no name", 0, 0, 0 },
	{ "name of 63", 63, 0, 0 },
	{ "name of 64", 64, 0, 0 },
	{ "param of -1", 4, -1, 0 },
	{ "param of 256", 4, 256, 0 },
	{ "param of 257", 4, 257, 0 },
	{ "fds -1", 4, 0, -1 },
	{ "one fd too many", 4, 0, RTE_MP_MAX_FD_NUM + 1 },
	{ "no name, param of 257", 0, 257, 0 },
	{ "name of 64, param of -1", 64, -1, 0 },
	{ "param of 257, fds -1", 4, 257, -1 },
	{ "param of -1, one fd too many", 4, -1, RTE_MP_MAX_FD_NUM + 1 },
};

static struct rte_mp_msg make_message(size_t which)
{
	struct rte_mp_msg msg;

	memset(&msg, 0, sizeof(msg));
	memset(msg.name, 'n', (size_t)messages[which].name_len);
	msg.len_param = messages[which].len_param;
	msg.num_fds = messages[which].num_fds;
	return msg;
}

static void message_rows(void)
{
	for (size_t function = 0; function < RTE_DIM(functions); function++) {
		rte_errno = 0;
		row(text("%s.NULL", functions[function].name), "%s", functions[function].call(NULL));
		for (size_t i = 0; i < RTE_DIM(messages); i++) {
			struct rte_mp_msg msg = make_message(i);

			rte_errno = 0;
			row(text("%s.%s", functions[function].name, messages[i].what), "%s",
			    functions[function].call(&msg));
		}
	}
}

static void reply_rows(void)
{
	struct rte_mp_msg good = message("name", ""), bad = make_message(2);

	rte_errno = 0;
	row("reply.peer NULL", "%s", outcome(rte_mp_reply(&good, NULL)));
	rte_errno = 0;
	row("reply.peer NULL, name of 64", "%s", outcome(rte_mp_reply(&bad, NULL)));
}

static void callback_row(void)
{
	struct timespec timeout = milliseconds(SHORT_MS);
	struct rte_mp_msg good = message("name", "");

	rte_errno = 0;
	row("request_async.callback NULL", "%s",
	    outcome(rte_mp_request_async(&good, &timeout, NULL)));
}

/* ---- actions ---- */

static void register_row(const char *what, const char *name, rte_mp_t action)
{
	rte_errno = 0;
	row(text("register.%s", what), "%s", outcome(rte_mp_action_register(name, action)));
}

static void register_rows(void)
{
	char name[] = "123456789-123456789-123456789-123456789-123456789-123456789-1234";

	register_row("name NULL", NULL, on_silent);
	register_row("no name", "", on_silent);
	register_row("name of 64", name, on_silent);
	name[63] = '\0';
	register_row("name of 63", name, on_silent);
	register_row("the same again", name, on_silent);
	register_row("the same again, handler NULL", name, NULL);
	register_row("handler NULL", "no handler", NULL);
	register_row("the same again with a handler", "no handler", on_silent);

	rte_mp_action_unregister(NULL);
	rte_mp_action_unregister("");
	rte_mp_action_unregister("123456789-123456789-123456789-123456789-123456789-123456789-1234");
	rte_mp_action_unregister("unknown");
	row("unregister.what is not there", "is silent");
	rte_mp_action_unregister(name);
	register_row("once it was unregistered", name, on_silent);
}

void check_arguments(void)
{
	expect_eal("primary");
	message_rows();
	reply_rows();
	callback_row();
	register_rows();
	rte_eal_cleanup();
}

/* ---- before there is anything to talk by ---- */

void call_before_start(void)
{
	struct raw_peer peer;

	for (size_t function = 0; function < RTE_DIM(functions); function++) {
		struct rte_mp_msg good = message("name", "");

		rte_errno = 0;
		row(functions[function].name, "%s", functions[function].call(&good));
	}
	register_row("a good name", "early", on_silent);
	register_row("the same again", "early", on_silent);
	register_row("a name to be forgotten", "forgotten", on_silent);
	rte_mp_action_unregister("forgotten");
	row("primary_proc_alive", "%d", rte_eal_primary_proc_alive(NULL));

	expect_eal("primary");
	register_row("the same afterwards", "early", on_silent);
	register_row("the forgotten one afterwards", "forgotten", on_silent);
	open_raw_peer(&peer, RAW_SILENT);
	teach_raw_peer(&peer);
	send_raw(&peer, RAW_MSG, "early", "told");
	row("register.is called afterwards", "%s", yes(reaches(&silent_calls, 1)));
	close_raw_peers(&peer, 1);
	rte_eal_cleanup();
}

/* ---- without shared files there is no IPC, but the checks are the same ---- */

static void run_without_ipc(char *flag)
{
	struct rte_mp_msg bad = make_message(0);

	if (init_eal("primary", flag, NULL) < 0) {
		row("eal", "does not start: %s", rte_strerror(rte_errno));
		return;
	}
	register_row("a good name", "name", on_silent);
	register_row("name NULL", NULL, on_silent);
	rte_mp_action_unregister("name");
	for (size_t function = 0; function < RTE_DIM(functions); function++) {
		struct rte_mp_msg good = message("name", "");

		rte_errno = 0;
		row(functions[function].name, "%s", functions[function].call(&good));
		rte_errno = 0;
		row(text("%s.no name", functions[function].name), "%s",
		    functions[function].call(&bad));
	}
	row("disable", "%s", yes(rte_mp_disable()));
	row("role", "%d", (int)rte_eal_process_type());
	row("primary_proc_alive", "%d", rte_eal_primary_proc_alive(NULL));
	rte_eal_cleanup();
}

void check_no_shconf(void)
{
	run_without_ipc("--no-shconf");
}

void check_in_memory(void)
{
	run_without_ipc("--in-memory");
}
