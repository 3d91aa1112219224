/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Memory without a name, shared by all processes of a group: a pointer to it is valid in each of
 * them, and any of them may free it.
 *
 * None of these functions needs or gives more than a cache line's alignment unless asked to. `type`
 * is the name of what is allocated, for people who look at memory; it may be NULL.
 *
 * Differs from DPDK: in a group whose primary is a DPDK process they fail with ENOTSUP. With
 * --no-shconf or --in-memory the memory is this process's own.
 */
#ifndef RTE_MP_RTE_MALLOC_H
#define RTE_MP_RTE_MALLOC_H

#include <stddef.h>
#include <stdio.h>

#include <rte_memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How much of a NUMA node's memory is taken, in bytes and in pieces. */
struct rte_malloc_socket_stats {
	size_t heap_totalsz_bytes; /* all of it */
	size_t heap_freesz_bytes;  /* free */
	size_t greatest_free_size; /* the largest piece that is free */
	unsigned int free_count;   /* pieces that are free */
	unsigned int alloc_count;  /* pieces that are taken */
	size_t heap_allocsz_bytes; /* taken, with what it costs to keep account of it */
};

/*
 * Frees memory that a function below returned, in this process or another. NULL is fine; anything
 * else that is not such memory is logged and left alone.
 */
void rte_free(void *ptr);

/*
 * Allocates `size` bytes at a multiple of `align`, which is a power of two, or 0 for one at which
 * any object can begin. What is in them is undefined.
 *
 * May wait for other processes that are allocating. Returns NULL with rte_errno set when that
 * cannot be: ENOMEM for too little memory, EINVAL for an alignment that is none, ENOTSUP before
 * rte_eal_init() and in a group whose primary is a DPDK process; and NULL for a size of 0.
 */
void *rte_malloc(const char *type, size_t size, unsigned int align)
	__rte_alloc_size(2) __rte_malloc __rte_dealloc(rte_free, 1);

/* The same, and the bytes are zero. */
void *rte_zmalloc(const char *type, size_t size, unsigned int align)
	__rte_alloc_size(2) __rte_malloc __rte_dealloc(rte_free, 1);

/*
 * The same for an array of `num` elements of `size` bytes; ENOMEM also where the product overflows.
 */
void *rte_calloc(const char *type, size_t num, size_t size, unsigned int align)
	__rte_alloc_size(2, 3) __rte_malloc __rte_dealloc(rte_free, 1);

/*
 * Makes a piece larger or smaller, and moves it if it must. What was in it is kept up to the
 * smaller of both sizes; what is new is undefined. NULL for `ptr` allocates; 0 for `size` frees,
 * and returns NULL. Where it fails, as rte_malloc() does, `ptr` is as before.
 */
void *rte_realloc(void *ptr, size_t size, unsigned int align)
	__rte_alloc_size(2) __rte_dealloc(rte_free, 1);

/*
 * The same four for memory of one NUMA node, or SOCKET_ID_ANY.
 *
 * Differs from DPDK: the node is taken for a wish.
 */
void *rte_malloc_socket(const char *type, size_t size, unsigned int align, int socket)
	__rte_alloc_size(2) __rte_malloc __rte_dealloc(rte_free, 1);
void *rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
	__rte_alloc_size(2) __rte_malloc __rte_dealloc(rte_free, 1);
void *rte_calloc_socket(const char *type, size_t num, size_t size, unsigned int align, int socket)
	__rte_alloc_size(2, 3) __rte_malloc __rte_dealloc(rte_free, 1);
void *rte_realloc_socket(void *ptr, size_t size, unsigned int align, int socket)
	__rte_alloc_size(2) __rte_dealloc(rte_free, 1);

/*
 * Says whether `ptr` is memory that a function above returned and that is not freed: 0, and the
 * bytes that can be used in `*size` unless that is NULL; or -1.
 */
int rte_malloc_validate(const void *ptr, size_t *size);

/*
 * Fills in the account of a NUMA node. Returns 0; or -1 when there is no such node, or one of the
 * arguments makes no sense.
 */
int rte_malloc_get_socket_stats(int socket, struct rte_malloc_socket_stats *socket_stats);

/* Writes the account of each node to `f`. `type` is not looked at. */
void rte_malloc_dump_stats(FILE *f, const char *type);

/*
 * Gives the address by which a device would find the memory.
 *
 * Differs from DPDK: always RTE_BAD_IOVA, as there are no devices.
 */
rte_iova_t rte_malloc_virt2iova(const void *addr);

#ifdef __cplusplus
}
#endif

#endif
