/* SPDX-License-Identifier: MIT */
/* The state file. */
#include "state.h"

#include "uuid.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

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
	json_t *root, *guests, *item;
	const char *uri;
	size_t i;
	int result = 0;

	*saved = (struct saved){0};
	if (statefile_read(path, STATE_VERSION, "guests", &root, error))
		return -1;
	if (!root)
		return 0;
	guests = json_object_get(root, "guests");
	uri = json_string_value(json_object_get(root, "uri"));
	saved->guests = calloc(json_array_size(guests) + 1, sizeof(*saved->guests));
	json_array_foreach(guests, i, item)
	{
		if (!saved->guests || read_guest(item, &saved->guests[saved->n++])) {
			result = statefile_refuse(path, STATE_VERSION, error);
			break;
		}
	}
	if (result)
		state_free(saved);
	else
		saved->uri = uri ? strdup(uri) : NULL;
	json_decref(root);
	return result;
}

int state_write(const char *path, const char *uri, const struct saved *saved,
		char error[STATE_ERROR_MAX])
{
	json_t *guests = json_array();
	char uuid[UUID_TEXT_LEN];

	for (size_t i = 0; i < saved->n; i++) {
		const struct saved_guest *g = &saved->guests[i];

		json_array_append_new(guests,
				      json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "uuid",
						uuid_format(g->uuid, uuid), "id", (json_int_t)g->id,
						"actual_kib", (json_int_t)g->actual_kib,
						"target_kib", (json_int_t)g->target_kib,
						"original_kib", (json_int_t)g->original_kib,
						"period_s", (json_int_t)g->period_s));
	}
	return statefile_write(path, STATE_VERSION, uri, "guests", guests, error);
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
	free(saved->uri);
	*saved = (struct saved){0};
}
