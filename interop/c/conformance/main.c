/*
 * Every rule that a user of EAL, of its IPC and of its memory zones can see, one row each.
 *
 *   conformance PREFIX EAL-FLAGS...
 *
 * It prints one line a row: `section.row: result`, in the same order and with the same words at every
 * run. It is compiled against DPDK and against rte-mp, and a test compares what both print. Nothing
 * here depends on which library it is.
 *
 * Each section runs in a process of its own, since EAL starts once in a process, and some rows end
 * theirs: such a row says `crash SIGSEGV`. RUNTIME_DIRECTORY must be set; nobody else uses PREFIX.
 */
#include "conformance.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sections.h"

/* How long a section may take, in seconds. */
#define SECTION_SECONDS 30

static void be_peer(const char *proc_type)
{
	expect_eal(proc_type);
	register_actions();
	be_ready();
	wait_for_end();
	rte_eal_cleanup();
}

static void be_primary_peer(void)
{
	be_peer("primary");
}

static void be_secondary_peer(void)
{
	be_peer("secondary");
}

static const struct section {
	const char *name;
	void (*run)(void);
	/* Whether another section starts it. */
	bool is_peer;
} sections[] = {
	{ "peer-primary", be_primary_peer, true },
	{ "peer-secondary", be_secondary_peer, true },
	{ "peer-memzone", be_memzone_peer, true },
	{ "peer-alive", be_alive_peer, true },
	{ "disable.secondary", disable_secondary, true },
	{ "init", init_and_cleanup, false },
	{ "init.plain", init_plain, false },
	{ "init.words", init_with_words, false },
	{ "init.words behind the end", init_with_words_behind, false },
	{ "init.words before and behind the end", init_with_words_around, false },
	{ "init.mistakes", init_mistakes, false },
	{ "init.retry", init_retry, false },
	{ "init.roles", init_roles, false },
	{ "init.no-huge", init_no_huge, false },
	{ "disable", disable_ipc, false },
	{ "disable.once a secondary has joined", disable_late, false },
	{ "alive", look_for_primary, false },
	{ "alive.itself", look_for_itself, false },
	{ "cleanup.twice", clean_up_twice, false },
	{ "help", show_help, false },
	{ "exit", exit_with_status, false },
	{ "panic", panic, false },
	{ "arguments", check_arguments, false },
	{ "before", call_before_start, false },
	{ "no-shconf", check_no_shconf, false },
	{ "in-memory", check_in_memory, false },
	{ "sendmsg", send_one_way, false },
	{ "reply", send_replies, false },
	{ "sync", request_sync, false },
	{ "sync.timeout NULL", crash_sync_timeout, false },
	{ "sync.reply NULL", crash_sync_reply, false },
	{ "async", request_async, false },
	{ "async.timeout NULL", crash_async_timeout, false },
	{ "async.callback NULL", crash_async_callback, false },
	{ "secondary", be_secondary, false },
	{ "secondary.primary killed", be_secondary_of_killed, false },
	{ "secondary.primary ended", be_secondary_of_ended, false },
	{ "handlers", run_handlers, false },
	{ "memzone", reserve_memzones, false },
	{ "memzone.shared", share_memzones, false },
	{ "memzone.reserve NULL", crash_memzone_reserve, false },
	{ "memzone.lookup NULL", crash_memzone_lookup, false },
	{ "lcore", run_lcores, false },
	{ "lcore.main", choose_main_lcore, false },
	{ "alarm", run_alarms, false },
	{ "malloc", allocate, false },
	{ "small", check_small_things, false },
	{ "log", write_logs, false },
	{ "text", handle_texts, false },
};

/* Killed processes leave their sockets, which are not for the next section. */
static void remove_sockets(void)
{
	DIR *directory = opendir(runtime_dir);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, "mp_socket", strlen("mp_socket")) == 0)
			remove(text("%s/%s", runtime_dir, entry->d_name));
	}
	if (directory != NULL)
		closedir(directory);
}

/* Says so, if a section did not end as most do. For some that is their only row. */
static void say_how_it_ended(const struct section *section, int status)
{
	if (WIFSIGNALED(status))
		printf("%s: crash SIG%s\n", section->name, sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		printf("%s: exit status %d\n", section->name, WEXITSTATUS(status));
	fflush(stdout);
}

static void run_all(void)
{
	for (size_t i = 0; i < RTE_DIM(sections); i++) {
		if (sections[i].is_peer)
			continue;
		say_how_it_ended(&sections[i], run_section(sections[i].name));
		remove_sockets();
	}
}

static int run_one(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(sections); i++) {
		if (strcmp(sections[i].name, name) == 0) {
			alarm(SECTION_SECONDS);
			begin_rows(name);
			sections[i].run();
			return EXIT_SUCCESS;
		}
	}
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	bool is_section = argc > 2 && strcmp(argv[1], "--section") == 0;
	char **words = is_section ? argv + 3 : argv + 1;
	const char *base = getenv("RUNTIME_DIRECTORY");
	static char directory[TEXT_SIZE];

	if (words[0] == NULL || base == NULL) {
		fprintf(stderr, "usage: RUNTIME_DIRECTORY=... conformance PREFIX EAL-FLAGS...\n");
		return EXIT_FAILURE;
	}
	prefix = words[0];
	snprintf(directory, sizeof(directory), "%s/dpdk/%s", base, prefix);
	runtime_dir = directory;
	eal_flags = words + 1;
	while (eal_flags[eal_flag_count] != NULL)
		eal_flag_count++;
	if (is_section)
		return run_one(argv[2]);
	run_all();
	return EXIT_SUCCESS;
}
