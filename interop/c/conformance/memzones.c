/* Memory zones. */
#include "sections.h"

#include <errno.h>

#include <rte_malloc.h>
#include <rte_memzone.h>

#include "conformance.h"

static const struct rte_memzone *zone_row(const char *name, const struct rte_memzone *zone)
{
	if (zone == NULL)
		row(name, "NULL %s", rte_errno == 0 ? "without rte_errno" : errno_name(rte_errno));
	else
		row(name, "'%s', len %zu, flags %u", zone->name, zone->len, zone->flags);
	rte_errno = 0;
	return zone;
}

static bool is_aligned(const struct rte_memzone *zone, uintptr_t align)
{
	return zone != NULL && (uintptr_t)zone->addr % align == 0;
}

static void reserve_rows(void)
{
	const char *longest = "123456789-123456789-123456789-1";
	const struct rte_memzone *zone;

	zone = zone_row("reserve", rte_memzone_reserve("first", 100, SOCKET_ID_ANY, 0));
	row("reserve.aligned to 64", "%s", yes(is_aligned(zone, 64)));
	row("reserve.addr and addr_64 are the same", "%s",
	    yes(zone != NULL && zone->addr_64 == (uintptr_t)zone->addr));
	zone_row("reserve.the same again", rte_memzone_reserve("first", 100, SOCKET_ID_ANY, 0));
	zone_row("reserve.name of 31", rte_memzone_reserve(longest, 1, SOCKET_ID_ANY, 0));
	zone_row("reserve.name of 32",
		 rte_memzone_reserve("123456789-123456789-123456789-12", 1, SOCKET_ID_ANY, 0));
	zone_row("reserve.no name", rte_memzone_reserve("", 64, SOCKET_ID_ANY, 0));
	zone_row("reserve.SIZE_MAX", rte_memzone_reserve("too long", SIZE_MAX, SOCKET_ID_ANY, 0));
	zone_row("reserve.1 TB",
		 rte_memzone_reserve("too long", (size_t)1 << 40, SOCKET_ID_ANY, 0));
	zone_row("reserve.socket 0", rte_memzone_reserve("socket 0", 64, 0, 0));
	zone_row("reserve.socket -2", rte_memzone_reserve("socket", 64, -2, 0));
	zone_row("reserve.socket 7", rte_memzone_reserve("socket 7", 64, 7, 0));
	zone_row("reserve.unknown flag", rte_memzone_reserve("flag", 64, SOCKET_ID_ANY, 0x80000000));
	zone_row("reserve.contiguous",
		 rte_memzone_reserve("contiguous", 64, SOCKET_ID_ANY, RTE_MEMZONE_IOVA_CONTIG));
	zone_row("reserve.2 MB as a hint",
		 rte_memzone_reserve("2 MB", 64, SOCKET_ID_ANY,
				     RTE_MEMZONE_2MB | RTE_MEMZONE_SIZE_HINT_ONLY));
	zone_row("reserve.16 GB", rte_memzone_reserve("16 GB", 64, SOCKET_ID_ANY, RTE_MEMZONE_16GB));
}

static void aligned_rows(void)
{
	const struct rte_memzone *zone;
	uintptr_t first, last;

	zone = zone_row("aligned.4096", rte_memzone_reserve_aligned("aligned", 100, SOCKET_ID_ANY, 0,
								      4096));
	row("aligned.4096.is it", "%s", yes(is_aligned(zone, 4096)));
	zone = zone_row("aligned.0", rte_memzone_reserve_aligned("by 0", 100, SOCKET_ID_ANY, 0, 0));
	row("aligned.0.to 64", "%s", yes(is_aligned(zone, 64)));
	zone = zone_row("aligned.8", rte_memzone_reserve_aligned("by 8", 8, SOCKET_ID_ANY, 0, 8));
	row("aligned.8.to 64", "%s", yes(is_aligned(zone, 64)));
	zone_row("aligned.3", rte_memzone_reserve_aligned("by 3", 100, SOCKET_ID_ANY, 0, 3));
	zone_row("aligned.3, a name that is taken",
		 rte_memzone_reserve_aligned("first", 100, SOCKET_ID_ANY, 0, 3));

	zone = zone_row("bounded", rte_memzone_reserve_bounded("bounded", 4000, SOCKET_ID_ANY, 0, 64,
								 4096));
	first = zone != NULL ? (uintptr_t)zone->addr : 0;
	last = zone != NULL ? first + zone->len - 1 : 1;
	row("bounded.in one block", "%s", yes(first / 4096 == last / 4096));
	zone_row("bounded.no bound",
		 rte_memzone_reserve_bounded("unbounded", 64, SOCKET_ID_ANY, 0, 64, 0));
	zone_row("bounded.len 0",
		 rte_memzone_reserve_bounded("bound", 0, SOCKET_ID_ANY, 0, 64, 4096));
	zone_row("bounded.too long",
		 rte_memzone_reserve_bounded("bound 2", 5000, SOCKET_ID_ANY, 0, 64, 4096));
	zone_row("bounded.by 3000",
		 rte_memzone_reserve_bounded("bound 3", 64, SOCKET_ID_ANY, 0, 64, 3000));
}

static void lookup_rows(void)
{
	const struct rte_memzone *zone = zone_row("lookup", rte_memzone_lookup("first"));
	struct rte_memzone foreign;

	row("lookup.is the same struct", "%s", yes(zone == rte_memzone_lookup("first")));
	zone_row("lookup.missing", rte_memzone_lookup("missing"));
	zone_row("lookup.no name", rte_memzone_lookup(""));
	zone_row("lookup.longer than the name", rte_memzone_lookup("first and more"));
	zone_row("lookup.name of 32", rte_memzone_lookup("123456789-123456789-123456789-12"));

	row("free.NULL", "%s", outcome_or_errno(rte_memzone_free(NULL)));
	memset(&foreign, 0, sizeof(foreign));
	row("free.not a zone", "%s", outcome_or_errno(rte_memzone_free(&foreign)));
	row("free", "%s", outcome_or_errno(rte_memzone_free(zone)));
	row("free.twice", "%s", outcome_or_errno(rte_memzone_free(zone)));
	rte_errno = 0;
	zone_row("lookup.freed", rte_memzone_lookup("first"));
	zone_row("reserve.freed", rte_memzone_reserve("first", 64, SOCKET_ID_ANY, 0));
}

/* ---- all of them ---- */

struct walked {
	int zones;
	bool found;
	bool argument;
};

static void note_zone(const struct rte_memzone *zone, void *arg)
{
	struct walked *walked = arg;

	walked->zones++;
	walked->found |= strcmp(zone->name, "first") == 0;
}

static void all_rows(void)
{
	struct walked walked = { 0 };
	char *text_of_dump = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text_of_dump, &len);

	rte_memzone_walk(note_zone, &walked);
	row("walk", "%s", walked.found ? "finds it" : "misses it");
	row("walk.more than 10", "%s", yes(walked.zones > 10));
	rte_memzone_dump(file);
	fclose(file);
	row("dump.names it", "%s", yes(strstr(text_of_dump, "first") != NULL));
	free(text_of_dump);
}

static void full_row(void)
{
	int count = 0;

	rte_errno = 0;
	while (rte_memzone_reserve(text("one of many %d", count), 64, SOCKET_ID_ANY, 0) != NULL)
		count++;
	zone_row("full", NULL);
	row("full.more than 2000", "%s", yes(count > 2000));
}

void reserve_memzones(void)
{
	const struct rte_memzone *biggest;

	expect_eal("primary");
	rte_errno = 0;
	reserve_rows();
	aligned_rows();
	lookup_rows();
	all_rows();
	full_row();
	rte_errno = 0;
	rte_memzone_free(rte_memzone_lookup("one of many 0"));
	biggest = rte_memzone_reserve("biggest", 0, SOCKET_ID_ANY, 0);
	row("reserve.len 0", "%s", biggest == NULL ? errno_name(rte_errno) :
	    biggest->len > 64 ? "what there is" : "too short");
	rte_eal_cleanup();
}

/* ---- between processes ---- */

#define ABOVE "reserved above"
#define BELOW "reserved below"

/* What the secondary notes in the primary's zone. */
struct notes {
	void *address;
	bool is_at_address;
	int missing_errno;
	bool has_reserved;
	int reserve_errno;
	void *below;
	int exists_errno;
	/* Memory without a name: of the primary, and of the secondary, which frees the former. */
	char *word_above;
	bool reads_word;
	char *word_below;
};

static char *word(const char *text)
{
	char *word = rte_malloc(NULL, 16, 0);

	if (word != NULL)
		snprintf(word, 16, "%s", text);
	return word;
}

void be_memzone_peer(void)
{
	const struct rte_memzone *above, *below;
	struct notes *notes;

	expect_eal("secondary");
	above = rte_memzone_lookup(ABOVE);
	if (above == NULL)
		exit(EXIT_FAILURE);
	notes = above->addr;
	notes->is_at_address = notes == notes->address;
	rte_errno = 0;
	rte_memzone_lookup("missing");
	notes->missing_errno = rte_errno;
	rte_errno = 0;
	below = rte_memzone_reserve(BELOW, 64, SOCKET_ID_ANY, 0);
	notes->has_reserved = below != NULL;
	notes->reserve_errno = rte_errno;
	notes->below = below != NULL ? below->addr : NULL;
	rte_errno = 0;
	rte_memzone_reserve(ABOVE, 64, SOCKET_ID_ANY, 0);
	notes->exists_errno = rte_errno;
	notes->reads_word = notes->word_above != NULL && strcmp(notes->word_above, "above") == 0;
	rte_free(notes->word_above);
	notes->word_below = word("below");
	be_ready();
	wait_for_end();
	rte_eal_cleanup();
}

void share_memzones(void)
{
	const struct rte_memzone *zone;
	struct child secondary;
	struct notes *notes;

	expect_eal("primary");
	zone = rte_memzone_reserve(ABOVE, sizeof(*notes), SOCKET_ID_ANY, 0);
	if (zone == NULL) {
		row("reserve", "%s", errno_name(rte_errno));
		return;
	}
	notes = zone->addr;
	memset(notes, 0, sizeof(*notes));
	notes->address = notes;
	notes->word_above = word("above");
	secondary = start_child("peer-memzone");
	row("at the same address", "%s", yes(notes->is_at_address));
	row("secondary.reserve", "%s", notes->has_reserved ? "a zone" : errno_name(notes->reserve_errno));
	row("secondary.reserve what exists", "%s", errno_name(notes->exists_errno));
	row("secondary.lookup missing", "%s", errno_name(notes->missing_errno));
	zone = rte_memzone_lookup(BELOW);
	row("found above", "%s", yes(zone != NULL));
	row("found above.at the same address", "%s", yes(zone != NULL && zone->addr == notes->below));
	row("malloc.secondary reads it", "%s", yes(notes->reads_word));
	row("malloc.read above", "%s", notes->word_below != NULL ? notes->word_below : "NULL");
	end_child(&secondary);
	row("malloc.read above once it has left", "%s",
	    notes->word_below != NULL ? notes->word_below : "NULL");
	rte_free(notes->word_below);
	row("found once it has left", "%s", yes(rte_memzone_lookup(BELOW) != NULL));
	row("freed above", "%s", outcome_or_errno(rte_memzone_free(zone)));
	rte_eal_cleanup();
}
