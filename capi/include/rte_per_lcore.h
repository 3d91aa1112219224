/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Variables of which each thread has its own. Despite the name it is every thread that has one, not
 * only those that are lcores.
 */
#ifndef RTE_MP_RTE_PER_LCORE_H
#define RTE_MP_RTE_PER_LCORE_H

#include <pthread.h>

/* Defines one (at file scope, possibly after `static`), declares one of another file, names one. */
#define RTE_DEFINE_PER_LCORE(type, name) __thread __typeof__(type) per_lcore_##name
#define RTE_DECLARE_PER_LCORE(type, name) extern __thread __typeof__(type) per_lcore_##name
#define RTE_PER_LCORE(name) (per_lcore_##name)

#endif
