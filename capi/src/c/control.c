/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* Threads that are no lcores. Here and not in Rust, since what they run may end by pthread_exit() or
 * be cancelled, and Rust's functions must not be left that way. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_string_fns.h>

/* What a thread is given to begin with. */
struct beginning {
	void *(*start)(void *);
	void *arg;
	char name[RTE_MAX_THREAD_NAME_LEN];
};

/* On the Rust side: has the calling thread run where lcores do not. */
void rtemp_pin_control_thread(void);

static void *begin(void *memory)
{
	struct beginning beginning = *(struct beginning *)memory;

	free(memory);
	if (beginning.name[0] != '\0')
		pthread_setname_np(pthread_self(), beginning.name);
	rtemp_pin_control_thread();
	return beginning.start(beginning.arg);
}

int rte_ctrl_thread_create(pthread_t *thread, const char *name, const pthread_attr_t *attr,
			   void *(*start_routine)(void *), void *arg)
{
	struct beginning *beginning;
	int error;

	if (thread == NULL || start_routine == NULL)
		return -EINVAL;
	beginning = calloc(1, sizeof(*beginning));
	if (beginning == NULL)
		return -ENOMEM;
	beginning->start = start_routine;
	beginning->arg = arg;
	if (name != NULL)
		rte_strlcpy(beginning->name, name, sizeof(beginning->name));
	error = pthread_create(thread, attr, begin, beginning);
	if (error != 0)
		free(beginning);
	return -error;
}

int rte_thread_setname(pthread_t id, const char *name)
{
	char cut[RTE_MAX_THREAD_NAME_LEN];

	if (name == NULL)
		return -EINVAL;
	rte_strlcpy(cut, name, sizeof(cut));
	return -pthread_setname_np(id, cut);
}
