/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Copying and splitting strings. */
#ifndef RTE_MP_RTE_STRING_FNS_H
#define RTE_MP_RTE_STRING_FNS_H

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <rte_common.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Cuts a string up at each `delim`, in place: every `delim` becomes a NUL, and `tokens` gets a
 * pointer to the start of each piece. It looks at `stringlen` bytes or up to the string's NUL, and
 * stops after `maxtokens` pieces: the last one is then all that is left, with any `delim` in it.
 *
 * Returns the number of pieces. With NULL for `string` or `tokens` it is -1, and errno (libc's)
 * EINVAL.
 */
int rte_strsplit(char *string, int stringlen, char **tokens, int maxtokens, char delim);

/*
 * Copies as much of `src` as fits into the `size` bytes at `dst`, with a NUL at the end unless
 * `size` is 0. Returns the length of `src`: the copy is cut short when that is not below `size`.
 */
static inline size_t rte_strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size > 0) {
		size_t copied = len < size ? len : size - 1;

		memcpy(dst, src, copied);
		dst[copied] = '\0';
	}
	return len;
}

/*
 * Appends as much of `src` as fits to the string in the `size` bytes at `dst`. Returns the length
 * that the whole would have; where `dst` holds no NUL, nothing is changed and its length counts as
 * `size`.
 */
static inline size_t rte_strlcat(char *dst, const char *src, size_t size)
{
	const char *end = (const char *)memchr(dst, '\0', size);
	size_t len = end == NULL ? size : (size_t)(end - dst);

	return len + rte_strlcpy(dst + len, src, size - len);
}

#ifdef __cplusplus
}
#endif

/* BSD's names, for all that libc has not got them everywhere. */
#ifndef strlcpy
#define strlcpy(dst, src, size) rte_strlcpy(dst, src, size)
#endif
#ifndef strlcat
#define strlcat(dst, src, size) rte_strlcat(dst, src, size)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Copies `src` with its NUL into the `dsize` bytes at `dst`. Returns the length copied, the NUL not
 * counted. What does not fit is cut short and ended with a NUL all the same (unless `dsize` is 0),
 * and the result is -E2BIG, with rte_errno E2BIG.
 */
ssize_t rte_strscpy(char *dst, const char *src, size_t dsize);

#ifdef __cplusplus
}
#endif

#endif
