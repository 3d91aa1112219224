/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One of two object files of a program. It names all functions that take messages. */
#include <rte_eal.h>

#ifdef __cplusplus
extern "C"
#endif
int PART(void);

int PART(void)
{
	struct rte_mp_msg msg;
	struct rte_mp_reply reply;

	if (rte_mp_action_register("name", 0) != 0 || rte_mp_reply(&msg, "peer") != 0)
		return 1;
	return rte_mp_sendmsg(&msg) + rte_mp_request_sync(&msg, &reply, 0) +
	       rte_mp_request_async(&msg, 0, 0);
}
