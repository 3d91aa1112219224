/*
 * Members without a library: sockets that broadcasts find, and that answer as they are told.
 *
 * A datagram is an int for its type, the name in 64 bytes, the lengths of the param and of the
 * descriptors as ints, and the param in 256 bytes. It has 332 bytes, or since 25.11 340: 4 unused
 * ones behind the type, and 4 at the end. A peer learns from the first that comes which it is.
 */
#include "conformance.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DATAGRAM_LEN_25_11 340

struct datagram {
	int type;
	char name[64];
	int len_param;
	int num_fds;
	char param[256];
};

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int bound_socket(const char *path, int type)
{
	struct sockaddr_un own = address(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0)
		abort();
	return fd;
}

/* A path that broadcasts find. */
static const char *new_path(void)
{
	static int count;

	return text("%s/mp_socket_%d_%x", runtime_dir, getpid(), ++count);
}

/* ---- datagrams ---- */

static size_t name_offset(size_t datagram_len)
{
	return datagram_len == DATAGRAM_LEN_25_11 ? 8 : 4;
}

static bool receive(struct raw_peer *peer, struct datagram *got, struct sockaddr_un *sender)
{
	char bytes[512], control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr header = {
		.msg_name = sender,
		.msg_namelen = sizeof(*sender),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(peer->fd, &header, MSG_CMSG_CLOEXEC);
	struct cmsghdr *first;

	if (len <= 0)
		return false;
	peer->datagram_len = (size_t)len;
	memcpy(&got->type, bytes, sizeof(got->type));
	memcpy(got->name, bytes + name_offset(peer->datagram_len), sizeof(*got) - sizeof(got->type));
	first = CMSG_FIRSTHDR(&header);
	if (first != NULL && first->cmsg_type == SCM_RIGHTS &&
	    first->cmsg_len >= CMSG_LEN(sizeof(int))) {
		int fd;

		memcpy(&fd, CMSG_DATA(first), sizeof(fd));
		len = pread(fd, peer->content, sizeof(peer->content) - 1, 0);
		peer->content[len < 0 ? 0 : len] = '\0';
		close(fd);
	}
	return true;
}

static void send_datagram(int from, size_t datagram_len, const struct sockaddr_un *to,
			  const struct datagram *datagram, int fd)
{
	char bytes[512] = "", control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec part = { .iov_base = bytes, .iov_len = datagram_len };
	struct msghdr header = {
		.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = sizeof(*to),
		.msg_iov = &part,
		.msg_iovlen = 1,
	};

	memcpy(bytes, &datagram->type, sizeof(datagram->type));
	memcpy(bytes + name_offset(datagram_len), datagram->name,
	       sizeof(*datagram) - sizeof(datagram->type));
	if (fd >= 0) {
		struct cmsghdr *first;

		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		first = CMSG_FIRSTHDR(&header);
		first->cmsg_level = SOL_SOCKET;
		first->cmsg_type = SCM_RIGHTS;
		first->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(first), &fd, sizeof(fd));
	}
	/* Whoever is to get it may be gone. */
	sendmsg(from, &header, 0);
}

static struct datagram make_datagram(int type, const char *name, const char *param)
{
	struct datagram datagram = { .type = type };

	snprintf(datagram.name, sizeof(datagram.name), "%s", name);
	datagram.len_param = snprintf(datagram.param, sizeof(datagram.param), "%s", param);
	return datagram;
}

void send_raw(struct raw_peer *peer, int type, const char *name, const char *param)
{
	struct sockaddr_un primary = address(text("%s/mp_socket", runtime_dir));
	struct datagram datagram = make_datagram(type, name, param);

	send_datagram(peer->fd, peer->datagram_len, &primary, &datagram, -1);
}

void send_raw_fd(struct raw_peer *peer, int type, const char *name, int fd)
{
	struct sockaddr_un primary = address(text("%s/mp_socket", runtime_dir));
	struct datagram datagram = make_datagram(type, name, "");

	datagram.num_fds = 1;
	send_datagram(peer->fd, peer->datagram_len, &primary, &datagram, fd);
}

bool ask_raw(struct raw_peer *peer, int type, const char *name, int64_t timeout_ms)
{
	int before = atomic_load(&peer->received);
	int64_t deadline = now_ms() + timeout_ms;

	send_raw(peer, type, name, "asked");
	/* What comes first may be the answer to another one. */
	while (atomic_load(&peer->received) == before || strcmp(peer->name, name) != 0) {
		if (now_ms() > deadline)
			return false;
		rest(1);
	}
	return true;
}

/* ---- peers ---- */

static void answer(struct raw_peer *peer, const struct datagram *got, const struct sockaddr_un *to)
{
	const char *param = text("Got '%.*s'", got->len_param, got->param);
	struct datagram reply = make_datagram(RAW_REP, got->name, param);
	int from = peer->fd, fd = -1;

	switch (peer->mode) {
	case RAW_SILENT:
		return;
	case RAW_REPLY:
	case RAW_REPLY_TWICE:
		break;
	case RAW_REPLY_LATE:
		rest(SHORT_MS * 2 / 3);
		break;
	case RAW_REPLY_OTHER:
		snprintf(reply.name, sizeof(reply.name), "other");
		break;
	case RAW_REPLY_FORGED:
		from = bound_socket(text("%s.forged", peer->path), SOCK_DGRAM);
		break;
	case RAW_REPLY_FDS:
		reply.num_fds = 1;
		fd = file_holding("a file");
		break;
	case RAW_IGNORE:
		reply = make_datagram(RAW_IGN, got->name, "");
		break;
	}
	send_datagram(from, peer->datagram_len, to, &reply, fd);
	if (peer->mode == RAW_REPLY_TWICE)
		send_datagram(from, peer->datagram_len, to, &reply, fd);
	if (fd >= 0)
		close(fd);
	if (from != peer->fd) {
		close(from);
		unlink(text("%s.forged", peer->path));
	}
}

static void *live(void *arg)
{
	struct raw_peer *peer = arg;
	struct datagram got;
	struct sockaddr_un sender;

	while (memset(&sender, 0, sizeof(sender)), receive(peer, &got, &sender)) {
		peer->type = got.type;
		snprintf(peer->name, sizeof(peer->name), "%.63s", got.name);
		snprintf(peer->param, sizeof(peer->param), "%.*s", got.len_param, got.param);
		if (got.type == RAW_REQ)
			answer(peer, &got, &sender);
		atomic_fetch_add(&peer->received, 1);
	}
	return NULL;
}

/* Where a socket stands in the directory's listing. */
static int place(const char *path)
{
	DIR *directory = opendir(runtime_dir);
	struct dirent *entry;
	int place = 0;

	if (directory == NULL)
		abort();
	while ((entry = readdir(directory)) != NULL &&
	       strcmp(entry->d_name, strrchr(path, '/') + 1) != 0)
		place++;
	closedir(directory);
	return place;
}

static int compare(const void *one, const void *other)
{
	const struct raw_peer *first = one, *second = other;

	return place(first->path) - place(second->path);
}

void open_raw_peers(struct raw_peer *peers, int count)
{
	for (int i = 0; i < count; i++) {
		memset(&peers[i], 0, sizeof(peers[i]));
		snprintf(peers[i].path, sizeof(peers[i].path), "%s", new_path());
		peers[i].fd = bound_socket(peers[i].path, SOCK_DGRAM);
	}
	qsort(peers, (size_t)count, sizeof(*peers), compare);
}

void start_raw_peer(struct raw_peer *peer, enum raw_mode mode)
{
	peer->mode = mode;
	if (pthread_create(&peer->thread, NULL, live, peer) != 0)
		abort();
}

void close_raw_peers(struct raw_peer *peers, int count)
{
	for (int i = 0; i < count; i++) {
		shutdown(peers[i].fd, SHUT_RDWR);
		pthread_join(peers[i].thread, NULL);
		close(peers[i].fd);
		unlink(peers[i].path);
	}
}

void open_raw_peer(struct raw_peer *peer, enum raw_mode mode)
{
	open_raw_peers(peer, 1);
	start_raw_peer(peer, mode);
}

void teach_raw_peer(struct raw_peer *peer)
{
	struct rte_mp_msg hello = message("hello", "");

	rte_mp_sendmsg(&hello);
	reaches(&peer->received, 1);
}

static bool is_heard(enum raw_mode mode)
{
	return mode != RAW_SILENT && mode != RAW_REPLY_OTHER && mode != RAW_REPLY_FORGED;
}

void raw_row(ask_row *ask, const char *name, const enum raw_mode *modes, size_t count)
{
	struct raw_peer peers[MAX_RAW_PEERS];
	int64_t timeout_ms = LONG_MS;

	open_raw_peers(peers, (int)count);
	for (size_t i = 0; i < count; i++) {
		start_raw_peer(&peers[i], modes[i]);
		if (!is_heard(modes[i]))
			timeout_ms = SHORT_MS;
	}
	ask(name, "hello", "a", timeout_ms);
	close_raw_peers(peers, (int)count);
}

/* ---- what is in the way ---- */

static int stream_socket = -1;

const char *make_obstacle(enum raw_obstacle what)
{
	const char *path = new_path();

	switch (what) {
	case DEAD_SOCKET:
		close(bound_socket(path, SOCK_DGRAM));
		break;
	case STREAM_SOCKET:
		stream_socket = bound_socket(path, SOCK_STREAM);
		break;
	case PLAIN_FILE:
		fclose(fopen(path, "w"));
		break;
	case DIRECTORY:
		mkdir(path, 0700);
		break;
	}
	return path;
}

void remove_obstacle(const char *path)
{
	if (stream_socket >= 0)
		close(stream_socket);
	stream_socket = -1;
	remove(path);
}

bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}
