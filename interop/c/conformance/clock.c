/* Time: a clock that is never set, and rests. */
#include "conformance.h"

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct timespec milliseconds(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

void rest(int64_t ms)
{
	struct timespec time = milliseconds(ms);

	while (nanosleep(&time, &time) != 0)
		;
}

bool reaches(atomic_int *count, int least)
{
	int64_t deadline = now_ms() + LONG_MS;

	while (atomic_load(count) < least) {
		if (now_ms() > deadline)
			return false;
		rest(1);
	}
	return true;
}
