/* SPDX-License-Identifier: MIT */
/* The state file of a daemon. */
#include "statefile.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".set-aside"

void statefile_open(const char *program, bool looks_only, char path[RUN_PATH_MAX + 64])
{
	char folder[RUN_PATH_MAX], error[RUN_ERROR_MAX];

	if (looks_only ? run_folder_name(folder, error) : run_folder(folder, error))
		die(EXIT_USAGE, "%s", error);
	if (!looks_only && run_lock(folder, program, error))
		die(EXIT_FAIL, "%s", error);
	snprintf(path, RUN_PATH_MAX + 64, "%s/%.48s.state", folder, program);
}

int statefile_refuse(const char *path, json_int_t version, char error[STATE_ERROR_MAX])
{
	snprintf(error, STATE_ERROR_MAX, "%.300s: not a state file of version %lld", path,
		 (long long)version);
	return -1;
}

int statefile_read(const char *path, json_int_t version, const char *key, json_t **root,
		   char error[STATE_ERROR_MAX])
{
	json_error_t where;

	*root = NULL;
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	*root = json_load_file(path, 0, &where);
	if (!*root) {
		snprintf(error, STATE_ERROR_MAX, "%.200s:%d: %s", path, where.line, where.text);
		return -1;
	}
	if (json_integer_value(json_object_get(*root, "version")) == version &&
	    json_is_array(json_object_get(*root, key)))
		return 0;
	json_decref(*root);
	*root = NULL;
	return statefile_refuse(path, version, error);
}

int statefile_write(const char *path, json_int_t version, const char *uri, const char *key,
		    json_t *items, char error[STATE_ERROR_MAX])
{
	json_t *root = json_pack("{s:I, s:s?, s:o}", "version", version, "uri", uri, key, items);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	int result = -1;

	errno = ENOMEM;
	if (text)
		result = file_replace(path, text, strlen(text));
	if (result)
		snprintf(error, STATE_ERROR_MAX, "%.300s: %s", path, strerror(errno));
	free(text);
	json_decref(root);
	return result;
}

void statefile_set_aside(const char *path, const char *why)
{
	char other[RUN_PATH_MAX + 64 + sizeof(SUFFIX)];

	snprintf(other, sizeof(other), "%.*s" SUFFIX, RUN_PATH_MAX + 63, path);
	if (rename(path, other))
		log_warn("%s; it cannot be set aside (%s), starting anew", why, strerror(errno));
	else
		log_warn("%s; set aside as %s, starting anew", why, other);
}
