/* SPDX-License-Identifier: MIT */
/* The scheduler beside the rules of others, on the same simulated hosts: one table. */
#include "bench_cpu.h"

#include "log.h"
#include "optimum.h"
#include "search.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_S    2.0
#define THRESHOLD_PCT 10.0

/*
 * Of the least spread there is, where the threshold cannot be reached. Where loads must be measured
 * each is off by half a point and more, and so is what is the best: a quarter of the threshold.
 */
#define TOLERANCE_PCT	   1.0
#define TOLERANCE_LIVE_PCT 2.5

/* vCPUs up to which the judge's exact search is asked. */
#define EXACT_MOST 20

/* Rounds of improving a sharp bound: where the exact search is cut off, and on large hosts. */
#define ROUNDS_SMALL 100
#define ROUNDS_LARGE 500

/*
 * No seed below this was used for the table that is published: those are for whoever changes a
 * rule.
 */
#define HELD_OUT_SEED 1000000

/* What the command line says. */
struct settings {
	double scale;	   /* part of the runs to make */
	const char *rule;  /* only rules with that in their name; NULL: all */
	uint64_t seed;	   /* of the first run of each case */
	unsigned int jobs; /* cases at a time */
	bool trace;	   /* prints each of our decisions */
};

/* --- figures of many runs --- */

struct series {
	size_t n, size;
	double *values;
};

static void series_add(struct series *s, double value)
{
	if (s->n == s->size) {
		s->size = s->size ? 2 * s->size : 256;
		s->values = realloc(s->values, s->size * sizeof(*s->values));
		if (!s->values)
			abort();
	}
	s->values[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double series_at(struct series *s, double part)
{
	if (!s->n)
		return NAN;
	qsort(s->values, s->n, sizeof(*s->values), compare);
	return s->values[(size_t)(part * (double)(s->n - 1))];
}

struct figures {
	unsigned long segments, failed; /* load changes; of those, never balanced till the next */
	struct series intervals;	/* ticks after the first full sample until balanced */
	double moves, fewest;		/* sums */
	unsigned long proven;		/* segments whose fewest is exact */
	double after, wrong, pins;	/* sums */
	double gap;			/* sum of spread above the best, at the ends of segments */
	double share;			/* least of any vCPU's time, as a part of its fair share */
	unsigned long bounded;		/* runs put beside a sharp bound */
	double bounded_moves, sharp;	/* sums */
	unsigned long ticks, within;	/* ticks, and of those balanced */
	struct series plan_s;		/* CPU time of plans that change something */
	double plan_most_s;
};

/* --- truth --- */

struct truth {
	const struct bench_case *c;
	size_t nvcpus;
	double *demand;
	double *due;   /* demand, or where the host cannot serve all: a fair part of it */
	double best;   /* least spread of what is due that there is */
	double target; /* what counts as balanced */
};

static double true_spread(const struct truth *t, const int *at)
{
	double *sum = calloc(t->c->npcpus, sizeof(*sum)), least = INFINITY, most = 0;

	for (size_t v = 0; v < t->nvcpus; v++)
		sum[at[v]] += t->due[v];
	for (size_t p = 0; p < t->c->npcpus; p++) {
		least = fmin(least, sum[p]);
		most = fmax(most, sum[p]);
	}
	free(sum);
	return most - least;
}

/* What all pCPUs as one would give: everybody's demand, up to a common level. */
static void find_due(struct truth *t)
{
	double room = t->c->open_eyes ? INFINITY : 100.0 * (double)t->c->npcpus, level = 0;

	/* From the largest demand downwards: a level above that would limit nobody. */
	for (size_t v = 0; v < t->nvcpus; v++)
		level = fmax(level, t->demand[v]);
	for (int round = 0; round < 100; round++) {
		double sum = 0, limited = 0;

		for (size_t v = 0; v < t->nvcpus; v++) {
			sum += fmin(t->demand[v], level);
			limited += t->demand[v] >= level;
		}
		if (sum <= room + 1e-9 || limited == 0)
			break;
		level -= (sum - room) / limited;
	}
	for (size_t v = 0; v < t->nvcpus; v++)
		t->due[v] = fmin(t->demand[v], level);
}

static struct cpu_problem problem_of(const struct truth *t, const double *base, const int *at)
{
	return (struct cpu_problem){.top_most = INFINITY,
				    .npcpus = t->c->npcpus,
				    .base = base,
				    .nvcpus = t->nvcpus,
				    .demand = t->due,
				    .at = at};
}

static void find_best(struct truth *t)
{
	double base[1024] = {0};
	struct optimum_problem judge = {
		.nvcpus = t->nvcpus, .npcpus = t->c->npcpus, .demand = t->due};
	struct cpu_problem bounds = problem_of(t, base, NULL);
	bool exact;

	find_due(t);
	if (t->nvcpus <= EXACT_MOST)
		t->best = optimum_spread(&judge, THRESHOLD_PCT, NULL, &exact);
	else
		t->best = cpu_spread_bound(&bounds);
	t->target = t->nvcpus > EXACT_MOST
			    ? t->best + THRESHOLD_PCT
			    : fmax(THRESHOLD_PCT, t->best + (t->c->open_eyes ? TOLERANCE_PCT
									     : TOLERANCE_LIVE_PCT));
}

/*
 * Fewest moves from there to within that spread, or a lower bound of it: for large cases a quick
 * one.
 */
static double find_fewest(const struct truth *t, const int *at, double spread, bool *exact)
{
	struct optimum_problem judge = {
		.nvcpus = t->nvcpus, .npcpus = t->c->npcpus, .demand = t->due, .start = at};
	double base[1024] = {0}, fewest, bound;
	struct cpu_problem bounds = problem_of(t, base, at);

	*exact = false;
	if (t->nvcpus > EXACT_MOST)
		return (double)cpu_moves_bound(&bounds, spread);
	fewest = optimum_moves(&judge, spread, exact);
	if (*exact)
		return fewest;
	bound = fmax((double)cpu_moves_bound(&bounds, spread),
		     bench_bound(&bounds, spread, fewest, ROUNDS_SMALL));
	*exact = bound >= fewest;
	return bound;
}

/* The least part of what is due that a vCPU got. */
static double worst_share(const struct truth *t, const double *got)
{
	double worst = 1;

	for (size_t v = 0; v < t->nvcpus; v++) {
		if (t->due[v] > 1)
			worst = fmin(worst, got[v] / t->due[v]);
	}
	return worst;
}

/* --- one run --- */

struct run {
	const struct bench_case *c;
	const struct bench_rule *rule;
	struct bench_host *host;
	struct dice dice;
	struct truth truth;
	struct figures *figures;
	size_t nvcpus;
	int *at; /* where each vCPU is pinned; −1: floats */
	int *next;
	double *usage, *got;
	uint64_t *run_ns;
	double time_s;
	bool first, trace;
	struct cpu_state *state;
	struct cpu_policy policy;
	struct cpu_plan plan;
	struct cpu_sample told; /* to a rule that knows */
	struct cpu_vcpu *told_vcpus;
	struct cpu_pcpu *told_pcpus;
	/* of the segment: */
	bool counted;
	int *start;	 /* where everything was pinned at its beginning */
	int balanced_at; /* tick, or −1 */
	unsigned int segment_from;
};

static double cpu_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The sample of a host where everybody gets what is due, whatever the pCPU. */
static const struct cpu_sample *tell_all(struct run *r, const struct cpu_sample *sample)
{
	double elapsed_s = sample->time_s - r->told.time_s;

	r->told = *sample;
	r->told.vcpus = r->told_vcpus;
	for (size_t v = 0; v < r->nvcpus; v++) {
		r->run_ns[v] += (uint64_t)(r->truth.due[v] / 100 * elapsed_s * 1e9);
		r->told_vcpus[v] = sample->vcpus[v];
		r->told_vcpus[v].run_ns = r->run_ns[v];
		r->told_vcpus[v].delay_ns = 0;
	}
	for (size_t p = 0; p < sample->npcpus; p++) {
		r->told_pcpus[p] = sample->pcpus[p];
		r->told_pcpus[p].busy_ns = CPU_NOT_KNOWN;
	}
	r->told.pcpus = r->told_pcpus;
	return &r->told;
}

/* What ours says, as positions. */
static void ask_ours(struct run *r, const struct cpu_sample *sample)
{
	if (r->rule->knows)
		sample = tell_all(r, sample);
	if (cpu_plan(r->state, &r->policy, sample, &r->plan))
		abort();
	for (size_t i = 0; i < r->plan.npins; i++)
		r->next[r->plan.pins[i].vcpu] = r->plan.pins[i].to;
}

/* What another's rule says. The first sample has nothing to compare with. */
static void ask_baseline(struct run *r, const struct cpu_sample *sample)
{
	const int *last = bench_host_last(r->host);
	double elapsed = sample->time_s - r->time_s;

	for (size_t v = 0; v < r->nvcpus; v++) {
		r->usage[v] =
			(double)(sample->vcpus[v].run_ns - r->run_ns[v]) / 1e9 / elapsed * 100;
		r->run_ns[v] = sample->vcpus[v].run_ns;
	}
	r->time_s = sample->time_s;
	if (!r->first && !r->rule->floats) {
		for (size_t v = 0; v < r->nvcpus; v++)
			r->next[v] = r->at[v] < 0 ? last[v] : r->at[v];
		r->rule->plan(r->rule, r->nvcpus, r->c->npcpus, r->usage, r->next);
	}
	r->first = false;
}

/* Where everything is, for the truth's sake: what floats is where it ran last. */
static const int *places(struct run *r)
{
	const int *last = bench_host_last(r->host);

	for (size_t v = 0; v < r->nvcpus; v++)
		r->next[v] = r->at[v] < 0 ? last[v] : r->at[v];
	return r->next;
}

/* What ours saw and did, for whoever looks for the reason. */
static void print_decision(struct run *r, const struct cpu_sample *sample)
{
	const struct cpu_plan *plan = &r->plan;

	printf("t=%.0f %s spread=%.1f->%.1f moves=%zu bound=%zu exact=%d true=%.1f target=%.1f\n",
	       sample->time_s, cpu_verdict_name(plan->verdict), plan->spread_pct,
	       plan->plan_spread_pct, plan->moves, plan->bound, plan->exact,
	       true_spread(&r->truth, places(r)), r->truth.target);
	for (size_t v = 0; v < r->nvcpus; v++)
		printf("   v%zu true=%.0f at=%d use=%.1f delay=%.1f demand=%.1f\n", v,
		       r->truth.demand[v], r->at[v], plan->vcpus[v].usage_pct,
		       plan->vcpus[v].delay_pct, plan->vcpus[v].demand_pct);
	for (size_t p = 0; p < r->c->npcpus; p++)
		printf("   p%zu use=%.1f other=%.1f load=%.1f plan=%.1f\n", p,
		       plan->pcpus[p].usage_pct, plan->pcpus[p].other_pct, plan->pcpus[p].load_pct,
		       plan->pcpus[p].plan_pct);
}

/* One decision. Returns moves through *moves; pins are counted. */
static size_t decide(struct run *r)
{
	const struct cpu_sample *sample = bench_host_sample(r->host);
	double before_s, took_s;
	size_t moves = 0, pins = 0;

	memcpy(r->next, r->at, r->nvcpus * sizeof(*r->next));
	before_s = cpu_now_s();
	if (r->rule->ours)
		ask_ours(r, sample);
	else
		ask_baseline(r, sample);
	took_s = cpu_now_s() - before_s;
	for (size_t v = 0; v < r->nvcpus; v++) {
		if (r->next[v] == r->at[v])
			continue;
		pins++;
		moves += r->at[v] >= 0;
		bench_host_pin(r->host, v, r->next[v]);
	}
	memcpy(r->at, r->next, r->nvcpus * sizeof(*r->at));
	if (r->trace && r->rule->ours)
		print_decision(r, sample);
	if (pins)
		series_add(&r->figures->plan_s, took_s);
	r->figures->plan_most_s = fmax(r->figures->plan_most_s, took_s);
	r->figures->pins += (double)pins;
	return moves;
}

static void segment_begin(struct run *r, unsigned int tick)
{
	r->figures->segments++;
	memcpy(r->start, r->at, r->nvcpus * sizeof(*r->start));
	r->segment_from = tick;
	r->balanced_at = -1;
	bench_host_got(r->host, r->got);
}

static void segment_end(struct run *r)
{
	double spread = true_spread(&r->truth, places(r));
	bool exact;

	/*
	 * A rule that went less far needed fewer moves; one that went further is not blamed for it.
	 */
	r->figures->fewest += find_fewest(&r->truth, r->start,
					  r->c->open_eyes && r->nvcpus <= EXACT_MOST
						  ? fmax(spread, r->truth.target)
						  : spread + 1e-6,
					  &exact);
	r->figures->proven += exact;
	r->figures->gap += fmax(spread - fmax(r->truth.best, THRESHOLD_PCT), 0);
	if (r->balanced_at < 0)
		r->figures->failed++;
	else
		series_add(&r->figures->intervals, r->balanced_at - (int)r->segment_from);
	bench_host_got(r->host, r->got);
	r->figures->share += worst_share(&r->truth, r->got);
}

/* Puts a whole run beside a sharp bound. */
static void find_sharp(struct run *r, double moves)
{
	double base[1024] = {0};
	struct cpu_problem bounds = problem_of(&r->truth, base, r->start);
	double spread = true_spread(&r->truth, places(r)) + 1e-6;
	double quick = (double)cpu_moves_bound(&bounds, spread);

	r->figures->bounded++;
	r->figures->bounded_moves += moves;
	r->figures->sharp += fmax(quick, bench_bound(&bounds, spread, moves, ROUNDS_LARGE));
}

/* Scales demands down to what the case allows in all. */
static void fit(const struct bench_case *c, double *demand)
{
	size_t n = c->nguests * c->vcpus;
	double room = c->full * 100 * (double)c->npcpus, sum = 0;

	for (size_t v = 0; v < n; v++)
		sum += demand[v];
	for (size_t v = 0; v < n && c->full > 0 && sum > room; v++)
		demand[v] *= room / sum;
}

static void change(struct run *r, unsigned int tick)
{
	double *demand = calloc(r->nvcpus, sizeof(*demand)), *old = r->truth.demand;
	bool ends;

	memcpy(demand, old, r->nvcpus * sizeof(*demand));
	ends = r->c->change(r->c, &r->dice, tick, demand);
	fit(r->c, demand);
	if (ends)
		segment_end(r);
	r->truth.demand = demand;
	if (memcmp(demand, old, r->nvcpus * sizeof(*demand)))
		find_best(&r->truth);
	if (ends)
		segment_begin(r, tick + 1);
	free(old);
	bench_host_load(r->host, demand);
}

/* One interval: time passes, perhaps loads change half way, then the decision. */
static void step(struct run *r, unsigned int tick)
{
	struct figures *f = r->figures;
	double before, after;
	size_t moves;

	bench_host_advance(r->host, INTERVAL_S / 2);
	if (r->c->change)
		change(r, tick);
	bench_host_advance(r->host, INTERVAL_S / 2);
	before = true_spread(&r->truth, places(r));
	moves = decide(r);
	after = true_spread(&r->truth, places(r));
	f->moves += (double)moves;
	if (r->balanced_at >= 0)
		f->after += (double)moves;
	if (moves && after >= before - 1e-6)
		f->wrong += (double)moves;
	f->ticks++;
	f->within += after <= r->truth.target + 1e-6;
	if (after > r->truth.target + 1e-6)
		r->balanced_at = -1;
	else if (r->balanced_at < 0)
		r->balanced_at = (int)(tick < r->segment_from ? r->segment_from : tick);
	/* The share is judged once there was time to settle. */
	if (tick == r->segment_from + 4)
		bench_host_got(r->host, r->got);
}

static void pin_all(struct run *r, const int *to)
{
	for (size_t v = 0; v < r->nvcpus; v++) {
		r->at[v] = to[v];
		bench_host_pin(r->host, v, to[v]);
	}
}

/* Evenly, largest first: where everything is before somebody pins it elsewhere. */
static void pin_evenly(struct run *r)
{
	double *sum = calloc(r->c->npcpus, sizeof(*sum));
	int *to = calloc(r->nvcpus, sizeof(*to));

	for (size_t v = 0; v < r->nvcpus; v++)
		to[v] = -1;
	for (size_t n = 0; n < r->nvcpus; n++) {
		size_t largest = r->nvcpus, least = 0;

		for (size_t v = 0; v < r->nvcpus; v++) {
			if (to[v] < 0 &&
			    (largest == r->nvcpus || r->truth.demand[v] > r->truth.demand[largest]))
				largest = v;
		}
		for (size_t p = 1; p < r->c->npcpus; p++)
			least = sum[p] < sum[least] ? p : least;
		to[largest] = (int)least;
		sum[least] += r->truth.demand[largest];
	}
	pin_all(r, to);
	free(sum);
	free(to);
}

/* The loads run for a while where they do well; or they begin with the first interval. */
static void begin(struct run *r, const int *start)
{
	double *none = calloc(r->nvcpus, sizeof(*none));

	if (r->c->warmup) {
		pin_evenly(r);
		bench_host_load(r->host, r->truth.demand);
		for (unsigned int tick = 0; tick < r->c->warmup; tick++) {
			bench_host_advance(r->host, INTERVAL_S);
			decide(r);
		}
		pin_all(r, start);
	} else {
		pin_all(r, start);
		bench_host_load(r->host, none);
		for (int tick = 0; tick < 3; tick++) {
			bench_host_advance(r->host, INTERVAL_S);
			r->figures->moves += (double)decide(r);
		}
		bench_host_advance(r->host, INTERVAL_S / 2);
		bench_host_load(r->host, r->truth.demand);
		bench_host_advance(r->host, INTERVAL_S / 2);
		r->figures->moves += (double)decide(r); /* half a window of load */
	}
	free(none);
}

static void run_once(const struct bench_case *c, const struct bench_rule *rule, uint64_t seed,
		     bool trace, struct figures *figures)
{
	struct run r = {.c = c,
			.rule = rule,
			.figures = figures,
			.first = true,
			.trace = trace,
			.nvcpus = c->nguests * c->vcpus,
			.dice = {seed * 7919 + 1}};
	int *start = calloc(r.nvcpus, sizeof(*start));
	struct figures warmup = {0};
	double moves_before = figures->moves;

	r.at = calloc(r.nvcpus, sizeof(*r.at));
	r.next = calloc(r.nvcpus, sizeof(*r.next));
	r.start = calloc(r.nvcpus, sizeof(*r.start));
	r.usage = calloc(r.nvcpus, sizeof(*r.usage));
	r.got = calloc(r.nvcpus, sizeof(*r.got));
	r.run_ns = calloc(r.nvcpus, sizeof(*r.run_ns));
	r.told_vcpus = calloc(r.nvcpus, sizeof(*r.told_vcpus));
	r.told_pcpus = calloc(c->npcpus, sizeof(*r.told_pcpus));
	r.truth = (struct truth){.c = c,
				 .nvcpus = r.nvcpus,
				 .demand = calloc(r.nvcpus, sizeof(double)),
				 .due = calloc(r.nvcpus, sizeof(double))};
	r.host = bench_host_new(c, seed);
	r.state = cpu_state_new();
	cpu_policy_init(&r.policy);
	if (c->open_eyes)
		r.policy.due_most = INFINITY;
	c->draw(c, &r.dice, r.truth.demand, start);
	fit(c, r.truth.demand);
	for (size_t v = 0; rule->floats && v < r.nvcpus; v++)
		start[v] = -1;
	/* What is done before the loads counts too, but not in a warm-up that is undone. */
	r.figures = c->warmup ? &warmup : figures;
	begin(&r, start);
	r.figures = figures;
	find_best(&r.truth);
	segment_begin(&r, 0);
	if (!c->warmup)
		memcpy(r.start, start, r.nvcpus * sizeof(*start));
	for (unsigned int tick = 0; tick < c->ticks; tick++)
		step(&r, tick);
	segment_end(&r);
	if (rule->ours && figures->bounded < c->bounded)
		find_sharp(&r, figures->moves - moves_before);
	cpu_plan_free(&r.plan);
	cpu_state_free(r.state);
	bench_host_free(r.host);
	free(warmup.plan_s.values);
	free(start);
	free(r.at);
	free(r.next);
	free(r.start);
	free(r.usage);
	free(r.got);
	free(r.run_ns);
	free(r.told_vcpus);
	free(r.told_pcpus);
	free(r.truth.demand);
	free(r.truth.due);
}

/* --- the table --- */

static void print_heading(FILE *out)
{
	fprintf(out, "  %-27s %7s %9s %7s %8s %6s %6s %7s %7s %6s %8s %8s\n", "", "bal-",
		"intervals", "", "÷ fewest", "after", "", "above", "time", "worst", "plan ms", "");
	fprintf(out, "  %-27s %7s %4s %4s %7s %7s %6s %6s %7s %7s %6s %8s %8s\n", "rule", "anced",
		"med", "most", "moves", "moves", "that", "wrong", "best", "within", "share",
		"median", "most");
}

static void print_legend(void)
{
	printf("\n"
	       "  balanced    runs (or phases) that came within 10 points of spread, or as near to "
	       "the best there is\n"
	       "              as can be seen: 1 point where loads are known, 2.5 live; of more "
	       "than "
	       "%d vCPUs\n"
	       "              within 10 points of a bound of the best\n"
	       "  intervals   of 2 s, from the first full window of the loads until balanced: "
	       "median and most\n"
	       "  moves       pins that change a pCPU, per run; and divided by the fewest that "
	       "could have\n"
	       "              reached the spread that was reached. ≤: by a lower bound of these\n"
	       "  after that  moves once balanced; wrong: of all moves, those after which the "
	       "spread is no less\n"
	       "  above best  points of spread at the end above the best there is, or above 10\n"
	       "  time within part of all intervals at the end of which it is balanced\n"
	       "  worst share what the worst-off vCPU got, as a part of what is due to it\n"
	       "  plan ms     CPU time of a decision: median of those that move something, most of "
	       "all\n",
	       EXACT_MOST);
}

static void print_row(FILE *out, const char *name, struct figures *f)
{
	double n = (double)f->segments;
	char ratio[16] = "-";

	if (f->fewest > 0)
		snprintf(ratio, sizeof(ratio), "%.3f", f->moves / f->fewest);
	fprintf(out, "  %-27s %6.1f%% %4.0f %4.0f %7.2f %s%6s %6.2f %6.2f %7.1f %6.1f%% %6.2f",
		name, 100 * (1 - (double)f->failed / n), series_at(&f->intervals, 0.5),
		series_at(&f->intervals, 1), f->moves / n,
		f->proven < f->segments && f->fewest > 0 ? "≤" : " ", ratio, f->after / n,
		f->wrong / n, f->gap / n, 100 * (double)f->within / (double)f->ticks, f->share / n);
	if (f->plan_s.n)
		fprintf(out, " %8.3f", 1e3 * series_at(&f->plan_s, 0.5));
	else
		fprintf(out, " %8s", "-");
	fprintf(out, " %8.3f\n", 1e3 * f->plan_most_s);
	if (f->bounded)
		fprintf(out, "    %lu runs beside a sharp bound %26.2f ≤ %5.3f\n", f->bounded,
			f->bounded_moves / (double)f->bounded, f->bounded_moves / f->sharp);
}

static void run_case(const struct bench_case *c, const struct settings *settings, FILE *out)
{
	unsigned int seeds = (unsigned int)fmax(1, c->seeds * settings->scale);

	fprintf(out, "%s: %zu x %zu vCPUs on %zu pCPUs, %u run%s%s%s\n", c->name, c->nguests,
		c->vcpus, c->npcpus, seeds, seeds > 1 ? "s" : "", *c->title ? ", " : "", c->title);
	for (size_t i = 0; i < bench_nrules; i++) {
		const struct bench_rule *rule = &bench_rules[i];
		struct figures figures = {0};

		if (settings->rule && !strstr(rule->name, settings->rule))
			continue;
		if (rule->knows && !strstr(c->name, "overcommitted"))
			continue;
		for (unsigned int n = 0; n < seeds; n++)
			run_once(c, rule, settings->seed + n, settings->trace, &figures);
		print_row(out, rule->name, &figures);
		free(figures.plan_s.values);
		free(figures.intervals.values);
	}
}

/* --- several cases at a time --- */

struct job {
	const struct bench_case *c;
	FILE *out;
	pid_t pid;
};

static void job_begin(struct job *job, const struct settings *settings)
{
	job->out = tmpfile();
	fflush(stdout);
	job->pid = job->out ? fork() : -1;
	if (job->pid < 0)
		die(EXIT_LAB, "%s", strerror(errno));
	if (job->pid)
		return;
	run_case(job->c, settings, job->out);
	if (fclose(job->out))
		_exit(EXIT_LAB);
	fflush(stdout);
	_exit(EXIT_PASS);
}

static void job_end(struct job *job)
{
	int status, byte;

	if (waitpid(job->pid, &status, 0) < 0 || status)
		die(EXIT_LAB, "%s: the run has failed", job->c->name);
	rewind(job->out);
	while ((byte = getc(job->out)) != EOF)
		putchar(byte);
	fflush(stdout);
	fclose(job->out);
}

/*
 * The longest cases stand last: with two at a time both processors are busy until nearly the end.
 */
static void run_jobs(struct job *jobs, size_t n, const struct settings *settings)
{
	size_t begun = 0;

	for (size_t ended = 0; ended < n; ended++) {
		while (begun < n && begun < ended + settings->jobs)
			job_begin(&jobs[begun++], settings);
		job_end(&jobs[ended]);
	}
}

/* --- the command line --- */

static void print_help(void)
{
	printf("Usage: bench_cpu [-lt] [-s SCALE] [-S SEED] [-r RULE] [-j JOBS] [CASE...]\n"
	       "Runs the scheduler's policy and the rules of others on a simulated host.\n"
	       "CASE: those with that in their name.\n"
	       "  -s SCALE  part of the runs to make (1)\n"
	       "  -S SEED   of the first run of each case (%d: not used for tuning)\n"
	       "  -r RULE   only rules with that in their name\n"
	       "  -j JOBS   cases at a time (as many as there are processors)\n"
	       "  -t        print each of our decisions\n"
	       "  -l        list the cases\n",
	       HELD_OUT_SEED);
}

static double parse_option(int option, const char *text, double least, double most)
{
	double value = 0;

	if (parse_number(text, least, most, &value))
		die(EXIT_USAGE, "-%c %s: must be a number from %g to %g", option, text, least,
		    most);
	return value;
}

static void parse_args(int argc, char **argv, struct settings *settings)
{
	int option;

	while ((option = getopt(argc, argv, "s:S:r:j:tlh")) >= 0) {
		switch (option) {
		case 's':
			settings->scale = parse_option('s', optarg, 0, 1000);
			break;
		case 'S':
			settings->seed = (uint64_t)parse_option('S', optarg, 0, 1e15);
			break;
		case 'r':
			settings->rule = optarg;
			break;
		case 'j':
			settings->jobs = (unsigned int)parse_option('j', optarg, 1, 1024);
			break;
		case 't':
			settings->trace = true;
			break;
		case 'l':
			for (size_t i = 0; i < bench_ncases; i++)
				puts(bench_cases[i].name);
			exit(EXIT_PASS);
		case 'h':
			print_help();
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE);
		}
	}
}

int main(int argc, char **argv)
{
	struct settings settings = {.scale = 1,
				    .seed = HELD_OUT_SEED,
				    .jobs = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN)};
	struct job *jobs = calloc(bench_ncases, sizeof(*jobs));
	size_t n = 0;

	log_init("bench_cpu", false);
	parse_args(argc, argv, &settings);
	for (size_t i = 0; i < bench_ncases; i++) {
		bool wanted = optind == argc;

		for (int a = optind; a < argc; a++)
			wanted |= strstr(bench_cases[i].name, argv[a]) != NULL;
		if (wanted)
			jobs[n++].c = &bench_cases[i];
	}
	if (!n)
		die(EXIT_USAGE, "%s: there is no such case; -l lists them", argv[optind]);
	printf("Seeds from %" PRIu64 "%s.\n\n", settings.seed,
	       settings.seed >= HELD_OUT_SEED ? ", none of which was used for tuning" : "");
	print_heading(stdout);
	run_jobs(jobs, n, &settings);
	print_legend();
	free(jobs);
	return EXIT_PASS;
}
