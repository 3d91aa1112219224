/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Hints to the compiler: which way a condition mostly goes. Their value is 0 or 1. */
#ifndef RTE_MP_RTE_BRANCH_PREDICTION_H
#define RTE_MP_RTE_BRANCH_PREDICTION_H

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#endif

#ifndef unlikely
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#endif
