/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The layouts of DPDK 25.11 and 22.11, in C and in C++: it compiles, or it does not. */
#include <assert.h>
#include <stddef.h>

#include <rte_atomic.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memzone.h>
#include <rte_spinlock.h>

#define IS(expression, value) static_assert((expression) == (value), #expression)

#if RTE_MP_ABI == 22
IS(sizeof(struct rte_mp_msg), 360);
IS(alignof(struct rte_mp_msg), 4);
IS(RTE_MP_MAX_FD_NUM, 8);
#else
IS(sizeof(struct rte_mp_msg), 1344);
IS(alignof(struct rte_mp_msg), 8);
IS(RTE_MP_MAX_FD_NUM, 253);
#endif
IS(offsetof(struct rte_mp_msg, name), 0);
IS(offsetof(struct rte_mp_msg, len_param), 64);
IS(offsetof(struct rte_mp_msg, num_fds), 68);
IS(offsetof(struct rte_mp_msg, param), 72);
IS(offsetof(struct rte_mp_msg, fds), 328);

IS(sizeof(struct rte_mp_reply), 16);
IS(offsetof(struct rte_mp_reply, nb_sent), 0);
IS(offsetof(struct rte_mp_reply, nb_received), 4);
IS(offsetof(struct rte_mp_reply, msgs), 8);

IS(sizeof(struct rte_memzone), 72);
IS(alignof(struct rte_memzone), 1);
IS(offsetof(struct rte_memzone, iova), 32);
IS(offsetof(struct rte_memzone, addr), 40);
IS(offsetof(struct rte_memzone, addr_64), 40);
IS(offsetof(struct rte_memzone, len), 48);
IS(offsetof(struct rte_memzone, hugepage_sz), 56);
IS(offsetof(struct rte_memzone, socket_id), 64);
IS(offsetof(struct rte_memzone, flags), 68);

IS(sizeof(struct rte_malloc_socket_stats), 40);
IS(sizeof(rte_spinlock_t), 4);
IS(sizeof(rte_spinlock_recursive_t), 12);
IS(sizeof(rte_atomic16_t), 2);
IS(sizeof(rte_atomic32_t), 4);
IS(sizeof(rte_atomic64_t), 8);
