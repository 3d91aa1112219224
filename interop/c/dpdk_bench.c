/*
 * A DPDK pair to compare speeds with: the same questions that rte-mp is measured by.
 *
 *   dpdk_bench EAL-ARGUMENTS... -- serve    primary: answers until its input ends
 *   dpdk_bench EAL-ARGUMENTS... -- ask      secondary: obeys its input, line by line
 *
 * Both print `ready` when they are. The primary's actions, for any client:
 *   bench_echo    request: the answer is the param that came
 *   bench_count   message: counted, nothing else
 *   bench_total   request: the answer is the count so far, u64, native byte order
 * It reserves ZONES zones of ZONE_LEN bytes, `bench_zone_00` and so on.
 *
 * The secondary's lines, with a param of PARAM_LEN bytes in all that it sends:
 *   steady N    N sync requests, back to back, after 50 ms of others
 *   cold N      N sync requests, each after 10 ms of rest
 *   oneway N    N messages, until the primary says that all have come
 *   lookup N    N batches of BATCH lookups among the primary's zones, each by its name
 *   reserve N   N zones of ZONE_LEN bytes, each reserved and freed
 *   small N     N batches of BATCH blocks of SMALL_LEN bytes, each allocated and freed
 *   page N      the same, of PAGE_LEN bytes
 *
 * It answers `ns` and the nanoseconds of each round trip, batch or zone, after some that are not
 * measured, or of the whole of `oneway`. What does not work ends it with `failed WHAT errno=N`.
 *
 * Pinning is the caller's: EAL would pin its main thread only.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#define PARAM_LEN 32
#define WARM_UP 100
#define REST_NS 10000000
#define SETTLING_NS 50000000
#define ZONES 100
#define ZONE_LEN 4096
#define BATCH 1000
#define SMALL_LEN 64
#define PAGE_LEN 4096

/* Touched by the IPC thread only. */
static uint64_t counted;

static char zone_names[ZONES][RTE_MEMZONE_NAMESIZE];

static int on_echo(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply;

	memset(&reply, 0, sizeof(reply));
	memcpy(reply.name, msg->name, sizeof(reply.name));
	memcpy(reply.param, msg->param, (size_t)msg->len_param);
	reply.len_param = msg->len_param;
	return rte_mp_reply(&reply, peer);
}

static int on_count(const struct rte_mp_msg *msg, const void *peer)
{
	(void)msg;
	(void)peer;
	counted++;
	return 0;
}

static int on_total(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply;

	memset(&reply, 0, sizeof(reply));
	memcpy(reply.name, msg->name, sizeof(reply.name));
	memcpy(reply.param, &counted, sizeof(counted));
	reply.len_param = sizeof(counted);
	return rte_mp_reply(&reply, peer);
}

static bool fail(const char *what)
{
	printf("failed %s errno=%d\n", what, rte_errno);
	return false;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct rte_mp_msg message(const char *name)
{
	struct rte_mp_msg msg;

	memset(&msg, 0, sizeof(msg));
	snprintf(msg.name, sizeof(msg.name), "%s", name);
	memset(msg.param, 'x', PARAM_LEN);
	msg.len_param = PARAM_LEN;
	return msg;
}

/* One sync request to the primary. `param`, if not NULL, takes `len` bytes of the answer. */
static bool ask(struct rte_mp_msg *msg, void *param, size_t len)
{
	struct timespec timeout = { .tv_sec = 5 };
	struct rte_mp_reply reply;
	bool answered;

	if (rte_mp_request_sync(msg, &reply, &timeout) != 0)
		return fail("request");
	answered = reply.nb_received == 1;
	if (answered && param != NULL)
		memcpy(param, reply.msgs[0].param, len);
	free(reply.msgs);
	return answered || fail("answer");
}

/* Does the same until the scheduler has found a core for each end. */
static bool settle(bool (*run)(void *), void *arg)
{
	uint64_t start = now_ns();

	while (now_ns() - start < SETTLING_NS) {
		if (!run(arg))
			return false;
	}
	return true;
}

/* Does the same `count` times, each after a rest if it is to be cold. */
static bool measure(unsigned long count, bool cold, bool (*run)(void *), void *arg)
{
	const struct timespec rest = { .tv_nsec = REST_NS };
	uint64_t *times = calloc(count, sizeof(*times));

	if (times == NULL)
		return fail("memory");
	for (unsigned long i = 0; i < WARM_UP && i < count; i++) {
		if (!run(arg))
			return false;
	}
	for (unsigned long i = 0; i < count; i++) {
		uint64_t start;

		if (cold)
			nanosleep(&rest, NULL);
		start = now_ns();
		if (!run(arg))
			return false;
		times[i] = now_ns() - start;
	}
	printf("ns");
	for (unsigned long i = 0; i < count; i++)
		printf(" %llu", (unsigned long long)times[i]);
	printf("\n");
	free(times);
	return true;
}

static bool ask_echo(void *msg)
{
	return ask(msg, NULL, 0);
}

static bool look_up_batch(void *arg)
{
	(void)arg;
	for (int i = 0; i < BATCH; i++) {
		if (rte_memzone_lookup(zone_names[i % ZONES]) == NULL)
			return fail("lookup");
	}
	return true;
}

static bool reserve_and_free(void *arg)
{
	const struct rte_memzone *zone =
		rte_memzone_reserve("bench_fresh", ZONE_LEN, SOCKET_ID_ANY, 0);

	(void)arg;
	if (zone == NULL)
		return fail("reserve");
	return rte_memzone_free(zone) == 0 || fail("free");
}

static bool allocate_batch(void *arg)
{
	const size_t *len = arg;

	for (int i = 0; i < BATCH; i++) {
		void *block = rte_malloc(NULL, *len, 0);

		if (block == NULL)
			return fail("malloc");
		rte_free(block);
	}
	return true;
}

static bool measure_messages(unsigned long count)
{
	struct rte_mp_msg msg = message("bench_count");
	struct rte_mp_msg question = message("bench_total");
	uint64_t before, total, start;

	if (!ask(&question, &before, sizeof(before)))
		return false;
	start = now_ns();
	for (unsigned long i = 0; i < count; i++) {
		if (rte_mp_sendmsg(&msg) != 0)
			return fail("send");
	}
	do {
		if (!ask(&question, &total, sizeof(total)))
			return false;
	} while (total - before < count);
	printf("ns %llu\n", (unsigned long long)(now_ns() - start));
	return true;
}

static void name_zones(void)
{
	for (int i = 0; i < ZONES; i++)
		snprintf(zone_names[i], sizeof(zone_names[i]), "bench_zone_%02d", i);
}

static bool reserve_zones(void)
{
	for (int i = 0; i < ZONES; i++) {
		if (rte_memzone_reserve(zone_names[i], ZONE_LEN, SOCKET_ID_ANY, 0) == NULL)
			return fail("reserve");
	}
	return true;
}

static bool serve(void)
{
	if (!reserve_zones())
		return false;
	if (rte_mp_action_register("bench_echo", on_echo) != 0 ||
	    rte_mp_action_register("bench_count", on_count) != 0 ||
	    rte_mp_action_register("bench_total", on_total) != 0)
		return fail("register");
	puts("ready");
	while (getchar() != EOF)
		;
	return true;
}

static bool obey(void)
{
	struct rte_mp_msg echo = message("bench_echo");
	size_t small = SMALL_LEN, page = PAGE_LEN;
	char verb[16];
	unsigned long count;
	bool going = true;

	puts("ready");
	while (going && scanf("%15s %lu", verb, &count) == 2) {
		if (strcmp(verb, "steady") == 0)
			going = settle(ask_echo, &echo) && measure(count, false, ask_echo, &echo);
		else if (strcmp(verb, "cold") == 0)
			going = measure(count, true, ask_echo, &echo);
		else if (strcmp(verb, "oneway") == 0)
			going = measure_messages(count);
		else if (strcmp(verb, "lookup") == 0)
			going = measure(count, false, look_up_batch, NULL);
		else if (strcmp(verb, "reserve") == 0)
			going = measure(count, false, reserve_and_free, NULL);
		else if (strcmp(verb, "small") == 0)
			going = measure(count, false, allocate_batch, &small);
		else if (strcmp(verb, "page") == 0)
			going = measure(count, false, allocate_batch, &page);
		else
			going = fail("verb");
	}
	return going;
}

int main(int argc, char **argv)
{
	int consumed;
	bool done;

	setvbuf(stdout, NULL, _IOLBF, 0);
	consumed = rte_eal_init(argc, argv);
	if (consumed < 0) {
		fail("eal");
		return EXIT_FAILURE;
	}
	argc -= consumed;
	argv += consumed;
	name_zones();
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		done = serve();
	else if (argc == 2 && strcmp(argv[1], "ask") == 0)
		done = obey();
	else
		done = fail("usage: dpdk_bench EAL-ARGUMENTS... -- serve | ask");
	rte_eal_cleanup();
	return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
