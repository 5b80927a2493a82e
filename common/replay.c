/* SPDX-License-Identifier: MIT */
/* A log of --json, line by line. */
#include "replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void journal_write_line(FILE *out, json_t *line)
{
	if (line && json_dumpf(line, out, JOURNAL_EXACT) == 0)
		putc('\n', out);
	json_decref(line);
}

double journal_round(double value)
{
	return round(value * 1e6) / 1e6;
}

int replay_lines(const char *path,
		 const char *(*read)(void *opaque, const json_t *line, unsigned long number),
		 void *opaque, char error[JOURNAL_ERROR_MAX])
{
	FILE *file = fopen(path, "re");
	const char *wrong = NULL;
	json_error_t where;
	unsigned long number = 0;
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	if (!file) {
		snprintf(error, JOURNAL_ERROR_MAX, "%.300s: %s", path, strerror(errno));
		return -1;
	}
	while (!wrong && (len = getline(&text, &size, file)) > 0 && text[len - 1] == '\n') {
		json_t *line = json_loadb(text, (size_t)len, 0, &where);

		wrong = line ? read(opaque, line, ++number) : where.text;
		if (wrong)
			snprintf(error, JOURNAL_ERROR_MAX, "%.200s:%lu: %.200s", path,
				 line ? number : number + 1, wrong);
		json_decref(line);
	}
	free(text);
	fclose(file);
	return wrong ? -1 : 0;
}
