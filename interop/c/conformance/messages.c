/* Messages out and in, and in words what came of them. */
#include "conformance.h"

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

struct called called;

struct rte_mp_msg message(const char *action, const char *param)
{
	struct rte_mp_msg msg;

	memset(&msg, 0, sizeof(msg));
	snprintf(msg.name, sizeof(msg.name), "%s", action);
	msg.len_param = snprintf((char *)msg.param, sizeof(msg.param), "%s", param);
	return msg;
}

int file_holding(const char *content)
{
	int fd = memfd_create("conformance", MFD_CLOEXEC);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		abort();
	return fd;
}

const char *take_contents(const struct rte_mp_msg *msg)
{
	const char *contents = "";

	for (int i = 0; i < msg->num_fds; i++) {
		char content[64] = "";
		ssize_t len = pread(msg->fds[i], content, sizeof(content) - 1, 0);

		contents = text("%s with %s", contents, len < 0 ? "nothing" : content);
		close(msg->fds[i]);
	}
	return contents;
}

int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	if (directory == NULL)
		abort();
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

static int compare(const void *one, const void *other)
{
	const struct rte_mp_msg *first = one, *second = other;

	return strncmp((const char *)first->param, (const char *)second->param,
		       sizeof(first->param));
}

/* Lists replies, in an order that does not depend on who was asked first. */
static const char *list_replies(const struct rte_mp_reply *reply)
{
	const char *list = reply->msgs == NULL ? ", msgs NULL" : ":";

	if (reply->msgs == NULL)
		return list;
	qsort(reply->msgs, (size_t)reply->nb_received, sizeof(*reply->msgs), compare);
	for (int i = 0; i < reply->nb_received; i++)
		list = text("%s '%.*s'%s", list, reply->msgs[i].len_param,
			    (const char *)reply->msgs[i].param, take_contents(&reply->msgs[i]));
	return list;
}

const char *replies_text(int ret, struct rte_mp_reply *reply)
{
	const char *list = list_replies(reply);

	free(reply->msgs);
	return text("%s, sent %d, received %d%s", outcome(ret), reply->nb_sent, reply->nb_received,
		    list);
}

const char *ask_sync(const char *action, const char *param, int64_t timeout_ms)
{
	struct rte_mp_msg request = message(action, param);
	struct timespec timeout = milliseconds(timeout_ms);
	struct rte_mp_reply reply;
	int ret;

	rte_errno = 0;
	ret = rte_mp_request_sync(&request, &reply, &timeout);
	return replies_text(ret, &reply);
}

void sync_row(const char *name, const char *action, const char *param, int64_t timeout_ms)
{
	row(name, "%s", ask_sync(action, param, timeout_ms));
}

int on_replies(const struct rte_mp_msg *request, const struct rte_mp_reply *reply)
{
	called.sent = reply->nb_sent;
	called.received = reply->nb_received;
	called.thread = pthread_self();
	called.at_ms = now_ms();
	snprintf(called.request, sizeof(called.request), "%s '%.*s'", request->name,
		 request->len_param, (const char *)request->param);
	snprintf(called.replies, sizeof(called.replies), "%s", list_replies(reply));
	atomic_fetch_add(&called.calls, 1);
	/* Nobody looks at this. */
	return -1;
}

const char *ask_async(const char *action, const char *param, int64_t timeout_ms)
{
	struct rte_mp_msg request = message(action, param);
	struct timespec timeout = milliseconds(timeout_ms);

	atomic_store(&called.calls, 0);
	rte_errno = 0;
	return outcome(rte_mp_request_async(&request, &timeout, on_replies));
}

const char *called_text(const char *returned)
{
	int calls = atomic_load(&called.calls);

	if (calls == 0)
		return text("%s, not called", returned);
	return text("%s, called %s, sent %d, received %d%s", returned,
		    calls == 1 ? "once" : text("%d times", calls), called.sent, called.received,
		    called.replies);
}

void async_row(const char *name, const char *action, const char *param, int64_t timeout_ms)
{
	const char *returned = ask_async(action, param, timeout_ms);
	int64_t deadline = now_ms() + RTE_MIN(timeout_ms, SHORT_MS) + SHORT_MS;

	while (atomic_load(&called.calls) == 0 && now_ms() < deadline)
		rest(1);
	/* It must not be called once more. */
	rest(SHORT_MS / 5);
	row(name, "%s", called_text(returned));
}
