/* SPDX-License-Identifier: MIT */
/* What is learned of a cpuset: a row per way the kernel shows it. */
#include "cpuset.h"

#include "units.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAPLEN	   1U
#define VCPUS_MOST 3

struct row {
	const char *what;
	const char *known;
	const char *asked[VCPUS_MOST], *now[VCPUS_MOST]; /* NULL: no such vCPU */
	const char *then;
};

static const struct row rows[] = {
	{"nothing is narrowed", "0-3", {"0-3"}, {"0-3"}, "0-3"},
	{"a cpuset before anything is pinned", "0-3", {"0-3", "0-3"}, {"0-1", "0-1"}, "0-1"},
	{"one pin tells nothing", "0-3", {"2"}, {"2"}, "0-3"},
	{"a pin that was cut", "0-3", {"1-2"}, {"1"}, "0-1,3"},
	{"a pin outside of it shows all of it", "0-3", {"3", "0"}, {"0-1", "0"}, "0-1"},
	{"it widens, and one that is not pinned shows it",
	 "0-1",
	 {"0-3", "0"},
	 {"0-2", "0"},
	 "0-2"},
	{"it widens unseen while all are pinned", "0-1", {"0", "1"}, {"0", "1"}, "0-1"},
	{"a pin that holds is within", "0-1", {"2"}, {"2"}, "0-2"},
	{"a pCPU that was pinned to went offline", "0-3", {"5"}, {"0-3"}, "0-3"},
	{"vCPUs that are offline say nothing", "0-3", {"0-3", "0-3"}, {"0-1", ""}, "0-1"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		unsigned char online[MAPLEN], cpuset[MAPLEN], asked[VCPUS_MOST], now[VCPUS_MOST];
		char list[64];
		size_t n = 0;
		bool changed;

		assert_int_equal(cpumap_parse("0-3", online, MAPLEN), 0);
		assert_int_equal(cpumap_parse(row->known, cpuset, MAPLEN), 0);
		for (; n < VCPUS_MOST && row->asked[n]; n++) {
			assert_int_equal(cpumap_parse(row->asked[n], asked + n, MAPLEN), 0);
			assert_int_equal(cpumap_parse(row->now[n], now + n, MAPLEN), 0);
		}
		changed = cpuset_learn(cpuset, asked, now, n, online, MAPLEN);
		cpumap_format(cpuset, MAPLEN, list, sizeof(list));
		if (strcmp(list, row->then) || changed != (strcmp(row->known, row->then) != 0))
			fail_msg("%s: %s, %s", row->what, list, changed ? "changed" : "as before");
	}
}

static void test_a_process_is_asked(void **state)
{
	unsigned char map[128];
	cpu_set_t set, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_int_equal(cpuset_read_process(getpid(), map, sizeof(map)), 0);
	assert_int_equal(cpumap_count(map, sizeof(map)), CPU_COUNT(&set));
	for (unsigned int id = 0; id < 1024; id++) {
		if (!CPU_ISSET(id, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(id, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(cpuset_read_process(getpid(), map, sizeof(map)), 0);
		assert_int_equal(cpumap_count(map, sizeof(map)), 1);
		assert_true(cpumap_has(map, sizeof(map), id));
	}
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
	assert_int_equal(cpuset_read_process(INT32_MAX, map, sizeof(map)), -1);
	assert_int_equal(cpuset_find_process("no such guest", "0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_a_process_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
