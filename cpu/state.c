/* SPDX-License-Identifier: MIT */
/* The state file: JSON. */
#include "state.h"

#include "units.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_VERSION 1

/* No host has more; a file that says so is damaged. */
#define VCPUS_MOST 1000000

int state_add(struct saved *saved, const unsigned char *uuid, unsigned int id, unsigned int number,
	      const char *affinity)
{
	struct saved_vcpu *vcpu;

	if (saved->n == saved->size) {
		size_t size = saved->size ? 2 * saved->size : 64;
		struct saved_vcpu *grown = realloc(saved->vcpus, size * sizeof(*grown));

		if (!grown)
			return -1;
		saved->vcpus = grown;
		saved->size = size;
	}
	vcpu = &saved->vcpus[saved->n];
	memcpy(vcpu->uuid, uuid, UUID_LEN);
	vcpu->id = id;
	vcpu->number = number;
	vcpu->affinity = strdup(affinity);
	if (!vcpu->affinity)
		return -1;
	saved->n++;
	return 0;
}

const struct saved_vcpu *state_find(const struct saved *saved, const unsigned char *uuid,
				    unsigned int id, unsigned int number)
{
	for (size_t i = 0; i < saved->n; i++) {
		const struct saved_vcpu *vcpu = &saved->vcpus[i];

		if (vcpu->id == id && vcpu->number == number && !memcmp(vcpu->uuid, uuid, UUID_LEN))
			return vcpu;
	}
	return NULL;
}

void state_free(struct saved *saved)
{
	for (size_t i = 0; i < saved->n; i++)
		free(saved->vcpus[i].affinity);
	free(saved->vcpus);
	free(saved->uri);
	*saved = (struct saved){0};
}

static int read_vcpu(const json_t *item, struct saved *saved)
{
	const char *text = json_string_value(json_object_get(item, "uuid"));
	const char *affinity = json_string_value(json_object_get(item, "affinity"));
	json_int_t id = json_integer_value(json_object_get(item, "id"));
	json_int_t number = json_integer_value(json_object_get(item, "vcpu"));
	unsigned char uuid[UUID_LEN], map[CPUS_MOST / 8] = {0};

	if (!text || uuid_parse(text, uuid) || !affinity ||
	    cpumap_parse(affinity, map, sizeof(map)) || !cpumap_count(map, sizeof(map)) || id < 0 ||
	    id > UINT32_MAX || number < 0 || number > CPUS_MOST)
		return -1;
	return state_add(saved, uuid, (unsigned int)id, (unsigned int)number, affinity);
}

int state_read(const char *path, struct saved *saved, char error[STATE_ERROR_MAX])
{
	json_t *root, *vcpus, *item;
	const char *uri;
	size_t i;
	int result = 0;

	*saved = (struct saved){0};
	if (statefile_read(path, STATE_VERSION, "vcpus", &root, error))
		return -1;
	if (!root)
		return 0;
	vcpus = json_object_get(root, "vcpus");
	uri = json_string_value(json_object_get(root, "uri"));
	if (json_array_size(vcpus) > VCPUS_MOST)
		result = -1;
	json_array_foreach(vcpus, i, item)
	{
		if (result || read_vcpu(item, saved)) {
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
	json_t *vcpus = json_array();
	char uuid[UUID_TEXT_LEN];

	for (size_t i = 0; i < saved->n; i++) {
		const struct saved_vcpu *v = &saved->vcpus[i];

		json_array_append_new(
			vcpus, json_pack("{s:s, s:I, s:I, s:s}", "uuid", uuid_format(v->uuid, uuid),
					 "id", (json_int_t)v->id, "vcpu", (json_int_t)v->number,
					 "affinity", v->affinity));
	}
	if (saved->n)
		return statefile_write(path, STATE_VERSION, uri, "vcpus", vcpus, error);
	json_decref(vcpus);
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	snprintf(error, STATE_ERROR_MAX, "%.300s: %s", path, strerror(errno));
	return -1;
}
