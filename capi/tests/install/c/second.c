/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A second object file of a program, which is called from the first when the program begins. */
#include <rte_eal.h>

void second(void);

void second(void)
{
}
