/* EAL, and further processes of this program: each is one section. */
#include "conformance.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORDS 32
/* How long a process may take to start. */
#define START_MS 10000

const char *runtime_dir;
char **eal_flags;
int eal_flag_count;
const char *prefix;
const char *lcores;

int processor(void)
{
	cpu_set_t allowed;
	int first = 0;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	while (!CPU_ISSET(first, &allowed))
		first++;
	return first;
}

int init_eal(const char *proc_type, ...)
{
	/* EAL keeps pointers into them. */
	static char prefix_flag[128], type_flag[64], lcores_flag[128];
	static char *words[MAX_WORDS] = { "conformance" };
	va_list more;
	char *word;
	int count = 1;

	for (int i = 0; i < eal_flag_count; i++)
		words[count++] = eal_flags[i];
	snprintf(lcores_flag, sizeof(lcores_flag), "--lcores=%s",
		 lcores != NULL ? lcores : text("0@%d", processor()));
	snprintf(prefix_flag, sizeof(prefix_flag), "--file-prefix=%s", prefix);
	snprintf(type_flag, sizeof(type_flag), "--proc-type=%s", proc_type);
	words[count++] = lcores_flag;
	words[count++] = prefix_flag;
	words[count++] = type_flag;
	va_start(more, proc_type);
	while ((word = va_arg(more, char *)) != NULL && count + 1 < MAX_WORDS)
		words[count++] = word;
	va_end(more);
	words[count] = NULL;
	rte_errno = 0;
	return rte_eal_init(count, words);
}

void expect_eal(const char *proc_type)
{
	if (init_eal(proc_type, NULL) < 0) {
		row("eal", "does not start: %s", rte_strerror(rte_errno));
		exit(EXIT_FAILURE);
	}
}

static _Noreturn void be_section(const char *section)
{
	char *words[MAX_WORDS] = { "conformance", "--section", (char *)section, (char *)prefix };
	int count = 4;

	for (int i = 0; i < eal_flag_count && count + 1 < MAX_WORDS; i++)
		words[count++] = eal_flags[i];
	words[count] = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv("/proc/self/exe", words);
	_exit(EXIT_FAILURE);
}

struct child start_child(const char *section)
{
	int to_child[2], from_child[2];
	struct child child;
	struct pollfd ready;
	char byte;

	if (pipe(to_child) != 0 || pipe(from_child) != 0)
		abort();
	child.pid = fork();
	if (child.pid == 0) {
		dup2(to_child[0], STDIN_FILENO);
		dup2(from_child[1], STDOUT_FILENO);
		close(to_child[0]);
		close(to_child[1]);
		close(from_child[0]);
		close(from_child[1]);
		be_section(section);
	}
	close(to_child[0]);
	close(from_child[1]);
	child.input = to_child[1];
	child.output = from_child[0];
	ready = (struct pollfd){ .fd = child.output, .events = POLLIN };
	if (poll(&ready, 1, START_MS) != 1 || read(child.output, &byte, 1) != 1) {
		row("child", "%s is not ready", section);
		exit(EXIT_FAILURE);
	}
	return child;
}

void be_ready(void)
{
	row(NULL, "ready");
}

void wait_for_end(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void close_child(struct child *child)
{
	waitpid(child->pid, NULL, 0);
	close(child->output);
}

void end_child(struct child *child)
{
	close(child->input);
	close_child(child);
}

void kill_child(struct child *child)
{
	kill(child->pid, SIGKILL);
	close(child->input);
	close_child(child);
}

static void *kill_later(void *arg)
{
	rest(SHORT_MS / 3);
	kill_child(arg);
	return NULL;
}

pthread_t kill_child_soon(struct child *child)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, kill_later, child) != 0)
		abort();
	return thread;
}

int run_section(const char *section)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		dup2(row_fd(), STDOUT_FILENO);
		be_section(section);
	}
	waitpid(pid, &status, 0);
	return status;
}

void run_apart(void (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		run(arg);
		_exit(EXIT_SUCCESS);
	}
	waitpid(pid, NULL, 0);
}
