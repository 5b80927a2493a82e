/* SPDX-License-Identifier: MIT */
/* Puts what a suite asks for in the place of what a scenario expects. */
#include "vary.h"

#include "expectations.h"

#include <stdlib.h>
#include <string.h>

#define KEY(key, form, fallback, meaning) #key,
static const char *const both[] = {EXPECTATIONS_OF_BOTH(KEY) NULL};
static const char *const cpu[] = {EXPECTATIONS_OF_CPU(KEY) NULL};
static const char *const memory[] = {EXPECTATIONS_OF_MEMORY(KEY) NULL};
#undef KEY

static bool has(const char *const *keys, const char *key)
{
	for (; *keys; keys++)
		if (!strcmp(*keys, key))
			return true;
	return false;
}

static void drop(struct scenario *s, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->nexpect; i++) {
		if (strcmp(s->expect[i].key, key) != 0) {
			s->expect[kept++] = s->expect[i];
			continue;
		}
		free(s->expect[i].key);
		free(s->expect[i].value);
	}
	s->nexpect = kept;
}

static int add(struct scenario *s, const char *key, const char *value)
{
	struct scenario_setting *more = realloc(s->expect, (s->nexpect + 1) * sizeof(*s->expect));

	if (!more)
		return -1;
	s->expect = more;
	more[s->nexpect++] = (struct scenario_setting){.key = strdup(key), .value = strdup(value)};
	return more[s->nexpect - 1].key && more[s->nexpect - 1].value ? 0 : -1;
}

int vary_expect(struct scenario *s, const char *setting)
{
	char key[SCENARIO_NAME_MAX], value[256];

	if (sscanf(setting, "%63[a-z_] = %255[^\n]", key, value) != 2)
		return -1;
	if (!has(both, key) && !has(s->kind == SCENARIO_CPU ? cpu : memory, key))
		return has(cpu, key) || has(memory, key) ? 0 : -1;
	drop(s, key);
	return add(s, key, value);
}
