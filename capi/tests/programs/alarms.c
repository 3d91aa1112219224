/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Functions that are called later. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <rte_alarm.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_memzone.h>

#include "parts.h"

#define ANY ((void *)-1)
#define SOON_US 1000
#define LATER_US (2 * PATIENCE_SECONDS * 1000 * 1000)

static sem_t called, may_end;
static atomic_int calls;
static char order[32];
static int result, error;

static void count(void *arg)
{
	RTE_SET_USED(arg);
	atomic_fetch_add(&calls, 1);
	sem_post(&called);
}

static void note(void *arg)
{
	strcat(order, arg);
	count(NULL);
}

static void await_calls(int wanted)
{
	for (int i = 0; i < wanted; i++)
		wait_for(&called);
}

/* Cancels, and says by `error` which error it gave. */
static int cancel(rte_eal_alarm_callback callback, void *arg)
{
	int taken_back;

	rte_errno = 0;
	taken_back = rte_eal_alarm_cancel(callback, arg);
	error = rte_errno;
	return taken_back;
}

static void arguments(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(0, count, NULL) == -EINVAL);
	CHECK(rte_eal_alarm_set(UINT64_MAX, count, NULL) == -EINVAL);
	CHECK(rte_eal_alarm_set(UINT64_MAX - 1000000 + 1, count, NULL) == -EINVAL);
	CHECK(rte_eal_alarm_set(SOON_US, NULL, NULL) == -EINVAL);
	CHECK(threads_named("dpdk-intr") == 0);
	CHECK(rte_eal_alarm_set(UINT64_MAX - 1000000, count, NULL) == 0);
	CHECK(cancel(count, NULL) == 1);
	CHECK(cancel(NULL, NULL) == -1 && error == EINVAL);
}

static void in_order(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(60 * SOON_US, note, "4") == 0);
	CHECK(rte_eal_alarm_set(20 * SOON_US, note, "2") == 0);
	CHECK(rte_eal_alarm_set(40 * SOON_US, note, "3") == 0);
	CHECK(rte_eal_alarm_set(1, note, "1") == 0);
	await_calls(4);
	CHECK(strcmp(order, "1234") == 0 && threads_named("dpdk-intr") == 1);
}

static int64_t called_at;

static void note_time(void *arg)
{
	called_at = now_us(CLOCK_MONOTONIC);
	CHECK(rte_lcore_id() == LCORE_ID_ANY && !pthread_equal(pthread_self(), *(pthread_t *)arg));
	count(NULL);
}

static void in_time(void)
{
	static const int64_t delays[] = { 1, 100, 1000, 50000 };
	pthread_t self = pthread_self();

	CHECK(start() >= 0);
	/* One that comes later is not in the way. */
	CHECK(rte_eal_alarm_set(LATER_US, count, NULL) == 0);
	for (size_t i = 0; i < RTE_DIM(delays); i++) {
		int64_t begin = now_us(CLOCK_MONOTONIC);

		CHECK(rte_eal_alarm_set((uint64_t)delays[i], note_time, &self) == 0);
		await_calls(1);
		CHECK(called_at - begin >= delays[i]);
	}
}

static void cancelled(void)
{
	int one, two;

	CHECK(start() >= 0);
	CHECK(cancel(count, NULL) == 0 && error == ENOENT);
	CHECK(rte_eal_alarm_set(LATER_US, count, &one) == 0);
	CHECK(rte_eal_alarm_set(LATER_US, count, &two) == 0);
	CHECK(rte_eal_alarm_set(LATER_US, count, &two) == 0);
	CHECK(rte_eal_alarm_set(LATER_US, note, &one) == 0);
	CHECK(cancel(count, &calls) == 0 && error == ENOENT);
	CHECK(cancel(count, &two) == 2 && error == 0);
	CHECK(cancel(count, &two) == 0 && error == ENOENT);
	CHECK(rte_eal_alarm_set(LATER_US, count, &two) == 0);
	CHECK(cancel(count, ANY) == 2 && error == 0);
	CHECK(cancel(note, ANY) == 1 && error == 0);
	CHECK(atomic_load(&calls) == 0);
}

static void count_slowly(void *arg)
{
	sem_post(&called);
	wait_for(&may_end);
	/* What it sets is taken back by whoever waits for it, as in DPDK. */
	CHECK(rte_eal_alarm_set(LATER_US, count_slowly, arg) == 0);
	atomic_fetch_add(&calls, 1);
}

static atomic_int canceller;

static void *cancel_running(void *arg)
{
	atomic_store(&canceller, rte_gettid());
	sem_post(&called);
	result = cancel(count_slowly, arg);
	CHECK(atomic_load(&calls) == 1 && error == 0);
	return NULL;
}

static void cancel_waits(void)
{
	pthread_t thread;
	int arg;

	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(1, count_slowly, &arg) == 0);
	await_calls(1);
	CHECK(rte_eal_alarm_set(LATER_US, count_slowly, &arg) == 0);
	/* Another one is not waited for. */
	CHECK(cancel(count, ANY) == 0 && cancel(count_slowly, &thread) == 0);
	CHECK(pthread_create(&thread, NULL, cancel_running, &arg) == 0);
	await_calls(1);
	await_asleep(atomic_load(&canceller));
	sem_post(&may_end);
	CHECK(pthread_join(thread, NULL) == 0 && result == 2);
	CHECK(cancel(count_slowly, ANY) == 0);
}

static void cancel_itself(void *arg)
{
	CHECK(rte_eal_alarm_set(LATER_US, cancel_itself, arg) == 0);
	result = cancel(cancel_itself, arg);
	CHECK(error == EINPROGRESS);
	CHECK(cancel(cancel_itself, arg) == 0 && error == EINPROGRESS);
	CHECK(cancel(cancel_itself, &result) == 0 && error == ENOENT);
	count(NULL);
}

static void cancel_inside(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(SOON_US, cancel_itself, NULL) == 0);
	await_calls(1);
	CHECK(result == 1);
}

static void set_next(void *arg)
{
	int *left = arg;

	if (--*left > 0)
		CHECK(rte_eal_alarm_set(1, set_next, left) == 0);
	else
		count(NULL);
}

static void set_inside(void)
{
	int left = 1000;

	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(1, set_next, &left) == 0);
	await_calls(1);
	CHECK(left == 0);
}

static void before_start(void)
{
	CHECK(rte_eal_alarm_set(1, count, NULL) == 0);
	await_calls(1);
	CHECK(rte_eal_alarm_set(LATER_US, count, NULL) == 0);
	CHECK(start() >= 0);
	CHECK(cancel(count, NULL) == 1);
}

static void end(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(LATER_US, count, NULL) == 0);
	CHECK(rte_eal_cleanup() == 0);
	await_threads_named("dpdk-", 0);
	CHECK(cancel(count, NULL) == 0 && error == ENOENT);
	CHECK(rte_eal_alarm_set(1, count, NULL) == -EPIPE);
}

static void run_through(void *arg)
{
	sem_post(&called);
	/* Until the end has come as far as it can. */
	while (rte_eal_alarm_set(LATER_US, count, arg) == 0)
		sched_yield();
	atomic_fetch_add(&calls, 1);
}

static void end_waits(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(1, run_through, NULL) == 0);
	await_calls(1);
	CHECK(rte_eal_cleanup() == 0 && atomic_load(&calls) == 1);
}

static void clean_up(void *arg)
{
	RTE_SET_USED(arg);
	result = rte_eal_cleanup();
	error = rte_errno;
	count(NULL);
}

static void end_inside(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(1, clean_up, NULL) == 0);
	await_calls(1);
	CHECK(result == 0);
	await_threads_named("dpdk-", 0);
}

static void clean_up_late(void *arg)
{
	sem_post(&called);
	/* It can be told that there is no such zone until the other thread has begun to leave. */
	while (rte_memzone_lookup("none") == NULL && rte_errno == ENOENT)
		sched_yield();
	clean_up(arg);
}

/* The alarm that is waited for leaves as well. */
static void end_twice(void)
{
	CHECK(start() >= 0);
	CHECK(rte_eal_alarm_set(1, clean_up_late, NULL) == 0);
	await_calls(1);
	CHECK(rte_eal_cleanup() == 0);
	CHECK(result == -1 && error == EALREADY);
}

static atomic_bool is_over;
static atomic_int all_set, all_taken_back;

static void *set_and_cancel(void *arg)
{
	int taken_back = 0, set = 0;
	char own = 0;

	RTE_SET_USED(arg);
	while (!atomic_load(&is_over)) {
		CHECK(rte_eal_alarm_set(1 + (uint64_t)(set % 50), count, &own) == 0);
		set++;
		taken_back += rte_eal_alarm_cancel(count, &own);
	}
	atomic_fetch_add(&all_set, set);
	atomic_fetch_add(&all_taken_back, taken_back);
	return NULL;
}

/* Many at once: each is called or taken back, and not both. */
static void crowd(void)
{
	pthread_t threads[4];
	int64_t end = now_us(CLOCK_MONOTONIC) + 200 * 1000;

	CHECK(start() >= 0);
	for (size_t i = 0; i < RTE_DIM(threads); i++)
		CHECK(pthread_create(&threads[i], NULL, set_and_cancel, NULL) == 0);
	while (now_us(CLOCK_MONOTONIC) < end)
		sched_yield();
	atomic_store(&is_over, true);
	for (size_t i = 0; i < RTE_DIM(threads); i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(rte_eal_alarm_cancel(count, ANY) == 0);
	CHECK(atomic_load(&all_set) == atomic_load(&all_taken_back) + atomic_load(&calls));
}

static const struct part parts[] = {
	{ "arguments", arguments },
	{ "in order", in_order },
	{ "in time", in_time },
	{ "cancelled", cancelled },
	{ "cancel waits", cancel_waits },
	{ "cancel inside", cancel_inside },
	{ "set inside", set_inside },
	{ "before start", before_start },
	{ "end", end },
	{ "end waits", end_waits },
	{ "end inside", end_inside },
	{ "end twice", end_twice },
	{ "crowd", crowd },
};

int main(int argc, char **argv)
{
	sem_init(&called, 0, 0);
	sem_init(&may_end, 0, 0);
	return run_part(parts, RTE_DIM(parts), argc, argv);
}
