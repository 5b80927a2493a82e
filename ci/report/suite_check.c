/* SPDX-License-Identifier: MIT */
/* Can every point be reached, and is none free? */
#include "suite_check.h"

#include "grade_doc.h"
#include "judge/verdict.h"
#include "log.h"

#include <stdbool.h>
#include <string.h>

/* Points are printed with six digits. */
#define POINTS_EPSILON 1e-5

/* What all submissions got for one scenario. */
struct tally {
	double max;	  /* points there are */
	size_t reached;	  /* how many got all of them */
	const char *best; /* who got most of them, and how many */
	double most;
	const json_t *where; /* that one's verdict */
	const char *idle;    /* who got points for nothing; NULL: nobody */
	double free;
	const char *unjudged; /* whose run was not judged; NULL: all were */
	const json_t *unjudged_verdict;
};

static struct tally tally_of(json_t *const *grades, size_t n, size_t n_idle, size_t scenario)
{
	struct tally tally = {.most = -1};

	for (size_t i = 0; i < n; i++) {
		const json_t *verdict =
			json_array_get(json_object_get(grades[i], "scenarios"), scenario);
		const char *name = doc_text(grades[i], "submission");
		double points = doc_number(verdict, "points");

		tally.max = doc_number(verdict, "max_points");
		if (!doc_judged(verdict)) {
			tally.unjudged = tally.unjudged ? tally.unjudged : name;
			tally.unjudged_verdict =
				tally.unjudged == name ? verdict : tally.unjudged_verdict;
			continue;
		}
		if (i < n_idle) {
			if (points > POINTS_EPSILON && points > tally.free) {
				tally.idle = name;
				tally.free = points;
			}
			continue;
		}
		tally.reached += points >= tally.max - POINTS_EPSILON;
		if (points > tally.most) {
			tally.most = points;
			tally.best = name;
			tally.where = verdict;
		}
	}
	return tally;
}

static void put_failures(const json_t *verdict, FILE *out)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(json_object_get((json_t *)verdict, "expectations"), i, finding)
	{
		if (!doc_is(finding, "result", "fail") || doc_text(finding, "because")[0])
			continue;
		fprintf(out, "        %s: %s; asked: %s\n", doc_text(finding, "name"),
			doc_text(finding, "measured"), doc_text(finding, "asked"));
	}
}

static int check_scenario(const struct tally *tally, const char *name, size_t n, FILE *out)
{
	char why[FINDING_TEXT];
	int status = EXIT_PASS;

	fprintf(out, "%-22s %g %s: ", name, tally->max, tally->max == 1 ? "point" : "points");
	if (tally->max <= POINTS_EPSILON)
		fprintf(out, "it counts for nothing\n");
	else if (tally->reached)
		fprintf(out, "%zu of %zu programs get all, %s first\n", tally->reached, n,
			tally->best);
	else if (!tally->best)
		fprintf(out, "nobody was judged\n");
	else {
		fprintf(out, "OUT OF REACH: %s gets most, %g\n", tally->best, tally->most);
		put_failures(tally->where, out);
		fprintf(out, "        ask for less in its [expect], or give the load more time\n");
		status = EXIT_FAIL;
	}
	if (tally->idle) {
		fprintf(out,
			"        FREE: %s gets %g for doing nothing\n"
			"        beside it the suite wants a scenario of its kind in which a "
			"program has to act\n",
			tally->idle, tally->free);
		status = EXIT_FAIL;
	}
	if (tally->unjudged) {
		fprintf(out, "        NOT JUDGED: %s: %s\n", tally->unjudged,
			doc_why(tally->unjudged_verdict, why, sizeof(why)));
		status = status == EXIT_PASS ? EXIT_LAB : status;
	}
	return status;
}

int suite_check(json_t *const *grades, size_t n, size_t n_idle, FILE *out)
{
	size_t nscenarios = json_array_size(json_object_get(grades[0], "scenarios")), wrong = 0;
	int status = EXIT_PASS;

	for (size_t i = 0; i < nscenarios; i++) {
		struct tally tally = tally_of(grades, n, n_idle, i);
		const json_t *scenario = json_array_get(json_object_get(grades[0], "scenarios"), i);
		int worth = check_scenario(&tally, doc_text(scenario, "scenario"), n - n_idle, out);

		wrong += worth != EXIT_PASS;
		if (worth == EXIT_FAIL || status == EXIT_PASS)
			status = worth;
	}
	if (!wrong)
		fprintf(out, "\nEvery point can be reached, and none is free.\n");
	else
		fprintf(out, "\n%zu of %zu scenarios are to be mended.\n", wrong, nscenarios);
	return status;
}
