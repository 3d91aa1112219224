/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The least that a program can do: it leads a group, sends to nobody, makes a mistake, and leaves.
 * It is C and C++ alike.
 */
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#ifdef WITH_SECOND
void second(void);
#else
#define second()
#endif

int main(int argc, char **argv)
{
	struct rte_mp_msg msg;
	int is_primary, sent, is_refused;

	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "EAL does not start: %s\n", strerror(rte_errno));
		return 1;
	}
	second();
	memset(&msg, 0, sizeof(msg));
	strcpy(msg.name, "hello");
	is_primary = rte_eal_process_type() == RTE_PROC_PRIMARY;
	sent = rte_mp_sendmsg(&msg);
	is_refused = rte_mp_sendmsg(NULL) == -1 && rte_errno == EINVAL;
	printf("primary %d, sent %d, refused %d, descriptors %zu\n", is_primary, sent, is_refused,
	       sizeof(msg.fds) / sizeof(msg.fds[0]));
	return rte_eal_cleanup();
}
