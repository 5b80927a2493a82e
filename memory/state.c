/* SPDX-License-Identifier: MIT */
/* The state file. */
#include "state.h"

#include "runfile.h"
#include "uuid.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_VERSION 1

/* A whole number within its bounds, or −1. */
static int read_number(const json_t *object, const char *key, int64_t least, int64_t most,
		       int64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < least ||
	    json_integer_value(value) > most)
		return -1;
	*out = json_integer_value(value);
	return 0;
}

static int read_guest(const json_t *object, struct saved_guest *guest)
{
	const char *uuid = json_string_value(json_object_get(object, "uuid"));

	if (!uuid || uuid_parse(uuid, guest->uuid) ||
	    read_number(object, "id", 0, UINT32_MAX, &guest->id) ||
	    read_number(object, "actual_kib", 0, MEM_KIB_MOST, &guest->actual_kib) ||
	    read_number(object, "target_kib", 0, MEM_KIB_MOST, &guest->target_kib) ||
	    read_number(object, "original_kib", 0, MEM_KIB_MOST, &guest->original_kib) ||
	    read_number(object, "period_s", MEM_NOT_KNOWN, INT32_MAX, &guest->period_s))
		return -1;
	return 0;
}

int state_read(const char *path, struct saved *saved, char error[STATE_ERROR_MAX])
{
	json_error_t where;
	json_t *root, *guests, *item;
	int64_t version = 0;
	size_t i;

	*saved = (struct saved){0};
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	root = json_load_file(path, 0, &where);
	if (!root) {
		snprintf(error, STATE_ERROR_MAX, "%.200s:%d: %s", path, where.line, where.text);
		return -1;
	}
	guests = json_object_get(root, "guests");
	if (read_number(root, "version", STATE_VERSION, STATE_VERSION, &version) ||
	    !json_is_array(guests))
		goto wrong;
	saved->guests = calloc(json_array_size(guests) + 1, sizeof(*saved->guests));
	if (!saved->guests)
		goto wrong;
	json_array_foreach(guests, i, item)
	{
		if (read_guest(item, &saved->guests[saved->n++]))
			goto wrong;
	}
	json_decref(root);
	return 0;
wrong:
	snprintf(error, STATE_ERROR_MAX, "%.300s: not a state file of version %d", path,
		 STATE_VERSION);
	json_decref(root);
	state_free(saved);
	return -1;
}

int state_write(const char *path, const struct saved *saved, char error[STATE_ERROR_MAX])
{
	json_t *guests = json_array(), *root;
	char *text;
	int result = -1;

	for (size_t i = 0; i < saved->n; i++) {
		const struct saved_guest *g = &saved->guests[i];
		char uuid[UUID_TEXT_LEN];

		json_array_append_new(guests,
				      json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "uuid",
						uuid_format(g->uuid, uuid), "id", (json_int_t)g->id,
						"actual_kib", (json_int_t)g->actual_kib,
						"target_kib", (json_int_t)g->target_kib,
						"original_kib", (json_int_t)g->original_kib,
						"period_s", (json_int_t)g->period_s));
	}
	root = json_pack("{s:i, s:o}", "version", STATE_VERSION, "guests", guests);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	errno = ENOMEM;
	if (text)
		result = file_replace(path, text, strlen(text));
	if (result)
		snprintf(error, STATE_ERROR_MAX, "%.300s: %s", path, strerror(errno));
	free(text);
	json_decref(root);
	return result;
}

const struct saved_guest *state_find(const struct saved *saved, const unsigned char *uuid,
				     int64_t id)
{
	for (size_t i = 0; i < saved->n; i++) {
		if (saved->guests[i].id == id && !memcmp(saved->guests[i].uuid, uuid, MEM_UUID_LEN))
			return &saved->guests[i];
	}
	return NULL;
}

void state_free(struct saved *saved)
{
	free(saved->guests);
	*saved = (struct saved){0};
}
