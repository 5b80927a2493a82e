/* SPDX-License-Identifier: MIT */
/* The coordinator's benchmark as tables. */
#include "memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char legend[] =
	"memory coordinators side by side, interval 2 s where a rule does not say its own\n"
	"below s: guests' seconds with less than 100 MB unused or usable; above %: the rest of the "
	"time;\n"
	"cache s: seconds with less than 100 MB unused, but page cache that could give way;\n"
	"host s: seconds with less than 200 MB available; over: decisions that promised more than "
	"there is;\n"
	"floor: targets below 200 MB or below what is used; step s: until a step is served, mean "
	"and "
	"worst;\n"
	"release: biggest, MB; rev: reversals of 10 MB or more, 10 s after a change of load and "
	"later;\n"
	"const: sets 60 s after a change of load and later; both while the host has enough for "
	"all;\n"
	"held MB: beyond used + 200 MB, per "
	"guest;\n"
	"got %: of the sizes at the start, at the end; back s: until freed memory is back; us: CPU "
	"per decision\n";

/* --- every case, every rule --- */

static void print_row(const struct bench_case *c, const struct bench_rule *rule,
		      const struct bench_result *r)
{
	char serve[16] = "-", most[16] = "-", back[16] = "-", jain[16] = "-";
	double n = r->runs;

	if (r->serves || r->unserved) {
		snprintf(serve, sizeof(serve), "%.1f",
			 r->serve_s / (double)(r->serves ? r->serves : 1));
		snprintf(most, sizeof(most), "%.1f", r->serve_most_s);
	}
	if (r->unserved) {
		snprintf(most, sizeof(most), "never");
		if (!r->serves)
			snprintf(serve, sizeof(serve), "never");
	}
	if (r->reclaims || r->unreclaimed)
		snprintf(back, sizeof(back), r->unreclaimed ? "never" : "%.0f", r->reclaim_s);
	if (c->flags & BENCH_SHORTAGE)
		snprintf(jain, sizeof(jain), "%.3f", r->jain / n);
	printf("%-15s %9.1f %7.2f %7.1f %4.1f %6.1f %7.1f %6.1f %5s %5s %7.0f %9.1f %8.0f %7.0f "
	       "%9.1f "
	       "%5s %7.0f %5.0f %5s %5.1f\n",
	       rule->name, r->below_s / n, 100 * (1 - r->below_s / r->guest_s), r->cached_s / n,
	       r->oom / n, r->host_breach_s / n, r->grant_breaches / n, r->floor_breaches / n,
	       serve, most, r->release_mib, r->reversals / n, r->sets / n, r->noops / n,
	       r->constant_sets / n, jain, r->beyond_mib / r->guest_s, r->recovered_pct / n, back,
	       r->plan_us / n);
}

void table_print(const struct bench_result *results)
{
	fputs(legend, stdout);
	for (size_t i = 0; i < bench_ncases * bench_nrules; i++) {
		const struct bench_case *c = &bench_cases[i / bench_nrules];

		if (!results[i].runs)
			continue;
		if (i % bench_nrules == 0 || !results[i - 1].runs)
			printf("\n%s: %s (%u runs; sums and means per run)\n%-15s %9s %7s %7s %4s "
			       "%6s %7s %6s %5s %5s %7s %9s %8s %7s %9s %5s %7s %5s %5s %5s\n",
			       c->name, c->title, c->seeds, "", "below s", "above %", "cache s",
			       "oom", "host s", "over", "floor", "step", "s", "release", "rev",
			       "sets", "no-op", "const", "jain", "held MB", "got %", "back s",
			       "us");
		print_row(c, &bench_rules[i % bench_nrules], &results[i]);
	}
}

/* --- what guests need --- */

static double below(const struct bench_result *r)
{
	return r->below_s / r->runs;
}

/* … or without the load that was killed. */
static double short_s(const struct bench_result *r)
{
	return (r->below_s + r->dead_s) / r->runs;
}

static double killed(const struct bench_result *r)
{
	return r->oom / r->runs;
}

static double breached(const struct bench_result *r)
{
	return r->host_breach_s / r->runs;
}

static double over(const struct bench_result *r)
{
	return r->grant_breaches / r->runs;
}

static double under(const struct bench_result *r)
{
	return r->floor_breaches / r->runs;
}

static double served(const struct bench_result *r)
{
	if (r->unserved)
		return INFINITY;
	return r->serves ? r->serve_most_s : 0;
}

/* Less is better in all of them. */
static const struct {
	const char *name;
	double (*value)(const struct bench_result *r);
} needs[] = {
	{"below s", below}, {"oom", killed},  {"host s", breached},
	{"over", over},	    {"floor", under}, {"step s, worst", served},
};

/* What a rule does to be better there. */
static void print_price(const struct bench_result *r)
{
	if (r->host_breach_s > 0 || r->grant_breaches > 0)
		printf("host below its reserve for %.1f s, %.1f grants of what is not there; ",
		       breached(r), over(r));
	if (r->floor_breaches > 0)
		printf("%.1f targets below what is used; ", under(r));
	if (r->oom > 0)
		printf("%.1f killed; ", killed(r));
	printf("%.0f MB held beyond need per guest", r->beyond_mib / r->guest_s);
	if (r->unreclaimed)
		printf(", never given back");
	putchar('\n');
}

void table_print_need(const struct bench_result *results)
{
	size_t rows = 0, worse = 0;

	printf("\nwhere another rule is better in what guests need, and its price\n");
	for (size_t i = 0; i < bench_ncases; i++) {
		const struct bench_result *rules = &results[i * bench_nrules];

		for (size_t k = 0; k < sizeof(needs) / sizeof(*needs); k++) {
			double mine = needs[k].value(&rules[0]);
			bool better = false;

			for (size_t other = 1; other < bench_nrules; other++) {
				double theirs = needs[k].value(&rules[other]);

				if (theirs >= mine)
					continue;
				better = true;
				printf("%-14s %-14s ours %7.1f  %-15s %7.1f  ", bench_cases[i].name,
				       needs[k].name, mine, bench_rules[other].name, theirs);
				print_price(&rules[other]);
			}
			worse += better;
			rows++;
		}
	}
	printf("ours is as good as the best of all others or better in %zu of %zu\n", rows - worse,
	       rows);
}

/* --- kills, beside the least there could be --- */

static const struct bench_result *find_rule(const struct bench_result *of_case, const char *name)
{
	for (size_t i = 0; i < bench_nrules; i++) {
		if (!strcmp(bench_rules[i].name, name))
			return &of_case[i];
	}
	return NULL;
}

void table_print_kills(const struct bench_result *results)
{
	printf("\nloads killed for want of memory, all runs; limit: a plan that knows all that "
	       "will "
	       "happen;\n"
	       "left %%: of the host, above its reserve, at a first kill, worst; short s: guests' "
	       "seconds below reserve or with their load killed, per run\n"
	       "%-14s %5s %6s",
	       "", "runs", "limit");
	for (size_t i = 0; i < bench_nrules; i++)
		printf(" %15s", bench_rules[i].name);
	printf(" %8s %9s %9s %7s\n", "left %", "short s", "nobody's", "host s");
	for (size_t c = 0; c < bench_ncases; c++) {
		const struct bench_result *rules = &results[c * bench_nrules];

		printf("%-14s %5u %6.0f", bench_cases[c].name, rules->runs, rules->limit);
		for (size_t i = 0; i < bench_nrules; i++)
			printf(" %15.0f", rules[i].oom + rules[i].crashed);
		printf(" %8.1f %9.1f %9.1f %7.1f\n", rules->oom > 0 ? rules->first_pct : 0,
		       short_s(rules), short_s(find_rule(rules, "nobody")), breached(rules));
	}
}

/* --- what is to be reached --- */

static void print_bound(const char *what, int decimals, double value, bool at_least, double bound)
{
	char measured[32], limit[32];
	bool met = at_least ? value >= bound : value <= bound;

	snprintf(measured, sizeof(measured), "%.*f", decimals, value);
	snprintf(limit, sizeof(limit), "%.*f", decimals, bound);
	printf("%-72s %9s  %s %-7s %s\n", what, measured, at_least ? "≥" : "≤", limit,
	       met ? "met" : "NOT MET");
}

static const struct bench_result *ours(const struct bench_result *results, const char *name)
{
	for (size_t i = 0; i < bench_ncases; i++) {
		if (!strcmp(bench_cases[i].name, name))
			return &results[i * bench_nrules];
	}
	return NULL;
}

/* What guests are short for at the start of everything, in either case, comes down to chance. */
#define SHORT_S 1.0

/* Over all cases, of ours. */
struct totals {
	double oom, host, floors, release_mib, reversals, constant_sets;
	double needless;   /* kills where the plan that knows all has none */
	double beyond;	   /* runs with more than one kill beyond that plan's */
	double oom_before; /* kills by the baseline, all cases */
	double worse;	   /* cases with more kills or more time short than with nobody */
	double first_pct;
	double above_pct, back_s; /* the course's cases, worst */
};

static struct totals sum_up(const struct bench_result *results)
{
	struct totals t = {.above_pct = 100};

	for (size_t i = 0; i < bench_ncases; i++) {
		const struct bench_result *r = &results[i * bench_nrules];
		unsigned int flags = bench_cases[i].flags;

		const struct bench_result *nobody = find_rule(r, "nobody");
		const struct bench_result *before = find_rule(r, "baseline");

		t.oom += r->oom;
		if (r->limit == 0)
			t.needless += r->oom;
		t.beyond += r->runs_worse;
		t.oom_before += before ? before->oom : 0;
		t.worse += r->oom > nobody->oom || short_s(r) > short_s(nobody) + SHORT_S;
		if (r->oom > 0)
			t.first_pct = fmax(t.first_pct, r->first_pct);
		t.host += r->host_breach_s;
		t.floors += r->floor_breaches;
		if (!(flags & BENCH_HASTE))
			t.release_mib = fmax(t.release_mib, r->release_mib);
		/* Elsewhere a guest's share depends on what others do, or its use wanders. */
		if (!(flags & BENCH_PINCHED))
			t.reversals += r->reversals;
		if (!(flags & (BENCH_PINCHED | BENCH_WANDERS)))
			t.constant_sets += r->constant_sets;
		if (!strncmp(bench_cases[i].name, "mem-", 4)) {
			t.above_pct = fmin(t.above_pct,
					   100 * (1 - (r->below_s + r->cached_s) / r->guest_s));
			t.back_s = fmax(t.back_s, r->unreclaimed ? INFINITY : r->reclaim_s);
		}
	}
	return t;
}

void table_print_bounds(const struct bench_result *results)
{
	const struct totals t = sum_up(results);
	const struct bench_result *shortage = ours(results, "shortage"),
				  *day = ours(results, "day");

	printf("\nwhat is to be reached\n");
	print_bound("the course's cases: guests' time with 100 MB unused, %", 2, t.above_pct, true,
		    99);
	print_bound("kills where a plan that knows all has none", 0, t.needless, false, 0);
	print_bound("runs with more than one kill beyond that plan's", 0, t.beyond, false, 0);
	if (find_rule(results, "baseline"))
		print_bound("kills in all cases, of the baseline's", 2,
			    t.oom / fmax(t.oom_before, 1), false, 0.25);
	print_bound("host left above its reserve at a first kill, worst, %", 1, t.first_pct, false,
		    5);
	print_bound("cases with more kills or time short than with nobody", 0, t.worse, false, 0);
	print_bound("seconds that break the host reserve, all cases", 1, t.host, false, 0);
	print_bound("targets below a floor or what is used, all cases", 0, t.floors, false, 0);
	print_bound("a first step of 256 MB is served, worst, s (interval + 2 periods + 1 s)", 1,
		    served(ours(results, "step")), false, 5);
	print_bound("a step after another: worst, s", 1, served(ours(results, "step-again")), false,
		    5);
	print_bound("biggest release where there is no haste, MB", 0, t.release_mib, false, 100);
	print_bound("freed memory is back, worst of the course's cases, s", 0, t.back_s, false, 40);
	print_bound("reversals under constant demand", 0, t.reversals, false, 0);
	print_bound("sets under constant demand", 0, t.constant_sets, false, 0);
	printf("%-72s %9.0f  of %.0f\n",
	       "sets under constant demand in the day, where demands end beside a threshold",
	       day->constant_sets, day->sets);
	print_bound("Jain index of what is granted of what is needed, shortage", 3,
		    shortage->jain / shortage->runs, true, 0.98);
	print_bound("of idle guests of 2048 MB recovered in 5 minutes, %", 0,
		    ours(results, "idle")->recovered_pct, true, 70);
}
