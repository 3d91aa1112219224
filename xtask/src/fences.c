/*
 * What ThreadSanitizer does not follow: fences.
 *
 * Whoever drops the last reference to an `Arc` counts down with release order, and then orders
 * itself behind the others by an acquire fence. So that this is seen, each subtraction with release
 * order acquires as well. It hides a fence that was forgotten behind such a subtraction, and nothing
 * else. The linker puts this in the place of the original (`--wrap`).
 */
#include <stdint.h>

enum { RELEASE = 3, ACQUIRE_RELEASE = 4 };

uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t value, int order);

uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t value, int order)
{
	if (order == RELEASE)
		order = ACQUIRE_RELEASE;
	return __real___tsan_atomic64_fetch_sub(at, value, order);
}
