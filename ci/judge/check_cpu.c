/* SPDX-License-Identifier: MIT */
/* Judges of a scheduler's run, one per expectation of kind = cpu. */
#include "check.h"
#include "cpu_run.h"
#include "expectations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const enum scenario_kind check_kind = SCENARIO_CPU;

/* Pins less than this part of an interval apart are one decision. */
#define DECISION_SHARE 0.5

static const struct cpu_run *cpu(const struct run *run)
{
	return run->own;
}

/* Keeps the worst of what several segments yield: the worse result, then the one farther over. */
static void keep_worse(struct finding *f, bool *first, const struct finding *next)
{
	static const int rank[] = {
		[RESULT_SKIPPED] = 0, [RESULT_PASS] = 1, [RESULT_UNJUDGED] = 2, [RESULT_FAIL] = 3};
	bool worse = rank[next->result] > rank[f->result] ||
		     (rank[next->result] == rank[f->result] &&
		      next->value - next->limit > f->value - f->limit);

	if (*first || worse)
		*f = *next;
	*first = false;
}

static struct finding segment_finding(const struct finding *f, const struct settled *s)
{
	struct finding next = *f;

	next.result = RESULT_PASS;
	next.from_s = window_from_s(&s->window);
	next.to_s = window_to_s(&s->window);
	return next;
}

/* Judges every segment that applies by one, and keeps the worst. */
static void judge_segments(const struct run *run, const struct expect_value *value,
			   struct finding *f,
			   void (*one)(const struct run *, const struct expect_value *,
				       const struct settled *, struct finding *))
{
	const struct cpu_run *c = cpu(run);
	bool first = true;

	for (size_t i = 0; i < c->segments.count; i++) {
		const struct settled *s = &c->settled[i];
		struct finding next;

		if (!s->applies || s->window.count < SAMPLES_MIN)
			continue;
		next = segment_finding(f, s);
		one(run, value, s, &next);
		keep_worse(f, &first, &next);
	}
	if (first) {
		f->result = RESULT_UNJUDGED;
		SAY(f->asked, "%s", "once settled");
		SAY(f->measured, "no stretch of the run is long enough to judge");
	}
}

/* What the host itself, not the program, took of its pCPUs for SAMPLES_MIN samples in a row. */
struct host_load {
	double peak;	  /* the most of a pCPU */
	double stretches; /* how often a pCPU became busy by it */
};

/* Nothing in the simulation, where the host's load is part of the scenario. */
static struct host_load host_load(const struct run *run, double from_s, double to_s)
{
	const struct layout *l = &cpu(run)->layout;
	struct window all = window_between(run->trace, from_s, to_s);
	struct host_load load = {0};

	if (run->trace->header.world == TRACE_WORLD_SIM)
		return load;
	for (size_t c = 0; c < l->npcpus; c++) {
		bool was_busy = false;

		for (size_t i = 0; i + SAMPLES_MIN <= all.count; i++) {
			struct window w = {run->trace, all.first + i, SAMPLES_MIN};
			double taken =
				window_pcpu(&w, l->pcpu_ids[c], PCPU_OWN) - window_program(&w);

			load.peak = fmax(load.peak, taken);
			load.stretches += taken >= HOST_BUSY_PCT && !was_busy;
			was_busy = taken >= HOST_BUSY_PCT;
		}
	}
	return load;
}

/*
 * A figure that is over its limit by no more than what the host's own load explains is no evidence
 * against the program; one that is over it by more is.
 */
static void excuse_busy_host(const struct host_load *load, double explained, struct finding *f)
{
	if (f->result != RESULT_FAIL || load->peak < HOST_BUSY_PCT ||
	    f->value - f->limit > explained)
		return;
	f->result = RESULT_UNJUDGED;
	snprintf(f->measured + strlen(f->measured), sizeof(f->measured) - strlen(f->measured),
		 "; but the host itself took up to %.0f %% of a pCPU", load->peak);
}

/* Each time a pCPU gets busy a vCPU may have to leave it, and may come back. */
#define MOVES_PER_STRETCH 2

static void excuse_moves(const struct run *run, double from_s, double to_s, struct finding *f)
{
	struct host_load load = {0};

	if (f->result == RESULT_FAIL)
		load = host_load(run, from_s, to_s);
	excuse_busy_host(&load, MOVES_PER_STRETCH * load.stretches, f);
}

/* --- usage --- */

static void describe_pcpus(const double *values, size_t n, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n && i < 8 && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%.0f", i ? " " : "", values[i]);
	if (n > 8 && used < len)
		snprintf(buf + used, len - used, " …");
}

/* A figure over all pCPUs' usage, and what of it may be chance. */
struct usage_figure {
	double (*of)(const double *, size_t);
	double best, limit; /* what the loads allow, and what is good enough */
	double per_point;   /* how much of it one pCPU's error of a point makes, at most */
};

/* Twice the standard error of the difference between the two pCPUs that are measured worst. */
static double usage_error(const struct run *run, const struct settled *s)
{
	const struct layout *l = &cpu(run)->layout;
	double worst = 0, second = 0;

	for (size_t i = 0; i < l->npcpus; i++) {
		double error = window_pcpu_error(&s->window, l->pcpu_ids[i], PCPU_GUESTS);

		if (error > worst) {
			second = worst;
			worst = error;
		} else if (error > second) {
			second = error;
		}
	}
	return 2 * hypot(worst, second);
}

static void judge_usage(const struct run *run, const struct settled *s, struct finding *f,
			double asked, const struct usage_figure *figure)
{
	size_t n = cpu(run)->layout.npcpus;
	double all = figure->of(s->usage, n);
	struct host_load load;
	char usage[96];

	f->value = figure->of(s->guests, n);
	f->limit = figure->limit;
	f->error = figure->per_point * usage_error(run, s);
	describe_pcpus(s->guests, n, usage, sizeof(usage));
	if (f->limit > asked)
		SAY(f->asked, "at most %.1f points: the best these loads allow is %.1f", f->limit,
		    figure->best);
	else
		SAY(f->asked, "at most %g points", asked);
	SAY(f->measured, "%.1f ± %.1f points (pCPUs at %s %%)", f->value, f->error, usage);
	if (f->value - f->error <= f->limit)
		return;
	if (all - f->error <= f->limit && !s->saturated) {
		/* The program evened out what the host itself uses, and nobody has to wait. */
		f->value = all;
		describe_pcpus(s->usage, n, usage, sizeof(usage));
		SAY(f->measured, "%.1f points with the host's own load (pCPUs at %s %%)", all,
		    usage);
		return;
	}
	f->result = RESULT_FAIL;
	load = host_load(run, s->segment->from_s, s->segment->to_s);
	excuse_busy_host(&load, figure->per_point * load.peak, f);
}

static void spread_in(const struct run *run, const struct expect_value *value,
		      const struct settled *s, struct finding *f)
{
	struct usage_figure spread = {spread_of, s->limits.best_spread, s->limits.within.spread, 1};

	judge_usage(run, s, f, value->number, &spread);
}

static void stddev_in(const struct run *run, const struct expect_value *value,
		      const struct settled *s, struct finding *f)
{
	struct usage_figure stddev = {stddev_of, s->limits.best_stddev, s->limits.within.stddev,
				      0.5};

	judge_usage(run, s, f, value->number, &stddev);
}

static void judge_spread(const struct run *run, const struct expect_value *value, struct finding *f)
{
	judge_segments(run, value, f, spread_in);
	verdict_figure(run->verdict, "spread_points", f->value);
}

static void judge_stddev(const struct run *run, const struct expect_value *value, struct finding *f)
{
	judge_segments(run, value, f, stddev_in);
	verdict_figure(run->verdict, "stddev_points", f->value);
}

/* --- demands --- */

static void demand_spread_in(const struct run *run, const struct expect_value *value,
			     const struct settled *s, struct finding *f)
{
	struct host_load load;

	(void)value;

	f->limit = s->limits.within.demand;
	SAY(f->asked, "at most %.0f points between the loads that the pCPUs are given", f->limit);
	f->value = cpu_run_demand_spread(cpu(run), s, s->segment->to_s);
	if (!s->saturated) {
		f->result = RESULT_SKIPPED;
		SAY(f->measured, "no pCPU is saturated: usage tells all");
	} else if (isnan(f->value)) {
		f->result = RESULT_SKIPPED;
		SAY(f->measured, "not every vCPU is pinned to one pCPU");
	} else {
		f->error = s->demand_error;
		f->result = f->value - f->error > f->limit ? RESULT_FAIL : RESULT_PASS;
		SAY(f->measured, "%.0f points, best possible %.0f", f->value,
		    s->limits.best_demand);
		load = host_load(run, s->segment->from_s, s->segment->to_s);
		excuse_busy_host(&load, load.peak, f);
	}
}

static void judge_demand_spread(const struct run *run, const struct expect_value *value,
				struct finding *f)
{
	judge_segments(run, value, f, demand_spread_in);
}

/* --- time to balance --- */

static void balance_in(const struct run *run, const struct expect_value *value,
		       const struct settled *s, struct finding *f)
{
	struct host_load load;

	(void)value;
	f->from_s = s->segment->from_s;
	f->to_s = s->segment->to_s;
	f->limit = s->within_s;
	f->value = s->balanced_s - s->segment->from_s;
	f->error = run->scenario->sample_s; /* no time is seen more exactly */
	SAY(f->asked, "within %g s of each change of load, and stays so", f->limit);
	if (isnan(f->value)) {
		f->value = s->segment->to_s - s->segment->from_s;
		f->result = RESULT_FAIL;
		SAY(f->measured, "not balanced for good in %.0f s", f->value);
	} else {
		f->value = fmax(0, f->value);
		f->result = f->value - f->error > f->limit ? RESULT_FAIL : RESULT_PASS;
		SAY(f->measured, "%.1f s", f->value);
	}
	/* Late where usage kept away from balance by no more than what the host took. */
	load = host_load(run, s->segment->from_s, s->segment->to_s);
	if (spread_of(s->guests, cpu(run)->layout.npcpus) - s->limits.within.spread <= load.peak)
		excuse_busy_host(&load, INFINITY, f);
}

static void judge_balance_within(const struct run *run, const struct expect_value *value,
				 struct finding *f)
{
	judge_segments(run, value, f, balance_in);
	if (f->result == RESULT_PASS)
		verdict_figure(run->verdict, "balance_s", f->value);
}

/* --- pins and moves --- */

/* Letting it run anywhere on the way from one pCPU to another does not make it less of a move. */
static bool is_move(const struct pin_change *change)
{
	return change->by_program && change->from >= 0 && change->to >= 0 &&
	       change->from != change->to;
}

struct counted {
	unsigned int moves, pins, fewest, changes, crowded, hidden, unpinned;
	bool exact;
};

static struct counted count_pins(const struct run *run)
{
	const struct cpu_run *c = cpu(run);
	struct counted n = {.exact = true};

	for (size_t i = 0; i < c->pins.count; i++) {
		n.pins += c->pins.changes[i].by_program;
		n.moves += is_move(&c->pins.changes[i]);
	}
	for (size_t i = 0; i < c->segments.count; i++) {
		n.fewest += c->settled[i].limits.fewest;
		n.changes += c->segments.list[i].changed;
		n.crowded += c->settled[i].crowded;
		n.hidden += cpu_run_hidden(c, &c->settled[i]);
		n.exact &= c->settled[i].limits.exact;
	}
	for (size_t i = 0; i < c->layout.nvcpus; i++)
		n.unpinned += c->pins.start[i] < 0;
	return n;
}

static double moves_allowed(const struct run *run, const struct counted *n)
{
	const struct expect_value *value = check_value(run, "moves");

	if (!value->given || value->none)
		return n->fewest + n->changes + n->crowded +
		       n->hidden * (double)cpu(run)->layout.npcpus;
	return value->fewest ? n->fewest : value->number;
}

static void judge_moves(const struct run *run, const struct expect_value *value, struct finding *f)
{
	struct counted n = count_pins(run);

	(void)value;
	f->value = n.moves;
	f->limit = moves_allowed(run, &n);
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->asked, "at most %.0f", f->limit);
	SAY(f->measured, "%u; %s %u", n.moves,
	    n.exact ? "the fewest that could do it:" : "this many could do it:", n.fewest);
	excuse_moves(run, 0, run->end_s, f);
	verdict_figure(run->verdict, "moves", n.moves);
	verdict_figure(run->verdict, "moves_fewest", n.fewest);
}

static void judge_pins(const struct run *run, const struct expect_value *value, struct finding *f)
{
	struct counted n = count_pins(run);

	f->value = n.pins;
	f->limit = value->given ? value->number : moves_allowed(run, &n) + n.unpinned;
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->asked, "at most %.0f changes of affinity", f->limit);
	SAY(f->measured, "%u", n.pins);
	excuse_moves(run, 0, run->end_s, f);
	verdict_figure(run->verdict, "pins", n.pins);
}

/* When the vCPUs' places were for the first time in a segment as one would aim to have them, the
 * decision that made them so taken as a whole; where they never were, the time allowed for it.
 * Where Linux kept usage balanced meanwhile, finding places for what it did must not take longer
 * either. */
static double placed_s(const struct run *run, const struct settled *s)
{
	const struct cpu_run *c = cpu(run);
	double deadline_s = s->segment->from_s + s->within_s, found_s = INFINITY;
	double decision_s = DECISION_SHARE * run->scenario->interval_s;

	if (isnan(s->balanced_s) || s->crowded)
		return deadline_s;
	if (cpu_run_is_placed(c, s, s->segment->from_s))
		found_s = s->segment->from_s;
	for (size_t i = 0; i < c->pins.count && isinf(found_s); i++) {
		double t_s = c->pins.changes[i].t_s;

		if (t_s > s->segment->from_s && t_s < s->segment->to_s &&
		    cpu_run_is_placed(c, s, t_s))
			found_s = t_s;
	}
	return fmax(fmin(found_s, deadline_s), s->balanced_s) + decision_s;
}

static void pins_after_in(const struct run *run, const struct expect_value *value,
			  const struct settled *s, struct finding *f)
{
	const struct cpu_run *c = cpu(run);
	unsigned int late = 0;

	f->from_s = placed_s(run, s);
	f->to_s = s->segment->to_s;
	for (size_t i = 0; i < c->pins.count; i++)
		late += c->pins.changes[i].by_program && c->pins.changes[i].t_s > f->from_s &&
			c->pins.changes[i].t_s < f->to_s;
	f->value = late;
	f->limit = value->number;
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->asked, "at most %g changes of affinity once balanced", f->limit);
	SAY(f->measured, "%u after %.1f s", late, f->from_s);
	excuse_moves(run, s->segment->from_s, s->segment->to_s, f);
}

static void judge_pins_after_balance(const struct run *run, const struct expect_value *value,
				     struct finding *f)
{
	if (!cpu(run)->any_load) {
		f->result = RESULT_SKIPPED;
		SAY(f->asked, "at most %g changes of affinity once balanced", value->number);
		SAY(f->measured, "there is no load to balance");
		return;
	}
	judge_segments(run, value, f, pins_after_in);
}

static const struct trace_sample *last_sample(const struct run *run)
{
	const struct trace_sample *last = NULL;

	for (size_t i = 0; i < run->trace->nsamples; i++)
		if (run->trace->samples[i].t_s <= run->end_s + run->scenario->sample_s / 2)
			last = &run->trace->samples[i];
	return last;
}

/* Whether the vCPU has wanted more than a little in some stretch that is judged. */
static bool matters(const struct cpu_run *c, const char *guest, size_t vcpu, const struct run *run)
{
	for (size_t k = 0; k < c->segments.count; k++) {
		const struct settled *s = &c->settled[k];

		for (size_t i = 0; s->applies && i < s->problem.nvcpus; i++) {
			size_t at = s->vcpu[i];
			const char *name = run->scenario->guests[c->layout.guest_of[at]].name;

			if (c->layout.vcpu_of[at] == vcpu && !strcmp(name, guest) &&
			    !cpu_run_is_light(s, i))
				return true;
		}
	}
	return false;
}

static void judge_pinned(const struct run *run, const struct expect_value *value, struct finding *f)
{
	const struct trace_sample *last = last_sample(run);
	unsigned int loose = 0, fixed = 0, light = 0;

	SAY(f->asked, "each busy vCPU pinned to exactly one pCPU at the end");
	if (value->given ? !value->yes : !cpu(run)->any_load) {
		f->result = RESULT_SKIPPED;
		SAY(f->measured, "not asked for");
		return;
	}
	f->limit = 0;
	for (size_t g = 0; last && g < last->nguests; g++)
		for (size_t v = 0; v < last->guests[g].nvcpus; v++) {
			const char *affinity = last->guests[g].vcpus[v].affinity;

			if (pins_single(&cpu(run)->layout, affinity) >= 0) {
				fixed++;
			} else if (!value->given &&
				   !matters(cpu(run), last->guests[g].name, v, run)) {
				light++;
			} else if (!loose++) {
				SAY(f->measured, "%s vCPU %zu may run on %s", last->guests[g].name,
				    v, affinity ? affinity : "an unknown set");
			}
		}
	f->value = loose;
	f->result = loose ? RESULT_FAIL : fixed || light ? RESULT_PASS : RESULT_UNJUDGED;
	if (!loose && !fixed && !light)
		SAY(f->measured, "no guest in the last sample");
	else if (!loose && !light)
		SAY(f->measured, "all %u", fixed);
	else if (!loose)
		SAY(f->measured, "%u; %u want too little for it to matter", fixed, light);
	else if (loose > 1)
		snprintf(f->measured + strlen(f->measured),
			 sizeof(f->measured) - strlen(f->measured), "; %u vCPUs in all", loose);
}

/* --- fairness --- */

struct group {
	size_t guests;
	double low, high, sum;
	const char *lowest, *highest;
};

static struct group measure_group(const struct run *run, const struct settled *s, int number)
{
	struct group group = {.low = INFINITY, .high = -INFINITY};

	for (size_t g = 0; g < run->scenario->nguests; g++) {
		const char *name = run->scenario->guests[g].name;
		double usage =
			s->segment->group[g] == number ? window_guest_usage(&s->window, name) : NAN;

		if (isnan(usage))
			continue;
		group.guests++;
		group.sum += usage;
		if (usage < group.low) {
			group.low = usage;
			group.lowest = name;
		}
		if (usage > group.high) {
			group.high = usage;
			group.highest = name;
		}
	}
	return group;
}

/*
 * Linux was seen to share a pCPU two to one between two guests of equal weight for ten seconds and
 * more. Where pins that stay give everyone an even share, who gets more of it is no pin's doing.
 */
static bool excuse_linux(const struct run *run, const struct settled *s, struct finding *f)
{
	double pinned = cpu_run_unfairness(cpu(run), s);

	if (isnan(pinned) || pinned > f->limit)
		return false;
	/* Whoever gives guests shares of their own is to answer for what comes of it. */
	for (size_t i = 0; i < run->trace->nevents; i++) {
		if (run->trace->events[i].kind == TRACE_LIMIT)
			return false;
	}
	snprintf(f->measured + strlen(f->measured), sizeof(f->measured) - strlen(f->measured),
		 ": Linux's doing, the pins share evenly (%.0f %%)", pinned);
	return true;
}

/* One group of equal demand; the limit is loosened where no placement is fairer. */
static void fairness_of(const struct run *run, const struct expect_value *value,
			const struct settled *s, const struct group *group, struct finding *f)
{
	double pct_per_point = 100 * (double)group->guests / group->sum;
	struct host_load load;

	f->value = pct_per_point * (group->high - group->low);
	f->error = pct_per_point * 2 *
		   hypot(window_guest_error(&s->window, group->lowest),
			 window_guest_error(&s->window, group->highest));
	f->limit = fmax(value->number, s->limits.within.unfairness);
	SAY(f->asked, "guests of equal demand within %.0f %% of their mean", f->limit);
	SAY(f->measured, "%.0f %% (%s got %.0f %%, %s %.0f %%)", f->value, group->lowest,
	    group->low, group->highest, group->high);
	if (f->value - f->error <= f->limit || group->high - group->low <= FAIR_POINTS ||
	    excuse_linux(run, s, f))
		return;
	f->result = RESULT_FAIL;
	load = host_load(run, s->segment->from_s, s->segment->to_s);
	excuse_busy_host(&load, pct_per_point * load.peak, f);
}

static void fairness_in(const struct run *run, const struct expect_value *value,
			const struct settled *s, struct finding *f)
{
	bool first = true;

	for (size_t g = 0; g < run->scenario->nguests; g++) {
		struct finding next = *f;
		struct group group;

		if (s->segment->group[g] != (int)g)
			continue;
		group = measure_group(run, s, (int)g);
		if (group.guests < 2 || group.sum <= 0)
			continue;
		fairness_of(run, value, s, &group, &next);
		keep_worse(f, &first, &next);
	}
	if (first) {
		f->result = RESULT_SKIPPED;
		SAY(f->asked, "guests of equal demand within %g %% of their mean", value->number);
		SAY(f->measured, "no two guests have the same load");
	}
}

static void judge_fairness(const struct run *run, const struct expect_value *value,
			   struct finding *f)
{
	judge_segments(run, value, f, fairness_in);
	verdict_figure(run->verdict, "unfairness_pct", f->value);
}

/* A key without its judge does not compile. */
#define COMMON_SPEC(key, form, fallback, meaning)                                                  \
	{#key, EXPECT_##form, fallback, meaning, check_##key},
#define SPEC(key, form, fallback, meaning) {#key, EXPECT_##form, fallback, meaning, judge_##key},

const struct expect_spec check_specs[] = {EXPECTATIONS_OF_BOTH(COMMON_SPEC)
						  EXPECTATIONS_OF_CPU(SPEC)};
const size_t check_nspecs = sizeof(check_specs) / sizeof(*check_specs);

int check_prepare(struct run *run)
{
	struct cpu_run *c = malloc(sizeof(*c));

	run->own = c;
	return c ? cpu_run_init(c, run) : -1;
}

void check_release(struct run *run)
{
	if (run->own)
		cpu_run_free(run->own);
	free(run->own);
}
