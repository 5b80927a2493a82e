/* SPDX-License-Identifier: MIT */
/* Values of key=value lines. */
#include "logfmt.h"

#include <stdbool.h>

static bool is_control(unsigned char c)
{
	return c < ' ' || c == 0x7f;
}

static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (; *value; value++) {
		if (is_control((unsigned char)*value) || *value == ' ' || *value == '=' ||
		    *value == '"' || *value == '\\')
			return true;
	}
	return false;
}

void logfmt_put(FILE *out, const char *value)
{
	static const char escaped[] = "\n\r\t\"\\", names[] = "nrt\"\\";

	if (!needs_quotes(value)) {
		fputs(value, out);
		return;
	}
	putc('"', out);
	for (; *value; value++) {
		size_t i = 0;

		while (escaped[i] && escaped[i] != *value)
			i++;
		if (escaped[i])
			fprintf(out, "\\%c", names[i]);
		else if (is_control((unsigned char)*value))
			fprintf(out, "\\x%02x", (unsigned char)*value);
		else
			putc(*value, out);
	}
	putc('"', out);
}
