/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Memory zones: stretches of memory with a name, shared by all processes of a group.
 *
 * A zone is at the same address in every process, so that pointers into zones may be stored in
 * zones. It lives until it is freed, also when the process that reserved it has gone, and as long
 * as any process of the group runs. A secondary takes the memory when it starts, so that its zones
 * are there without the primary. Where that failed, the first use of a zone asks the primary again,
 * for 5 seconds at most, and may fail as a request does.
 *
 * Differs from DPDK: among rte-mp processes every member may reserve and free, as in DPDK, and
 * needs no hugepages for it. In a group whose primary is a DPDK process, zones are looked up and
 * walked, while reserving and freeing fail with ENOTSUP. With --no-shconf or --in-memory zones are
 * this process's own.
 */
#ifndef RTE_MP_RTE_MEMZONE_H
#define RTE_MP_RTE_MEMZONE_H

#include <stdio.h>

#include <rte_common.h>
#include <rte_memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Flags of a reservation: the size of page that is wanted, whether another will do as well, and
 * whether devices must find the zone in one piece.
 *
 * Differs from DPDK: they are taken, and change nothing. Others are EINVAL, as there.
 */
#define RTE_MEMZONE_2MB 0x00000001
#define RTE_MEMZONE_1GB 0x00000002
#define RTE_MEMZONE_SIZE_HINT_ONLY 0x00000004
#define RTE_MEMZONE_16MB 0x00000100
#define RTE_MEMZONE_16GB 0x00000200
#define RTE_MEMZONE_256KB 0x00010000
#define RTE_MEMZONE_256MB 0x00020000
#define RTE_MEMZONE_512MB 0x00040000
#define RTE_MEMZONE_4GB 0x00080000
#define RTE_MEMZONE_IOVA_CONTIG 0x00100000

/* Bytes of a zone's name, the NUL included. */
#define RTE_MEMZONE_NAMESIZE 32

/* What is known of a zone. It belongs to the library and is only read. */
struct rte_memzone {
	char name[RTE_MEMZONE_NAMESIZE];
	rte_iova_t iova; /* RTE_BAD_IOVA in a group of rte-mp processes */
	__extension__ union {
		void *addr; /* where it begins */
		uint64_t addr_64;
	};
	size_t len;           /* in bytes; at least what was asked for */
	uint64_t hugepage_sz; /* the size of its pages, in bytes */
	int32_t socket_id;    /* the NUMA node; 0 in a group of rte-mp processes */
	uint32_t flags;       /* what the primary has written down; 0 there */
} __rte_packed_end;

/*
 * Reserves `len` bytes under a name that no other zone of the group has. They are zero, and begin
 * at a cache line. With 0 for `len` it is the largest stretch that is free. `socket_id` is a NUMA
 * node or SOCKET_ID_ANY.
 *
 * May wait for other processes that are reserving. Returns the zone, which is valid until it is
 * freed; or NULL, with rte_errno: ENAMETOOLONG for a name over 31 bytes, EINVAL for one that is
 * empty or NULL, a node or a flag that cannot be, EEXIST for a name that is taken, ENOSPC when
 * there are too many zones, ENOMEM when there is not so much memory, ENOTSUP before rte_eal_init()
 * and in a group whose primary is a DPDK process.
 */
const struct rte_memzone *rte_memzone_reserve(const char *name, size_t len, int socket_id,
					      unsigned int flags);

/*
 * The same, beginning at a multiple of `align` bytes: a power of two, else it is EINVAL; less than
 * a cache line, 0 included, means a cache line.
 */
const struct rte_memzone *rte_memzone_reserve_aligned(const char *name, size_t len, int socket_id,
						      unsigned int flags, unsigned int align);

/*
 * The same, not crossing a multiple of `bound` bytes: 0 for wherever it likes, or a power of two
 * that is not below `len`, else it is EINVAL.
 */
const struct rte_memzone *rte_memzone_reserve_bounded(const char *name, size_t len, int socket_id,
						      unsigned int flags, unsigned int align,
						      unsigned int bound);

/*
 * Gives a zone back. Nobody in the group may use its memory from then on, nor this process `mz`.
 *
 * Returns 0; or a negative errno, -EINVAL when `mz` is NULL or not a zone of this group, -ENOTSUP
 * in a group whose primary is a DPDK process.
 */
int rte_memzone_free(const struct rte_memzone *mz);

/*
 * Finds the zone of a name, whoever reserved it, and maps it if need be: writable. Returns NULL
 * when there is none, with rte_errno ENOENT, or with the reason why it cannot be mapped. The same
 * zone gives the same pointer each time.
 */
const struct rte_memzone *rte_memzone_lookup(const char *name);

/* Writes a line about the memory, and one about each zone, to `f`. */
void rte_memzone_dump(FILE *f);

/*
 * Calls `func` with each zone that is there now and with `arg`, in this thread. One that is freed
 * meanwhile, or cannot be mapped, is left out. It may look zones up, and must neither reserve nor
 * free.
 */
void rte_memzone_walk(void (*func)(const struct rte_memzone *mz, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
