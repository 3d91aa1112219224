/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Single bits, and powers of two. */
#ifndef RTE_MP_RTE_BITOPS_H
#define RTE_MP_RTE_BITOPS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number with only bit `nr` set. */
#define RTE_BIT32(nr) (UINT32_C(1) << (nr))
#define RTE_BIT64(nr) (UINT64_C(1) << (nr))

/* Whether exactly one bit is set. `n` is evaluated more than once. */
#define RTE_IS_POWER_OF_2(n) ((n) && !((n) & ((n) - 1)))

static inline int rte_is_power_of_2(uint32_t n)
{
	return RTE_IS_POWER_OF_2(n);
}

/* The number of the lowest set bit; `v` is not 0. */
static inline uint32_t rte_bsf32(uint32_t v)
{
	return (uint32_t)__builtin_ctz(v);
}

static inline uint32_t rte_bsf64(uint64_t v)
{
	return (uint32_t)__builtin_ctzll(v);
}

/* The same, in `*pos`. Returns 1, or 0 when no bit is set and `*pos` is left as it was. */
static inline int rte_bsf32_safe(uint32_t v, uint32_t *pos)
{
	if (v == 0)
		return 0;
	*pos = rte_bsf32(v);
	return 1;
}

static inline int rte_bsf64_safe(uint64_t v, uint32_t *pos)
{
	if (v == 0)
		return 0;
	*pos = rte_bsf64(v);
	return 1;
}

/* How many bits the number takes: one more than the number of its highest set bit, 0 for 0. */
static inline uint32_t rte_fls_u32(uint32_t x)
{
	return x == 0 ? 0 : 32 - (uint32_t)__builtin_clz(x);
}

static inline uint32_t rte_fls_u64(uint64_t x)
{
	return x == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(x);
}

/* The number with all bits set below its highest one. */
static inline uint32_t rte_combine32ms1b(uint32_t x)
{
	return x == 0 ? 0 : UINT32_MAX >> (32 - rte_fls_u32(x));
}

static inline uint64_t rte_combine64ms1b(uint64_t v)
{
	return v == 0 ? 0 : UINT64_MAX >> (64 - rte_fls_u64(v));
}

/* The smallest power of two that is not below `x`; 0 for 0, and where it does not fit. */
static inline uint32_t rte_align32pow2(uint32_t x)
{
	return rte_combine32ms1b(x - 1) + 1;
}

static inline uint64_t rte_align64pow2(uint64_t v)
{
	return rte_combine64ms1b(v - 1) + 1;
}

/* The largest power of two that is not above `x`; 0 for 0. */
static inline uint32_t rte_align32prevpow2(uint32_t x)
{
	return x == 0 ? 0 : RTE_BIT32(rte_fls_u32(x) - 1);
}

static inline uint64_t rte_align64prevpow2(uint64_t v)
{
	return v == 0 ? 0 : RTE_BIT64(rte_fls_u64(v) - 1);
}

/* The logarithm to base 2, rounded up; 0 for 0. */
static inline uint32_t rte_log2_u32(uint32_t v)
{
	return v == 0 ? 0 : rte_fls_u32(v - 1);
}

static inline uint32_t rte_log2_u64(uint64_t v)
{
	return v == 0 ? 0 : rte_fls_u64(v - 1);
}

#ifdef __cplusplus
}
#endif

#endif
