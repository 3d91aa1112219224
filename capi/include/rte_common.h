/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What everything else uses: attributes, alignment, small macros, and the way out. */
#ifndef RTE_MP_RTE_COMMON_H
#define RTE_MP_RTE_COMMON_H

#include <assert.h>
#include <limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_bitops.h>
#include <rte_compat.h>
#include <rte_config.h>
#include <rte_os.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Programs write these words also where the language is set to strict ISO C, which lacks them. */
#ifdef __STRICT_ANSI__
#if !defined(typeof) && !(defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define typeof __typeof__
#endif
#if !defined(asm) && !defined(__cplusplus)
#define asm __asm__
#endif
#endif

/* The compiler. */
#if defined(__clang__)
#define RTE_CC_CLANG 1
#define RTE_CC_IS_GNU 0
#else
#define RTE_CC_GCC 1
#define RTE_CC_IS_GNU 1
#define GCC_VERSION (__GNUC__ * 10000 + __GNUC_MINOR__ * 100 + __GNUC_PATCHLEVEL__)
#endif

/* Before an anonymous union or struct: keeps the compiler quiet about it in any language. */
#define RTE_STD_C11 __extension__

/*
 * Attributes.
 */

#define __rte_aligned(a) __attribute__((__aligned__(a)))
#define __rte_packed __attribute__((__packed__))
#define __rte_packed_begin
#define __rte_packed_end __attribute__((__packed__))
#define __rte_may_alias __attribute__((__may_alias__))
#define __rte_deprecated __attribute__((__deprecated__))
#define __rte_deprecated_msg(msg) __attribute__((__deprecated__(msg)))
#define __rte_weak __attribute__((__weak__))
#define __rte_pure __attribute__((__pure__))
#define __rte_used __attribute__((__used__))
#define __rte_unused __attribute__((__unused__))
#define __rte_section(name) __attribute__((__section__(name)))
#define __rte_noreturn __attribute__((__noreturn__))
#define __rte_warn_unused_result __attribute__((__warn_unused_result__))
#define __rte_always_inline inline __attribute__((__always_inline__))
#define __rte_noinline __attribute__((__noinline__))
#define __rte_hot __attribute__((__hot__))
#define __rte_cold __attribute__((__cold__))
#define __rte_restrict __restrict
#define __rte_malloc __attribute__((__malloc__))
#define __rte_alloc_size(...) __attribute__((__alloc_size__(__VA_ARGS__)))

/* The argument that is a printf format, and the first one that it formats (0: a va_list). */
#if RTE_CC_IS_GNU
#define __rte_format_printf(format_index, first_arg) \
	__attribute__((__format__(__gnu_printf__, format_index, first_arg)))
#else
#define __rte_format_printf(format_index, first_arg) \
	__attribute__((__format__(__printf__, format_index, first_arg)))
#endif

/* What gives back what the function returns, and as which argument. */
#if RTE_CC_IS_GNU && GCC_VERSION >= 110000
#define __rte_dealloc(dealloc, argno) __attribute__((__malloc__(dealloc, argno)))
#else
#define __rte_dealloc(dealloc, argno)
#endif

#define __rte_constant(e) __extension__(__builtin_constant_p(e))
#define __rte_unreachable() __extension__(__builtin_unreachable())

/* For a parameter or variable that is there on purpose and not used. */
#define RTE_SET_USED(x) (void)(x)

/*
 * Functions that run before main(), and after it. Lower priorities run first before main(), and
 * last after it.
 */

#define RTE_PRIORITY_LOG 101
#define RTE_PRIORITY_BUS 110
#define RTE_PRIORITY_CLASS 120
#define RTE_PRIORITY_LAST 65535
#define RTE_PRIO(prio) RTE_PRIORITY_##prio

#define RTE_INIT_PRIO(func, prio) \
	static void __attribute__((__constructor__(RTE_PRIO(prio)), __used__)) func(void)
#define RTE_INIT(func) RTE_INIT_PRIO(func, LAST)

#define RTE_FINI_PRIO(func, prio) \
	static void __attribute__((__destructor__(RTE_PRIO(prio)), __used__)) func(void)
#define RTE_FINI(func) RTE_FINI_PRIO(func, LAST)

/*
 * Pointers. Distances are in bytes.
 */

#define RTE_PTR_ADD(ptr, x) ((void *)((uintptr_t)(ptr) + (uintptr_t)(x)))
#define RTE_PTR_SUB(ptr, x) ((void *)((uintptr_t)(ptr) - (uintptr_t)(x)))
#define RTE_PTR_DIFF(ptr1, ptr2) ((uintptr_t)(ptr1) - (uintptr_t)(ptr2))

/* Casts that drop qualifiers, without a word from the compiler. */
#define RTE_PTR_UNQUAL(ptr) ((void *)(uintptr_t)(ptr))
#define RTE_CAST_PTR(type, ptr) ((type)(uintptr_t)(ptr))

/* The member `field` of `*var`, taken for a `type`. */
#define RTE_CAST_FIELD(var, field, type) \
	(*(type *)((uintptr_t)(var) + offsetof(__typeof__(*(var)), field)))

#define RTE_SIZEOF_FIELD(type, field) (sizeof(((type *)0)->field))

/* The struct of which `ptr` points to the member `member`. */
#ifndef container_of
#define container_of(ptr, type, member) \
	__extension__({ \
		const __typeof__(((type *)0)->member) *rtemp_member = (ptr); \
		(type *)((uintptr_t)rtemp_member - offsetof(type, member)); \
	})
#endif

/*
 * Alignment. `align` is a power of two. The result has the type of the first argument; when it was
 * rounded up, that of a sum with it, as small ones become int in sums.
 */

#define RTE_ALIGN_FLOOR(val, align) \
	((__typeof__(val))((val) & ~((__typeof__(val))((align)-1))))
#define RTE_ALIGN_CEIL(val, align) \
	RTE_ALIGN_FLOOR((val) + (__typeof__(val))((align)-1), align)
#define RTE_ALIGN(val, align) RTE_ALIGN_CEIL(val, align)

#define RTE_PTR_ALIGN_FLOOR(ptr, align) \
	((__typeof__(ptr))RTE_ALIGN_FLOOR((uintptr_t)(ptr), align))
#define RTE_PTR_ALIGN_CEIL(ptr, align) \
	((__typeof__(ptr))RTE_ALIGN_CEIL((uintptr_t)(ptr), align))
#define RTE_PTR_ALIGN(ptr, align) RTE_PTR_ALIGN_CEIL(ptr, align)

/* The multiple of `mul`, which can be any number, above, below and nearest; above when between. */
#define RTE_ALIGN_MUL_CEIL(v, mul) \
	((((v) + (__typeof__(v))(mul)-1) / (__typeof__(v))(mul)) * (__typeof__(v))(mul))
#define RTE_ALIGN_MUL_FLOOR(v, mul) (((v) / (__typeof__(v))(mul)) * (__typeof__(v))(mul))
#define RTE_ALIGN_MUL_NEAR(v, mul) \
	__extension__({ \
		__typeof__(v) rtemp_above = RTE_ALIGN_MUL_CEIL(v, mul); \
		__typeof__(v) rtemp_below = RTE_ALIGN_MUL_FLOOR(v, mul); \
		rtemp_above - (v) > (v)-rtemp_below ? rtemp_below : rtemp_above; \
	})

/* Whether the pointer is a multiple of `align`, a power of two. */
static inline int rte_is_aligned(const void *const __rte_restrict ptr, const unsigned int align)
{
	return ((uintptr_t)ptr & (align - 1)) == 0;
}

#define RTE_CACHE_LINE_MASK (RTE_CACHE_LINE_SIZE - 1)
#define RTE_CACHE_LINE_ROUNDUP(size) RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE)
#if RTE_CACHE_LINE_SIZE == 128
#define RTE_CACHE_LINE_SIZE_LOG2 7
#else
#define RTE_CACHE_LINE_SIZE_LOG2 6
#endif
#define RTE_CACHE_LINE_MIN_SIZE 64

#define __rte_cache_aligned __rte_aligned(RTE_CACHE_LINE_SIZE)
#define __rte_cache_min_aligned __rte_aligned(RTE_CACHE_LINE_MIN_SIZE)

/* A member that keeps what follows it off the cache lines of what comes before it. */
#define RTEMP_CACHE_GUARD_NAMED(line) \
	alignas(RTE_CACHE_LINE_SIZE) char \
		cache_guard_##line[RTE_CACHE_LINE_SIZE * RTE_CACHE_GUARD_LINES]
#define RTEMP_CACHE_GUARD(line) RTEMP_CACHE_GUARD_NAMED(line)
#define RTE_CACHE_GUARD RTEMP_CACHE_GUARD(__LINE__)

/*
 * Addresses that devices would use. There are none here: what asks for one gets RTE_BAD_IOVA.
 */

typedef uint64_t phys_addr_t;
#define RTE_BAD_PHYS_ADDR ((phys_addr_t)-1)

typedef uint64_t rte_iova_t;
#define RTE_BAD_IOVA ((rte_iova_t)-1)

/* Members that mark a place in a struct and take no room. */
__extension__ typedef void *RTE_MARKER[0];
__extension__ typedef uint8_t RTE_MARKER8[0];
__extension__ typedef uint16_t RTE_MARKER16[0];
__extension__ typedef uint32_t RTE_MARKER32[0];
__extension__ typedef uint64_t RTE_MARKER64[0];

/* Numbers that need not be aligned: on the machines these headers are for, ordinary ones. */
typedef uint64_t unaligned_uint64_t;
typedef uint32_t unaligned_uint32_t;
typedef uint16_t unaligned_uint16_t;

/*
 * Small things.
 */

/* The smaller and the larger of two; each argument is evaluated once. */
#define RTE_MIN(a, b) \
	__extension__({ \
		__typeof__(a) rtemp_min_a = (a); \
		__typeof__(b) rtemp_min_b = (b); \
		rtemp_min_a < rtemp_min_b ? rtemp_min_a : rtemp_min_b; \
	})
#define RTE_MAX(a, b) \
	__extension__({ \
		__typeof__(a) rtemp_max_a = (a); \
		__typeof__(b) rtemp_max_b = (b); \
		rtemp_max_a > rtemp_max_b ? rtemp_max_a : rtemp_max_b; \
	})

/*
 * The same for constant expressions: both are taken for a `t` first, and evaluated more than once.
 */
#define RTE_MIN_T(a, b, t) ((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define RTE_MAX_T(a, b, t) ((t)(a) > (t)(b) ? (t)(a) : (t)(b))

#define RTE_SWAP(a, b) \
	__extension__({ \
		__typeof__(a) rtemp_swapped = (a); \
		(a) = (b); \
		(b) = rtemp_swapped; \
	})

/* How many elements an array has. */
#define RTE_DIM(a) (sizeof(a) / sizeof((a)[0]))

/* The argument as a string literal, macros in it replaced. */
#define RTEMP_STR(x) #x
#define RTE_STR(x) RTEMP_STR(x)

/* A number of type `tp` of which the lowest `ln` bits, at least one, are set. */
#define RTE_LEN2MASK(ln, tp) ((tp)(UINT64_MAX >> (64 - (ln))))

/* Does not compile when the constant condition is true. */
#define RTE_BUILD_BUG_ON(condition) \
	do { \
		static_assert(!(condition), #condition); \
	} while (0)

/*
 * For macros that add to somebody's format: RTE_FMT(RTE_FMT_HEAD(args,) "\n", RTE_FMT_TAIL(args,))
 * has the arguments of printf("...\n", ...) also where there is nothing but a format.
 */
#define RTE_FMT(fmt, ...) fmt "%.0s", __VA_ARGS__ ""
#define RTE_FMT_HEAD(fmt, ...) fmt
#define RTE_FMT_TAIL(fmt, ...) __VA_ARGS__

/*
 * Reads a number of bytes such as "64", "0x40" or "2 M": blanks, a number in C's notation, at most
 * one blank, and K, M, G, T, P or E in either case for 2 to the power of 10, 20, 30, 40, 50 or 60.
 * What comes after that is not looked at. Returns 0 when there is no number, a negative one, or one
 * that does not fit.
 */
uint64_t rte_str_to_size(const char *str);

/*
 * Logs a message in the manner of printf at level CRIT, leaves the group as rte_eal_cleanup() does,
 * and ends the process with `exit_code`. When that is not 0, the message comes after a line that
 * says so.
 */
__rte_noreturn void rte_exit(int exit_code, const char *format, ...) __rte_format_printf(2, 3);

#ifdef __cplusplus
}
#endif

#endif
