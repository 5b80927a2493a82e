/* SPDX-License-Identifier: MIT */
/* fake SCENARIO TRACE nothing|exits|cut: for test_grade.bats, the trace of a run that never was. */
#include "fake_trace.h"

#include "log.h"
#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

int main(int argc, char *argv[])
{
	char error[SCENARIO_ERROR_MAX];
	struct scenario scenario = {0};
	struct fake fake = {0};

	log_init("fake", false);
	if (argc != 4)
		die(EXIT_USAGE, "usage: fake SCENARIO TRACE nothing|exits|cut");
	fake.scenario = argv[1];
	if (scenario_read(&scenario, argv[1], error))
		die(EXIT_USAGE, "%s", error);
	fake.pcpus = scenario.host.pcpus;
	scenario_free(&scenario);
	if (!strcmp(argv[3], "exits"))
		fake.exits_at_s = 3;
	else if (!strcmp(argv[3], "cut"))
		fake.ends_at_s = 12;
	else if (strcmp(argv[3], "nothing") != 0)
		die(EXIT_USAGE, "%s: it is nothing, exits or cut", argv[3]);
	fake_trace(&fake, argv[2]);
	return EXIT_PASS;
}
