/*
 * A DPDK process that a test drives: one command a line on stdin, one answer a line on stdout.
 *
 *   dpdk_peer EAL-ARGUMENTS...
 *
 * The first line is `ready role=primary|secondary`, or `failed errno=N` when EAL does not start.
 * Words are separated by single spaces; within a word every byte outside `!`..`~`, and `%` itself,
 * is written as `%XX`. The answer to a command is `ok key=value...` or `error errno=N`. What
 * happens by itself comes in between: `received` and `async` lines. End of input means `quit`.
 *
 *   register NAME echo              answers "Got '<param>'", at once
 *   register NAME slow MS           answers the same, MS milliseconds later
 *   register NAME silent            never answers
 *   register NAME count             neither answers nor prints, only counts
 *   register NAME fds CONTENT...    answers with one descriptor for each CONTENT
 *   register NAME twice CONTENT...  answers the same, and then once more
 *   unregister NAME
 *   counted NAME                            -> ok count=N
 *   send NAME PARAM [CONTENT...]            -> ok
 *   request NAME MS PARAM [CONTENT...]      -> ok sent=N received=N {param=P {fd=C}}
 *   request_async NAME MS PARAM [CONTENT...]
 *                     -> ok, and later `async NAME sent=N received=N {param=P {fd=C}}`
 *   reserve BYTES                           -> ok us=N       allocates, so that memory must grow
 *   release                                 -> ok us=N       gives all of it back
 *   attach DEVICE | detach DEVICE           -> ok us=N       hot-plugs a vdev
 *   disable                                 -> ok disabled=0|1
 *   quit
 *
 * Each CONTENT goes out as the descriptor of a file in memory that holds it. A message that comes
 * in is printed as `received NAME peer=PATH param=P {fd=C}`, C being what was read through the
 * descriptor.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#define MAX_WORDS 272
#define MAX_ACTIONS 64
#define MAX_RESERVATIONS 64
#define MAX_CONTENT 256

enum mode { MODE_ECHO, MODE_SLOW, MODE_SILENT, MODE_COUNT, MODE_FDS, MODE_TWICE };

struct action {
	char name[RTE_MP_MAX_NAME_LEN];
	enum mode mode;
	unsigned int delay_ms;
	int content_count;
	char contents[RTE_MP_MAX_FD_NUM][MAX_CONTENT];
	uint64_t count;
};

/* An answer that waits for its time. */
struct late_reply {
	struct rte_mp_msg reply;
	char peer[];
};

static struct action actions[MAX_ACTIONS];
static int action_count;
static pthread_mutex_t actions_lock = PTHREAD_MUTEX_INITIALIZER;

static void *reservations[MAX_RESERVATIONS];
static int reservation_count;

/* ---- lines ---- */

static void print_word(const char *key, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	printf(" %s", key);
	for (size_t i = 0; i < len; i++) {
		if (byte[i] > ' ' && byte[i] <= '~' && byte[i] != '%')
			putchar(byte[i]);
		else
			printf("%%%02X", byte[i]);
	}
}

static void begin_line(const char *first_word)
{
	flockfile(stdout);
	fputs(first_word, stdout);
}

static void end_line(void)
{
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
}

static void answer_ok(void)
{
	begin_line("ok");
	end_line();
}

static void answer_error(int error)
{
	begin_line("error");
	printf(" errno=%d", error);
	end_line();
}

static void answer(bool succeeded)
{
	if (succeeded)
		answer_ok();
	else
		answer_error(rte_errno);
}

/* Undoes the %XX of one word in place and returns its length. */
static size_t decode_word(char *word)
{
	char *to = word;

	for (const char *from = word; *from != '\0'; to++) {
		unsigned int byte;

		if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
			*to = (char)byte;
			from += 3;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return (size_t)(to - word);
}

static int split_words(char *line, char **words)
{
	int count = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *word = line; word != NULL && count < MAX_WORDS;) {
		char *space = strchr(word, ' ');

		if (space != NULL)
			*space++ = '\0';
		words[count++] = word;
		word = space;
	}
	return count;
}

/* ---- messages ---- */

static int memory_file(const char *content, size_t len)
{
	int fd = memfd_create("dpdk_peer", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, content, len) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	return fd;
}

static void close_fds(const struct rte_mp_msg *msg)
{
	for (int i = 0; i < msg->num_fds; i++)
		close(msg->fds[i]);
}

/* Prints what a message carries, and closes its descriptors. */
static void print_and_close(const struct rte_mp_msg *msg)
{
	char content[MAX_CONTENT];

	print_word("param=", msg->param, (size_t)msg->len_param);
	for (int i = 0; i < msg->num_fds; i++) {
		ssize_t len = pread(msg->fds[i], content, sizeof(content), 0);

		print_word("fd=", content, len < 0 ? 0 : (size_t)len);
	}
	close_fds(msg);
}

static void set_name(struct rte_mp_msg *msg, const char *name)
{
	memset(msg, 0, sizeof(*msg));
	snprintf(msg->name, sizeof(msg->name), "%s", name);
}

/* Builds the message that the words NAME, PARAM, CONTENT... describe. */
static int build(struct rte_mp_msg *msg, char *name, char **words, int count)
{
	size_t len;

	set_name(msg, name);
	len = count > 0 ? decode_word(words[0]) : 0;
	if (len > RTE_MP_MAX_PARAM_LEN || count - 1 > RTE_MP_MAX_FD_NUM)
		return E2BIG;
	if (count > 0)
		memcpy(msg->param, words[0], len);
	msg->len_param = (int)len;
	for (int i = 1; i < count; i++) {
		len = decode_word(words[i]);
		msg->fds[msg->num_fds] = memory_file(words[i], len);
		if (msg->fds[msg->num_fds] < 0)
			return errno;
		msg->num_fds++;
	}
	return 0;
}

static void echo(struct rte_mp_msg *reply, const struct rte_mp_msg *msg)
{
	static const char before[] = "Got '", after[] = "'";
	size_t room = sizeof(reply->param) - strlen(before) - strlen(after);
	size_t len = (size_t)msg->len_param < room ? (size_t)msg->len_param : room;
	uint8_t *to = reply->param;

	memcpy(to, before, strlen(before));
	to += strlen(before);
	memcpy(to, msg->param, len);
	to += len;
	memcpy(to, after, strlen(after));
	reply->len_param = (int)(strlen(before) + len + strlen(after));
}

static void send_late_reply(void *arg)
{
	struct late_reply *late = arg;

	rte_mp_reply(&late->reply, late->peer);
	free(late);
}

static int reply_later(const struct rte_mp_msg *reply, const char *peer, unsigned int delay_ms)
{
	size_t len = strlen(peer) + 1;
	struct late_reply *late = malloc(sizeof(*late) + len);

	if (late == NULL)
		return -1;
	late->reply = *reply;
	memcpy(late->peer, peer, len);
	return rte_eal_alarm_set((uint64_t)delay_ms * 1000, send_late_reply, late);
}

/* The one callback of all actions: their mode says what to do. */
static int on_message(const struct rte_mp_msg *msg, const void *peer)
{
	struct action *action = NULL;
	struct rte_mp_msg reply;
	enum mode mode;
	unsigned int delay_ms;
	int result = 0;

	set_name(&reply, msg->name);
	pthread_mutex_lock(&actions_lock);
	for (int i = 0; i < action_count && action == NULL; i++) {
		if (strcmp(actions[i].name, msg->name) == 0)
			action = &actions[i];
	}
	if (action == NULL) {
		pthread_mutex_unlock(&actions_lock);
		close_fds(msg);
		return 0;
	}
	action->count++;
	mode = action->mode;
	delay_ms = action->delay_ms;
	for (int i = 0; i < action->content_count; i++) {
		int fd = memory_file(action->contents[i], strlen(action->contents[i]));

		if (fd >= 0)
			reply.fds[reply.num_fds++] = fd;
	}
	pthread_mutex_unlock(&actions_lock);

	if (mode == MODE_COUNT) {
		close_fds(msg);
		return 0;
	}
	begin_line("received");
	print_word("", msg->name, strlen(msg->name));
	print_word("peer=", peer, strlen(peer));
	print_and_close(msg);
	end_line();

	if (mode == MODE_SILENT)
		return 0;
	echo(&reply, msg);
	if (mode == MODE_SLOW)
		result = reply_later(&reply, peer, delay_ms);
	else
		result = rte_mp_reply(&reply, peer);
	/* This one may well find nobody any more. */
	if (mode == MODE_TWICE)
		rte_mp_reply(&reply, peer);
	close_fds(&reply);
	return result;
}

static void print_replies(const struct rte_mp_reply *reply)
{
	printf(" sent=%d received=%d", reply->nb_sent, reply->nb_received);
	for (int i = 0; i < reply->nb_received; i++)
		print_and_close(&reply->msgs[i]);
}

static int on_async_replies(const struct rte_mp_msg *request, const struct rte_mp_reply *reply)
{
	begin_line("async");
	print_word("", request->name, strlen(request->name));
	print_replies(reply);
	end_line();
	return 0;
}

/* ---- commands ---- */

static bool set_contents(struct action *action, char **words, int count)
{
	if (count > RTE_MP_MAX_FD_NUM)
		return false;
	for (int i = 0; i < count; i++) {
		decode_word(words[i]);
		snprintf(action->contents[action->content_count++], MAX_CONTENT, "%s", words[i]);
	}
	return true;
}

static bool set_mode(struct action *action, char **words, int count)
{
	const char *mode = words[0];

	if (strcmp(mode, "echo") == 0) {
		action->mode = MODE_ECHO;
	} else if (strcmp(mode, "silent") == 0) {
		action->mode = MODE_SILENT;
	} else if (strcmp(mode, "count") == 0) {
		action->mode = MODE_COUNT;
	} else if (strcmp(mode, "slow") == 0 && count == 2) {
		action->mode = MODE_SLOW;
		action->delay_ms = (unsigned int)strtoul(words[1], NULL, 10);
	} else if (strcmp(mode, "fds") == 0 && set_contents(action, words + 1, count - 1)) {
		action->mode = MODE_FDS;
	} else if (strcmp(mode, "twice") == 0 && set_contents(action, words + 1, count - 1)) {
		action->mode = MODE_TWICE;
	} else {
		return false;
	}
	return true;
}

/* Forgets an action that DPDK does not call (any more). */
static void forget(const char *name)
{
	pthread_mutex_lock(&actions_lock);
	for (int i = 0; i < action_count; i++) {
		if (strcmp(actions[i].name, name) == 0)
			actions[i--] = actions[--action_count];
	}
	pthread_mutex_unlock(&actions_lock);
}

static void do_register(char **words, int count)
{
	bool known = false;

	pthread_mutex_lock(&actions_lock);
	if (action_count < MAX_ACTIONS) {
		struct action *action = &actions[action_count];

		memset(action, 0, sizeof(*action));
		snprintf(action->name, sizeof(action->name), "%s", words[0]);
		known = set_mode(action, words + 1, count - 1);
		action_count += known;
	}
	pthread_mutex_unlock(&actions_lock);
	if (!known) {
		answer_error(EINVAL);
	} else if (rte_mp_action_register(words[0], on_message) != 0) {
		answer_error(rte_errno);
		forget(words[0]);
	} else {
		answer_ok();
	}
}

static void do_unregister(const char *name)
{
	rte_mp_action_unregister(name);
	forget(name);
	answer_ok();
}

static void do_counted(const char *name)
{
	uint64_t count = 0;

	pthread_mutex_lock(&actions_lock);
	for (int i = 0; i < action_count; i++) {
		if (strcmp(actions[i].name, name) == 0)
			count = actions[i].count;
	}
	pthread_mutex_unlock(&actions_lock);
	begin_line("ok");
	printf(" count=%llu", (unsigned long long)count);
	end_line();
}

static void do_send(char **words, int count)
{
	struct rte_mp_msg msg;
	int error = build(&msg, words[0], words + 1, count - 1);

	if (error != 0)
		answer_error(error);
	else
		answer(rte_mp_sendmsg(&msg) == 0);
	close_fds(&msg);
}

static struct timespec milliseconds(const char *word)
{
	unsigned long ms = strtoul(word, NULL, 10);

	return (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
}

static void do_request(char **words, int count, bool async)
{
	struct timespec timeout = milliseconds(words[1]);
	struct rte_mp_reply reply;
	struct rte_mp_msg msg;
	int error = build(&msg, words[0], words + 2, count - 2);

	if (error != 0) {
		answer_error(error);
	} else if (async) {
		answer(rte_mp_request_async(&msg, &timeout, on_async_replies) == 0);
	} else if (rte_mp_request_sync(&msg, &reply, &timeout) == 0) {
		begin_line("ok");
		print_replies(&reply);
		end_line();
		free(reply.msgs);
	} else {
		answer_error(rte_errno);
	}
	close_fds(&msg);
}

/* Answers with how long the work took since `start`, or with the error. */
static void answer_timed(const struct timespec *start, int error)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	if (error != 0) {
		answer_error(error);
		return;
	}
	begin_line("ok");
	printf(" us=%lld", (long long)(end.tv_sec - start->tv_sec) * 1000000 +
	       (end.tv_nsec - start->tv_nsec) / 1000);
	end_line();
}

static void do_reserve(const char *bytes)
{
	struct timespec start;
	void *memory = NULL;

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (reservation_count < MAX_RESERVATIONS)
		memory = rte_malloc("dpdk_peer", strtoul(bytes, NULL, 10), 0);
	if (memory != NULL)
		reservations[reservation_count++] = memory;
	answer_timed(&start, memory == NULL ? ENOMEM : 0);
}

static void do_release(void)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (reservation_count > 0)
		rte_free(reservations[--reservation_count]);
	answer_timed(&start, 0);
}

static void do_hotplug(const char *device, bool attach)
{
	struct timespec start;
	int result;

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (attach)
		result = rte_eal_hotplug_add("vdev", device, "");
	else
		result = rte_eal_hotplug_remove("vdev", device);
	answer_timed(&start, -result);
}

static void do_disable(void)
{
	begin_line("ok");
	printf(" disabled=%d", rte_mp_disable());
	end_line();
}

static void obey(char **words, int count)
{
	const char *command = words[0];
	char **rest = words + 1;

	count--;
	if (strcmp(command, "register") == 0 && count >= 2)
		do_register(rest, count);
	else if (strcmp(command, "unregister") == 0 && count == 1)
		do_unregister(rest[0]);
	else if (strcmp(command, "counted") == 0 && count == 1)
		do_counted(rest[0]);
	else if (strcmp(command, "send") == 0 && count >= 2)
		do_send(rest, count);
	else if (strcmp(command, "request") == 0 && count >= 3)
		do_request(rest, count, false);
	else if (strcmp(command, "request_async") == 0 && count >= 3)
		do_request(rest, count, true);
	else if (strcmp(command, "reserve") == 0 && count == 1)
		do_reserve(rest[0]);
	else if (strcmp(command, "release") == 0 && count == 0)
		do_release();
	else if (strcmp(command, "attach") == 0 && count == 1)
		do_hotplug(rest[0], true);
	else if (strcmp(command, "detach") == 0 && count == 1)
		do_hotplug(rest[0], false);
	else if (strcmp(command, "disable") == 0 && count == 0)
		do_disable();
	else
		answer_error(EINVAL);
}

int main(int argc, char **argv)
{
	char *words[MAX_WORDS];
	char *line = NULL;
	size_t size = 0;

	if (rte_eal_init(argc, argv) < 0) {
		begin_line("failed");
		printf(" errno=%d", rte_errno);
		end_line();
		return EXIT_FAILURE;
	}
	begin_line("ready");
	printf(" role=%s", rte_eal_process_type() == RTE_PROC_PRIMARY ? "primary" : "secondary");
	end_line();

	while (getline(&line, &size, stdin) > 0 && strcmp(line, "quit\n") != 0)
		obey(words, split_words(line, words));
	free(line);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
