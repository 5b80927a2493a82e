/* SPDX-License-Identifier: MIT */
/* check_memory on made-up runs: one that is right passes, and each thing done wrong fails what asks
 * for it. */
#include "check_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ONE   "testdata/mem-one-short.scenario"
#define IDLE  "testdata/mem-idle.scenario"
#define SAME  "testdata/mem-similar.scenario"
#define LIVES "testdata/mem-lives.scenario"

#define SIZE(time, guest, size)                                                                    \
	{                                                                                          \
		.t_s = time, .who = guest, .mib = size                                             \
	}

/* The idle guest (number 1) shrinks to 300M gradually. */
#define IDLE_SHRINKS SIZE(4.2, 1, 400), SIZE(6.2, 1, 300)
/* The other has what it needs before it grows, 400M at 20M/s from 5s, and gives it back after 40s.
 */
#define GROWS	   SIZE(6.2, 0, 700), SIZE(16.2, 0, 800)
#define GIVES_BACK SIZE(44.2, 0, 650), SIZE(46.2, 0, 500), SIZE(48.2, 0, 350)

static const struct row rows[] = {
	{"served and given back", RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS, GIVES_BACK)),
	 RESULT_PASS, " ", NULL},
	{"idle guests shrink", RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS)),
	 RESULT_PASS, " ", NULL},

	{"nothing done", RUN(ONE, 2), RESULT_FAIL, " unused waste reach given_back near_target ",
	 NULL},
	{"the idle guest is forgotten", RUN(ONE, 2, .deeds = DEEDS(GROWS, GIVES_BACK)), RESULT_FAIL,
	 " near_target ", NULL},
	{"never given back", RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS)), RESULT_FAIL,
	 " given_back ", NULL},
	{"given back in one step",
	 RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS, SIZE(46.2, 0, 350))), RESULT_FAIL,
	 " release_step ", NULL},
	{"two steps within one interval",
	 RUN(ONE, 2,
	     .deeds = DEEDS(IDLE_SHRINKS, GROWS, SIZE(46.2, 0, 650), SIZE(46.7, 0, 500),
			    SIZE(50.2, 0, 350))),
	 RESULT_FAIL, " release_step ", NULL},
	{"served late", RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, SIZE(38.2, 0, 800), GIVES_BACK)),
	 RESULT_FAIL, " unused waste reach ", NULL},
	{"starved",
	 RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS, SIZE(10.2, 1, 180))),
	 RESULT_FAIL, " unused waste floor ", NULL},
	{"starved until it answers no more",
	 RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS, SIZE(47, 1, 180)),
	     .mute_from_s = 49),
	 RESULT_FAIL, " unused floor ", NULL},
	{"eats the host",
	 RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 2000), SIZE(4.2, 1, 2000)), .host_mib = 3000),
	 RESULT_FAIL, " near_target host_reserve ", NULL},
	{"kills", RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS, GIVES_BACK), .oom_guest = 1),
	 RESULT_FAIL, " oom waste ", NULL},
	/* A load that is not there because it was killed is a finding, no failure of the lab. */
	{"the load lags since it was killed",
	 RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS, GIVES_BACK), .oom_guest = 1,
	     .lazy_guest = 1),
	 RESULT_FAIL, " oom waste reach ", NULL},
	{"the load lags in a guest squeezed between two looks",
	 RUN(ONE, 2,
	     .deeds =
		     DEEDS(IDLE_SHRINKS, GROWS, SIZE(18.1, 0, 210), SIZE(18.9, 0, 800), GIVES_BACK),
	     .lazy_guest = 1),
	 RESULT_FAIL, " reach release_step ", NULL},
	{"kills while the host has nothing",
	 RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS, GIVES_BACK), .oom_guest = 1,
	     .host_mib = 1700),
	 RESULT_FAIL, " oom ", NULL},

	/* Guests that come and go. */
	{"one starts, one reboots, one stops", RUN(LIVES, 2), RESULT_PASS, " ", NULL},
	{"takes from one that has just booted", RUN(LIVES, 2, .deeds = DEEDS(SIZE(28.5, 0, 230))),
	 RESULT_FAIL, " release_step ", NULL},
	{"starves one that was started",
	 RUN(LIVES, 2, .deeds = DEEDS(SIZE(30.5, 0, 350), SIZE(34.5, 0, 260), SIZE(38.5, 0, 180))),
	 RESULT_FAIL, " unused waste floor ", NULL},

	{"unlike at the end", RUN(SAME, 2, .deeds = DEEDS(SIZE(4.2, 0, 350))), RESULT_FAIL,
	 " similar ", NULL},
	{"alike at the end", RUN(SAME, 2), RESULT_PASS, " ", NULL},

	{"exits", RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS), .exits_at_s = 30),
	 RESULT_FAIL, " program_alive ", NULL},
	{"hangs", RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS), .still_from_s = 30),
	 RESULT_FAIL, " program_alive ", NULL},
	{"burns",
	 RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS), .program_cpu_pct = 30),
	 RESULT_FAIL, " program_cpu ", NULL},

	{"breaks off", RUN(ONE, 2, .ends_at_s = 40), RESULT_UNJUDGED, " unused waste reach ",
	 "not complete"},
	{"nothing known from inside", RUN(IDLE, 2, .no_inside = true), RESULT_UNJUDGED, " ",
	 "from inside"},
	{"the load never began", RUN(ONE, 2, .no_load_events = true), RESULT_UNJUDGED,
	 " unused waste reach given_back near_target ", "never began"},
	{"the load lags in a guest with room",
	 RUN(ONE, 2, .deeds = DEEDS(IDLE_SHRINKS, GROWS, GIVES_BACK), .lazy_guest = 1),
	 RESULT_UNJUDGED, " ", "though it had room"},
	{"the load lags in a guest squeezed below the floor",
	 RUN(ONE, 2,
	     .deeds = DEEDS(SIZE(1, 0, 190), SIZE(4.1, 0, 600), IDLE_SHRINKS, GROWS, GIVES_BACK),
	     .lazy_guest = 1),
	 RESULT_FAIL, " floor release_step ", NULL},
	/* A host that has nothing left to give is no coordinator's fault. */
	{"beyond help", RUN(ONE, 2, .host_mib = 150), RESULT_FAIL, " reach given_back near_target ",
	 NULL},
	/* But there is somebody who could give: the idle guest with a thousand to spare. */
	{"kept short beside a hoarder, the host at its reserve",
	 RUN(IDLE, 2, .deeds = DEEDS(SIZE(3, 1, 1200), SIZE(3.5, 0, 180)), .host_mib = 558),
	 RESULT_FAIL, " unused near_target floor ", NULL},
	{"all guests paused", RUN(ONE, 2, .paused_from_s = 6), RESULT_FAIL,
	 " guests_run unused waste reach given_back near_target ", NULL},
	{"no samples for a while",
	 RUN(IDLE, 2, .deeds = DEEDS(SIZE(4.2, 0, 350), IDLE_SHRINKS), .gap_from_s = 20,
	     .gap_to_s = 40),
	 RESULT_UNJUDGED, " ", "nothing was seen"},
};

static void test_rows(void **state)
{
	(void)state;
	check_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void test_every_expectation_can_fail(void **state)
{
	(void)state;
	check_rows_fail_all(rows, sizeof(rows) / sizeof(*rows));
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_expectation_can_fail),
	};

	(void)argc;
	check_rows_home(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
