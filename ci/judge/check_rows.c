/* SPDX-License-Identifier: MIT */
/* Judges tables of made-up runs. */
#include "check_rows.h"

#include "evidence.h"

#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void check_rows_home(const char *argv0)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", argv0);
	assert_int_equal(chdir(dirname(path)), 0);
	assert_int_equal(chdir("../.."), 0);
}

/* Expectations with that result, " a b ". */
static void named(const struct verdict *v, const char *result, char *buf, size_t len)
{
	json_t *finding;
	size_t index;

	snprintf(buf, len, " ");
	json_array_foreach(
		v->expectations, index,
		finding) if (!strcmp(json_string_value(json_object_get(finding, "result")), result))
		snprintf(buf + strlen(buf), len - strlen(buf), "%s ",
			 json_string_value(json_object_get(finding, "name")));
}

static bool same_words(const char *a, const char *b)
{
	char word[64];

	if (strlen(a) != strlen(b))
		return false;
	for (const char *start = a + 1; *start; start = strchr(start, ' ') + 1) {
		snprintf(word, sizeof(word), " %.*s ", (int)(strchr(start, ' ') - start), start);
		if (!strstr(b, word))
			return false;
	}
	return true;
}

void check_fake(const struct fake *fake, struct verdict *v)
{
	char path[] = "/tmp/ballast-trace-XXXXXX", error[CHECK_ERROR_MAX];
	struct scenario s = {0};
	struct trace trace = {0};

	close(mkstemp(path));
	fake_trace(fake, path);
	if (trace_read(&trace, path, error) || evidence_scenario(&s, &trace, path, error) ||
	    check_judge(&s, &trace, v, error))
		fail_msg("%s", error);
	trace_free(&trace);
	scenario_free(&s);
	unlink(path);
}

static void show(const struct row *row, const struct verdict *v, const char *fails)
{
	json_t *finding;
	size_t index;

	print_error("%s: %s, failed%s; expected %s, failed%s; %s\n", row->what,
		    result_name(v->result), fails, result_name(row->result), row->fails, v->reason);
	json_array_foreach(v->expectations, index, finding)
	{
		char *text = json_dumps(finding, JSON_COMPACT);

		print_error("  %s\n", text);
		free(text);
	}
}

void check_rows(const struct row *rows, size_t count)
{
	int wrong = 0;

	for (size_t i = 0; i < count; i++) {
		struct verdict v;
		char fails[512];

		check_fake(&rows[i].fake, &v);
		named(&v, "fail", fails, sizeof(fails));
		if (v.result != rows[i].result || !same_words(fails, rows[i].fails) ||
		    (rows[i].reason && !strstr(v.reason, rows[i].reason))) {
			show(&rows[i], &v, fails);
			wrong++;
		}
		verdict_free(&v);
	}
	assert_int_equal(wrong, 0);
}

void check_rows_fail_all(const struct row *rows, size_t count)
{
	for (size_t k = 0; k < check_nspecs; k++) {
		char word[64];
		bool found = false;

		snprintf(word, sizeof(word), " %s ", check_specs[k].key);
		for (size_t i = 0; i < count; i++)
			found |= strstr(rows[i].fails, word) != NULL;
		if (!found)
			fail_msg("no row fails %s", check_specs[k].key);
	}
}
