/* SPDX-License-Identifier: MIT */
/* Tells UTF-8 from what is not, as RFC 3629 has it. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* How long the character at c is, of at most len bytes; 0 where there is none. */
static size_t character(const unsigned char *c, size_t len)
{
	size_t n = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > len || c[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, half of a pair, beyond the last one. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

static int is_control(unsigned char c)
{
	return (c < ' ' && c != '\t' && c != '\n') || c == 0x7f;
}

void text_clean(char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = character((const unsigned char *)text + i, len - i);

		if (n == 0 || is_control((unsigned char)text[i]))
			text[i] = '?';
		i += n ? n : 1;
	}
}

json_t *text_json_bytes(const char *bytes, size_t len)
{
	char *copy = malloc(len + 1);
	json_t *string;

	if (!copy)
		return NULL;
	memcpy(copy, bytes, len);
	text_clean(copy, len);
	string = json_stringn(copy, len);
	free(copy);
	return string;
}

json_t *text_json(const char *text)
{
	return text_json_bytes(text, strlen(text));
}
