/* Functions on strings. */
#include "sections.h"

#include <errno.h>

#include <rte_string_fns.h>

#include "conformance.h"

static void split_row(const char *name, const char *string, int max)
{
	char buffer[64], *parts[4];
	const char *list = "";
	int count;

	snprintf(buffer, sizeof(buffer), "%s", string);
	errno = 0;
	count = rte_strsplit(buffer, sizeof(buffer), parts, max, ',');
	for (int i = 0; i < count; i++)
		list = text("%s '%s'", list, parts[i]);
	row(name, "%d%s", count, list);
}

static void copy_row(const char *name, const char *from, size_t room)
{
	char to[16] = "xxxxxxxxxxxxxxx";
	ssize_t len;

	rte_errno = 0;
	len = rte_strscpy(to, from, room);
	row(name, "%s, '%s'", len < 0 ? text("%zd %s", len, errno_name(rte_errno)) :
	    text("%zd", len), to);
}

static void cut_row(const char *name, size_t len, const char *to)
{
	row(name, "%zu, '%s'", len, to);
}

static void size_row(const char *string)
{
	row(text("size.%s", string), "%llu", (unsigned long long)rte_str_to_size(string));
}

void handle_texts(void)
{
	/* The compiler is not to see that it does not fit. */
	const char *volatile long_word = "a long word";
	char buffer[8] = "";

	split_row("split", "a,b,c", 4);
	split_row("split.more than there is room for", "a,b,c", 2);
	split_row("split.empty parts", ",b,", 4);
	split_row("split.nothing", "", 4);
	copy_row("strscpy", "word", 16);
	copy_row("strscpy.just fits", "word", 5);
	copy_row("strscpy.too long", "words", 5);
	copy_row("strscpy.no room", "word", 0);
	cut_row("strlcpy", rte_strlcpy(buffer, long_word, sizeof(buffer)), buffer);
	cut_row("strlcat", rte_strlcat(buffer, long_word, sizeof(buffer)), buffer);
	size_row("64");
	size_row("0x40");
	size_row("2M");
	size_row("2 k");
	size_row("3G");
	size_row("-1");
	size_row("many");
	size_row("");
	size_row("99999999999999999999");
}
