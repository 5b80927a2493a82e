/* SPDX-License-Identifier: MIT */
/* What a guest's definition says about how it is to be scheduled. */
#include "xml.h"

#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_realtime(void **state)
{
	static const struct {
		const char *cputune, *realtime;
	} rows[] = {
		{"", ""},
		{"<vcpusched vcpus='0-1' scheduler='fifo' priority='1'/>", "0-1"},
		{"<vcpusched vcpus='3' scheduler='rr' priority='9'/>"
		 "<vcpusched vcpus='1' scheduler='fifo' priority='1'/>",
		 "1,3"},
		{"<vcpusched vcpus='0-1' scheduler='batch'/><vcpusched vcpus='2' "
		 "scheduler='idle'/>",
		 ""},
		{"<vcpusched vcpus='0-4,^2' scheduler='rr' priority='1'/>", "0-1,3-4"},
		{"<vcpusched vcpus='none' scheduler='rr' priority='1'/>", ""},
		{"<emulatorsched scheduler='fifo' priority='1'/>", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct xml_guest guest;
		char text[512], list[64];

		snprintf(text, sizeof(text), "<domain><cputune>%s</cputune></domain>",
			 rows[i].cputune);
		assert_int_equal(xml_read_guest(text, &guest), 0);
		assert_string_equal(
			cpumap_format(guest.realtime, sizeof(guest.realtime), list, sizeof(list)),
			rows[i].realtime);
	}
}

static void test_pinned_emulators(void **state)
{
	struct xml_guest guest;

	(void)state;
	xml_read_guest("<domain><vcpu>2</vcpu></domain>", &guest);
	assert_false(guest.emulator_pinned);
	xml_read_guest("<domain><vcpu cpuset='0-1'>2</vcpu></domain>", &guest);
	assert_true(guest.emulator_pinned);
	xml_read_guest("<domain><cputune><emulatorpin cpuset='1'/></cputune></domain>", &guest);
	assert_true(guest.emulator_pinned);
	xml_read_guest("<domain><cputune><vcpupin vcpu='0' cpuset='1'/></cputune></domain>",
		       &guest);
	assert_false(guest.emulator_pinned);
}

static void test_settings(void **state)
{
	struct xml_guest guest;

	(void)state;
	assert_int_equal(xml_read_guest("no XML", &guest), -1);
	assert_true(guest.managed);
	xml_read_guest("<domain><metadata><p:policy xmlns:p='" XML_POLICY_NAMESPACE
		       "' manage='no'/></metadata><cputune><shares>2048</shares>"
		       "<period>100000</period><quota>25000</quota></cputune>"
		       "<numatune><memory mode='strict' nodeset='1'/></numatune></domain>",
		       &guest);
	assert_false(guest.managed);
	assert_true(guest.weight == 2 && guest.cap_pct == 25 && guest.node == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_realtime),
		cmocka_unit_test(test_pinned_emulators),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
