/* Errors in words, and time. */
#include "sections.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "conformance.h"

static void *set_errno(void *arg)
{
	rte_errno = EINVAL;
	*(int *)arg = rte_errno;
	return NULL;
}

static void errno_rows(void)
{
	pthread_t thread;
	int other = 0;

	row("strerror.0", "%s", rte_strerror(0));
	row("strerror.EINVAL", "%s", rte_strerror(EINVAL));
	row("strerror.E_RTE_SECONDARY", "%s", rte_strerror(E_RTE_SECONDARY));
	row("strerror.E_RTE_NO_CONFIG", "%s", rte_strerror(E_RTE_NO_CONFIG));
	row("strerror.RTE_MAX_ERRNO", "%s", rte_strerror(RTE_MAX_ERRNO));
	row("strerror.99999", "%s", rte_strerror(99999));
	row("strerror.-1", "%s", rte_strerror(-1));
	rte_errno = E2BIG;
	pthread_create(&thread, NULL, set_errno, &other);
	pthread_join(thread, NULL);
	row("rte_errno.each thread has its own", "%s", yes(rte_errno == E2BIG && other == EINVAL));
}

static void time_rows(void)
{
	uint64_t cycles = rte_rdtsc(), timer = rte_get_timer_cycles();
	int64_t start = now_ms();

	rte_delay_us(20 * 1000);
	row("delay_us.is long enough", "%s", yes(now_ms() - start >= 19));
	start = now_ms();
	rte_delay_ms(20);
	row("delay_ms.is long enough", "%s", yes(now_ms() - start >= 19));
	start = now_ms();
	rte_delay_us_sleep(20 * 1000);
	row("delay_us_sleep.is long enough", "%s", yes(now_ms() - start >= 19));
	row("rdtsc.grows", "%s", yes(rte_rdtsc() > cycles));
	row("timer.grows", "%s", yes(rte_get_timer_cycles() > timer));
	row("timer.hz", "%s", rte_get_timer_hz() > 1000000 ? "some" : "too few");
}

void check_small_things(void)
{
	row("version", "%s", rte_version()[0] != '\0' ? "some" : "none");
	errno_rows();
	expect_eal("primary");
	time_rows();
	rte_eal_cleanup();
}
