/* SPDX-License-Identifier: MIT */
/* The scheduler beside the rules of others, on the same simulated hosts: one table. */
#include "bench_cpu.h"

#include "log.h"
#include "optimum.h"
#include "search.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_S    2.0
#define THRESHOLD_PCT 10.0
#define TOLERANCE_PCT                                                                              \
	1.0	      /* of the least spread there is, where the threshold cannot be reached       \
		       */
#define EXACT_MOST 20 /* vCPUs up to which the judge's exact search is asked */

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
	double room = t->c->open_eyes ? INFINITY : 100.0 * (double)t->c->npcpus, level = 100;

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

static void find_best(struct truth *t)
{
	double base[1024] = {0};
	struct optimum_problem judge = {
		.nvcpus = t->nvcpus, .npcpus = t->c->npcpus, .demand = t->due};
	struct cpu_problem bounds = {
		.npcpus = t->c->npcpus, .base = base, .nvcpus = t->nvcpus, .demand = t->due};
	bool exact;

	find_due(t);
	if (t->nvcpus <= EXACT_MOST)
		t->best = optimum_spread(&judge, THRESHOLD_PCT, NULL, &exact);
	else
		t->best = cpu_spread_bound(&bounds);
	t->target = t->c->open_eyes && t->nvcpus <= EXACT_MOST ?
			    fmax(THRESHOLD_PCT, t->best + TOLERANCE_PCT) : t->best + THRESHOLD_PCT;
}

/* Fewest moves from there to within that spread, or a lower bound of it. */
static double find_fewest(const struct truth *t, const int *at, double spread, bool *exact)
{
	double base[1024] = {0};
	struct optimum_problem judge = {
		.nvcpus = t->nvcpus, .npcpus = t->c->npcpus, .demand = t->due, .start = at};
	struct cpu_problem bounds = {.top_most = INFINITY, .npcpus = t->c->npcpus,
				     .base = base,
				     .nvcpus = t->nvcpus,
				     .demand = t->due,
				     .at = at};

	*exact = false;
	if (t->nvcpus <= EXACT_MOST)
		return optimum_moves(&judge, spread, exact);
	return (double)cpu_moves_bound(&bounds, spread);
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
	bool first;
	struct cpu_state *state;
	struct cpu_policy policy;
	struct cpu_plan plan;
	/* of the segment: */
	bool counted;
	int *start; /* where everything was pinned at its beginning */
	int balanced_at; /* tick, or −1 */
	unsigned int segment_from;
};

static double cpu_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What ours says, as positions. */
static void ask_ours(struct run *r, const struct cpu_sample *sample)
{
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

static const int *places(struct run *r);
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
	if (getenv("BENCH_TRACE") && r->rule->ours) {
		printf("t=%.0f %s spread=%.1f->%.1f moves=%zu bound=%zu exact=%d true=%.1f "
		       "target=%.1f\n",
		       sample->time_s, cpu_verdict_name(r->plan.verdict), r->plan.spread_pct,
		       r->plan.plan_spread_pct, r->plan.moves, r->plan.bound, r->plan.exact,
		       r->truth.due[0] > 0 ? true_spread(&r->truth, places(r)) : 0,
		       r->truth.target);
		for (size_t v = 0; v < r->nvcpus; v++)
			printf("   v%zu true=%.0f at=%d->%d use=%.1f delay=%.1f demand=%.1f\n", v,
			       r->truth.demand[v], sample->vcpus[v].pcpu, r->next[v],
			       r->plan.vcpus[v].usage_pct, r->plan.vcpus[v].delay_pct,
			       r->plan.vcpus[v].demand_pct);
		for (size_t p = 0; p < r->c->npcpus; p++)
			printf("   p%zu use=%.1f other=%.1f load=%.1f plan=%.1f\n", p,
			       r->plan.pcpus[p].usage_pct, r->plan.pcpus[p].other_pct,
			       r->plan.pcpus[p].load_pct, r->plan.pcpus[p].plan_pct);
	}
	if (pins)
		series_add(&r->figures->plan_s, took_s);
	r->figures->plan_most_s = fmax(r->figures->plan_most_s, took_s);
	r->figures->pins += (double)pins;
	return moves;
}

/* Where everything is, for the truth's sake: what floats is where it ran last. */
static const int *places(struct run *r)
{
	const int *last = bench_host_last(r->host);

	for (size_t v = 0; v < r->nvcpus; v++)
		r->next[v] = r->at[v] < 0 ? last[v] : r->at[v];
	return r->next;
}

static void segment_begin(struct run *r, unsigned int tick)
{
	find_best(&r->truth);
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

	/* A rule that went less far needed fewer moves; one that went further is not blamed for it. */
	r->figures->fewest +=
		find_fewest(&r->truth, r->start,
			    r->c->open_eyes && r->nvcpus <= EXACT_MOST ?
				    fmax(spread, r->truth.target) : spread + 1e-6, &exact);
	r->figures->proven += exact;
	r->figures->gap += fmax(spread - fmax(r->truth.best, THRESHOLD_PCT), 0);
	if (r->balanced_at < 0)
		r->figures->failed++;
	else
		series_add(&r->figures->intervals, r->balanced_at - (int)r->segment_from);
	bench_host_got(r->host, r->got);
	r->figures->share += worst_share(&r->truth, r->got);
}

static void change(struct run *r, unsigned int tick)
{
	double *demand = calloc(r->nvcpus, sizeof(*demand)), *old = r->truth.demand;

	memcpy(demand, old, r->nvcpus * sizeof(*demand));
	if (r->c->change(r->c, &r->dice, tick, demand)) {
		segment_end(r);
		r->truth.demand = demand;
		segment_begin(r, tick + 1);
	}
	r->truth.demand = demand;
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
			decide(r);
		}
		bench_host_advance(r->host, INTERVAL_S / 2);
		bench_host_load(r->host, r->truth.demand);
		bench_host_advance(r->host, INTERVAL_S / 2);
		decide(r); /* half a window of load */
	}
	free(none);
}

static void run_once(const struct bench_case *c, const struct bench_rule *rule, uint64_t seed,
		     struct figures *figures)
{
	struct run r = {.c = c,
			.rule = rule,
			.figures = figures,
			.first = true,
			.nvcpus = c->nguests * c->vcpus,
			.dice = {seed * 7919 + 1}};
	int *start = calloc(r.nvcpus, sizeof(*start));
	struct figures warmup = {0};

	r.at = calloc(r.nvcpus, sizeof(*r.at));
	r.next = calloc(r.nvcpus, sizeof(*r.next));
	r.start = calloc(r.nvcpus, sizeof(*r.start));
	r.usage = calloc(r.nvcpus, sizeof(*r.usage));
	r.got = calloc(r.nvcpus, sizeof(*r.got));
	r.run_ns = calloc(r.nvcpus, sizeof(*r.run_ns));
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
	for (size_t v = 0; rule->floats && v < r.nvcpus; v++)
		start[v] = -1;
	/* What is done before the loads counts too, but not in a warm-up that is undone. */
	r.figures = c->warmup ? &warmup : figures;
	begin(&r, start);
	r.figures = figures;
	segment_begin(&r, 0);
	for (unsigned int tick = 0; tick < c->ticks; tick++)
		step(&r, tick);
	segment_end(&r);
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
	free(r.truth.demand);
	free(r.truth.due);
}

/* --- the table --- */

static void print_row(const char *name, struct figures *f)
{
	double n = (double)f->segments;

	printf("  %-28s %6.1f%% %5.0f %5.0f %7.2f %6.2f %6.2f %6.2f %7.1f %6.1f%% %5.2f", name,
	       100 * (1 - (double)f->failed / n), series_at(&f->intervals, 0.5),
	       series_at(&f->intervals, 1), f->moves / n,
	       f->fewest > 0 ? f->moves / f->fewest : NAN, f->after / n, f->wrong / n, f->gap / n,
	       100 * (double)f->within / (double)f->ticks, f->share / n);
	if (f->plan_s.n)
		printf(" %8.3f %8.3f\n", 1e3 * series_at(&f->plan_s, 0.5), 1e3 * f->plan_most_s);
	else
		printf(" %8s %8.3f\n", "-", 1e3 * f->plan_most_s);
	free(f->plan_s.values);
	free(f->intervals.values);
}

static void run_case(const struct bench_case *c, double scale, const char *only)
{
	unsigned int seeds = (unsigned int)fmax(1, c->seeds * scale);

	printf("%s: %zu x %zu vCPUs on %zu pCPUs, %u runs%s%s\n", c->name, c->nguests, c->vcpus,
	       c->npcpus, seeds, *c->title ? ", " : "", c->title);
	for (size_t i = 0; i < bench_nrules; i++) {
		struct figures figures = {0};

		if (only && !strstr(bench_rules[i].name, only))
			continue;
		for (unsigned int seed = 1; seed <= seeds; seed++)
			run_once(c, &bench_rules[i], seed, &figures);
		print_row(bench_rules[i].name, &figures);
		fflush(stdout);
	}
}

static void print_help(void)
{
	printf("Usage: bench_cpu [-s SCALE] [-r RULE] [CASE...]\n"
	       "Runs the scheduler's policy and the rules of others on a simulated host.\n"
	       "  -s SCALE  part of the runs to make (1)\n"
	       "  -r RULE   only rules with that in their name\n"
	       "  -l        list the cases\n");
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	double scale = 1;
	int option;

	while ((option = getopt(argc, argv, "s:r:lh")) >= 0) {
		switch (option) {
		case 's':
			scale = atof(optarg);
			break;
		case 'r':
			only = optarg;
			break;
		case 'l':
			for (size_t i = 0; i < bench_ncases; i++)
				puts(bench_cases[i].name);
			return EXIT_PASS;
		case 'h':
			print_help();
			return EXIT_PASS;
		default:
			return EXIT_USAGE;
		}
	}
	printf("  %-28s %7s %5s %5s %7s %6s %6s %6s %7s %7s %5s %8s %8s\n", "rule", "bal'd", "med",
	       "most", "moves", "/least", "after", "wrong", "gap", "within", "share", "ms med",
	       "ms most");
	for (size_t i = 0; i < bench_ncases; i++) {
		bool wanted = optind == argc;

		for (int a = optind; a < argc; a++)
			wanted |= strstr(bench_cases[i].name, argv[a]) != NULL;
		if (wanted)
			run_case(&bench_cases[i], scale, only);
	}
	return EXIT_PASS;
}
