/* SPDX-License-Identifier: MIT */
/* Reads [expect]: strict about keys and units, so that a typing error never loosens a test. */
#include "expect.h"

#include "timeline.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 1000000

static const char *const forms[] = {
	[EXPECT_NUMBER] = "a number like 10 or 15%, or none",
	[EXPECT_COUNT] = "a whole number, or none",
	[EXPECT_MOVES] = "fewest, a whole number, or none",
	[EXPECT_DURATION] = "a duration like 10s, or none",
	[EXPECT_YES_NO] = "yes, no or none",
	[EXPECT_SIZE] = "a size like 200M, or none",
	[EXPECT_SIZE_SHARE] = "a size and a share like 100M 95%, or none",
	[EXPECT_SIZE_BY] = "a size, guests and a time like 1700M 1 by 90s, or none",
};

const char *expect_form(enum expect_type type)
{
	return forms[type];
}

static int parse_count(const char *text, double *out)
{
	long count;

	if (parse_integer(text, 0, COUNT_MAX, &count))
		return -1;
	*out = (double)count;
	return 0;
}

static int parse_size_share(const char *text, struct expect_value *v)
{
	char size[32], share[32], more;

	if (sscanf(text, "%31s %31s %c", size, share, &more) != 2)
		return -1;
	return parse_size(size, &v->kib) || parse_percent(share, 100, &v->number) ? -1 : 0;
}

static int parse_size_by(const char *text, struct expect_value *v)
{
	char size[32], by[8], time[32], more;

	if (sscanf(text, "%31s %63s %7s %31s %c", size, v->guests, by, time, &more) != 4)
		return -1;
	if (strcmp(by, "by") != 0 || !guests_valid(v->guests))
		return -1;
	return parse_size(size, &v->kib) || parse_seconds(time, &v->number) ? -1 : 0;
}

static int parse_value(const char *text, struct expect_value *v)
{
	switch (v->spec->type) {
	case EXPECT_NUMBER:
		return parse_percent(text, 10000, &v->number);
	case EXPECT_MOVES:
		v->fewest = !strcmp(text, "fewest");
		return v->fewest ? 0 : parse_count(text, &v->number);
	case EXPECT_COUNT:
		return parse_count(text, &v->number);
	case EXPECT_DURATION:
		return parse_seconds(text, &v->number);
	case EXPECT_YES_NO:
		v->yes = !strcmp(text, "yes");
		return v->yes || !strcmp(text, "no") ? 0 : -1;
	case EXPECT_SIZE:
		return parse_size(text, &v->kib);
	case EXPECT_SIZE_SHARE:
		return parse_size_share(text, v);
	case EXPECT_SIZE_BY:
		return parse_size_by(text, v);
	}
	return -1;
}

static const struct expect_spec *find_spec(const struct expect_spec *specs, size_t nspecs,
					   const char *key)
{
	for (size_t i = 0; i < nspecs; i++)
		if (!strcmp(specs[i].key, key))
			return &specs[i];
	return NULL;
}

static int check_setting(const struct scenario *s, const struct scenario_setting *setting,
			 const struct expect_value *v, char error[SCENARIO_ERROR_MAX])
{
	if (v->spec->type != EXPECT_SIZE_BY || v->none)
		return 0;
	if (v->number > s->length_s) {
		snprintf(error, SCENARIO_ERROR_MAX,
			 "%.100s:%u: %s by %gs: the scenario ends at %gs", s->path, setting->line,
			 setting->key, v->number, s->length_s);
		return -1;
	}
	if (guests_highest(v->guests) > s->nguests) {
		snprintf(error, SCENARIO_ERROR_MAX,
			 "%.100s:%u: %s of guest %u: there are %zu guests", s->path, setting->line,
			 setting->key, guests_highest(v->guests), s->nguests);
		return -1;
	}
	return 0;
}

static int read_setting(const struct scenario *s, const struct scenario_setting *setting,
			struct expect_value *v, char error[SCENARIO_ERROR_MAX])
{
	v->given = true;
	v->none = !strcmp(setting->value, "none");
	if (!v->none && parse_value(setting->value, v)) {
		snprintf(error, SCENARIO_ERROR_MAX, "%.100s:%u: %s = %.40s: it is %s", s->path,
			 setting->line, setting->key, setting->value, expect_form(v->spec->type));
		return -1;
	}
	return check_setting(s, setting, v, error);
}

/* The values of one spec appended at *count; several where the type allows it, else the last
 * counts. */
static int read_spec(const struct scenario *s, const struct expect_spec *spec,
		     struct expect_value *values, size_t *count, char error[SCENARIO_ERROR_MAX])
{
	size_t first = *count;

	for (size_t i = 0; i < s->nexpect; i++) {
		if (strcmp(s->expect[i].key, spec->key) != 0)
			continue;
		if (spec->type != EXPECT_SIZE_BY)
			*count = first;
		values[*count] = (struct expect_value){.spec = spec};
		if (read_setting(s, &s->expect[i], &values[(*count)++], error))
			return -1;
	}
	if (*count > first)
		return 0;
	values[*count] = (struct expect_value){.spec = spec, .none = !spec->fallback};
	if (spec->fallback && strcmp(spec->fallback, "auto") != 0)
		parse_value(spec->fallback, &values[*count]);
	(*count)++;
	return 0;
}

struct expect_value *expect_read(const struct scenario *s, const struct expect_spec *specs,
				 size_t nspecs, size_t *count, char error[SCENARIO_ERROR_MAX])
{
	struct expect_value *values;

	for (size_t i = 0; i < s->nexpect; i++)
		if (!find_spec(specs, nspecs, s->expect[i].key)) {
			snprintf(error, SCENARIO_ERROR_MAX,
				 "%.100s:%u: %.40s is no expectation of kind = %s; see "
				 "common/scenario.5",
				 s->path, s->expect[i].line, s->expect[i].key,
				 s->kind == SCENARIO_CPU ? "cpu" : "memory");
			return NULL;
		}
	values = calloc(nspecs + s->nexpect, sizeof(*values));
	if (!values) {
		snprintf(error, SCENARIO_ERROR_MAX, "out of memory");
		return NULL;
	}
	*count = 0;
	for (size_t i = 0; i < nspecs; i++)
		if (read_spec(s, &specs[i], values, count, error)) {
			free(values);
			return NULL;
		}
	return values;
}
