/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the test programs share: each has parts, of which it runs the one that it is told, and ends with
 * status 0 if all is well. */
#ifndef PARTS_H
#define PARTS_H

#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>

/* Nothing that works comes close to it. */
#define PATIENCE_SECONDS 30

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(EXIT_FAILURE); \
		} \
	} while (0)

struct part {
	const char *name;
	void (*run)(void);
};

/* A processor that this process may use. */
static inline int processor(void)
{
	cpu_set_t set;
	int cpu = 0;

	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* Starts alone, with lcores 0, 1 and 5 on one processor. */
static inline int start(void)
{
	static char program[] = "part", alone[] = "--in-memory", pages[] = "--no-huge";
	static char flag[] = "--lcores", lcores[64];
	char *argv[] = { program, alone, pages, flag, lcores, NULL };
	int cpu = processor();

	snprintf(lcores, sizeof(lcores), "0@%d,1@%d,5@%d", cpu, cpu, cpu);
	return rte_eal_init(5, argv);
}

static inline int64_t now_us(clockid_t clock)
{
	struct timespec now;

	CHECK(clock_gettime(clock, &now) == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) != 0)
		continue;
}

/* How many threads of this process have a name that begins so. */
static inline int threads_named(const char *beginning)
{
	char command[128];
	FILE *pipe;
	int count = -1;

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/comm | grep -c '^%s'", getpid(),
		 beginning);
	pipe = popen(command, "r");
	CHECK(pipe != NULL);
	CHECK(fscanf(pipe, "%d", &count) == 1);
	pclose(pipe);
	return count;
}

/* Waits until there are so many. */
static inline void await_threads_named(const char *beginning, int count)
{
	while (threads_named(beginning) != count)
		sched_yield();
}

/* Waits until a thread of this process waits for something. */
static inline void await_asleep(int thread)
{
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	while (state != 'S') {
		FILE *file = fopen(path, "r");

		CHECK(file != NULL);
		CHECK(fscanf(file, "%*d %*s %c", &state) == 1);
		fclose(file);
	}
}

static inline int run_part(const struct part *parts, size_t count, int argc, char **argv)
{
	alarm(PATIENCE_SECONDS);
	for (size_t i = 0; argc > 1 && i < count; i++) {
		if (strcmp(parts[i].name, argv[1]) == 0) {
			parts[i].run();
			return EXIT_SUCCESS;
		}
	}
	fprintf(stderr, "there is no such part\n");
	return EXIT_FAILURE;
}

#endif
