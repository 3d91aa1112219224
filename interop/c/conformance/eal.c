/* Start, roles, and end. */
#include "sections.h"

#include <getopt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_debug.h>
#include <rte_memzone.h>

#include "conformance.h"

static const char *role(void)
{
	switch (rte_eal_process_type()) {
	case RTE_PROC_PRIMARY:
		return "primary";
	case RTE_PROC_SECONDARY:
		return "secondary";
	default:
		return "another";
	}
}

static const char *init_outcome(int ret)
{
	return ret < 0 ? outcome(ret) : text("starts as %s", role());
}

void init_and_cleanup(void)
{
	char *none[] = { "conformance", NULL };
	int before = optind;

	row("role before", "%s", role());
	expect_eal("primary");
	row("role", "%s", role());
	row("hugepages", "%d", rte_eal_has_hugepages());
	row("runtime dir", "%s", yes(strcmp(rte_eal_get_runtime_dir(), runtime_dir) == 0));
	row("getopt is as before", "%s", yes(optind == before));
	rte_errno = 0;
	row("again", "%s", init_outcome(rte_eal_init(1, none)));
	row("cleanup", "%d", rte_eal_cleanup());
	row("cleanup.socket", "%s",
	    exists(text("%s/mp_socket", runtime_dir)) ? "still there" : "removed");
	rte_errno = 0;
	row("after cleanup", "%s", init_outcome(rte_eal_init(1, none)));
}

/* ---- words that are not for EAL ---- */

/* Starts with `before`, then the flags that every process has, then `after`; says what is left. */
static void words_row(char **before, char **after)
{
	char *words[32] = { "conformance" };
	int count = 1, ret;
	const char *left = "";

	for (; *before != NULL; before++)
		words[count++] = *before;
	for (int i = 0; i < eal_flag_count; i++)
		words[count++] = eal_flags[i];
	words[count++] = (char *)text("--lcores=0@%d", processor());
	words[count++] = (char *)text("--file-prefix=%s", prefix);
	for (; *after != NULL; after++)
		words[count++] = *after;
	ret = rte_eal_init(count, words);
	for (int i = ret; i >= 0 && i < count; i++)
		left = text("%s %s", left, words[i]);
	row("left", "%s", ret < 0 ? outcome(ret) : left);
	row("returned", "%d of %d", ret, count);
	rte_eal_cleanup();
}

void init_plain(void)
{
	words_row((char *[]){ NULL }, (char *[]){ NULL });
}

void init_with_words(void)
{
	words_row((char *[]){ "one", NULL }, (char *[]){ "two", "--no-hpet", "three", NULL });
}

void init_with_words_behind(void)
{
	words_row((char *[]){ NULL }, (char *[]){ "--", "one", "-x", "--two", NULL });
}

void init_with_words_around(void)
{
	words_row((char *[]){ "one", NULL }, (char *[]){ "two", "--", "three", "-x", NULL });
}

/* ---- mistakes ---- */

struct mistake {
	const char *name;
	char *flag;
	char *value;
};

static void make_mistake(void *arg)
{
	const struct mistake *mistake = arg;

	row(mistake->name, "%s", init_outcome(init_eal("primary", mistake->flag, mistake->value, NULL)));
}

void init_mistakes(void)
{
	static struct mistake mistakes[] = {
		{ "unknown option", "--frobnicate", NULL },
		{ "unknown letter", "-j", NULL },
		{ "option without its value", "--file-prefix", NULL },
		{ "role", "--proc-type=tertiary", NULL },
		{ "prefix with %", "--file-prefix=a%b", NULL },
		{ "prefix that is empty", "--file-prefix=", NULL },
		{ "prefix with /", "--file-prefix=a/b", NULL },
		{ "lcores twice", "-l", "0" },
		{ "main lcore that is none", "--main-lcore", "77" },
		{ "main lcore that is no number", "--main-lcore", "x" },
		{ "memory that is no number", "-m", "x" },
		{ "channels", "-n", "0" },
		{ "log level", "--log-level=99", NULL },
	};

	for (size_t i = 0; i < RTE_DIM(mistakes); i++)
		run_apart(make_mistake, &mistakes[i]);
}

void init_retry(void)
{
	char *words[] = { "conformance", "--frobnicate", NULL };

	rte_errno = 0;
	row("mistake", "%s", init_outcome(rte_eal_init(2, words)));
	row("then well", "%s", init_outcome(init_eal("primary", NULL)));
	rte_eal_cleanup();
}

/* ---- roles ---- */

struct start {
	const char *name;
	const char *proc_type;
};

static void start_as(void *arg)
{
	const struct start *start = arg;
	int ret = init_eal(start->proc_type, NULL);

	row(start->name, "%s", init_outcome(ret));
	if (ret >= 0)
		rte_eal_cleanup();
}

void init_roles(void)
{
	static struct start without[] = {
		{ "nobody.auto", "auto" },
		{ "nobody.PRIMARY", "PRIMARY" },
	}, with[] = {
		{ "a primary.primary", "primary" },
		{ "a primary.secondary", "secondary" },
		{ "a primary.auto", "auto" },
	}, never = { "nobody ever.secondary", "secondary" };
	struct child primary;

	remove(text("%s/config", runtime_dir));
	run_apart(start_as, &never);
	for (size_t i = 0; i < RTE_DIM(without); i++)
		run_apart(start_as, &without[i]);
	primary = start_child("peer-primary");
	for (size_t i = 0; i < RTE_DIM(with); i++)
		run_apart(start_as, &with[i]);
	kill_child(&primary);
	run_apart(start_as, &(struct start){ "a killed primary.secondary", "secondary" });
	run_apart(start_as, &(struct start){ "a killed primary.auto", "auto" });
}

void init_no_huge(void)
{
	row("starts", "%s", init_outcome(init_eal("primary", "--no-huge", NULL)));
	row("hugepages", "%d", rte_eal_has_hugepages());
	row("a zone", "%s", yes(rte_memzone_reserve("zone", 64, SOCKET_ID_ANY, 0) != NULL));
	rte_eal_cleanup();
}

/* ---- rte_mp_disable ---- */

void disable_ipc(void)
{
	struct rte_mp_msg msg = message("name", "");

	expect_eal("primary");
	row("alone", "%s", yes(rte_mp_disable()));
	row("alone.again", "%s", yes(rte_mp_disable()));
	rte_errno = 0;
	row("sendmsg", "%s", outcome(rte_mp_sendmsg(&msg)));
	run_section("disable.secondary");
	rte_eal_cleanup();
}

void disable_secondary(void)
{
	row(NULL, "%s", init_outcome(init_eal("secondary", NULL)));
}

void disable_late(void)
{
	struct child secondary;

	expect_eal("primary");
	secondary = start_child("peer-secondary");
	row("while it is there", "%s", yes(rte_mp_disable()));
	end_child(&secondary);
	row("once it has left", "%s", yes(rte_mp_disable()));
	rte_eal_cleanup();
}

/* ---- rte_eal_primary_proc_alive ---- */

static int alive(void)
{
	return rte_eal_primary_proc_alive(text("%s/config", runtime_dir));
}

void be_alive_peer(void)
{
	exit(alive());
}

void look_for_primary(void)
{
	struct child primary;

	row("missing file", "%d", rte_eal_primary_proc_alive("/nowhere/config"));
	primary = start_child("peer-primary");
	row("path", "%d", alive());
	end_child(&primary);
	row("path.it has ended", "%d", alive());
	primary = start_child("peer-primary");
	kill_child(&primary);
	row("path.it was killed", "%d", alive());
}

void look_for_itself(void)
{
	expect_eal("primary");
	row("another sees it", "%d", WEXITSTATUS(run_section("peer-alive")));
	row("NULL", "%d", rte_eal_primary_proc_alive(NULL));
	row("path", "%d", alive());
	row("another sees it afterwards", "%d", WEXITSTATUS(run_section("peer-alive")));
	rte_eal_cleanup();
}

/* ---- ends ---- */

void clean_up_twice(void)
{
	expect_eal("primary");
	row("first", "%d", rte_eal_cleanup());
	row("second", "%d", rte_eal_cleanup());
}

static void on_usage(const char *program)
{
	row("hook", "%s", program);
}

/* It exits by itself, with 0. */
void show_help(void)
{
	row("hook before", "%s", rte_set_application_usage_hook(on_usage) == NULL ? "NULL" : "one");
	row("returned", "%d", init_eal("primary", "--help", NULL));
}

void exit_with_status(void)
{
	expect_eal("primary");
	rte_exit(3, "this is the end\n");
}

void panic(void)
{
	expect_eal("primary");
	rte_panic("this is the end\n");
}
