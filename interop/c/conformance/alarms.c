/* Alarms. */
#include "sections.h"

#include <errno.h>

#include <rte_alarm.h>

#include "conformance.h"

#define SOON_US 1000
#define LATER_US (10 * 1000 * 1000)

static atomic_int calls, started;
static pthread_t thread;
static char order[8];
static char inside[TEXT_SIZE];

static void on_alarm(void *arg)
{
	thread = pthread_self();
	if (arg != NULL)
		strncat(order, arg, sizeof(order) - strlen(order) - 1);
	atomic_fetch_add(&calls, 1);
}

static void on_alarm_set(void *arg)
{
	snprintf(inside, sizeof(inside), "%s",
		 outcome_or_errno(rte_eal_alarm_set(SOON_US, on_alarm, arg)));
}

static const char *cancel(rte_eal_alarm_callback callback, void *arg)
{
	int count;

	rte_errno = 0;
	count = rte_eal_alarm_cancel(callback, arg);
	return rte_errno == 0 ? text("%d", count) : text("%d %s", count, errno_name(rte_errno));
}

static void on_alarm_cancel(void *arg)
{
	snprintf(inside, sizeof(inside), "%s", cancel(on_alarm_cancel, arg));
	atomic_fetch_add(&calls, 1);
}

static void on_alarm_slow(void *arg)
{
	RTE_SET_USED(arg);
	atomic_fetch_add(&started, 1);
	rest(SHORT_MS / 3);
	atomic_fetch_add(&calls, 1);
}

static void set_row(const char *name, uint64_t us, rte_eal_alarm_callback callback, void *arg)
{
	row(name, "%s", outcome_or_errno(rte_eal_alarm_set(us, callback, arg)));
}

static void set_rows(void)
{
	set_row("set.0 us", 0, on_alarm, NULL);
	set_row("set.UINT64_MAX us", UINT64_MAX, on_alarm, NULL);
	set_row("set.no callback", SOON_US, NULL, NULL);
	set_row("set", SOON_US, on_alarm, NULL);
	row("set.called", "%s", yes(reaches(&calls, 1)));
	row("set.in the main thread", "%s", yes(pthread_equal(thread, pthread_self())));
	rest(SHORT_MS / 3);
	row("set.calls", "%d", atomic_load(&calls));

	atomic_store(&calls, 0);
	rte_eal_alarm_set(60 * SOON_US, on_alarm, "3");
	rte_eal_alarm_set(20 * SOON_US, on_alarm, "1");
	rte_eal_alarm_set(40 * SOON_US, on_alarm, "2");
	reaches(&calls, 3);
	row("in their order", "%s", order);

	atomic_store(&calls, 0);
	rte_eal_alarm_set(SOON_US, on_alarm_set, NULL);
	reaches(&calls, 1);
	row("set inside a callback", "%s, called %d times", inside, atomic_load(&calls));
}

static void cancel_rows(void)
{
	int one, two;

	row("cancel.no callback", "%s", cancel(NULL, NULL));
	row("cancel.never set", "%s", cancel(on_alarm, NULL));
	atomic_store(&calls, 0);
	rte_eal_alarm_set(LATER_US, on_alarm, &one);
	rte_eal_alarm_set(LATER_US, on_alarm, &two);
	rte_eal_alarm_set(LATER_US, on_alarm, &two);
	rte_eal_alarm_set(LATER_US, on_alarm_set, &one);
	row("cancel.another argument", "%s", cancel(on_alarm, &calls));
	row("cancel.one", "%s", cancel(on_alarm, &one));
	row("cancel.one again", "%s", cancel(on_alarm, &one));
	row("cancel.two of one argument", "%s", cancel(on_alarm, &two));
	rte_eal_alarm_set(LATER_US, on_alarm, &one);
	rte_eal_alarm_set(LATER_US, on_alarm, &two);
	row("cancel.any argument", "%s", cancel(on_alarm, (void *)-1));
	row("cancel.another callback", "%s", cancel(on_alarm_set, (void *)-1));
	row("cancel.calls", "%d", atomic_load(&calls));

	rte_eal_alarm_set(SOON_US, on_alarm_cancel, NULL);
	reaches(&calls, 1);
	row("cancel.itself inside its callback", "%s", inside);

	atomic_store(&calls, 0);
	rte_eal_alarm_set(SOON_US, on_alarm_slow, NULL);
	reaches(&started, 1);
	row("cancel.while it runs", "%s", cancel(on_alarm_slow, NULL));
	row("cancel.while it runs.waits for it", "%s", yes(atomic_load(&calls) == 1));
}

void run_alarms(void)
{
	expect_eal("primary");
	set_rows();
	cancel_rows();
	rte_eal_cleanup();
}
