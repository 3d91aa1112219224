/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Joining a group of processes, and its IPC: messages of up to 256 bytes and some descriptors.
 *
 * A group is what goes by one --file-prefix: one primary and any number of secondaries. A
 * secondary's messages go to the primary, the primary's to every secondary. Requests are messages
 * that are answered.
 *
 * Functions that return int give 0 and more for success and -1 for failure, and then rte_errno says
 * why, unless it says otherwise. All but rte_eal_init() and rte_eal_cleanup() may be called by any
 * thread.
 */
#ifndef RTE_MP_RTE_EAL_H
#define RTE_MP_RTE_EAL_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <rte_compat.h>
#include <rte_config.h>
#include <rte_per_lcore.h>

/* The functions that take messages have a symbol for each layout of them. */
#if RTE_MP_ABI == 22
#define RTEMP_ABI_SYMBOL(name) __asm__(#name "_abi22")
#else
#define RTEMP_ABI_SYMBOL(name)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * All object files of a program must be compiled with the same RTE_MP_ABI, else one would read the
 * other's messages wrongly. So that the linker sees to it, each defines one symbol, in a section
 * group that is named after its RTE_MP_ABI. Of equal groups the linker keeps one; of different ones
 * it keeps each, and then refuses the program for two definitions of
 * rte_mp_abi_differs_between_object_files. The symbol is hidden: each shared object may have a
 * choice of its own.
 *
 * That stands in a function, which is never called, for the sake of -flto: so there too it is given
 * out once for each RTE_MP_ABI. When both come to be in one piece for the assembler, that refuses
 * them.
 *
 * The library has both layouts, and no such symbol.
 */
#ifndef RTEMP_LIBRARY
#define RTEMP_ABI_TEXT_OF(abi) #abi
#define RTEMP_ABI_TEXT(abi) RTEMP_ABI_TEXT_OF(abi)
#define RTEMP_ABI_FUNCTION_OF(abi) rtemp_abi_##abi
#define RTEMP_ABI_FUNCTION(abi) RTEMP_ABI_FUNCTION_OF(abi)

void RTEMP_ABI_FUNCTION(RTE_MP_ABI)(void);

__attribute__((__weak__, __used__, __noinline__, __visibility__("hidden")))
void RTEMP_ABI_FUNCTION(RTE_MP_ABI)(void)
{
	__asm__ volatile(
		".ifdef .Lrtemp_abi\n"
		".if .Lrtemp_abi - " RTEMP_ABI_TEXT(RTE_MP_ABI) "\n"
		".error \"rte_mp_abi_differs_between_object_files\"\n"
		".endif\n"
		".else\n"
		".Lrtemp_abi = " RTEMP_ABI_TEXT(RTE_MP_ABI) "\n"
		".pushsection .rte_mp_abi, \"G\", %progbits, "
		"rtemp_abi_" RTEMP_ABI_TEXT(RTE_MP_ABI) ", comdat\n"
		".globl rte_mp_abi_differs_between_object_files\n"
		".hidden rte_mp_abi_differs_between_object_files\n"
		"rte_mp_abi_differs_between_object_files:\n"
		".byte " RTEMP_ABI_TEXT(RTE_MP_ABI) "\n"
		".popsection\n"
		".endif\n");
}

#undef RTEMP_ABI_FUNCTION
#undef RTEMP_ABI_FUNCTION_OF
#undef RTEMP_ABI_TEXT
#undef RTEMP_ABI_TEXT_OF
#endif

/*
 * The process and its group.
 */

/* The first word of a group's config file, once its primary is ready. */
#define RTE_MAGIC 19820526

/* Bytes of a thread's name, the NUL included. */
#define RTE_MAX_THREAD_NAME_LEN 16

/* What a process is to its group. */
enum rte_proc_type_t {
	RTE_PROC_AUTO = -1,  /* not known yet */
	RTE_PROC_PRIMARY = 0,
	RTE_PROC_SECONDARY,
	RTE_PROC_INVALID
};

/*
 * Joins a group as the command line says, and starts the process's lcores. DPDK's options are taken
 * up to the first "--"; those that mean nothing here are taken and not looked at. The caller
 * becomes the main lcore.
 *
 * A secondary whose primary is just starting is waited for. Returns how many words of `argv` were
 * taken, so that the program's own begin at argv[that]: `argv` is put in that order, and argv[that]
 * becomes the program's name. Returns -1 when it cannot join: rte_errno says why, and a line of the
 * log in full. EALREADY is for a second call; a failed one may be repeated with other arguments.
 * Callbacks that were registered before are called from the first moment on, and wait until this is
 * done.
 *
 * Differs from DPDK: needs neither hugepages nor root. A second primary of one prefix is refused
 * before it has touched anything, and no DPDK process can be a secondary of a primary that is an
 * rte-mp one.
 */
int rte_eal_init(int argc, char **argv);

/*
 * Leaves the group: callbacks and alarms have ended when it returns, unless it is called by one,
 * workers that waited are gone, and files that this process made are removed. A worker that runs a
 * function goes on with it, and ends when that returns. Returns 0, also before rte_eal_init(); -1
 * and EALREADY the second time.
 *
 * It waits for ever for a callback that never returns, as for one that waits for the caller.
 *
 * Differs from DPDK: callbacks are waited for, and not cancelled. A process that ends by exit(),
 * and has not called this, takes its files with it too; no callback begins from then on.
 */
int rte_eal_cleanup(void);

/* What this process is to its group, or was; RTE_PROC_PRIMARY before rte_eal_init(). */
enum rte_proc_type_t rte_eal_process_type(void);

/*
 * Whether a primary runs: 1 or 0. `config_file_path` is the config file of any group; or NULL for
 * that of the group joined, which a secondary asks: a primary is told 0 of itself, and so is
 * everybody before rte_eal_init().
 *
 * Differs from DPDK: a primary that asks keeps the lock by which it is known; there it lets go of
 * it.
 */
int rte_eal_primary_proc_alive(const char *config_file_path);

/*
 * Whether hugepages may be used: 1, or 0 with --no-huge; also after rte_eal_cleanup().
 *
 * Differs from DPDK: nothing needs them.
 */
int rte_eal_has_hugepages(void);

/*
 * The directory of the group's files; empty where there are none, and before rte_eal_init(). The
 * text belongs to the library, and holds as long as the process.
 */
const char *rte_eal_get_runtime_dir(void);

/* Called with the program's name when usage is asked for (--help), after the library's own. */
typedef void (*rte_usage_hook_t)(const char *prgname);

/* Sets that function, NULL for none, before rte_eal_init(). Returns the one before. */
rte_usage_hook_t rte_set_application_usage_hook(rte_usage_hook_t usage_func);

/* The kernel's number of the calling thread: asked of it; and remembered. */
int rte_sys_gettid(void);

RTE_DECLARE_PER_LCORE(int, _thread_id);

static inline int rte_gettid(void)
{
	int *thread = &RTE_PER_LCORE(_thread_id);

	if (*thread == -1)
		*thread = rte_sys_gettid();
	return *thread;
}

/*
 * Messages.
 */

#if RTE_MP_ABI == 22
#define RTE_MP_MAX_FD_NUM 8 /* descriptors of a message, at most */
#else
#define RTE_MP_MAX_FD_NUM 253
#endif
#define RTE_MP_MAX_NAME_LEN 64   /* bytes of an action's name, the NUL included */
#define RTE_MP_MAX_PARAM_LEN 256 /* bytes of a message's param */

struct rte_mp_msg {
	char name[RTE_MP_MAX_NAME_LEN]; /* the action that it is for */
	int len_param;                  /* how many bytes of `param` count */
	int num_fds;                    /* how many descriptors of `fds` count */
#if RTE_MP_ABI == 22
	uint8_t param[RTE_MP_MAX_PARAM_LEN];
#else
	alignas(8) uint8_t param[RTE_MP_MAX_PARAM_LEN];
#endif
	int fds[RTE_MP_MAX_FD_NUM];
};

/* What became of a request. */
struct rte_mp_reply {
	int nb_sent;             /* peers that should have answered: those left out do not count */
	int nb_received;         /* peers that answered, and so the length of `msgs` */
	struct rte_mp_msg *msgs; /* their answers, in any order; NULL when there are none */
};

/*
 * Called with each message and request for an action that was registered. `msg` and `peer` are
 * valid until it returns; the descriptors in `msg` are its own from then on, to use and to close.
 * `peer` says where it came from, for rte_mp_reply().
 *
 * A negative result says that it could not be handled.
 *
 * All callbacks of the process run one after the other in one thread of the library's, so one that
 * waits makes the others wait.
 *
 * Differs from DPDK: a request that is refused, by a negative result and no reply, is answered at
 * once by "leave me out", and so is one for which there is no action. One that returns 0 may reply
 * later, from any thread; when very many wait for that, the oldest is answered so too. A sync
 * request in a callback works; there, it times out. Descriptors are close-on-exec. What comes with
 * more of them than RTE_MP_MAX_FD_NUM is treated as if there were no such action, or no reply; they
 * are closed. A callback must return: pthread_exit() in it, or a C++ exception out of it, ends the
 * process.
 */
typedef int (*rte_mp_t)(const struct rte_mp_msg *msg, const void *peer);

/*
 * Called with what became of an async request. Both arguments, and what they point to, are valid
 * until it returns; the descriptors of the replies are its own from then on. The result is not
 * looked at.
 */
typedef int (*rte_mp_async_reply_t)(const struct rte_mp_msg *request,
				    const struct rte_mp_reply *reply);

/*
 * Has `action` called with each message that is named `name` from now on. Does not block. It may be
 * called before rte_eal_init(), and then begins with it. NULL for `action` takes the name, for
 * which there is then no action.
 *
 * Fails with EINVAL when the name is NULL or empty, E2BIG when it is longer than 63 bytes, EEXIST
 * when it is registered, ENOTSUP without IPC (--no-shconf, --in-memory) and after
 * rte_eal_cleanup().
 *
 * Differs from DPDK: names that begin with "rte-mp/" are the library's own, and EINVAL; ENOMEM is
 * for more than 4096 actions.
 */
int rte_mp_action_register(const char *name, rte_mp_t action)
	RTEMP_ABI_SYMBOL(rte_mp_action_register);

/* Ends that. A call that is being made just now is not waited for. Does nothing for other names. */
void rte_mp_action_unregister(const char *name);

/*
 * Sends a message: a secondary to the primary, the primary to every secondary, which may be none.
 * The caller keeps `msg` and its descriptors.
 *
 * What it fails with, looked for in this order: EINVAL for NULL or an empty name, E2BIG for a name
 * without a NUL, EINVAL for a negative length, E2BIG for one that is too large, also for more
 * descriptors than the group's primary takes, ENOTSUP without IPC; ENOENT or ECONNREFUSED in a
 * secondary whose primary has gone. The primary goes on after a peer that cannot be reached, and
 * gives the last such error, which is the kernel's; peers that have gone are no error.
 *
 * Differs from DPDK: a peer whose queue is full is waited for 5 seconds at most, then it is
 * ETIMEDOUT, and holds up nobody else. A descriptor that is not open is EBADF, and EMFILE that
 * there is no room for duplicates. EPROTO: a primary of another kind has taken the place of the one
 * that was joined. Before rte_eal_init() and after rte_eal_cleanup() it is ENOTSUP, and ESHUTDOWN
 * while that waits.
 */
int rte_mp_sendmsg(struct rte_mp_msg *msg) RTEMP_ABI_SYMBOL(rte_mp_sendmsg);

/*
 * Asks the peers, as rte_mp_sendmsg() sends, and waits for their answers, `ts` at most in all, the
 * sends included; 0 asks and does not wait. `reply` is filled in, and `reply->msgs` is to be given
 * to free() by the caller, who also gets the descriptors of the answers. The caller keeps `req` and
 * its descriptors.
 *
 * Returns 0 also when there is nobody to ask. Fails as rte_mp_sendmsg() does when nobody could be
 * asked, with EINVAL when `reply` is NULL, and with ETIMEDOUT when peers were asked and none
 * answered; then `reply->msgs` is NULL.
 *
 * Differs from DPDK: all peers are asked at once; when only some answer in time, or could be asked
 * at all, it is 0, and nb_received is below nb_sent. A negative `ts` is EINVAL. A peer that dies is
 * not waited for. NULL for `ts` is 5 seconds. Any number of requests of one name may be under way,
 * and late answers are thrown away, with their descriptors closed.
 */
int rte_mp_request_sync(struct rte_mp_msg *req, struct rte_mp_reply *reply,
			const struct timespec *ts) RTEMP_ABI_SYMBOL(rte_mp_request_sync);

/*
 * Asks in the same way and does not wait: `clb` is called once, when all have answered or after
 * `ts`. The request is copied, and its descriptors are the caller's again when it returns.
 *
 * Fails as rte_mp_sendmsg() does in a secondary, and for what is wrong with the request; then `clb`
 * is not called.
 *
 * Differs from DPDK: it is called exactly once, also when there is nobody to ask, with 0 and 0, or
 * nobody could be asked, and always in the thread of the other callbacks. A `ts` of 0 asks, and
 * calls back at once. NULL for `clb` is EINVAL, for `ts` 5 seconds.
 */
int rte_mp_request_async(struct rte_mp_msg *req, const struct timespec *ts,
			 rte_mp_async_reply_t clb) RTEMP_ABI_SYMBOL(rte_mp_request_async);

/*
 * Answers a request. `peer` is what the action was called with, or a copy of its text; `msg` has
 * the request's name.
 *
 * Fails as rte_mp_sendmsg() does, and with EINVAL when `peer` is NULL or none of this group's, and
 * ENAMETOOLONG when no socket can have it. Without IPC it does nothing, and is 0. In a primary it
 * is 0 also when the peer has been killed.
 */
#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* it has the name of a struct, as in DPDK */
#endif
int rte_mp_reply(struct rte_mp_msg *msg, const char *peer) RTEMP_ABI_SYMBOL(rte_mp_reply);
#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

/*
 * Forbids secondaries for good, before any has attached. Messages go on. Returns whether they are
 * forbidden now; false when one has attached, and in a secondary.
 *
 * Differs from DPDK: false also before rte_eal_init().
 */
bool rte_mp_disable(void);

#undef RTEMP_ABI_SYMBOL

#ifdef __cplusplus
}
#endif

#endif
