/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Prints what a program has compiled in: sizes, offsets, constants, and what macros and inline
 * functions make of some numbers. One `name value` a line. It compiles against DPDK too, and needs
 * no library.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_alarm.h>
#include <rte_atomic.h>
#include <rte_bitops.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_memcpy.h>
#include <rte_memory.h>
#include <rte_memzone.h>
#include <rte_os.h>
#include <rte_pause.h>
#include <rte_spinlock.h>
#include <rte_string_fns.h>
#include <rte_version.h>

#define VALUE(expression) printf("%s %lld\n", #expression, (long long)(expression))
#define TYPE(type) \
	printf("sizeof(%s) %zu\nalignof(%s) %zu\n", #type, sizeof(type), #type, _Alignof(type))
#define MEMBER(type, member) \
	printf("%s.%s at %zu, %zu bytes\n", #type, #member, offsetof(type, member), \
	       sizeof(((type *)0)->member))

static void types(void)
{
	TYPE(struct rte_mp_msg);
	MEMBER(struct rte_mp_msg, name);
	MEMBER(struct rte_mp_msg, len_param);
	MEMBER(struct rte_mp_msg, num_fds);
	MEMBER(struct rte_mp_msg, param);
	MEMBER(struct rte_mp_msg, fds);
	TYPE(struct rte_mp_reply);
	MEMBER(struct rte_mp_reply, nb_sent);
	MEMBER(struct rte_mp_reply, nb_received);
	MEMBER(struct rte_mp_reply, msgs);
	TYPE(struct rte_memzone);
	MEMBER(struct rte_memzone, name);
	MEMBER(struct rte_memzone, iova);
	MEMBER(struct rte_memzone, addr);
	MEMBER(struct rte_memzone, addr_64);
	MEMBER(struct rte_memzone, len);
	MEMBER(struct rte_memzone, hugepage_sz);
	MEMBER(struct rte_memzone, socket_id);
	MEMBER(struct rte_memzone, flags);
	TYPE(struct rte_malloc_socket_stats);
	MEMBER(struct rte_malloc_socket_stats, heap_totalsz_bytes);
	MEMBER(struct rte_malloc_socket_stats, heap_freesz_bytes);
	MEMBER(struct rte_malloc_socket_stats, greatest_free_size);
	MEMBER(struct rte_malloc_socket_stats, free_count);
	MEMBER(struct rte_malloc_socket_stats, alloc_count);
	MEMBER(struct rte_malloc_socket_stats, heap_allocsz_bytes);
	TYPE(rte_spinlock_t);
	MEMBER(rte_spinlock_t, locked);
	TYPE(rte_spinlock_recursive_t);
	MEMBER(rte_spinlock_recursive_t, sl);
	MEMBER(rte_spinlock_recursive_t, user);
	MEMBER(rte_spinlock_recursive_t, count);
	TYPE(rte_atomic16_t);
	MEMBER(rte_atomic16_t, cnt);
	TYPE(rte_atomic32_t);
	MEMBER(rte_atomic32_t, cnt);
	TYPE(rte_atomic64_t);
	MEMBER(rte_atomic64_t, cnt);
	TYPE(rte_cpuset_t);
	TYPE(rte_iova_t);
	TYPE(phys_addr_t);
	TYPE(unaligned_uint64_t);
	TYPE(unaligned_uint32_t);
	TYPE(unaligned_uint16_t);
	TYPE(enum rte_proc_type_t);
	TYPE(enum rte_lcore_role_t);
	TYPE(enum rte_lcore_state_t);
	TYPE(enum rte_rmt_call_main_t);
	TYPE(rte_mp_t);
	TYPE(rte_mp_async_reply_t);
	TYPE(rte_usage_hook_t);
	TYPE(rte_eal_alarm_callback);
	VALUE(sizeof(RTE_MARKER));
	VALUE(sizeof(RTE_MARKER8));
	VALUE(sizeof(RTE_MARKER16));
	VALUE(sizeof(RTE_MARKER32));
	VALUE(sizeof(RTE_MARKER64));
	VALUE(sizeof(rte_errno));
	VALUE(sizeof(RTE_PER_LCORE(_lcore_id)));
	VALUE(sizeof(RTE_PER_LCORE(_thread_id)));
	VALUE(sizeof(rte_delay_us));
}

static void constants(void)
{
	/* rte_build_config.h, rte_config.h, rte_version.h */
	VALUE(RTE_VER_YEAR);
	VALUE(RTE_VER_MONTH);
	VALUE(RTE_VER_RELEASE);
	VALUE(RTE_EXEC_ENV_LINUX);
	VALUE(RTE_EXEC_ENV_LINUXAPP);
	VALUE(RTE_ENV_FREEBSD);
	VALUE(RTE_ENV_LINUX);
	VALUE(RTE_ENV_WINDOWS);
	VALUE(RTE_EXEC_ENV);
	VALUE(RTE_EXEC_ENV_IS_FREEBSD);
	VALUE(RTE_EXEC_ENV_IS_LINUX);
	VALUE(RTE_EXEC_ENV_IS_WINDOWS);
	VALUE(RTE_CACHE_LINE_SIZE);
	VALUE(RTE_LIB_EAL);
	VALUE(RTE_MAX_LCORE);
	VALUE(RTE_MAX_NUMA_NODES);
	VALUE(RTE_LOG_DP_LEVEL);
	VALUE(RTE_VERSION_NUM(22, 11, 5, 99));
	VALUE(RTE_VERSION >= RTE_VERSION_NUM(22, 11, 0, 0));

	/* rte_eal.h */
	VALUE(RTE_MAGIC);
	VALUE(RTE_MAX_THREAD_NAME_LEN);
	VALUE(RTE_PROC_AUTO);
	VALUE(RTE_PROC_PRIMARY);
	VALUE(RTE_PROC_SECONDARY);
	VALUE(RTE_PROC_INVALID);
	VALUE(RTE_MP_MAX_FD_NUM);
	VALUE(RTE_MP_MAX_NAME_LEN);
	VALUE(RTE_MP_MAX_PARAM_LEN);

	/* rte_errno.h */
	VALUE(__ELASTERROR);
	VALUE(RTE_MIN_ERRNO);
	VALUE(E_RTE_SECONDARY);
	VALUE(E_RTE_NO_CONFIG);
	VALUE(RTE_MAX_ERRNO);

	/* rte_memory.h, rte_memzone.h */
	VALUE(SOCKET_ID_ANY);
	VALUE(RTE_PGSIZE_4K);
	VALUE(RTE_PGSIZE_64K);
	VALUE(RTE_PGSIZE_256K);
	VALUE(RTE_PGSIZE_2M);
	VALUE(RTE_PGSIZE_16M);
	VALUE(RTE_PGSIZE_256M);
	VALUE(RTE_PGSIZE_512M);
	VALUE(RTE_PGSIZE_1G);
	VALUE(RTE_PGSIZE_4G);
	VALUE(RTE_PGSIZE_16G);
	VALUE(RTE_MEMZONE_NAMESIZE);
	VALUE(RTE_MEMZONE_2MB);
	VALUE(RTE_MEMZONE_1GB);
	VALUE(RTE_MEMZONE_SIZE_HINT_ONLY);
	VALUE(RTE_MEMZONE_16MB);
	VALUE(RTE_MEMZONE_16GB);
	VALUE(RTE_MEMZONE_256KB);
	VALUE(RTE_MEMZONE_256MB);
	VALUE(RTE_MEMZONE_512MB);
	VALUE(RTE_MEMZONE_4GB);
	VALUE(RTE_MEMZONE_IOVA_CONTIG);

	/* rte_lcore.h, rte_launch.h, rte_cycles.h */
	VALUE(LCORE_ID_ANY);
	VALUE(ROLE_RTE);
	VALUE(ROLE_OFF);
	VALUE(ROLE_SERVICE);
	VALUE(ROLE_NON_EAL);
	VALUE(WAIT);
	VALUE(RUNNING);
	VALUE(SKIP_MAIN);
	VALUE(CALL_MAIN);
	VALUE(MS_PER_S);
	VALUE(US_PER_S);
	VALUE(NS_PER_S);

	/* rte_log.h */
	VALUE(RTE_LOGTYPE_EAL);
	VALUE(RTE_LOGTYPE_USER1);
	VALUE(RTE_LOGTYPE_USER2);
	VALUE(RTE_LOGTYPE_USER3);
	VALUE(RTE_LOGTYPE_USER4);
	VALUE(RTE_LOGTYPE_USER5);
	VALUE(RTE_LOGTYPE_USER6);
	VALUE(RTE_LOGTYPE_USER7);
	VALUE(RTE_LOGTYPE_USER8);
	VALUE(RTE_LOGTYPE_FIRST_EXT_ID);
#if RTE_VER_YEAR < 23 /* later ones have got no fixed numbers for their libraries */
	VALUE(RTE_MAX_MEMZONE);
	VALUE(RTE_LOGTYPE_MALLOC);
	VALUE(RTE_LOGTYPE_RING);
	VALUE(RTE_LOGTYPE_MEMPOOL);
	VALUE(RTE_LOGTYPE_TIMER);
	VALUE(RTE_LOGTYPE_PMD);
	VALUE(RTE_LOGTYPE_HASH);
	VALUE(RTE_LOGTYPE_LPM);
	VALUE(RTE_LOGTYPE_KNI);
	VALUE(RTE_LOGTYPE_ACL);
	VALUE(RTE_LOGTYPE_POWER);
	VALUE(RTE_LOGTYPE_METER);
	VALUE(RTE_LOGTYPE_SCHED);
	VALUE(RTE_LOGTYPE_PORT);
	VALUE(RTE_LOGTYPE_TABLE);
	VALUE(RTE_LOGTYPE_PIPELINE);
	VALUE(RTE_LOGTYPE_MBUF);
	VALUE(RTE_LOGTYPE_CRYPTODEV);
	VALUE(RTE_LOGTYPE_EFD);
	VALUE(RTE_LOGTYPE_EVENTDEV);
	VALUE(RTE_LOGTYPE_GSO);
#else
	VALUE(RTE_CACHE_GUARD_LINES);
#endif
	VALUE(RTE_LOG_EMERG);
	VALUE(RTE_LOG_ALERT);
	VALUE(RTE_LOG_CRIT);
	VALUE(RTE_LOG_ERR);
	VALUE(RTE_LOG_WARNING);
	VALUE(RTE_LOG_NOTICE);
	VALUE(RTE_LOG_INFO);
	VALUE(RTE_LOG_DEBUG);
	VALUE(RTE_LOG_MAX);

	/* rte_common.h */
	VALUE(RTE_PRIORITY_LOG);
	VALUE(RTE_PRIORITY_BUS);
	VALUE(RTE_PRIORITY_CLASS);
	VALUE(RTE_PRIORITY_LAST);
	VALUE(RTE_CACHE_LINE_MASK);
	VALUE(RTE_CACHE_LINE_SIZE_LOG2);
	VALUE(RTE_CACHE_LINE_MIN_SIZE);
	VALUE(RTE_BAD_IOVA);
	VALUE(RTE_BAD_PHYS_ADDR);
}

struct two {
	char first;
	int second;
};

static void pointers(void)
{
	static struct two two;
	int *second = &two.second;
	char *base = (char *)(uintptr_t)0x1001;

	VALUE(container_of(second, struct two, second) == &two);
	VALUE(RTE_PTR_ADD(base, 15));
	VALUE(RTE_PTR_SUB(base, 1));
	VALUE(RTE_PTR_DIFF(RTE_PTR_ADD(base, 5), base));
	VALUE(RTE_PTR_ALIGN(base, 64));
	VALUE(RTE_PTR_ALIGN_CEIL(base, 16));
	VALUE(RTE_PTR_ALIGN_FLOOR(base, 16));
	VALUE(rte_is_aligned(base, 1));
	VALUE(rte_is_aligned(base, 2));
	VALUE(rte_is_aligned(RTE_PTR_ALIGN(base, 64), 64));
	RTE_CAST_FIELD(&two, second, int) = 7;
	VALUE(two.second);
	VALUE(RTE_SIZEOF_FIELD(struct two, second));
}

static void numbers(void)
{
	uint16_t small = 65535;
	uint64_t large = (1ULL << 40) + 1;
	int a = 3, b = -4;

	VALUE(RTE_ALIGN(100, 64));
	VALUE(RTE_ALIGN(128, 64));
	VALUE(RTE_ALIGN(0, 64));
	VALUE(RTE_ALIGN_FLOOR(100, 64));
	VALUE(RTE_ALIGN_CEIL(large, 4096));
	VALUE(RTE_ALIGN_FLOOR(small, 16));
	VALUE(RTE_ALIGN_CEIL(small, 16));
	VALUE(sizeof(RTE_ALIGN_FLOOR(small, 16)));
	VALUE(RTE_ALIGN_MUL_CEIL(100, 30));
	VALUE(RTE_ALIGN_MUL_FLOOR(100, 30));
	VALUE(RTE_ALIGN_MUL_NEAR(100, 30));
	VALUE(RTE_ALIGN_MUL_NEAR(105, 30));
	VALUE(RTE_ALIGN_MUL_NEAR(106, 30));
	VALUE(RTE_CACHE_LINE_ROUNDUP(65));
	VALUE(RTE_MIN(a, b));
	VALUE(RTE_MAX(a, b));
	RTE_SWAP(a, b);
	VALUE(a * 100 + b);
	VALUE(RTE_LEN2MASK(12, uint32_t));
	VALUE(RTE_LEN2MASK(64, uint64_t));
	VALUE(RTE_DIM("four"));
	VALUE(RTE_IS_POWER_OF_2(64));
	VALUE(RTE_IS_POWER_OF_2(65));
	VALUE(RTE_IS_POWER_OF_2(0));
	VALUE(RTE_BIT32(31));
	VALUE(RTE_BIT64(40));
	VALUE(likely(17));
	VALUE(unlikely(0));
}

static const uint64_t SAMPLES[] = {
	0,          1,          2,          3,           4,           5,
	7,          8,          9,          63,          64,          65,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001, 0x8000000000000000,
};

#define AT(function, type) \
	for (i = 0; i < RTE_DIM(SAMPLES); i++) { \
		type sample = (type)SAMPLES[i]; \
		if (sample == SAMPLES[i]) \
			printf("%s(%" PRIu64 ") %" PRIu64 "\n", #function, (uint64_t)sample, \
			       (uint64_t)function(sample)); \
	}

static void bits(void)
{
	uint32_t pos = 99;
	size_t i;

	AT(rte_is_power_of_2, uint32_t)
	AT(rte_combine32ms1b, uint32_t)
	AT(rte_combine64ms1b, uint64_t)
	AT(rte_align32pow2, uint32_t)
	AT(rte_align64pow2, uint64_t)
	AT(rte_align32prevpow2, uint32_t)
	AT(rte_align64prevpow2, uint64_t)
	AT(rte_fls_u32, uint32_t)
	AT(rte_fls_u64, uint64_t)
	for (i = 1; i < 12; i++)
		printf("rte_log2(%" PRIu64 ") %u %u\n", SAMPLES[i],
		       (unsigned int)rte_log2_u32((uint32_t)SAMPLES[i]),
		       (unsigned int)rte_log2_u64(SAMPLES[i]));
	VALUE(rte_log2_u32(0));
	VALUE(rte_log2_u64(0x100000001));
	VALUE(rte_bsf32(0x50));
	VALUE(rte_bsf64(1ULL << 40));
	VALUE(rte_bsf32_safe(0, &pos));
	VALUE(pos);
	VALUE(rte_bsf32_safe(8, &pos));
	VALUE(pos);
	VALUE(rte_bsf64_safe(0, &pos));
	VALUE(rte_bsf64_safe(1ULL << 50, &pos));
	VALUE(pos);
}

static void strings(void)
{
	char text[8] = "........";
	char full[4] = {'a', 'b', 'c', 'd'};

	VALUE(rte_strlcpy(text, "seven c", sizeof(text)));
	puts(text);
	VALUE(rte_strlcpy(text, "nine chars", sizeof(text)));
	puts(text);
	VALUE(rte_strlcpy(text, "x", 0));
	puts(text);
	VALUE(rte_strlcpy(text, "", sizeof(text)));
	VALUE(rte_strlcat(text, "ab", sizeof(text)));
	VALUE(rte_strlcat(text, "cdefghij", sizeof(text)));
	puts(text);
	VALUE(rte_strlcat(full, "xyz", sizeof(full)));
	VALUE(full[3] == 'd');
	puts(RTE_STR(RTE_MAX_LCORE) " " RTE_STR(some thing));
	printf(RTE_FMT("[" RTE_FMT_HEAD("%d", 5, ) "]\n", RTE_FMT_TAIL("%d", 5, )));
	printf(RTE_FMT("[" RTE_FMT_HEAD("none", ) "]\n", RTE_FMT_TAIL("none", )));
	rte_memcpy(text, "copied", 7);
	puts(text);
}

#define COUNT(bits) \
	do { \
		rte_atomic##bits##_t count = RTE_ATOMIC##bits##_INIT(5); \
		volatile uint##bits##_t word = 1; \
		VALUE(rte_atomic##bits##_read(&count)); \
		rte_atomic##bits##_add(&count, 10); \
		rte_atomic##bits##_sub(&count, 3); \
		rte_atomic##bits##_inc(&count); \
		VALUE(rte_atomic##bits##_read(&count)); \
		rte_atomic##bits##_dec(&count); \
		VALUE(rte_atomic##bits##_add_return(&count, 2)); \
		VALUE(rte_atomic##bits##_sub_return(&count, 20)); \
		rte_atomic##bits##_set(&count, -1); \
		VALUE(rte_atomic##bits##_inc_and_test(&count)); \
		VALUE(rte_atomic##bits##_inc_and_test(&count)); \
		VALUE(rte_atomic##bits##_dec_and_test(&count)); \
		VALUE(rte_atomic##bits##_dec_and_test(&count)); \
		rte_atomic##bits##_clear(&count); \
		VALUE(rte_atomic##bits##_test_and_set(&count)); \
		VALUE(rte_atomic##bits##_test_and_set(&count)); \
		VALUE(rte_atomic##bits##_read(&count)); \
		rte_atomic##bits##_init(&count); \
		VALUE(rte_atomic##bits##_read(&count)); \
		VALUE(rte_atomic##bits##_cmpset(&word, 1, 2)); \
		VALUE(rte_atomic##bits##_cmpset(&word, 1, 3)); \
		VALUE(rte_atomic##bits##_exchange(&word, 9)); \
		VALUE(word); \
	} while (0)

static void atomics(void)
{
	rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;

	COUNT(16);
	COUNT(32);
	COUNT(64);
	VALUE(rte_spinlock_is_locked(&lock));
	VALUE(rte_spinlock_trylock(&lock));
	VALUE(rte_spinlock_trylock(&lock));
	VALUE(rte_spinlock_is_locked(&lock));
	rte_spinlock_unlock(&lock);
	rte_spinlock_lock(&lock);
	VALUE(lock.locked);
	rte_spinlock_init(&lock);
	VALUE(lock.locked);
}

static void cpus(void)
{
	rte_cpuset_t none, all, some;

	CPU_ZERO(&none);
	RTE_CPU_FILL(&all);
	VALUE(CPU_COUNT(&all));
	RTE_CPU_NOT(&some, &none);
	VALUE(CPU_EQUAL(&some, &all));
	CPU_CLR(3, &some);
	RTE_CPU_NOT(&some, &some);
	VALUE(CPU_COUNT(&some));
	RTE_CPU_AND(&none, &some, &all);
	VALUE(CPU_ISSET(3, &none));
	RTE_CPU_OR(&none, &none, &all);
	VALUE(CPU_COUNT(&none));
}

int main(void)
{
	types();
	constants();
	pointers();
	numbers();
	bits();
	strings();
	atomics();
	cpus();
	return 0;
}
