/* One mistake each, which may end the process. */
#include "sections.h"

#include <rte_memzone.h>

#include "conformance.h"

static struct raw_peer peer;

static void start(void)
{
	expect_eal("primary");
	open_raw_peer(&peer, RAW_REPLY);
}

void crash_sync_timeout(void)
{
	struct rte_mp_msg request = message("hello", "a");
	struct rte_mp_reply reply;

	start();
	rte_errno = 0;
	row(NULL, "%s", replies_text(rte_mp_request_sync(&request, &reply, NULL), &reply));
}

void crash_sync_reply(void)
{
	struct rte_mp_msg request = message("hello", "a");
	struct timespec timeout = milliseconds(SHORT_MS);

	start();
	rte_errno = 0;
	row(NULL, "%s", outcome(rte_mp_request_sync(&request, NULL, &timeout)));
}

void crash_async_timeout(void)
{
	struct rte_mp_msg request = message("hello", "a");
	const char *returned;

	start();
	rte_errno = 0;
	returned = outcome(rte_mp_request_async(&request, NULL, on_replies));
	reaches(&called.calls, 1);
	row(NULL, "%s", called_text(returned));
}

void crash_async_callback(void)
{
	struct rte_mp_msg request = message("hello", "a");
	struct timespec timeout = milliseconds(SHORT_MS);
	const char *returned;

	start();
	rte_errno = 0;
	returned = outcome(rte_mp_request_async(&request, &timeout, NULL));
	rest(SHORT_MS);
	row(NULL, "%s", returned);
}

void crash_memzone_reserve(void)
{
	expect_eal("primary");
	rte_errno = 0;
	row(NULL, "%s", rte_memzone_reserve(NULL, 64, SOCKET_ID_ANY, 0) == NULL ?
	    text("NULL %s", errno_name(rte_errno)) : "a zone");
}

void crash_memzone_lookup(void)
{
	expect_eal("primary");
	if (rte_memzone_reserve("zone", 64, SOCKET_ID_ANY, 0) == NULL)
		row("reserve", "%s", errno_name(rte_errno));
	rte_errno = 0;
	row(NULL, "%s", rte_memzone_lookup(NULL) == NULL ?
	    text("NULL %s", errno_name(rte_errno)) : "a zone");
}
