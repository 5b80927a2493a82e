/* SPDX-License-Identifier: MIT */
/*
 * The expectations that a scenario can have, in the order in which they are judged: the one table
 * behind the reader of [expect], the checkers and what `check_cpu --expectations` prints;
 * scenario(5) explains them, and a test holds it to this. Each is
 *
 *	EXPECTATION(key, form, default, meaning)
 *
 * form: how a value is written, one of enum expect_type without its EXPECT_. default: as it would
 * be written; NULL: not judged unless asked for; "auto": the judge works it out.
 */
#ifndef BALLAST_EXPECTATIONS_H
#define BALLAST_EXPECTATIONS_H

/* clang-format off */

#define EXPECTATIONS_OF_BOTH(EXPECTATION) \
	EXPECTATION(program_alive, YES_NO, "yes", "it runs until it is told to stop, and then stops") \
	EXPECTATION(guests_run, YES_NO, "yes", "no guest is paused, stopped, rebooted or slowed down but by the scenario") \
	EXPECTATION(program_cpu, NUMBER, "10", "most CPU that the program itself uses, % of a pCPU")

#define EXPECTATIONS_OF_CPU(EXPECTATION) \
	EXPECTATION(spread, NUMBER, "10", "most difference between the busiest and the idlest pCPU once settled, points") \
	EXPECTATION(stddev, NUMBER, "5", "most standard deviation of the pCPUs' usage once settled, points") \
	EXPECTATION(demand_spread, NUMBER, "10", "on a saturated host: most difference between the pCPUs' summed demands, points") \
	EXPECTATION(fairness, NUMBER, "15", "guests of equal load get CPU time within this of their mean, %") \
	EXPECTATION(balance_within, DURATION, "auto", "how soon after each change of load usage is balanced, and stays so") \
	EXPECTATION(moves, MOVES, "auto", "most pins that change a vCPU's pCPU") \
	EXPECTATION(pins, COUNT, "auto", "most changes of affinity in all") \
	EXPECTATION(pins_after_balance, COUNT, "0", "most changes of affinity once balanced, until the load changes") \
	EXPECTATION(pinned, YES_NO, "auto", "at the end each vCPU may run on exactly one pCPU")

/* Kills come first: much else follows from them. */
#define EXPECTATIONS_OF_MEMORY(EXPECTATION) \
	EXPECTATION(oom, COUNT, "0", "most processes killed for want of memory") \
	EXPECTATION(unused, SIZE_SHARE, "100M 95%", "least that every guest has unused or usable, and in which share of the time") \
	EXPECTATION(waste, NUMBER, "10", "no guest is killed or kept short while the host has this available, % of its memory") \
	EXPECTATION(reach, SIZE_BY, NULL, "these guests' loads have reached a size by a time") \
	EXPECTATION(given_back, SIZE_BY, NULL, "these guests have shrunk to a size by a time") \
	EXPECTATION(near_target, SIZE, "200M", "most that settled guests have usable beyond twice the unused size") \
	EXPECTATION(similar, SIZE, NULL, "most difference between the guests' sizes at the end") \
	EXPECTATION(release_step, SIZE, "200M", "biggest decrease of a guest's size by one decision") \
	EXPECTATION(floor, SIZE, "200M", "least size of any guest") \
	EXPECTATION(host_reserve, SIZE, "200M", "least memory that the host has available")

/* clang-format on */

#endif
