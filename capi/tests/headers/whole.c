/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The rest of the program: what the library would bring, under the names for both layouts, and no
 * header of ours.
 */
#ifdef __cplusplus
extern "C" {
#endif

#define STANDS_IN(name) \
	int name(void); \
	int name##_abi22(void); \
	int name(void) { return 0; } \
	int name##_abi22(void) { return 0; }

STANDS_IN(rte_mp_action_register)
STANDS_IN(rte_mp_sendmsg)
STANDS_IN(rte_mp_request_sync)
STANDS_IN(rte_mp_request_async)
STANDS_IN(rte_mp_reply)

int first_part(void);
int second_part(void);

#ifdef __cplusplus
}
#endif

int main(void)
{
	return first_part() + second_part();
}
