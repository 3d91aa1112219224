/* Logs: types, their levels, and what is written. */
#include "sections.h"

#include <errno.h>

#include <rte_log.h>

#include "conformance.h"

#define NO_TYPE 12345

static int type;

static void type_rows(void)
{
	type = rte_log_register_type_and_pick_level("conformance", RTE_LOG_NOTICE);
	row("type", "%s", yes(type >= 0));
	row("type.level", "%d", rte_log_get_level((uint32_t)type));
	row("type.the same again", "%s",
	    yes(rte_log_register_type_and_pick_level("conformance", RTE_LOG_DEBUG) == type));
	row("type.the same again.level", "%d", rte_log_get_level((uint32_t)type));
	row("type.by rte_log_register", "%s", yes(rte_log_register("conformance") == type));
	row("type.another", "%s", yes(rte_log_register("conformance.other") > type));
}

static void set_row(const char *name, int ret)
{
	row(name, "%d, level %d", ret, rte_log_get_level((uint32_t)type));
}

static void level_rows(void)
{
	set_row("level.set", rte_log_set_level((uint32_t)type, RTE_LOG_DEBUG));
	set_row("level.set to 99", rte_log_set_level((uint32_t)type, 99));
	set_row("level.by pattern", rte_log_set_level_pattern("conform*", RTE_LOG_ERR));
	set_row("level.by a pattern of another", rte_log_set_level_pattern("other*", RTE_LOG_INFO));
	set_row("level.by expression", rte_log_set_level_regexp("^con.*nce$", RTE_LOG_CRIT));
	set_row("level.by a bad expression", rte_log_set_level_regexp("(", RTE_LOG_INFO));
	row("level.of no type", "%d", rte_log_get_level(NO_TYPE));
	row("level.set of no type", "%d", rte_log_set_level(NO_TYPE, RTE_LOG_INFO));
	row("can_log", "%s %s %s", yes(rte_log_can_log((uint32_t)type, RTE_LOG_ALERT)),
	    yes(rte_log_can_log((uint32_t)type, RTE_LOG_CRIT)),
	    yes(rte_log_can_log((uint32_t)type, RTE_LOG_ERR)));
	row("can_log.no type", "%s", yes(rte_log_can_log(NO_TYPE, RTE_LOG_EMERG)));
	row("global level", "%u", rte_log_get_global_level());
	rte_log_set_global_level(RTE_LOG_ALERT);
	row("global level.set", "%u", rte_log_get_global_level());
	row("global level.hides", "%s", yes(!rte_log_can_log((uint32_t)type, RTE_LOG_CRIT)));
	rte_log_set_global_level(RTE_LOG_DEBUG);
}

/* Logs into a buffer, and gives back what came there; a line's end is written as `|`. */
static void written_row(const char *name, uint32_t level, uint32_t logtype, const char *what)
{
	char *written = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&written, &len);
	int ret, opened = rte_openlog_stream(stream);

	ret = rte_log(level, logtype, "%s", what);
	rte_openlog_stream(NULL);
	fclose(stream);
	for (char *end = written; (end = strchr(end, '\n')) != NULL;)
		*end = '|';
	row(name, "%d, %d, '%s'", opened, ret, written);
	free(written);
}

void write_logs(void)
{
	expect_eal("primary");
	type_rows();
	level_rows();
	rte_log_set_level((uint32_t)type, RTE_LOG_NOTICE);
	written_row("written", RTE_LOG_NOTICE, (uint32_t)type, "a line\n");
	written_row("written.two lines", RTE_LOG_ERR, (uint32_t)type, "one\ntwo\n");
	written_row("written.less important", RTE_LOG_INFO, (uint32_t)type, "a line\n");
	written_row("written.no type", RTE_LOG_ERR, NO_TYPE, "a line\n");
	written_row("written.level 0", 0, (uint32_t)type, "a line\n");
	written_row("written.level 99", 99, (uint32_t)type, "a line\n");
	rte_eal_cleanup();
}
