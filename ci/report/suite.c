/* SPDX-License-Identifier: MIT */
/* Reads suites. */
#include "suite.h"

#include "inifile.h"
#include "text.h"
#include "units.h"

#include <errno.h>
#include <ini.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX  1000
#define ENTRIES_MAX 1000
#define CREDITS_MAX 100
/* One for each scenario, and all. */
#define VISIBILITIES_MAX (ENTRIES_MAX + 1)

struct reader {
	struct suite *suite;
	struct inifile ini;
	char *error;
};

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *format, ...)
{
	char message[SCENARIO_ERROR_MAX];
	va_list args;

	if (r->error[0])
		return 0;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	snprintf(r->error, SUITE_ERROR_MAX, "%s:%u: %s", r->suite->path, r->ini.line, message);
	return 0;
}

/* The scenario's path: in scenarios/ beside the suite, or as written, relative to the suite. */
static char *scenario_path(const struct suite *suite, const char *name)
{
	char folder[4096], *path;
	size_t len = strlen(name), suffix = strlen(".scenario");
	bool is_file = len > suffix && !strcmp(name + len - suffix, ".scenario");
	int status;

	snprintf(folder, sizeof(folder), "%s", suite->path);
	if (is_file && name[0] == '/')
		return strdup(name);
	status = is_file ? asprintf(&path, "%s/%s", dirname(folder), name)
			 : asprintf(&path, "%s/scenarios/%s.scenario", dirname(folder), name);
	return status < 0 ? NULL : path;
}

static int add_entry(struct reader *r, enum scenario_kind kind, const char *name, double points)
{
	struct suite *suite = r->suite;
	struct suite_entry *entry;
	struct scenario s = {0};
	char error[SCENARIO_ERROR_MAX];

	if (suite->nentries == ENTRIES_MAX)
		return fail(r, "more than %d scenarios", ENTRIES_MAX);
	entry = &suite->entries[suite->nentries++];
	entry->path = scenario_path(suite, name);
	entry->kind = kind;
	entry->points = points;
	if (!entry->path)
		return fail(r, "out of memory");
	if (scenario_read(&s, entry->path, error))
		return fail(r, "%s", error);
	snprintf(entry->name, sizeof(entry->name), "%s", s.name);
	entry->title = strdup(s.title ? s.title : "");
	entry->length_s = s.length_s;
	entry->interval_s = s.interval_s;
	if (strpbrk(s.name, " \t")) /* grade reads its plan word by word */
		fail(r, "%.60s: the name of a suite's scenario has no blanks", name);
	if (s.kind != kind)
		fail(r, "%.60s is of kind = %s", name, s.kind == SCENARIO_CPU ? "cpu" : "memory");
	for (size_t i = 0; i + 1 < suite->nentries; i++)
		if (!strcmp(suite->entries[i].name, entry->name))
			fail(r, "%.60s stands twice", name);
	scenario_free(&s);
	return !r->error[0];
}

static int set_text(char **out, const char *value)
{
	free(*out);
	*out = strdup(value);
	if (*out)
		text_clean(*out, strlen(*out));
	return *out != NULL;
}

/* WEIGHT, FULL or NONE, of which the last may be a share of the limit, "60%". */
static int read_credit_number(struct suite_credit *credit, const char *word, size_t n, double *out)
{
	credit->relative = n == 2 && word[strlen(word) - 1] == '%';
	return credit->relative ? parse_percent(word, 100, out)
				: parse_number(word, 0, POINTS_MAX, out);
}

/* EXPECTATION = WEIGHT [FULL NONE] [with EXPECTATION] */
static int add_credit(struct reader *r, const char *name, const char *value)
{
	struct suite *suite = r->suite;
	struct suite_credit credit = {0};
	double *const numbers[] = {&credit.weight, &credit.full, &credit.none};
	char words[128], *rest = words, *word;
	size_t n = 0;
	bool with = false, bad = false;

	snprintf(words, sizeof(words), "%s", value);
	while ((word = strsep(&rest, " \t"))) {
		if (!word[0])
			continue;
		if (with && !credit.with[0])
			snprintf(credit.with, sizeof(credit.with), "%s", word);
		else if (!with && !strcmp(word, "with"))
			with = true;
		else if (with || n == 3 || read_credit_number(&credit, word, n, numbers[n]))
			bad = true;
		else
			n++;
	}
	if (bad || (n != 1 && n != 3) || (n == 3 && credit.none <= credit.full) ||
	    (with && !credit.with[0]))
		return fail(
			r,
			"%.60s = %.60s: it is WEIGHT or WEIGHT FULL NONE, numbers from 0 to %d, "
			"where NONE is more than FULL or a share such as 60%%, and perhaps \"with "
			"EXPECTATION\"",
			name, value, POINTS_MAX);
	if (suite_find_credit(suite, name))
		return fail(r, "%.60s stands twice", name);
	if (suite->ncredits == CREDITS_MAX)
		return fail(r, "more than %d expectations in [credit]", CREDITS_MAX);
	snprintf(credit.name, sizeof(credit.name), "%s", name);
	suite->credits[suite->ncredits++] = credit;
	return 1;
}

static int set_counts(struct reader *r, const char *value)
{
	static const char *const words[] = {
		[COUNTS_WORST] = "worst", [COUNTS_MEDIAN] = "median", [COUNTS_MEAN] = "mean"};

	for (int i = COUNTS_WORST; i <= COUNTS_MEAN; i++)
		if (!strcmp(value, words[i])) {
			r->suite->counts = (enum suite_counts)i;
			return 1;
		}
	return fail(r, "counts = %.40s: it is worst, median or mean", value);
}

/* SCENARIO = WORD; scenarios may stand behind it. */
static int add_visibility(struct reader *r, const char *name, const char *value)
{
	static const char *const words[] = {"visible", "hidden", "after_due_date",
					    "after_published"};
	struct suite *suite = r->suite;
	struct suite_visibility *line;
	const char *word = NULL;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(value, words[i]))
			word = words[i];
	if (!word)
		return fail(r,
			    "%.60s = %.40s: it is visible, hidden, after_due_date or "
			    "after_published",
			    name, value);
	for (size_t i = 0; i < suite->nvisibilities; i++)
		if (!strcmp(suite->visibilities[i].name, name))
			return fail(r, "%.60s stands twice", name);
	if (suite->nvisibilities == VISIBILITIES_MAX)
		return fail(r, "more than %d lines in [visibility]", VISIBILITIES_MAX);
	line = &suite->visibilities[suite->nvisibilities++];
	snprintf(line->name, sizeof(line->name), "%s", name);
	line->word = word;
	line->line = r->ini.line;
	return 1;
}

/* Gives each scenario its line of [visibility], or that of all. */
static void resolve_visibility(struct reader *r)
{
	struct suite *suite = r->suite;

	for (size_t i = 0; i < suite->nvisibilities; i++) {
		const struct suite_visibility *line = &suite->visibilities[i];
		bool all = !strcmp(line->name, "all"), found = all;

		for (size_t k = 0; k < suite->nentries; k++) {
			struct suite_entry *entry = &suite->entries[k];
			bool own = !strcmp(entry->name, line->name);

			found |= own;
			if (own || (all && !entry->visibility))
				entry->visibility = line->word;
		}
		r->ini.line = line->line;
		if (!found)
			fail(r, "%.60s is no scenario of this suite", line->name);
	}
}

/* inih's handler: 1 goes on, 0 is an error. */
static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;
	double points;

	if (!strcmp(section, "suite") && !strcmp(key, "title"))
		return set_text(&r->suite->title, value);
	if (!strcmp(section, "suite") && !strcmp(key, "world")) {
		if (strcmp(value, "real") != 0 && strcmp(value, "sim") != 0)
			return fail(r, "world = %.40s: it is real or sim", value);
		return set_text(&r->suite->world, value);
	}
	if (!strcmp(section, "suite") && !strcmp(key, "counts"))
		return set_counts(r, value);
	if (!strcmp(section, "suite"))
		return fail(r, "[suite] has no key \"%.40s\"; there are title, world, counts", key);
	if (!strcmp(section, "credit"))
		return add_credit(r, key, value);
	if (!strcmp(section, "visibility"))
		return add_visibility(r, key, value);
	/* ci/grade puts these into the scenarios that it plays, whose reader says what is wrong. */
	if (!strcmp(section, "expect"))
		return 1;
	if (strcmp(section, "cpu") != 0 && strcmp(section, "memory") != 0)
		return fail(r,
			    "unknown section [%.40s]; there are suite, cpu, memory, credit, "
			    "visibility, expect",
			    section);
	/* "a:b.scenario = 2": inih ends a key at the first of the two. */
	if (strchr(value, '='))
		return fail(r,
			    "%.60s…: a scenario's path has no ':' or '=' here; a link in "
			    "scenarios/ can name it",
			    key);
	if (parse_number(value, 0, POINTS_MAX, &points))
		return fail(r, "%.60s = %.40s: points are a number from 0 to %d", key, value,
			    POINTS_MAX);
	return add_entry(r, !strcmp(section, "cpu") ? SCENARIO_CPU : SCENARIO_MEMORY, key, points);
}

int suite_read(struct suite *suite, const char *path, char error[SUITE_ERROR_MAX])
{
	struct reader r = {.suite = suite, .error = error};
	int status;

	error[0] = '\0';
	*suite = (struct suite){.path = strdup(path), .world = strdup("real"), .title = strdup("")};
	suite->entries = calloc(ENTRIES_MAX, sizeof(*suite->entries));
	suite->credits = calloc(CREDITS_MAX, sizeof(*suite->credits));
	suite->visibilities = calloc(VISIBILITIES_MAX, sizeof(*suite->visibilities));
	r.ini.file = fopen(path, "re");
	if (!r.ini.file || !suite->entries || !suite->credits || !suite->visibilities) {
		snprintf(error, SUITE_ERROR_MAX, "%s: %s", path, strerror(errno));
		suite_free(suite);
		return -1;
	}
	status = ini_parse_stream(inifile_line, &r.ini, on_key, &r);
	if (status && !error[0])
		snprintf(error, SUITE_ERROR_MAX, "%s:%d: neither [section] nor key = value", path,
			 status);
	if (r.ini.cut)
		fail(&r, "the line is too long; a link in scenarios/ has a short name");
	if (!error[0])
		resolve_visibility(&r);
	if (!error[0] && !suite->nentries)
		snprintf(error, SUITE_ERROR_MAX, "%s: no scenario in [cpu] or [memory]", path);
	fclose(r.ini.file);
	if (!error[0])
		return 0;
	suite_free(suite);
	return -1;
}

const struct suite_credit *suite_find_credit(const struct suite *suite, const char *name)
{
	for (size_t i = 0; i < suite->ncredits; i++)
		if (!strcmp(suite->credits[i].name, name))
			return &suite->credits[i];
	return NULL;
}

void suite_free(struct suite *suite)
{
	for (size_t i = 0; i < suite->nentries; i++) {
		free(suite->entries[i].path);
		free(suite->entries[i].title);
	}
	free(suite->entries);
	free(suite->credits);
	free(suite->visibilities);
	free(suite->path);
	free(suite->title);
	free(suite->world);
	*suite = (struct suite){0};
}
