/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What macros and inline functions ask of the library, and whether locks lock. The library is not
 * there: what it would bring stands in below, and notes down what it is asked.
 */
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RTE_LOG_DEFAULT_LOGTYPE macros
#define RTE_LOGTYPE_APP RTE_LOGTYPE_USER1
#define DEBUG a macro of the program that must not get into names

#include <rte_atomic.h>
#include <rte_cycles.h>
#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_spinlock.h>
#include <rte_version.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			exit(1); \
		} \
	} while (0)

/*
 * What stands in for the library.
 */

RTE_DEFINE_PER_LCORE(unsigned int, _lcore_id) = LCORE_ID_ANY;
RTE_DEFINE_PER_LCORE(int, _rte_errno);
RTE_DEFINE_PER_LCORE(int, _thread_id) = -1;

static int times_asked_for_thread;

int rte_sys_gettid(void)
{
	__atomic_add_fetch(&times_asked_for_thread, 1, __ATOMIC_RELAXED);
	return (int)gettid();
}

static char logged[256];
static uint32_t logged_level, logged_type;
static int times_logged;

int rte_log(uint32_t level, uint32_t logtype, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(logged, sizeof(logged), format, arguments);
	va_end(arguments);
	logged_level = level;
	logged_type = logtype;
	times_logged++;
	return len;
}

static const char *registered[8];
static uint32_t registered_level[8];
static int times_registered;

int rte_log_register_type_and_pick_level(const char *name, uint32_t level_def)
{
	registered[times_registered] = name;
	registered_level[times_registered] = level_def;
	return strcmp(name, "refused") == 0 ? -1 : 32 + times_registered++;
}

static jmp_buf panicked;
static char panic_function[64];

void __rte_panic(const char *funcname, const char *format, ...)
{
	va_list arguments;

	snprintf(panic_function, sizeof(panic_function), "%s", funcname);
	va_start(arguments, format);
	vsnprintf(logged, sizeof(logged), format, arguments);
	va_end(arguments);
	longjmp(panicked, 1);
}

/* lcores 1, 4 and 127, of which 1 is the main one. */
unsigned int rte_get_next_lcore(unsigned int i, int skip_main, int wrap)
{
	CHECK(!wrap);
	for (i++; i < RTE_MAX_LCORE; i++) {
		if (i == 4 || i == 127 || (i == 1 && !skip_main))
			break;
	}
	return i;
}

static unsigned int delayed_us;

static void note_delay(unsigned int us)
{
	delayed_us = us;
}

void (*rte_delay_us)(unsigned int us) = note_delay;

uint64_t rte_get_tsc_hz(void)
{
	return 1234567;
}

/*
 * The tests.
 */

RTE_LOG_REGISTER_DEFAULT(default_type, NOTICE)
RTE_LOG_REGISTER_SUFFIX(suffixed_type, part, ERR)
RTE_LOG_REGISTER(named_type, some.name, INFO)
RTE_LOG_REGISTER(refused_type, refused, INFO)

static int name_of(int type, const char *name, uint32_t level)
{
	return strcmp(registered[type - 32], name) == 0 && registered_level[type - 32] == level;
}

static void log_types_are_registered_before_main(void)
{
	CHECK(times_registered == 3);
	CHECK(name_of(default_type, "macros", RTE_LOG_NOTICE));
	CHECK(name_of(suffixed_type, "macros.part", RTE_LOG_ERR));
	CHECK(name_of(named_type, "some.name", RTE_LOG_INFO));
	CHECK(refused_type == RTE_LOGTYPE_EAL);
}

static int was_logged(uint32_t level, uint32_t type, const char *text)
{
	int is_so = times_logged == 1 && logged_level == level && logged_type == type &&
		    strcmp(logged, text) == 0;

	times_logged = 0;
	return is_so;
}

static int evaluated;

static void lines_begin_with_their_type(void)
{
	CHECK(RTE_LOG(ERR, EAL, "no argument\n") == (int)strlen("EAL: no argument\n"));
	CHECK(was_logged(4, 0, "EAL: no argument\n"));
	RTE_LOG(DEBUG, APP, "%d and %s\n", 1, "two");
	CHECK(was_logged(8, 24, "APP: 1 and two\n"));
	RTE_LOG_LINE(INFO, USER8, "line");
	CHECK(was_logged(7, 31, "USER8: line\n"));
	RTE_LOG_LINE(DEBUG, APP, "%s %d", "line", 3);
	CHECK(was_logged(8, 24, "APP: line 3\n"));
}

static void lines_of_hot_paths_are_left_out(void)
{
	RTE_LOG_DP(INFO, APP, "%d\n", evaluated++);
	CHECK(was_logged(7, 24, "APP: 0\n") && evaluated == 1);
	RTE_LOG_DP(DEBUG, APP, "%d\n", evaluated++);
	RTE_LOG_DP_LINE(DEBUG, APP, "%d", evaluated++);
	CHECK(times_logged == 0 && evaluated == 1);
	RTE_LOG_DP_LINE(ERR, APP, "%d", evaluated++);
	CHECK(was_logged(4, 24, "APP: 1\n") && evaluated == 2);
}

static void panics_say_where(void)
{
	int number = 5;

	if (setjmp(panicked) == 0) {
		rte_panic("plain\n");
	}
	CHECK(strcmp(panic_function, "panics_say_where") == 0 && strcmp(logged, "plain\n") == 0);
	if (setjmp(panicked) == 0)
		rte_panic("%d and %s\n", 5, "six");
	CHECK(strcmp(logged, "5 and six\n") == 0);

	RTE_VERIFY(number == 5);
	RTE_ASSERT(evaluated++ == -1);
	CHECK(evaluated == 2);
	if (setjmp(panicked) == 0) {
		RTE_VERIFY(number == 6);
		CHECK(0);
	}
	CHECK(strstr(logged, "\"number == 6\"") != NULL);
}

static void lcores_are_gone_through_in_order(void)
{
	unsigned int lcore, sum = 0;
	int worker, workers = 0;

	RTE_LCORE_FOREACH(lcore)
		sum = sum * 1000 + lcore;
	CHECK(sum == 1004127);
	RTE_LCORE_FOREACH_WORKER(worker)
		workers = workers * 1000 + worker;
	CHECK(workers == 4127);
	CHECK(rte_lcore_id() == LCORE_ID_ANY);
	RTE_PER_LCORE(_lcore_id) = 4;
	CHECK(rte_lcore_id() == 4);
}

static void time_comes_from_the_counter(void)
{
	uint64_t first = rte_rdtsc();

	CHECK(rte_rdtsc_precise() > first);
	CHECK(rte_get_tsc_cycles() > first && rte_get_timer_cycles() > first);
	CHECK(rte_get_timer_hz() == 1234567);
	rte_delay_ms(3);
	CHECK(delayed_us == 3000);
}

static void versions_are_those_of_the_layout(void)
{
	CHECK(rte_version_year() == RTE_MP_ABI && rte_version_month() == 11);
	CHECK(rte_version_minor() == 0 && rte_version_release() == 99);
	CHECK(strcmp(rte_version_prefix(), "rte-mp") == 0 && *rte_version_suffix() == '\0');
	CHECK(RTE_VERSION == RTE_VERSION_NUM(RTE_MP_ABI, 11, 0, 99));
}

#define THREADS 4
#define ROUNDS 20000

static rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
static rte_spinlock_recursive_t recursive = RTE_SPINLOCK_RECURSIVE_INITIALIZER;
static rte_atomic32_t counter = RTE_ATOMIC32_INIT(0);
static long under_lock, under_recursive;
static volatile uint32_t go;

static void *count(void *unused)
{
	int i;

	RTE_SET_USED(unused);
	rte_wait_until_equal_32(&go, 1, rte_memory_order_acquire);
	for (i = 0; i < ROUNDS; i++) {
		rte_atomic32_inc(&counter);
		rte_spinlock_lock(&lock);
		under_lock++;
		rte_spinlock_unlock(&lock);
		rte_spinlock_recursive_lock(&recursive);
		CHECK(rte_spinlock_recursive_trylock(&recursive) == 1);
		under_recursive++;
		rte_spinlock_recursive_unlock(&recursive);
		under_recursive++;
		rte_spinlock_recursive_unlock(&recursive);
	}
	rte_errno = 7;
	return NULL;
}

static void *try_recursive(void *result)
{
	*(int *)result = rte_spinlock_recursive_trylock(&recursive);
	return NULL;
}

static void locks_and_counters_hold_between_threads(void)
{
	pthread_t threads[THREADS];
	int i, got_it = -1;

	rte_errno = 3;
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
	rte_atomic_store_explicit(&go, 1, rte_memory_order_release);
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(rte_atomic32_read(&counter) == THREADS * ROUNDS);
	CHECK(under_lock == THREADS * ROUNDS);
	CHECK(under_recursive == 2 * THREADS * ROUNDS);
	CHECK(recursive.user == -1 && recursive.count == 0 && recursive.sl.locked == 0);
	CHECK(rte_errno == 3);
	CHECK(times_asked_for_thread == THREADS);

	rte_spinlock_recursive_lock(&recursive);
	CHECK(pthread_create(&threads[0], NULL, try_recursive, &got_it) == 0);
	CHECK(pthread_join(threads[0], NULL) == 0);
	CHECK(got_it == 0 && recursive.count == 1);
	rte_spinlock_recursive_unlock(&recursive);
	CHECK(!rte_tm_supported());
}

/* Seconds after which a lock that is never given back ends the program. */
#define PATIENCE 20

int main(void)
{
	alarm(PATIENCE);
	log_types_are_registered_before_main();
	lines_begin_with_their_type();
	lines_of_hot_paths_are_left_out();
	panics_say_where();
	lcores_are_gone_through_in_order();
	time_comes_from_the_counter();
	versions_are_those_of_the_layout();
	locks_and_counters_hold_between_threads();
	return 0;
}
