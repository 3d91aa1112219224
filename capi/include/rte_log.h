/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Logs: lines of a type (who says it) and a level (how bad it is).
 *
 * A line is written when its level is neither above the global one nor above that of its type. It
 * goes to the stream that was set, and to stderr when there was none.
 *
 * Differs from DPDK: never to syslog or the journal, and without times and colours, whatever the
 * command line says.
 */
#ifndef RTE_MP_RTE_LOG_H
#define RTE_MP_RTE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_config.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Types. Those of DPDK's libraries are there so that programs compile; the library itself writes
 * under EAL only. USER1 to USER8 are the program's, and so are the ids that it is given when it
 * registers a name.
 */
#define RTE_LOGTYPE_EAL 0
#define RTE_LOGTYPE_MALLOC 1
#define RTE_LOGTYPE_RING 2
#define RTE_LOGTYPE_MEMPOOL 3
#define RTE_LOGTYPE_TIMER 4
#define RTE_LOGTYPE_PMD 5
#define RTE_LOGTYPE_HASH 6
#define RTE_LOGTYPE_LPM 7
#define RTE_LOGTYPE_KNI 8
#define RTE_LOGTYPE_ACL 9
#define RTE_LOGTYPE_POWER 10
#define RTE_LOGTYPE_METER 11
#define RTE_LOGTYPE_SCHED 12
#define RTE_LOGTYPE_PORT 13
#define RTE_LOGTYPE_TABLE 14
#define RTE_LOGTYPE_PIPELINE 15
#define RTE_LOGTYPE_MBUF 16
#define RTE_LOGTYPE_CRYPTODEV 17
#define RTE_LOGTYPE_EFD 18
#define RTE_LOGTYPE_EVENTDEV 19
#define RTE_LOGTYPE_GSO 20
#define RTE_LOGTYPE_USER1 24
#define RTE_LOGTYPE_USER2 25
#define RTE_LOGTYPE_USER3 26
#define RTE_LOGTYPE_USER4 27
#define RTE_LOGTYPE_USER5 28
#define RTE_LOGTYPE_USER6 29
#define RTE_LOGTYPE_USER7 30
#define RTE_LOGTYPE_USER8 31
/* The first id that registering a name may give. */
#define RTE_LOGTYPE_FIRST_EXT_ID 32

/* Levels, the worst first. */
#define RTE_LOG_EMERG 1U
#define RTE_LOG_ALERT 2U
#define RTE_LOG_CRIT 3U
#define RTE_LOG_ERR 4U
#define RTE_LOG_WARNING 5U
#define RTE_LOG_NOTICE 6U
#define RTE_LOG_INFO 7U
#define RTE_LOG_DEBUG 8U
#define RTE_LOG_MAX RTE_LOG_DEBUG

/*
 * Writes to `f` from now on; NULL for where it went at first. The stream stays the caller's, and
 * must stay open for as long. Returns 0.
 */
int rte_openlog_stream(FILE *f);

/* Where lines go now. */
FILE *rte_log_get_stream(void);

/*
 * Sets and tells the level above which nothing is written, whatever its type. At first
 * RTE_LOG_DEBUG.
 */
void rte_log_set_global_level(uint32_t level);
uint32_t rte_log_get_global_level(void);

/* Tells the level of a type; -1 when there is no such type. */
int rte_log_get_level(uint32_t logtype);

/* Whether a line of that type and level would be written. Does not block. */
bool rte_log_can_log(uint32_t logtype, uint32_t loglevel);

/*
 * Sets the level of one type; of all types whose names match a shell pattern; or of those of which
 * some part matches a basic regular expression. Types that are registered later are not meant.
 * Returns 0, or -1 for a level above RTE_LOG_MAX, a type that is not there, or a pattern that
 * cannot be read.
 */
int rte_log_set_level(uint32_t logtype, uint32_t level);
int rte_log_set_level_pattern(const char *pattern, uint32_t level);
int rte_log_set_level_regexp(const char *regex, uint32_t level);

/* The level and the type of the line that this thread is just writing: for streams that ask. */
int rte_log_cur_msg_loglevel(void);
int rte_log_cur_msg_logtype(void);

/*
 * Registers a name, with level INFO. Returns its type, the same each time; or -ENOMEM when there
 * are some thousands already. The name is copied. It may be called before rte_eal_init().
 */
int rte_log_register(const char *name);

/*
 * The same with a level of its own, which counts unless the command line sets one for the name:
 * that wins, whichever comes first.
 *
 * Differs from DPDK: when several --log-level match it is the last one that counts, for types that
 * are registered later too.
 */
int rte_log_register_type_and_pick_level(const char *name, uint32_t level_def);

/* Writes the names of the types to `out`, each with `prefix` before it. */
void rte_log_list_types(FILE *out, const char *prefix);

/* Writes the global level, and each type with its level, to `f`. */
void rte_log_dump(FILE *f);

/*
 * Writes a line in the manner of printf, which brings its own '\n'. Returns what printf would; 0
 * when it was not written, -1 when there is no such type. May block as writing to the stream does.
 * `level` is 1 to RTE_LOG_MAX.
 */
int rte_log(uint32_t level, uint32_t logtype, const char *format, ...)
	__rte_cold __rte_format_printf(3, 4);
int rte_vlog(uint32_t level, uint32_t logtype, const char *format, va_list ap)
	__rte_format_printf(3, 0);

/*
 * RTE_LOG(ERR, EAL, "...\n") writes a line of level RTE_LOG_ERR and type RTE_LOGTYPE_EAL, which
 * begins with "EAL: ". For a type of its own, a program defines RTE_LOGTYPE_itsname.
 */
#define RTE_LOG(l, t, ...) rte_log(RTE_LOG_##l, RTE_LOGTYPE_##t, #t ": " __VA_ARGS__)

/* The same for hot paths: levels above RTE_LOG_DP_LEVEL are not compiled in. */
#define RTE_LOG_DP(l, t, ...) \
	(void)(RTE_LOG_##l <= RTE_LOG_DP_LEVEL \
		       ? rte_log(RTE_LOG_##l, RTE_LOGTYPE_##t, #t ": " __VA_ARGS__) \
		       : 0)

/* The same two, with the '\n' of their own. */
#define RTE_LOG_LINE(l, t, ...) \
	do { \
		rte_log(RTE_LOG_##l, RTE_LOGTYPE_##t, \
			RTE_FMT(#t ": " RTE_FMT_HEAD(__VA_ARGS__, ) "\n", \
				RTE_FMT_TAIL(__VA_ARGS__, ))); \
	} while (0)
#define RTE_LOG_DP_LINE(l, t, ...) \
	do { \
		if (RTE_LOG_##l <= RTE_LOG_DP_LEVEL) \
			rte_log(RTE_LOG_##l, RTE_LOGTYPE_##t, \
				RTE_FMT(#t ": " RTE_FMT_HEAD(__VA_ARGS__, ) "\n", \
					RTE_FMT_TAIL(__VA_ARGS__, ))); \
	} while (0)

/*
 * Defines a variable `type` that holds a log type, registered before main() under the name that is
 * the string `name`. Level is a word such as NOTICE.
 */
#define RTE_LOG_REGISTER_IMPL(type, name, level) \
	int type; \
	RTE_INIT(rtemp_log_register_##type) \
	{ \
		type = rte_log_register_type_and_pick_level(name, RTE_LOG_##level); \
		if (type < 0) \
			type = RTE_LOGTYPE_EAL; \
	}

/*
 * The same for a name without quotes; for that which the build gives as RTE_LOG_DEFAULT_LOGTYPE,
 * without quotes too; and for that, a dot, and more.
 */
#define RTE_LOG_REGISTER(type, name, level) RTE_LOG_REGISTER_IMPL(type, RTE_STR(name), level)
#define RTE_LOG_REGISTER_DEFAULT(type, level) \
	RTE_LOG_REGISTER_IMPL(type, RTE_STR(RTE_LOG_DEFAULT_LOGTYPE), level)
#define RTE_LOG_REGISTER_SUFFIX(type, suffix, level) \
	RTE_LOG_REGISTER_IMPL(type, RTE_STR(RTE_LOG_DEFAULT_LOGTYPE) "." RTE_STR(suffix), level)

#ifdef __cplusplus
}
#endif

#endif
