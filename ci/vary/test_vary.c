/* SPDX-License-Identifier: MIT */
/* Properties of what seeds make of the scenarios that come with the tree. */
#include "vary.h"

#include "timeline.h"
#include "units.h"

#include <glob.h>
#include <libgen.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SEEDS 40

static void resolve(struct scenario *s, unsigned int npcpus)
{
	char error[SCENARIO_ERROR_MAX];
	int positions[64];

	for (unsigned int i = 0; i < npcpus; i++)
		positions[i] = (int)i;
	if (scenario_resolve(s, positions, npcpus, "vm", error))
		fail_msg("%s", error);
}

static void read_path(struct scenario *s, const char *path, unsigned int npcpus)
{
	char error[SCENARIO_ERROR_MAX];

	if (scenario_read(s, path, error))
		fail_msg("%s", error);
	resolve(s, npcpus);
}

/* What a seed makes of a file, written and read again. */
static char *varied(struct scenario *s, const char *path, uint64_t seed, unsigned int npcpus)
{
	char error[SCENARIO_ERROR_MAX], *text = NULL;
	struct scenario from;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	read_path(&from, path, npcpus);
	assert_int_equal(vary(&from, seed, npcpus), 0);
	assert_int_equal(vary_write(&from, out), 0);
	fclose(out);
	if (scenario_read_text(s, from.name, text, path, error))
		fail_msg("seed %lu: %s\n%s", (unsigned long)seed, error, text);
	resolve(s, npcpus);
	scenario_free(&from);
	return text;
}

static double load_of(const struct scenario_guest *g)
{
	double sum = 0;

	for (size_t j = 0; j < g->nphases; j++)
		sum += g->phases[j].pct + (double)g->phases[j].kib;
	return sum;
}

/* How many vCPUs start on each pCPU, −1 included. */
static void starts(const struct scenario *s, int counts[65])
{
	memset(counts, 0, 65 * sizeof(*counts));
	for (size_t i = 0; i < s->nguests; i++)
		for (unsigned int v = 0; v < s->guests[i].vcpus; v++)
			counts[s->guests[i].pins[v] + 1]++;
}

static void same_shape(const struct scenario *s, const struct scenario *from, uint64_t seed)
{
	size_t phases = 0, from_phases = 0;
	int counts[65], from_counts[65];
	double load = 0, from_load = 0;

	assert_int_equal(s->nguests, from->nguests);
	assert_int_equal(s->nexpect, from->nexpect);
	for (size_t i = 0; i < s->nguests; i++) {
		phases += s->guests[i].nphases;
		from_phases += from->guests[i].nphases;
		load += load_of(&s->guests[i]);
		from_load += load_of(&from->guests[i]);
	}
	assert_int_equal(phases, from_phases);
	/* Apart is as much up as down; 100 % is the most. */
	if (load > from_load * 1.01 || load < from_load * (1 - from->vary.amount_pct / 100) * 0.95)
		fail_msg("%s, seed %lu: loads of %g in place of %g", from->path,
			 (unsigned long)seed, load, from_load);
	starts(s, counts);
	starts(from, from_counts);
	assert_memory_equal(counts, from_counts, sizeof(counts));
}

/* The size of a guest's memory load as it would be at a time if the guest were given all. */
static double memory_at(const struct scenario_guest *g, double at_s)
{
	double kib = 0, from_s = 0, rate = 0, target = 0;

	for (size_t j = 0; j <= g->nphases; j++) {
		double until_s = j < g->nphases ? fmin(at_s, g->phases[j].at_s) : at_s;

		if (rate > 0 && target > kib)
			kib = fmin(target, kib + rate * (until_s - from_s));
		else
			kib = target;
		if (j == g->nphases || g->phases[j].at_s > at_s)
			return kib;
		if (g->phases[j].verb == PHASE_MEMORY) {
			target = (double)g->phases[j].kib;
			rate = (double)g->phases[j].rate_kib_s;
		}
		from_s = until_s;
	}
	return kib;
}

/* Every guest that is to reach a size has been asked for that size by then. */
static void reachable(const struct scenario *s, const char *text)
{
	for (size_t i = 0; i < s->nexpect; i++) {
		char size[32], who[64], time[32];
		double by_s;
		uint64_t kib;

		if (strcmp(s->expect[i].key, "reach") != 0)
			continue;
		assert_int_equal(sscanf(s->expect[i].value, "%31s %63s by %31s", size, who, time),
				 3);
		assert_int_equal(parse_size(size, &kib), 0);
		assert_int_equal(parse_seconds(time, &by_s), 0);
		by_s -= 0.001; /* it may be freed in that moment */
		for (size_t g = 0; g < s->nguests; g++)
			if (guests_match(who, s->guests[g].number, (unsigned int)s->nguests) &&
			    memory_at(&s->guests[g], by_s) < (double)kib - 1)
				fail_msg("guest %zu has %g KiB of %s by %s\n%s", g + 1,
					 memory_at(&s->guests[g], by_s), size, time, text);
	}
}

static void test_shape(void **state)
{
	glob_t paths;

	(void)state;
	assert_int_equal(glob("scenarios/*.scenario", 0, NULL, &paths), 0);
	for (size_t p = 0; p < paths.gl_pathc; p++)
		for (uint64_t seed = 0; seed < SEEDS; seed++)
			for (unsigned int npcpus = 2; npcpus <= 4; npcpus += 2) {
				struct scenario from, s;
				char *text = varied(&s, paths.gl_pathv[p], seed, npcpus);

				read_path(&from, paths.gl_pathv[p], npcpus);
				same_shape(&s, &from, seed);
				reachable(&s, text);
				scenario_free(&from);
				scenario_free(&s);
				free(text);
			}
	globfree(&paths);
}

static void test_seed(void **state)
{
	char *texts[SEEDS];
	int different = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct scenario s;
		char *again;

		texts[seed] = varied(&s, "scenarios/cpu-unpinned-mixed.scenario", seed, 4);
		scenario_free(&s);
		again = varied(&s, "scenarios/cpu-unpinned-mixed.scenario", seed, 4);
		scenario_free(&s);
		assert_string_equal(texts[seed], again);
		free(again);
		different += seed && strcmp(texts[seed], texts[0]) != 0;
	}
	assert_true(different >= SEEDS - 2);
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		free(texts[seed]);
}

/* Pinned by number, in turn or in blocks, pCPUs are far apart at some time. */
static void test_no_table(void **state)
{
	static const char *const paths[] = {"scenarios/cpu-all-on-one.scenario",
					    "scenarios/cpu-unpinned-mixed.scenario",
					    "scenarios/cpu-phase.scenario"};

	(void)state;
	for (size_t p = 0; p < sizeof(paths) / sizeof(*paths); p++)
		for (uint64_t seed = 0; seed < SEEDS; seed++)
			for (int blocks = 0; blocks < 2; blocks++) {
				struct scenario s;
				char *text = varied(&s, paths[p], seed, 4);
				double sums[4] = {0}, least = INFINITY, most = 0;

				for (size_t i = 0; i < s.nguests; i++)
					sums[blocks ? i / 2 : i % 4] +=
						s.guests[i].phases[s.guests[i].nphases - 1].pct;
				for (int c = 0; c < 4; c++) {
					least = fmin(least, sums[c]);
					most = fmax(most, sums[c]);
				}
				if (most - least < 45)
					fail_msg("seed %lu: %g points\n%s", (unsigned long)seed,
						 most - least, text);
				scenario_free(&s);
				free(text);
			}
}

static void test_faults(void **state)
{
	static const char text[] = "[scenario]\nkind = cpu\n[timeline]\n1 = 5s cpu 90%\n"
				   "[faults]\nhang = 1 10s-12s\n";
	char error[SCENARIO_ERROR_MAX];
	struct scenario s;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		assert_int_equal(scenario_read_text(&s, "faulty", text, "faulty", error), 0);
		resolve(&s, 4);
		assert_int_equal(vary(&s, seed, 4), 0);
		assert_int_equal(s.guests[0].nphases, 1);
		assert_float_equal(s.guests[0].phases[0].at_s, 5, 0);
		assert_true(s.guests[0].phases[0].pct >= 81 && s.guests[0].phases[0].pct <= 90);
		scenario_free(&s);
	}
}

int main(int argc, char *argv[])
{
	char path[4096];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_no_table),
		cmocka_unit_test(test_faults),
	};

	(void)argc;
	snprintf(path, sizeof(path), "%s", argv[0]);
	if (chdir(dirname(path)) || chdir("../.."))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
