/* SPDX-License-Identifier: MIT */
/*
 * Every default can be kept at once: random scenarios without faults, which the host has room for,
 * run in the simulated world by a plan that knows all loads, and no expectation fails. How many:
 * BALLAST_REACH (default 30 of each kind); a failure names its seed, which BALLAST_REACH_SEED runs
 * alone, and BALLAST_REACH_PROGRAM runs another program in the plan's place, with its interval.
 */
#include "limits.h"
#include "scenario.h"

#include <libgen.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RUNS	  30
#define PCPUS_MAX 8
#define PREFIX	  "vm"

/* Of all pCPUs, at most this much is asked for at once. */
#define ROOMY 0.85

/* Loads take a moment to begin; the plan acts when they have. */
#define BEGUN_S 1.0

static char home[4096], folder[] = "/tmp/ballast-reach-XXXXXX";

/* --- chance --- */

static unsigned int below(unsigned int n)
{
	return (unsigned int)rand() % n;
}

/* --- CPU --- */

#define STRETCHES_MAX 3

struct draw {
	unsigned int seed, pcpus, nguests, vcpus;
	double interval_s;
};

/* A load for each guest, in whole percent; equal ones are common, as in tests. */
static void draw_loads(const struct draw *d, unsigned int *pct)
{
	unsigned int kinds[3] = {5 + below(96), 5 + below(96), below(3) ? 0 : 5}, sum = 0;
	bool few = below(3);

	for (unsigned int g = 0; g < d->nguests; g++) {
		pct[g] = few ? kinds[below(3)] : 1 + below(100);
		sum += pct[g] * d->vcpus;
	}
	for (unsigned int g = 0; (double)sum > ROOMY * 100 * d->pcpus && g < d->nguests; g++)
		pct[g] = (unsigned int)(pct[g] * ROOMY * 100 * d->pcpus / sum);
}

static void write_pins(const struct draw *d, FILE *f)
{
	static const char *const names[] = {"none", "spread", "all-on-one", "half-half"};
	unsigned int choice = below(5);

	if (choice < 4) {
		fprintf(f, "pins = %s\n", names[d->pcpus < 2 ? 0 : choice]);
		return;
	}
	fprintf(f, "pins = ");
	for (unsigned int i = 0; i < d->nguests * d->vcpus; i++)
		if (below(4))
			fprintf(f, "%s%u", i ? "," : "", below(d->pcpus));
		else
			fprintf(f, "%s-", i ? "," : "");
	fprintf(f, "\n");
}

static void write_cpu(struct draw *d, const char *path)
{
	double sample_s = below(2) ? 1 : 0.5 + 0.5 * below(3), t_s = 3 + below(4);
	unsigned int pct[64], stretches = 1 + below(STRETCHES_MAX), threads;
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	d->pcpus = 1 + below(PCPUS_MAX);
	threads = below(4) || d->pcpus % 2 ? 1 : 2;
	d->vcpus = below(3) ? 1 : 1 + below(3);
	d->nguests = 1 + below(2 * d->pcpus);
	d->interval_s = 1 + below(3);
	fprintf(f, "[scenario]\nkind = cpu\nsample = %gs\ninterval = %g\n", sample_s,
		d->interval_s);
	fprintf(f, "length = %gs\n", t_s + stretches * (8 * d->interval_s + 12 * sample_s));
	fprintf(f, "[guests]\ncount = %u\nvcpus = %u\n", d->nguests, d->vcpus);
	write_pins(d, f);
	fprintf(f, "[host]\npcpus = %u\nthreads_per_core = %u\n", d->pcpus, threads);
	fprintf(f, "[timeline]\n");
	for (; stretches; stretches--) {
		draw_loads(d, pct);
		for (unsigned int g = 0; g < d->nguests; g++)
			if (pct[g])
				fprintf(f, "%u = %gs cpu %u%%\n", g + 1, t_s, pct[g]);
			else
				fprintf(f, "%u = %gs idle\n", g + 1, t_s);
		t_s += 8 * d->interval_s + 12 * sample_s;
	}
	assert_int_equal(fclose(f), 0);
}

static void read_back(struct scenario *s, const char *path)
{
	char error[SCENARIO_ERROR_MAX];
	int ids[64];
	size_t n;

	if (scenario_read(s, path, error))
		fail_msg("%s", error);
	n = scenario_host_pcpus(s, ids);
	if (scenario_resolve(s, ids, n, PREFIX, error))
		fail_msg("%s", error);
}

/* What a guest is asked to run per vCPU after a time. */
static double asked_after(const struct scenario_guest *guest, double t_s)
{
	double pct = 0;

	for (size_t i = 0; i < guest->nphases && guest->phases[i].at_s <= t_s; i++)
		pct = guest->phases[i].verb == PHASE_CPU ? guest->phases[i].pct : 0;
	return pct;
}

/* Guests of equal load share the number of their first; idle ones are in no group. */
static void group_by_load(const double *pct, size_t n, int *group)
{
	for (size_t g = 0; g < n; g++) {
		group[g] = pct[g] > 0 ? (int)g : -1;
		for (size_t k = 0; k < g && group[g] >= 0; k++)
			if (pct[k] == pct[g]) {
				group[g] = (int)k;
				break;
			}
	}
}

/* The fewest moves from where they are, for the loads after t_s; what changes goes into the plan.
 */
static void plan_moves(const struct scenario *s, double t_s, int *start, FILE *plan)
{
	static const struct optimum_limits asked = {10, 10, 5, 15};
	double pct[64], demand[256];
	unsigned int guest[256];
	int group[64], place[256];
	size_t n = 0;
	struct limits limits;
	bool any = false;
	struct optimum_problem p = {.npcpus = s->host.pcpus,
				    .demand = demand,
				    .start = start,
				    .guest = guest,
				    .group = group,
				    .nguests = s->nguests,
				    .fair_points = 5};

	for (size_t g = 0; g < s->nguests; g++) {
		pct[g] = asked_after(&s->guests[g], t_s);
		any |= pct[g] > 0;
		for (size_t v = 0; v < s->guests[g].vcpus; v++, n++) {
			demand[n] = pct[g];
			guest[n] = (unsigned int)g;
		}
	}
	p.nvcpus = n;
	group_by_load(pct, s->nguests, group);
	if (!any)
		return;
	assert_int_equal(limits_find(&limits, &p, &asked, true, place), 0);
	for (size_t i = 0, v = 0; i < n; i++, v++) {
		if (i && guest[i] != guest[i - 1])
			v = 0;
		if (place[i] != start[i])
			fprintf(plan, "%g pin %s %zu %d\n", t_s + BEGUN_S, s->guests[guest[i]].name,
				v, place[i]);
		start[i] = place[i];
	}
}

static void plan_cpu(const char *scenario, const char *path)
{
	struct scenario s = {0};
	int start[256];
	size_t n = 0;
	FILE *plan = fopen(path, "we");

	assert_non_null(plan);
	read_back(&s, scenario);
	for (size_t g = 0; g < s.nguests; g++)
		for (size_t v = 0; v < s.guests[g].vcpus; v++)
			start[n++] = s.guests[g].pins[v];
	/* Every guest has a phase at each change. */
	for (size_t i = 0; i < s.guests[0].nphases; i++)
		plan_moves(&s, s.guests[0].phases[i].at_s, start, plan);
	scenario_free(&s);
	assert_int_equal(fclose(plan), 0);
}

/* --- memory --- */

/* What a guest's kernel holds for itself, and what is left it beyond the least. */
#define KERNEL_MIB 140
#define SPARE_MIB  180
#define STEP_MIB   150 /* taken back in one interval */

static void write_memory(struct draw *d, const char *path)
{
	unsigned int maximum = 1024 + 256 * below(5), memory = 400 + below(200);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	d->nguests = 1 + below(6);
	d->interval_s = 1 + below(3);
	fprintf(f, "[scenario]\nkind = memory\nlength = 160s\ninterval = %g\nsample = %us\n",
		d->interval_s, 1 + below(2));
	fprintf(f, "[guests]\ncount = %u\nmemory = %uM\nmaximum = %uM\n", d->nguests, memory,
		maximum);
	fprintf(f, "[timeline]\n");
	for (unsigned int g = 1; g <= d->nguests; g++) {
		double t_s = 5 + below(10);

		for (unsigned int i = below(4); i; i--) {
			unsigned int size = below(4) ? 50 + below(maximum - 400) : 0;

			fprintf(f, "%u = %gs memory %uM %uM/s\n", g, t_s, size, 10 + below(16));
			t_s += 20 + below(30);
		}
	}
	fprintf(f, "[host]\nmemory = %uM\n", 2048 + d->nguests * (maximum + 100));
	assert_int_equal(fclose(f), 0);
}

/* The load a guest will hold at a time, MiB. */
static double load_at(const struct scenario_guest *guest, double t_s)
{
	double mib = 0;

	for (size_t i = 0; i < guest->nphases && guest->phases[i].at_s < t_s; i++) {
		const struct phase *phase = &guest->phases[i];
		double until_s =
			i + 1 < guest->nphases ? fmin(t_s, guest->phases[i + 1].at_s) : t_s;
		double step = (double)phase->rate_kib_s / 1024 * (until_s - phase->at_s);
		double goal = (double)phase->kib / 1024;

		mib = goal > mib ? fmin(goal, mib + step) : fmax(goal, mib - step);
	}
	return mib;
}

static void plan_memory(const char *scenario, const char *path)
{
	struct scenario s = {0};
	double size[64];
	FILE *plan = fopen(path, "we");

	assert_non_null(plan);
	read_back(&s, scenario);
	for (size_t g = 0; g < s.nguests; g++)
		size[g] = (double)s.guests[g].memory_kib / 1024;
	for (double t_s = 1; t_s < s.length_s; t_s += s.interval_s)
		for (size_t g = 0; g < s.nguests; g++) {
			double load = fmax(load_at(&s.guests[g], t_s),
					   load_at(&s.guests[g], t_s + 3 * s.interval_s));
			double want = fmin(fmax(load + KERNEL_MIB + SPARE_MIB, size[g] - STEP_MIB),
					   (double)s.guests[g].maximum_kib / 1024);

			if (fabs(want - size[g]) < 10)
				continue;
			size[g] = want;
			fprintf(plan, "%g size %s %.0f\n", t_s, s.guests[g].name, want);
		}
	scenario_free(&s);
	assert_int_equal(fclose(plan), 0);
}

/* --- both --- */

/* Runs the plan, or another program, and judges. Returns whether nothing failed. */
static bool reached(const char *kind, const struct draw *d)
{
	const char *program = getenv("BALLAST_REACH_PROGRAM");
	char command[16384], run[5000];
	int status;

	if (program)
		snprintf(run, sizeof(run), "%s %g", program, d->interval_s);
	else
		snprintf(run, sizeof(run), "%s/build/mutant_plan plan", home);
	snprintf(command, sizeof(command),
		 "cd %s && %s/../lab/ballast run --world sim --seed %u --prefix %s --trace trace "
		 "r.scenario -- %s >log 2>&1; [ ! -s log ] && %s/build/check_%s --text "
		 "trace >verdict",
		 folder, home, d->seed, PREFIX, run, home, kind);
	status = system(command);
	if (status == 0)
		return true;
	print_error("%s, seed %u:\n", kind, d->seed);
	snprintf(command, sizeof(command),
		 "cd %s && { cat log; grep -v ' pass \\| skipped ' verdict; cat r.scenario plan; } "
		 ">&2",
		 folder);
	if (!getenv("BALLAST_REACH_SEED"))
		snprintf(command, sizeof(command),
			 "cd %s && { cat log; grep ' fail \\|judge' verdict; } >&2", folder);
	(void)!system(command);
	return false;
}

static void run_all(const char *kind, void (*draw)(struct draw *, const char *),
		    void (*plan)(const char *, const char *))
{
	const char *count = getenv("BALLAST_REACH"), *one = getenv("BALLAST_REACH_SEED");
	unsigned int first = one ? (unsigned int)atoi(one) : 1, failed = 0;
	unsigned int last = one ? first : count ? (unsigned int)atoi(count) : RUNS;
	char scenario[64], path[64];

	snprintf(scenario, sizeof(scenario), "%s/r.scenario", folder);
	snprintf(path, sizeof(path), "%s/plan", folder);
	for (unsigned int seed = first; seed <= last; seed++) {
		struct draw d = {.seed = seed};

		srand(seed);
		draw(&d, scenario);
		plan(scenario, path);
		failed += !reached(kind, &d);
	}
	if (failed)
		fail_msg("%u of %u scenarios ask for what cannot be had", failed, last - first + 1);
}

static void test_cpu(void **state)
{
	(void)state;
	run_all("cpu", write_cpu, plan_cpu);
}

static void test_memory(void **state)
{
	(void)state;
	run_all("memory", write_memory, plan_memory);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_memory),
	};
	char command[64], path[4096];
	int status;

	(void)argc;
	snprintf(path, sizeof(path), "%s/../..", dirname(argv[0]));
	if (!realpath(path, home) || !mkdtemp(folder))
		return 1;
	status = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 1 : status;
}
