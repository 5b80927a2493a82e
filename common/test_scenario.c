/* SPDX-License-Identifier: MIT */
/* Scenario files: what they say, and one clear line for each way of getting one wrong. */
#include "expectations.h"
#include "scenario.h"
#include "timeline.h"
#include "units.h"

#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const int two[] = {0, 1};
static const int holes[] = {0, 2, 5};

/* Writes text to a temporary scenario and reads it. */
static int read_text(struct scenario *s, const char *text, char error[SCENARIO_ERROR_MAX])
{
	char path[] = "/tmp/ballast-test-XXXXXX.scenario";
	int fd = mkstemps(path, 9), status;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	status = scenario_read(s, path, error);
	unlink(path);
	return status;
}

static void good(struct scenario *s, const char *text)
{
	char error[SCENARIO_ERROR_MAX];

	if (read_text(s, text, error))
		fail_msg("%s", error);
}

static void test_defaults(void **state)
{
	struct scenario s;
	char error[SCENARIO_ERROR_MAX];

	(void)state;
	good(&s, "[scenario]\nkind = cpu\n");
	assert_int_equal(scenario_resolve(&s, two, 2, "vm", error), 0);
	assert_int_equal(s.nguests, 4);
	assert_string_equal(s.guests[3].name, "vm4");
	assert_int_equal(s.guests[0].vcpus, 1);
	assert_int_equal(s.guests[0].pins[0], -1);
	assert_int_equal(s.guests[0].memory_kib, 512 * 1024);
	assert_int_equal(s.guests[0].maximum_kib, 2048 * 1024);
	assert_true(s.length_s == 30 && s.sample_s == 1 && s.interval_s == 2);
	assert_int_equal(s.host.pcpus, 4);
	assert_int_equal(scenario_resolve(&s, holes, 3, "aos_vm", error), 0);
	assert_int_equal(s.nguests, 6);
	scenario_free(&s);

	good(&s, "[scenario]\nkind = memory\n");
	assert_int_equal(scenario_resolve(&s, holes, 3, "vm", error), 0);
	assert_int_equal(s.nguests, 4);
	assert_true(s.length_s == 180 && s.sample_s == 2);
	scenario_free(&s);
}

static void test_pins(void **state)
{
	static const struct {
		const char *pins;
		int expected[6];
	} rows[] = {
		{"none", {-1, -1, -1, -1, -1, -1}}, {"spread", {0, 2, 5, 0, 2, 5}},
		{"all-on-one", {0, 0, 0, 0, 0, 0}}, {"half-half", {0, 0, 0, 2, 2, 2}},
		{"0,0,2,-", {0, 0, 5, -1, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128], error[SCENARIO_ERROR_MAX];
		struct scenario s;

		snprintf(text, sizeof(text),
			 "[scenario]\nkind=cpu\n[guests]\ncount=3\nvcpus=2\npins=%s\n",
			 rows[i].pins);
		good(&s, text);
		assert_int_equal(scenario_resolve(&s, holes, 3, "vm", error), 0);
		for (int v = 0; v < 6; v++)
			assert_int_equal(s.guests[v / 2].pins[v % 2], rows[i].expected[v]);
		scenario_free(&s);
	}
}

static void test_timeline(void **state)
{
	static const char text[] = "[scenario]\nkind = memory\nlength = 100s\n"
				   "[timeline]\n"
				   "odd = 10s memory 1700M 20M/s, 60s free\n"
				   "      70s pause\n"
				   "1 = 5s cpu 45% demand vcpus 1 ; a remark\n"
				   "2+4 = 5s pin 1-2, 6s setmem 1G\n";
	char error[SCENARIO_ERROR_MAX], buf[64];
	const struct phase *phases;
	struct scenario s;

	(void)state;
	good(&s, text);
	assert_int_equal(scenario_resolve(&s, holes, 3, "vm", error), 0);
	phases = s.guests[0].phases;
	assert_int_equal(s.guests[0].nphases, 4);
	assert_int_equal(phases[0].verb, PHASE_CPU);
	assert_true(phases[0].open_loop && phases[0].pct == 45 && phases[0].vcpus == 1);
	assert_int_equal(phases[0].line, 7);
	assert_string_equal(phase_format(&phases[0], buf, sizeof(buf)), "cpu 45% demand vcpus 1");
	assert_int_equal(phases[1].kib, 1700 * 1024);
	assert_int_equal(phases[1].rate_kib_s, 20 * 1024);
	assert_string_equal(phase_format(&phases[1], buf, sizeof(buf)), "memory 1.7G 20M/s");
	assert_int_equal(phases[2].verb, PHASE_MEMORY);
	assert_int_equal(phases[2].kib, 0);
	assert_int_equal(phases[3].verb, PHASE_PAUSE);
	assert_int_equal(s.guests[1].nphases, 2);
	assert_string_equal(s.guests[1].phases[0].text, "2,5");
	assert_int_equal(s.guests[2].nphases, 3);
	scenario_free(&s);
}

static void test_guest_choices(void **state)
{
	static const struct {
		const char *who;
		const char *five; /* which of five are meant */
	} rows[] = {
		{"all", "11111"},	 {"odd", "10101"},	   {"even", "01010"},
		{"first-half", "11100"}, {"second-half", "00011"}, {"2-4", "01110"},
		{"1+3-4", "10110"},	 {"even+1", "11010"},
	};
	static const char *const wrong[] = {"",	  "0",	"3-2", "some", "1+",
					    "+1", "1-", "-1",  "1,2",  "99999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(guests_valid(rows[i].who));
		for (unsigned int n = 1; n <= 5; n++)
			assert_int_equal(guests_match(rows[i].who, n, 5),
					 rows[i].five[n - 1] == '1');
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(guests_valid(wrong[i]));
}

/* Each row: a file, and what its error has to name. */
static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *named;
	} rows[] = {
		{"", "lacks kind"},
		{"[scenario]\nkind = disk\n", ":2: kind = disk"},
		{"[scenario]\nkind = cpu\nspeed = 3\n", ":3: [scenario] has no key \"speed\""},
		{"[scenery]\nkind = cpu\n", ":2: unknown section [scenery]"},
		{"[scenario]\nkind = cpu\nlength = 5 parsecs\n", ":3: length = 5 parsecs"},
		{"[scenario]\nkind = cpu\nsample = 10s\n", ":3: sample = 10s"},
		{"[scenario]\nkind = cpu\ninterval = -2\n", ":3: interval = -2"},
		{"[scenario]\nkind = cpu\nnonsense\n", ":3: neither"},
		{"[scenario]\nkind = cpu\n[guests]\ncount = 0\n", ":4: count = 0"},
		{"[scenario]\nkind = cpu\n[guests]\ncount = 2.5\n", ":4: count = 2.5"},
		{"[scenario]\nkind = cpu\n[guests]\nmemory = 3G\n",
		 ":4: memory 3G is more than maximum 2G"},
		{"[scenario]\nkind = cpu\n[guests]\nmemory = 3X\n", ":4: memory = 3X"},
		{"[scenario]\nkind = cpu\n[timeline]\nall = 5s jump\n",
		 ":4: unknown verb \"jump\""},
		{"[scenario]\nkind = cpu\n[timeline]\nall = 5s cpu 145%\n", ":4: \"5s cpu 145%\""},
		{"[scenario]\nkind = cpu\n[timeline]\nall = 5s cpu\n", ":4: \"5s cpu\""},
		{"[scenario]\nkind = cpu\n[timeline]\nall = soon cpu 4%\n",
		 ":4: \"soon\" is not a time"},
		{"[scenario]\nkind = cpu\n[timeline]\nall = 35s idle\n", ":4: 35s is not before"},
		{"[scenario]\nkind = cpu\n[timeline]\nsome = 5s idle\n",
		 ":4: \"some\" names no guests"},
		{"[scenario]\nkind = memory\n[timeline]\n1 = 5s memory 4G\n",
		 ":4: 4G is more than"},
		{"[scenario]\nkind = memory\n[timeline]\n1 = 5s memory 1G 20M\n",
		 ":4: \"5s memory 1G 20M\""},
		{"[scenario]\nkind = cpu\n[expect]\nbeauty = 3\n",
		 ":4: [expect] has no key \"beauty\""},
		{"[scenario]\nkind = cpu\n[host]\npcpus = 0\n", ":4: pcpus = 0"},
		{"[scenario]\nkind = cpu\n[host]\nwheels = 4\n",
		 ":4: [host] has no key \"wheels\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[SCENARIO_ERROR_MAX] = "";
		struct scenario s;

		assert_int_equal(read_text(&s, rows[i].text, error), -1);
		if (!strstr(error, rows[i].named))
			fail_msg("\"%s\" does not name \"%s\"", error, rows[i].named);
		assert_null(strchr(error, '\n'));
	}
}

/* What only shows once the host is known. */
static void test_impossible_here(void **state)
{
	static const struct {
		const char *text, *named;
	} rows[] = {
		{"[scenario]\nkind=cpu\n[guests]\npins=0,3\n",
		 ":4: pins = 0,3: the host has no pCPU position 3"},
		{"[scenario]\nkind=cpu\n[guests]\npins=some\n", ":4: pins = some"},
		{"[scenario]\nkind=cpu\n[timeline]\n7=5s cpu 4%\n", ":4: guest 7 does not exist"},
		{"[scenario]\nkind=cpu\n[timeline]\n1=5s cpu 4% vcpus 2\n", ":4: cpu … vcpus 2"},
		{"[scenario]\nkind=cpu\n[timeline]\n1=5s pin 2\n", ":4: pin 2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[SCENARIO_ERROR_MAX];
		struct scenario s;

		good(&s, rows[i].text);
		assert_int_equal(scenario_resolve(&s, two, 2, "vm", error), -1);
		if (!strstr(error, rows[i].named))
			fail_msg("\"%s\" does not name \"%s\"", error, rows[i].named);
		assert_null(s.guests);
		scenario_free(&s);
	}
}

static void test_long_line_is_refused(void **state)
{
	char text[12000], error[SCENARIO_ERROR_MAX];
	struct scenario s;

	(void)state;
	strcpy(text, "[scenario]\nkind = cpu\ntitle = ");
	memset(text + strlen(text), 'x', 11000);
	strcpy(text + 11000, "\n");
	assert_int_equal(read_text(&s, text, error), -1);
	assert_non_null(strstr(error, ":3: the line is too long"));
}

static void test_missing_file(void **state)
{
	char error[SCENARIO_ERROR_MAX];
	struct scenario s;

	(void)state;
	assert_int_equal(scenario_read(&s, "/nowhere/x.scenario", error), -1);
	assert_string_equal(error, "/nowhere/x.scenario: No such file or directory");
}

static void test_host_with_offline_pcpus(void **state)
{
	struct scenario s;
	int ids[8];

	(void)state;
	good(&s, "[scenario]\nkind=cpu\n[host]\npcpus=8\noffline=1,4-6\n");
	assert_int_equal(scenario_host_pcpus(&s, ids), 4);
	assert_int_equal(ids[1], 2);
	assert_int_equal(ids[3], 7);
	scenario_free(&s);
}

/* --- scenario(5) --- */

struct documented {
	const char *key, *fallback;
};

/* The manual's text of a key, up to the next one; NULL where it has none. To be freed. */
static char *paragraph(const char *manual, const char *key)
{
	char item[64];
	const char *start, *end;

	snprintf(item, sizeof(item), ".It Cm %s No = ", key);
	start = strstr(strstr(manual, ".Ss [expect]"), item);
	if (!start)
		return NULL;
	end = strstr(start + 1, "\n.It ");
	return strndup(start, end ? (size_t)(end - start) : strlen(start));
}

/* Each expectation is explained, with its default, and no other is. */
static void test_manual(void **state)
{
#define ROW(key, form, fallback, meaning) {#key, fallback},
	static const struct documented rows[] = {EXPECTATIONS_OF_BOTH(ROW) EXPECTATIONS_OF_CPU(ROW)
							 EXPECTATIONS_OF_MEMORY(ROW)};
#undef ROW
	FILE *file = fopen("scenario.5", "re");
	char *manual = NULL;
	size_t size = 0, items = 0, n = sizeof(rows) / sizeof(*rows);

	(void)state;
	assert_non_null(file);
	assert_true(getdelim(&manual, &size, '\0', file) > 0);
	fclose(file);
	*strstr(manual, ".Ss [host]") = '\0';
	for (size_t i = 0; i < n; i++) {
		char *text = paragraph(manual, rows[i].key);
		const char *told = text ? strcasestr(text, "default") : NULL;

		if (!text)
			fail_msg("scenario.5 does not explain %s", rows[i].key);
		if (!told || (!rows[i].fallback ? strncmp(told - 3, "No default", 10) != 0
			      : strcmp(rows[i].fallback, "auto") ? !strstr(told, rows[i].fallback)
								 : false))
			fail_msg("scenario.5 does not tell the default of %s", rows[i].key);
		free(text);
	}
	for (const char *at = strstr(manual, ".Ss [expect]"); (at = strstr(at, "\n.It ")); at++)
		items++;
	assert_int_equal(items, n);
	free(manual);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_timeline),
		cmocka_unit_test(test_guest_choices),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_impossible_here),
		cmocka_unit_test(test_long_line_is_refused),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_host_with_offline_pcpus),
	};

	(void)argc;
	/* The manual lies in the folder above build/. */
	if (chdir(dirname(argv[0])) || chdir("..")) {
		perror("test_scenario: chdir");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
