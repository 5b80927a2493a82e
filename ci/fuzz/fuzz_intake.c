/* SPDX-License-Identifier: MIT */
/* Names that other people gave, and the list of names in a Gradescope export. */
#include "fuzz.h"

#include "ci/intake/entry.h"
#include "ci/intake/roll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is taken lies below the submission. */
static void try_name(const char *name)
{
	char path[ENTRY_PATH_MAX], around[ENTRY_PATH_MAX + 2];
	struct entry_canvas canvas;
	const char *why = NULL;

	for (int backslashes = 0; backslashes < 2; backslashes++) {
		if (entry_path(name, backslashes, path, &why) != ENTRY_TAKE)
			continue;
		snprintf(around, sizeof(around), "/%s/", path);
		if (strstr(around, "/../") || strstr(around, "/./") || path[0] == '/')
			abort();
		entry_link_inside(path, name);
	}
	if (entry_canvas(name, &canvas) && !canvas.file[0])
		abort();
	if (entry_moodle_student(name) > strlen(name) ||
	    entry_archive_stem(name) >= strlen(name) + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size);
	FILE *file = fopen(fuzz_file(data, size), "re");

	if (name)
		try_name(name);
	free(name);
	if (file) {
		json_decref(roll_gradescope(file));
		fclose(file);
	}
	return 0;
}
