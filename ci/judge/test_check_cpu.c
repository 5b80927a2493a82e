/* SPDX-License-Identifier: MIT */
/* check_cpu on made-up runs: one that is right passes, and each thing done wrong fails what asks
 * for it. */
#include "check_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL_ON_ONE "scenarios/cpu-all-on-one.scenario"
#define BALANCED   "scenarios/cpu-balanced.scenario"
#define UNPINNED   "scenarios/cpu-unpinned-equal.scenario"
#define MIXED	   "scenarios/cpu-unpinned-mixed.scenario"
#define IDLE	   "scenarios/cpu-idle.scenario"
#define CROWD	   "scenarios/cpu-mixed-all-on-one.scenario"
#define LIGHT	   "testdata/cpu-light.scenario"
#define PHASE	   "scenarios/cpu-phase.scenario"

#define PIN(time, vcpu, to)                                                                        \
	{                                                                                          \
		.t_s = time, .who = vcpu, .pcpu = to                                               \
	}

/* vCPUs 2 and 3 leave the crowded pCPU 0. */
#define TWO_LEAVE PIN(6.5, 2, 1), PIN(6.6, 3, 1)
/* All four find a fixed place, light and heavy (odd and even numbers) on each pCPU. */
#define PIN_EQUAL PIN(6.5, 0, 0), PIN(6.5, 1, 1), PIN(6.5, 2, 0), PIN(6.5, 3, 1)
#define PIN_MIXED PIN(6.5, 0, 0), PIN(6.5, 1, 0), PIN(6.5, 2, 1), PIN(6.5, 3, 1)

/* Three vCPUs there and back again. */
#define THRASH(time)                                                                               \
	PIN(time, 0, 1), PIN(time, 1, 0), PIN(time, 2, 1), PIN(time + 1, 0, 0),                    \
		PIN(time + 1, 1, 1), PIN(time + 1, 2, 0)

static const struct row rows[] = {
	{"balanced is left alone", RUN(BALANCED, 2), RESULT_PASS, " ", NULL},
	{"all on one, two leave", RUN(ALL_ON_ONE, 2, .deeds = DEEDS(TWO_LEAVE)), RESULT_PASS, " ",
	 NULL},
	{"8 on 4, six leave",
	 RUN(ALL_ON_ONE, 4,
	     .deeds = DEEDS(PIN(7, 2, 1), PIN(7, 3, 1), PIN(7, 4, 2), PIN(7, 5, 2), PIN(7, 6, 3),
			    PIN(7, 7, 3))),
	 RESULT_PASS, " ", NULL},
	{"unpinned, pinned in place", RUN(UNPINNED, 2, .deeds = DEEDS(PIN_EQUAL)), RESULT_PASS, " ",
	 NULL},
	{"mixed, heavy beside light", RUN(MIXED, 2, .deeds = DEEDS(PIN_MIXED)), RESULT_PASS, " ",
	 NULL},
	{"mixed, and Linux shares unevenly",
	 RUN(MIXED, 2, .deeds = DEEDS(PIN_MIXED), .uneven_from_s = 10), RESULT_PASS, " ", NULL},
	{"idle is left alone", RUN(IDLE, 2), RESULT_PASS, " ", NULL},
	{"phase: one swap",
	 RUN(PHASE, 2,
	     .deeds = DEEDS(PIN(2, 0, 0), PIN(2, 1, 1), PIN(2, 2, 0), PIN(2, 3, 1), PIN(22, 2, 1),
			    PIN(22, 3, 0))),
	 RESULT_PASS, " ", NULL},

	/* What was done early was done. */
	{"8 on 4, six left before the load",
	 RUN(ALL_ON_ONE, 4,
	     .deeds = DEEDS(PIN(3, 2, 1), PIN(3, 3, 1), PIN(3, 4, 2), PIN(3, 5, 2), PIN(3, 6, 3),
			    PIN(3, 7, 3))),
	 RESULT_PASS, " ", NULL},
	{"8 on 4, half of them before the load and half after",
	 RUN(ALL_ON_ONE, 4,
	     .deeds = DEEDS(PIN(3, 2, 1), PIN(3, 3, 1), PIN(3, 4, 2), PIN(7, 5, 2), PIN(7, 6, 3),
			    PIN(7, 7, 3))),
	 RESULT_PASS, " ", NULL},
	{"phase: the swap comes before the load grows",
	 RUN(PHASE, 2,
	     .deeds = DEEDS(PIN(2, 0, 0), PIN(2, 1, 1), PIN(2, 2, 0), PIN(2, 3, 1), PIN(18, 2, 1),
			    PIN(18, 3, 0))),
	 RESULT_FAIL, " pins_after_balance ", NULL},
	{"there and back before the load, then two leave",
	 RUN(ALL_ON_ONE, 2,
	     .deeds = DEEDS(PIN(1, 0, 1), PIN(1, 1, 1), PIN(3, 0, 0), PIN(3, 1, 0), TWO_LEAVE)),
	 RESULT_FAIL, " moves pins ", NULL},
	{"one a time, as the course's sample does",
	 RUN(ALL_ON_ONE, 4,
	     .deeds = DEEDS(PIN(8, 2, 1), PIN(10, 3, 1), PIN(12, 4, 2), PIN(14, 5, 2),
			    PIN(16, 6, 3), PIN(18, 7, 3))),
	 RESULT_PASS, " ", NULL},

	/* Alike while they crowd: the heavy ones happen to leave together, and a swap parts them.
	 */
	{"mixed all on one, two leave, one swap",
	 RUN(CROWD, 2,
	     .deeds = DEEDS(PIN(6.5, 0, 1), PIN(6.5, 2, 1), PIN(8.5, 0, 0), PIN(8.5, 1, 1))),
	 RESULT_PASS, " ", NULL},
	{"mixed all on one, and back and forth",
	 RUN(CROWD, 2,
	     .deeds = DEEDS(PIN(6.5, 0, 1), PIN(6.5, 2, 1), PIN(8.5, 0, 0), PIN(8.5, 1, 1),
			    PIN(10.5, 0, 1), PIN(12.5, 0, 0))),
	 RESULT_FAIL, " moves pins pins_after_balance ", NULL},

	{"nothing done about all on one", RUN(ALL_ON_ONE, 2), RESULT_FAIL,
	 " spread stddev demand_spread balance_within ", NULL},
	{"one too few leaves", RUN(ALL_ON_ONE, 2, .deeds = DEEDS(PIN(6.5, 2, 1))), RESULT_FAIL,
	 " spread stddev demand_spread fairness balance_within ", NULL},
	{"two moves too many",
	 RUN(ALL_ON_ONE, 2,
	     .deeds = DEEDS(PIN(6.5, 0, 1), PIN(6.6, 1, 1), PIN(8.5, 2, 1), PIN(8.6, 0, 0),
			    PIN(8.7, 1, 0), PIN(8.8, 3, 1))),
	 RESULT_FAIL, " moves pins pins_after_balance ", NULL},
	{"late", RUN(ALL_ON_ONE, 2, .deeds = DEEDS(PIN(17.5, 2, 1), PIN(17.6, 3, 1))), RESULT_FAIL,
	 " balance_within ", NULL},
	{"thrashes on",
	 RUN(ALL_ON_ONE, 2,
	     .deeds = DEEDS(TWO_LEAVE, PIN(16, 0, 1), PIN(16, 2, 0), PIN(20, 0, 0), PIN(20, 2, 1))),
	 RESULT_FAIL, " moves pins pins_after_balance ", NULL},
	{"a needless swap", RUN(BALANCED, 2, .deeds = DEEDS(PIN(10, 0, 1), PIN(10, 1, 0))),
	 RESULT_FAIL, " moves pins pins_after_balance ", NULL},
	{"piles all on one", RUN(BALANCED, 2, .deeds = DEEDS(PIN(6, 1, 0), PIN(6, 3, 0))),
	 RESULT_FAIL, " spread stddev demand_spread balance_within moves pins ", NULL},
	{"those that want next to nothing need no place",
	 RUN(LIGHT, 2, .deeds = DEEDS(PIN(6, 0, 0), PIN(6, 1, 1))), RESULT_PASS, " ", NULL},
	{"moves idle guests", RUN(IDLE, 2, .deeds = DEEDS(PIN(10, 0, 1), PIN(12, 0, 0))),
	 RESULT_FAIL, " moves pins ", NULL},
	{"leaves them to Linux", RUN(UNPINNED, 2), RESULT_FAIL, " pinned ", NULL},
	{"mixed, and shares out unevenly",
	 RUN(MIXED, 2, .deeds = DEEDS(PIN_MIXED), .uneven_from_s = 10, .by_shares = true),
	 RESULT_FAIL, " fairness ", NULL},
	{"leaves them to Linux, which shares unevenly", RUN(UNPINNED, 2, .uneven_from_s = 10),
	 RESULT_FAIL, " fairness pinned ", NULL},
	{"one left unpinned",
	 RUN(UNPINNED, 2, .deeds = DEEDS(PIN(6, 0, 0), PIN(6, 1, 1), PIN(6, 2, 0))), RESULT_FAIL,
	 " pinned ", NULL},
	{"mixed: the heavy ones together", RUN(MIXED, 2, .deeds = DEEDS(PIN_EQUAL)), RESULT_FAIL,
	 " spread stddev demand_spread balance_within ", NULL},
	{"phase: no swap",
	 RUN(PHASE, 2, .deeds = DEEDS(PIN(2, 0, 0), PIN(2, 1, 1), PIN(2, 2, 0), PIN(2, 3, 1))),
	 RESULT_FAIL, " spread stddev demand_spread balance_within ", NULL},
	/* Usage spreads by 5 points only; three share what one has to itself. */
	{"three beside one, saturated",
	 RUN("testdata/cpu-four-heavy.scenario", 2,
	     .deeds = DEEDS(PIN(6, 0, 0), PIN(6, 1, 1), PIN(6, 2, 1), PIN(6, 3, 1))),
	 RESULT_FAIL, " demand_spread fairness balance_within ", NULL},

	/* Ways round what is asked. */
	{"the same pins again and again",
	 RUN(ALL_ON_ONE, 2,
	     .deeds = DEEDS(TWO_LEAVE, PIN(8.5, 2, 1), PIN(10.5, 2, 1), PIN(12.5, 3, 1),
			    PIN(20.5, 3, 1))),
	 RESULT_PASS, " ", NULL},
	{"moves each vCPU unpinned on the way",
	 RUN(ALL_ON_ONE, 2,
	     .deeds = DEEDS(PIN(6.5, 0, -1), PIN(6.6, 0, 1), PIN(6.7, 1, -1), PIN(6.8, 1, 1),
			    PIN(6.9, 2, -1), PIN(7, 2, 1), PIN(7.1, 0, -1), PIN(7.2, 0, 0))),
	 RESULT_FAIL, " moves pins ", NULL},
	{"anywhere and back is no move",
	 RUN(BALANCED, 2, .deeds = DEEDS(PIN(10, 0, -1), PIN(10.1, 0, 0))), RESULT_FAIL,
	 " pins pins_after_balance ", NULL},
	{"piled up before the load, then parted",
	 RUN(UNPINNED, 4,
	     .deeds = DEEDS(PIN(2, 0, 0), PIN(2, 1, 0), PIN(2, 2, 0), PIN(2, 3, 0), PIN(2, 4, 0),
			    PIN(2, 5, 0), PIN(2, 6, 0), PIN(2, 7, 0), PIN(7, 2, 1), PIN(7, 3, 1),
			    PIN(7, 4, 2), PIN(7, 5, 2), PIN(7, 6, 3), PIN(7, 7, 3))),
	 RESULT_FAIL, " moves pins ", NULL},
	{"one too many on a pCPU before the load, then mended",
	 RUN(UNPINNED, 2,
	     .deeds = DEEDS(PIN(2, 0, 0), PIN(2, 1, 1), PIN(2, 2, 1), PIN(2, 3, 1), PIN(7, 3, 0))),
	 RESULT_PASS, " ", NULL},
	{"heavy beside heavy before the load, then swapped",
	 RUN(MIXED, 2,
	     .deeds = DEEDS(PIN(2, 0, 0), PIN(2, 1, 1), PIN(2, 2, 0), PIN(2, 3, 1), PIN(7, 0, 1),
			    PIN(7, 1, 0))),
	 RESULT_PASS, " ", NULL},
	{"left to Linux until the last moment",
	 RUN(UNPINNED, 2,
	     .deeds = DEEDS(PIN(23.5, 0, 0), PIN(23.5, 1, 1), PIN(23.5, 2, 0), PIN(23.5, 3, 1))),
	 RESULT_FAIL, " pins_after_balance ", NULL},
	{"slow to and fro",
	 RUN(ALL_ON_ONE, 2, .deeds = DEEDS(TWO_LEAVE, PIN(28, 2, 0), PIN(28, 3, 0))), RESULT_FAIL,
	 " moves pins pins_after_balance ", NULL},
	{"all guests paused: nothing is as even as nothing",
	 RUN(ALL_ON_ONE, 2, .paused_from_s = 6.5), RESULT_FAIL, " guests_run ",
	 "though it did not have to wait"},
	{"its own load is no excuse",
	 RUN(ALL_ON_ONE, 2, .program_peak_pct = 60,
	     .deeds = DEEDS(PIN(12.5, 2, 1), PIN(12.6, 3, 1), PIN(18.5, 2, 0), PIN(18.6, 3, 0))),
	 RESULT_FAIL, " spread stddev demand_spread balance_within moves pins pins_after_balance ",
	 NULL},
	{"stops with the status of a shell", RUN(BALANCED, 2, .stop_status = 143), RESULT_PASS, " ",
	 NULL},
	{"fails when it is told to stop", RUN(BALANCED, 2, .stop_status = 1), RESULT_FAIL,
	 " program_alive ", NULL},

	{"exits", RUN(BALANCED, 2, .exits_at_s = 3), RESULT_FAIL, " program_alive ", NULL},
	{"crashes in idle", RUN(IDLE, 2, .exits_at_s = 3, .exit_status = 1), RESULT_FAIL,
	 " program_alive ", NULL},
	{"hangs in idle", RUN(IDLE, 2, .still_from_s = 4), RESULT_FAIL, " program_alive ", NULL},
	{"does not stop", RUN(IDLE, 2, .killed = true), RESULT_FAIL, " program_alive ", NULL},
	{"no program", RUN(IDLE, 2, .no_program = true), RESULT_FAIL, " program_alive ", NULL},
	{"burns CPU in idle", RUN(IDLE, 2, .program_cpu_pct = 80), RESULT_FAIL, " program_cpu ",
	 NULL},

	{"breaks off", RUN(BALANCED, 2, .ends_at_s = 20), RESULT_UNJUDGED, " ", "not complete"},
	{"nothing seen for a while",
	 RUN(ALL_ON_ONE, 2, .deeds = DEEDS(TWO_LEAVE), .gap_from_s = 10, .gap_to_s = 20),
	 RESULT_UNJUDGED, " ", "nothing was seen of the guests from 10 s to 20 s"},
	{"nothing seen in the end",
	 RUN(ALL_ON_ONE, 2, .deeds = DEEDS(TWO_LEAVE), .gap_from_s = 16, .gap_to_s = 24),
	 RESULT_UNJUDGED, " ", "nothing was seen"},
	{"no guests in the samples: no usage is not an even one",
	 RUN(ALL_ON_ONE, 2, .blind_from_s = 12, .blind_to_s = 30), RESULT_UNJUDGED,
	 " spread stddev demand_spread balance_within ", "seen"},
	{"no load began", RUN(BALANCED, 2, .no_load_events = true), RESULT_UNJUDGED, " ",
	 "never began"},
	{"a load is not there", RUN(BALANCED, 2, .lazy_guest = 2), RESULT_UNJUDGED, " ",
	 "though it did not have to wait"},
	{"a busy host", RUN(BALANCED, 2, .host_pct = 45), RESULT_UNJUDGED, " ", NULL},
	/* Noise excuses what it explains, and no more. */
	{"nothing done on a busy host", RUN(ALL_ON_ONE, 2, .host_pct = 45), RESULT_FAIL,
	 " spread stddev demand_spread balance_within ", NULL},
	{"eighteen moves on a busy host where none is needed",
	 RUN(BALANCED, 2, .host_pct = 48, .deeds = DEEDS(THRASH(10), THRASH(12), THRASH(14))),
	 RESULT_FAIL, " moves pins ", NULL},
	{"makes room for the host's own load",
	 RUN(BALANCED, 2, .host_pct = 80, .deeds = DEEDS(PIN(12, 0, 1))), RESULT_UNJUDGED, " ",
	 NULL},
	{"died, and the load is not there", RUN(BALANCED, 2, .lazy_guest = 2, .exits_at_s = 3),
	 RESULT_FAIL, " program_alive ", "though it did not have to wait"},
};

static void test_rows(void **state)
{
	(void)state;
	check_rows(rows, sizeof(rows) / sizeof(*rows));
}

/* Every expectation there is fails in some row: none is asleep. */
static void test_every_expectation_can_fail(void **state)
{
	(void)state;
	check_rows_fail_all(rows, sizeof(rows) / sizeof(*rows));
}

static void test_figures(void **state)
{
	struct fake fake = RUN(ALL_ON_ONE, 2, .deeds = DEEDS(TWO_LEAVE));
	struct verdict v;

	(void)state;
	check_fake(&fake, &v);
	assert_int_equal(json_number_value(json_object_get(v.figures, "moves")), 2);
	assert_int_equal(json_number_value(json_object_get(v.figures, "moves_fewest")), 2);
	verdict_free(&v);
}

static const char *cause_of(const struct verdict *v, const char *name)
{
	json_t *finding;
	size_t index;

	json_array_foreach(v->expectations, index, finding)
	{
		if (!strcmp(json_string_value(json_object_get(finding, "name")), name))
			return json_string_value(json_object_get(finding, "because"));
	}
	return NULL;
}

/* One fault is told as one: what else fails by it names it. */
static void test_causes(void **state)
{
	struct fake crowded = RUN(ALL_ON_ONE, 2);
	struct fake restless = RUN(IDLE, 2, .deeds = DEEDS(PIN(10, 0, 1), PIN(12, 0, 0)));
	struct verdict v;

	(void)state;
	check_fake(&crowded, &v);
	assert_null(cause_of(&v, "spread"));
	assert_string_equal(cause_of(&v, "stddev"), "spread");
	assert_string_equal(cause_of(&v, "balance_within"), "spread");
	verdict_free(&v);
	check_fake(&restless, &v);
	assert_null(cause_of(&v, "moves"));
	assert_string_equal(cause_of(&v, "pins"), "moves");
	verdict_free(&v);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_expectation_can_fail),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_causes),
	};

	(void)argc;
	check_rows_home(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
