/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Ends for programs that cannot go on. */
#ifndef RTE_MP_RTE_DEBUG_H
#define RTE_MP_RTE_DEBUG_H

#include <rte_branch_prediction.h>
#include <rte_log.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the functions that the calling thread is in to stderr, as far as they can be found out. */
void rte_dump_stack(void);

/*
 * Logs the function's name and a message in the manner of printf at level CRIT, shows the stack,
 * and ends the process with abort(). The group is not left in order: others see a process that
 * died.
 */
#define rte_panic(...) __rte_panic(__func__, __VA_ARGS__)

void __rte_panic(const char *funcname, const char *format, ...)
	__rte_cold __rte_noreturn __rte_format_printf(2, 3);

/* Panics unless the condition holds. */
#define RTE_VERIFY(exp) \
	do { \
		if (unlikely(!(exp))) \
			rte_panic("line %d\tassert \"%s\" failed\n", __LINE__, #exp); \
	} while (0)

/*
 * The same in builds with RTE_ENABLE_ASSERT; in others the condition is compiled and not evaluated.
 */
#ifdef RTE_ENABLE_ASSERT
#define RTE_ASSERT(exp) RTE_VERIFY(exp)
#else
#define RTE_ASSERT(exp) \
	do { \
		(void)sizeof((exp) ? 1 : 0); \
	} while (0)
#endif

#ifdef __cplusplus
}
#endif

#endif
