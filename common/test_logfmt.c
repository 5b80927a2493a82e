/* SPDX-License-Identifier: MIT */
/* What a guest's name can do to a line: nothing. */
#include "logfmt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void values_are_quoted_where_they_must(void **state)
{
	static const struct {
		const char *value, *line;
	} rows[] = {
		{"aos_vm1", "aos_vm1"},
		{"web-1.example:2", "web-1.example:2"},
		{"Größe", "Größe"},
		{"", "\"\""},
		{"a b", "\"a b\""},
		{"x reason=grow", "\"x reason=grow\""},
		{"a=b", "\"a=b\""},
		{"a\ntick=7", "\"a\\ntick=7\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\t\r\x1b[2J\x7f", "\"\\t\\r\\x1b[2J\\x7f\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		assert_non_null(out);
		logfmt_put(out, rows[i].value);
		fclose(out);
		assert_string_equal(text, rows[i].line);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_quoted_where_they_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
