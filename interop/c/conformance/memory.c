/* rte_malloc and its family. */
#include "sections.h"

#include <rte_malloc.h>

#include "conformance.h"

#define LEN 1000

/* Lengths that nobody has; the compiler knows it too, and is not to see them. */
static volatile size_t longest = SIZE_MAX;

static void pointer_row(const char *name, void *memory)
{
	row(name, "%s", memory == NULL ? "NULL" : "memory");
	rte_free(memory);
}

static bool is_aligned(const void *memory, uintptr_t align)
{
	return memory != NULL && (uintptr_t)memory % align == 0;
}

static bool holds(const void *memory, int byte, size_t len)
{
	const unsigned char *bytes = memory;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != (unsigned char)byte)
			return false;
	}
	return memory != NULL;
}

static void align_row(const char *name, unsigned int align, uintptr_t expected)
{
	void *memory = rte_malloc(NULL, LEN, align);

	row(name, "%s", memory == NULL ? "NULL" : text("memory, aligned to %u: %s",
	    (unsigned int)expected, yes(is_aligned(memory, expected))));
	rte_free(memory);
}

static void malloc_rows(void)
{
	pointer_row("malloc", rte_malloc("type", LEN, 0));
	pointer_row("malloc.0 bytes", rte_malloc(NULL, 0, 0));
	pointer_row("malloc.1 TB", rte_malloc(NULL, (size_t)1 << 40, 0));
	pointer_row("malloc.SIZE_MAX", rte_malloc(NULL, longest, 0));
	pointer_row("malloc.socket 0", rte_malloc_socket(NULL, LEN, 0, 0));
	pointer_row("malloc.any socket", rte_malloc_socket(NULL, LEN, 0, SOCKET_ID_ANY));
	pointer_row("malloc.socket 7", rte_malloc_socket(NULL, LEN, 0, 7));
	align_row("malloc.align 0", 0, 64);
	align_row("malloc.align 1", 1, 64);
	align_row("malloc.align 3", 3, 1);
	align_row("malloc.align 4096", 4096, 4096);
	rte_free(NULL);
	row("free.NULL", "is silent");
}

/* Fills and frees memory first, so that what comes next is not new. */
static void zero_rows(void)
{
	void *memory = rte_malloc(NULL, LEN, 0);

	memset(memory, 0xff, LEN);
	rte_free(memory);
	memory = rte_zmalloc(NULL, LEN, 0);
	row("zmalloc.is zero", "%s", yes(holds(memory, 0, LEN)));
	memset(memory, 0xff, LEN);
	rte_free(memory);
	memory = rte_calloc(NULL, 10, LEN / 10, 0);
	row("calloc.is zero", "%s", yes(holds(memory, 0, LEN)));
	rte_free(memory);
	pointer_row("zmalloc.socket 0", rte_zmalloc_socket(NULL, LEN, 0, 0));
	pointer_row("calloc.socket 0", rte_calloc_socket(NULL, 1, LEN, 0, 0));
	pointer_row("zmalloc.0 bytes", rte_zmalloc(NULL, 0, 0));
	pointer_row("calloc.0 times", rte_calloc(NULL, 0, LEN, 0));
	pointer_row("calloc.too many", rte_calloc(NULL, longest / 2 + 65, 2, 0));
}

static void realloc_rows(void)
{
	size_t len = 0;
	void *memory;

	pointer_row("realloc.socket 0", rte_realloc_socket(NULL, LEN, 0, 0));
	memory = rte_realloc(NULL, LEN, 0);
	row("realloc.NULL", "%s", memory == NULL ? "NULL" : "memory");
	memset(memory, 'x', LEN);
	memory = rte_realloc(memory, 100 * LEN, 0);
	row("realloc.larger keeps what is in it", "%s", yes(holds(memory, 'x', LEN)));
	memory = rte_realloc(memory, LEN / 2, 0);
	row("realloc.smaller keeps what is in it", "%s", yes(holds(memory, 'x', LEN / 2)));
	memory = rte_realloc(memory, LEN, 4096);
	row("realloc.aligned keeps what is in it", "%s",
	    yes(holds(memory, 'x', LEN / 2) && is_aligned(memory, 4096)));
	row("realloc.1 TB", "%s", rte_realloc(memory, (size_t)1 << 40, 0) == NULL ? "NULL" : "memory");
	row("realloc.1 TB.the old is still there", "%s", yes(holds(memory, 'x', LEN / 2)));
	row("validate", "%d", rte_malloc_validate(memory, &len));
	row("validate.len is no less than asked for", "%s", yes(len >= LEN));
	row("validate.no len", "%d", rte_malloc_validate(memory, NULL));
	rte_free(memory);
	pointer_row("realloc.NULL to 0 bytes", rte_realloc(NULL, 0, 0));
	memory = rte_malloc(NULL, LEN, 0);
	memory = rte_realloc(memory, 0, 0);
	row("realloc.to 0 bytes", "%s", memory == NULL ? "NULL" : "memory");
	rte_free(memory);
}

static void account_rows(void)
{
	struct rte_malloc_socket_stats before, after;
	void *memory;

	row("stats", "%d", rte_malloc_get_socket_stats(0, &before));
	memory = rte_malloc_socket(NULL, LEN, 0, 0);
	rte_malloc_get_socket_stats(0, &after);
	row("stats.one more", "%d", (int)(after.alloc_count - before.alloc_count));
	row("stats.at least its bytes", "%s",
	    yes(after.heap_allocsz_bytes >= before.heap_allocsz_bytes + LEN));
	row("stats.total is what is free and what is not", "%s",
	    yes(after.heap_totalsz_bytes == after.heap_freesz_bytes + after.heap_allocsz_bytes));
	rte_free(memory);
	rte_malloc_get_socket_stats(0, &after);
	row("stats.as before", "%s", yes(after.alloc_count == before.alloc_count));
	row("stats.socket 7", "%d", rte_malloc_get_socket_stats(7, &after));
}

void allocate(void)
{
	expect_eal("primary");
	malloc_rows();
	zero_rows();
	realloc_rows();
	account_rows();
	rte_eal_cleanup();
}
