/*
 * What all parts of the conformance program share; `main.c` says what it is.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>

/* A timeout that is waited for to the end, in milliseconds. */
#define SHORT_MS 150
/* One that nothing comes close to, unless it waits for the end. */
#define LONG_MS 2000

/* One during which whoever is asked is killed. */
#define KILL_MS 500

#define TEXT_SIZE 1024

/* ---- rows.c: what is printed ---- */

/* Prints `SECTION.name: ...`, or `SECTION: ...` where `name` is NULL. */
__attribute__((format(printf, 2, 3))) void row(const char *name, const char *format, ...);

/* Gives every row of this process its section, and keeps stdout for rows alone. */
void begin_rows(const char *section);

/* Prints into a buffer that lasts until the eighth call from here. */
__attribute__((format(printf, 1, 2))) const char *text(const char *format, ...);

/* An errno's name. */
const char *errno_name(int error);

/* What a function said that returns 0 or -1 and sets rte_errno, which was 0 before. */
const char *outcome(int ret);

/* What a function said that returns a count or a negative errno. */
const char *outcome_or_errno(int ret);

const char *yes(bool is_so);

/* Where rows go, for a process that this one starts. */
int row_fd(void);

/* ---- clock.c ---- */

int64_t now_ms(void);
struct timespec milliseconds(int64_t ms);
void rest(int64_t ms);

/* Waits until `count` has come to `least`, for at most LONG_MS, and tells whether it has. */
bool reaches(atomic_int *count, int least);

/* ---- process.c: EAL, and further processes of this program ---- */

/* Where the group's sockets are. */
extern const char *runtime_dir;
/* The EAL flags that every process has, and the group's prefix. */
extern char **eal_flags;
extern int eal_flag_count;
extern const char *prefix;
/* Which lcores there are, for --lcores; NULL means one. All run on one processor. */
extern const char *lcores;
/* The processor. */
int processor(void);

/* Starts EAL with the common flags, this --proc-type, and more flags up to a NULL. */
int init_eal(const char *proc_type, ...);

/* The same; without EAL there is no section. */
void expect_eal(const char *proc_type);

struct child {
	pid_t pid;
	int input;
	int output;
};

/* Starts a section of this program, and waits until it says that it is ready. */
struct child start_child(const char *section);
/* In that section: says so, and waits until it is to end. */
void be_ready(void);
void wait_for_end(void);
/* Ends it the proper way, or by SIGKILL; the latter also a little later, by another thread. */
void end_child(struct child *child);
void kill_child(struct child *child);
pthread_t kill_child_soon(struct child *child);
/* Runs a section to its end, and gives its wait status. */
int run_section(const char *section);
/* Runs a function in a process of its own, while this one has no EAL, and waits for its end. */
void run_apart(void (*run)(void *arg), void *arg);

/* ---- messages.c ---- */

/* Makes a message of an action and a text. */
struct rte_mp_msg message(const char *action, const char *param);

/* Opens a file in memory that holds `content`. */
int file_holding(const char *content);

/* What stands behind a message's descriptors, which are closed. */
const char *take_contents(const struct rte_mp_msg *msg);

int open_descriptors(void);

/* What a sync request brought: `0, sent 1, received 1: 'a'`. Frees the replies. */
const char *replies_text(int ret, struct rte_mp_reply *reply);

/* Asks, and prints what came of it. */
void sync_row(const char *name, const char *action, const char *param, int64_t timeout_ms);
const char *ask_sync(const char *action, const char *param, int64_t timeout_ms);

/* What callbacks of async requests were told; the last one is told of in full. */
struct called {
	atomic_int calls;
	int sent;
	int received;
	char replies[TEXT_SIZE];
	pthread_t thread;
	char request[TEXT_SIZE];
	int64_t at_ms;
};
extern struct called called;

int on_replies(const struct rte_mp_msg *request, const struct rte_mp_reply *reply);
const char *ask_async(const char *action, const char *param, int64_t timeout_ms);

/* Puts what it returned and what the callback was told on one line. */
const char *called_text(const char *returned);

/* Asks, waits until the callback was called (or was not, in time), and prints what came of it. */
void async_row(const char *name, const char *action, const char *param, int64_t timeout_ms);

/* ---- actions.c: what peers answer, and the handlers of sections ---- */

void register_actions(void);
int on_echo(const struct rte_mp_msg *msg, const void *peer);
int on_silent(const struct rte_mp_msg *msg, const void *peer);
/* How often on_silent was called, in which thread, and with what. */
extern atomic_int silent_calls;
extern pthread_t silent_thread;
extern char silent_param[TEXT_SIZE];

/* ---- raw_peer.c: members without a library ---- */

enum raw_mode {
	RAW_REPLY,        /* Got 'param' */
	RAW_REPLY_TWICE,
	RAW_REPLY_LATE,   /* after 2/3 of SHORT_MS */
	RAW_REPLY_OTHER,  /* under another action's name */
	RAW_REPLY_FORGED, /* from another socket */
	RAW_REPLY_FDS,    /* with a descriptor */
	RAW_IGNORE,
	RAW_SILENT,
};

enum raw_type { RAW_MSG, RAW_REQ, RAW_REP, RAW_IGN };

struct raw_peer {
	char path[108];
	int fd;
	enum raw_mode mode;
	pthread_t thread;
	atomic_int received;
	/* The last that came. */
	int type;
	char name[64];
	char param[257];
	char content[64];
	/* How long datagrams are here; 0 until one has come. */
	size_t datagram_len;
};

/* Binds `count` sockets that broadcasts find, ordered as they are listed. */
#define MAX_RAW_PEERS 4
void open_raw_peers(struct raw_peer *peers, int count);
/* Lets one receive and answer. */
void start_raw_peer(struct raw_peer *peer, enum raw_mode mode);
void close_raw_peers(struct raw_peer *peers, int count);

/* Opens and starts a single one. */
void open_raw_peer(struct raw_peer *peer, enum raw_mode mode);

/* Sends it something, so that it knows how long datagrams are. */
void teach_raw_peer(struct raw_peer *peer);

/* Runs `ask`, which prints a row, among peers of these modes, listed in this order. */
typedef void ask_row(const char *name, const char *action, const char *param, int64_t timeout_ms);
void raw_row(ask_row *ask, const char *name, const enum raw_mode *modes, size_t count);
#define RAW_ROW(ask, name, ...) \
	raw_row(ask, name, (const enum raw_mode[]){ __VA_ARGS__ }, \
		sizeof((enum raw_mode[]){ __VA_ARGS__ }) / sizeof(enum raw_mode))

/* Sends to the primary, from a peer that has received before and so knows how long datagrams are. */
void send_raw(struct raw_peer *peer, int type, const char *name, const char *param);
/* The same with a descriptor. */
void send_raw_fd(struct raw_peer *peer, int type, const char *name, int fd);
/* Sends, and tells whether an answer of that name came within `timeout_ms`. */
bool ask_raw(struct raw_peer *peer, int type, const char *name, int64_t timeout_ms);

/* What broadcasts find and cannot send to. There is one at a time. */
enum raw_obstacle { DEAD_SOCKET, STREAM_SOCKET, PLAIN_FILE, DIRECTORY };
const char *make_obstacle(enum raw_obstacle what);
void remove_obstacle(const char *path);
bool exists(const char *path);

#endif /* CONFORMANCE_H */
