/* SPDX-License-Identifier: MIT */
/* UUIDs as text: 8-4-4-4-12 hexadecimal digits. */
#include "uuid.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A dash stands before these bytes. */
static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

char *uuid_format(const unsigned char uuid[UUID_LEN], char text[UUID_TEXT_LEN])
{
	size_t n = 0;

	for (size_t i = 0; i < UUID_LEN; i++)
		n += (size_t)snprintf(text + n, UUID_TEXT_LEN - n, "%s%02x",
				      dash_before(i) ? "-" : "", uuid[i]);
	return text;
}

static int digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

int uuid_parse(const char *text, unsigned char uuid[UUID_LEN])
{
	if (strlen(text) != UUID_TEXT_LEN - 1)
		return -1;
	for (size_t i = 0; i < UUID_LEN; i++) {
		if (dash_before(i) && *text++ != '-')
			return -1;
		if (digit(text[0]) < 0 || digit(text[1]) < 0)
			return -1;
		uuid[i] = (unsigned char)(digit(text[0]) * 16 + digit(text[1]));
		text += 2;
	}
	return 0;
}
