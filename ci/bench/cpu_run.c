/* SPDX-License-Identifier: MIT */
/* One run: loads on a simulated host, a rule that moves them, and what came of it. */
#include "cpu_run.h"

#include "cpu_policy.h"
#include "cpu_truth.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

double series_at(struct series *s, double part)
{
	if (!s->n)
		return NAN;
	qsort(s->values, s->n, sizeof(*s->values), compare);
	return s->values[(size_t)(part * (double)(s->n - 1))];
}

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
	const struct bench_policy_calls *calls;
	void *older;		/* the state of another tree's policy, or NULL */
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

/* What another tree's policy says. */
static void ask_older(struct run *r, const struct cpu_sample *sample)
{
	size_t n = sample->npcpus;
	uint64_t *busy_ns = calloc(n, sizeof(*busy_ns));
	uint64_t *run_ns = calloc(r->nvcpus, sizeof(*run_ns));
	uint64_t *delay_ns = calloc(r->nvcpus, sizeof(*delay_ns));
	unsigned char(*uuid)[CPU_UUID_LEN] = calloc(sample->nguests, sizeof(*uuid));

	for (size_t p = 0; p < n; p++)
		busy_ns[p] = sample->pcpus[p].busy_ns;
	for (size_t g = 0; g < sample->nguests; g++)
		memcpy(uuid[g], sample->guests[g].uuid, sizeof(*uuid));
	for (size_t v = 0; v < r->nvcpus; v++) {
		run_ns[v] = sample->vcpus[v].run_ns;
		delay_ns[v] = sample->vcpus[v].delay_ns;
	}
	if (r->calls->plan(r->older,
			   &(struct bench_reading){.time_s = sample->time_s,
						   .npcpus = n,
						   .nguests = sample->nguests,
						   .vcpus = r->c->vcpus,
						   .busy_ns = busy_ns,
						   .uuid = (const unsigned char(*)[16])uuid,
						   .run_ns = run_ns,
						   .delay_ns = delay_ns,
						   .pcpu = r->at},
			   r->next))
		abort();
	free(busy_ns);
	free(run_ns);
	free(delay_ns);
	free(uuid);
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
	       truth_spread(&r->truth, places(r)), r->truth.target);
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
	else if (r->rule->older)
		ask_older(r, sample);
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
	double spread = truth_spread(&r->truth, places(r));
	bool exact;

	/*
	 * A rule that went less far needed fewer moves; one that went further is not blamed for it.
	 */
	r->figures->fewest += truth_fewest(&r->truth, r->start,
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
	r->figures->share += truth_worst_share(&r->truth, r->got);
}

/* Is any pCPU full with what starts there? */
static bool is_full(const struct run *r)
{
	double *sum = calloc(r->c->npcpus, sizeof(*sum));
	bool full = false;

	for (size_t v = 0; v < r->nvcpus; v++) {
		if (r->start[v] >= 0)
			full |= (sum[r->start[v]] += r->truth.demand[v]) >= FULL_PCT;
	}
	free(sum);
	return full;
}

/* Puts a whole run to those that begin likewise. */
static void count_start(struct run *r, double moves, double after)
{
	struct starts *s = &r->figures->starts[is_full(r)];
	bool exact;

	s->runs++;
	s->moves += moves;
	s->fewest += truth_fewest(&r->truth, r->start, r->truth.asked, &exact);
	s->balanced += r->balanced_at >= 0;
	s->intervals += r->balanced_at < 0 ? 0 : r->balanced_at;
	s->soon += r->balanced_at >= 0 && r->balanced_at <= SOON;
	s->still += after <= 0;
}

/* Puts a whole run beside a sharp bound. */
static void find_sharp(struct run *r, double moves)
{
	double spread = truth_spread(&r->truth, places(r)) + 1e-6;

	r->figures->bounded++;
	r->figures->bounded_moves += moves;
	r->figures->sharp += truth_sharp(&r->truth, r->start, spread, moves);
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
		truth_find_best(&r->truth);
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
	before = truth_spread(&r->truth, places(r));
	moves = decide(r);
	after = truth_spread(&r->truth, places(r));
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

/* The demands and places that a case begins with. */
static void draw(const struct bench_case *c, struct dice *dice, struct truth *truth, int *start)
{
	do {
		c->draw(c, dice, truth->demand, start);
		fit(c, truth->demand);
		truth_find_best(truth);
	} while (c->feasible && truth->best > THRESHOLD_PCT);
}

bool bench_write(const struct bench_case *c, uint64_t seed, FILE *out)
{
	size_t n = c->nguests * c->vcpus;
	struct truth truth = {.c = c,
			      .nvcpus = n,
			      .demand = calloc(n, sizeof(double)),
			      .due = calloc(n, sizeof(double))};
	int *start = calloc(n, sizeof(*start));
	struct dice dice = {seed * 7919 + 1};
	struct run r = {.c = c, .nvcpus = n, .start = start};
	bool full;

	draw(c, &dice, &truth, start);
	r.truth = truth;
	full = is_full(&r);
	fprintf(out,
		"# %s, seed %" PRIu64
		": %s\n[scenario]\nkind = cpu\nlength = 45s\n[host]\npcpus = %zu\n"
		"[guests]\ncount = %zu\nvcpus = %zu\npins = ",
		c->name, seed, full ? "some pCPU is full" : "no pCPU is full", c->npcpus,
		c->nguests, c->vcpus);
	for (size_t v = 0; v < n; v++)
		fprintf(out, "%s%d", v ? "," : "", start[v]);
	fprintf(out, "\n[timeline]\n");
	/* Of a guest with several vCPUs a load is on all alike. */
	for (size_t v = 0; v < n; v += c->vcpus)
		fprintf(out, "%zu = 5s cpu %.1f%%\n", v / c->vcpus + 1, truth.demand[v]);
	free(truth.demand);
	free(truth.due);
	free(start);
	return full;
}

void bench_run_limit(const struct bench_case *c, uint64_t seed, struct figures *figures)
{
	size_t n = c->nguests * c->vcpus;
	struct run r = {.c = c,
			.nvcpus = n,
			.start = calloc(n, sizeof(*r.start)),
			.truth = {.c = c,
				  .nvcpus = n,
				  .demand = calloc(n, sizeof(double)),
				  .due = calloc(n, sizeof(double))}};
	struct dice dice = {seed * 7919 + 1};
	struct starts *s;
	double limit;
	bool exact;

	draw(c, &dice, &r.truth, r.start);
	s = &figures->starts[is_full(&r)];
	limit = truth_limit(&r.truth, r.start);
	if (isfinite(limit)) {
		s->limit += limit;
		s->limited += truth_fewest(&r.truth, r.start, r.truth.asked, &exact);
	}
	free(r.start);
	free(r.truth.demand);
	free(r.truth.due);
}

void bench_run(const struct bench_case *c, const struct bench_rule *rule, uint64_t seed,
	       const struct bench_policy_calls *older, bool trace, struct figures *figures)
{
	struct run r = {.c = c,
			.rule = rule,
			.figures = figures,
			.first = true,
			.trace = trace,
			.calls = older,
			.nvcpus = c->nguests * c->vcpus,
			.dice = {seed * 7919 + 1}};
	int *start = calloc(r.nvcpus, sizeof(*start));
	struct figures warmup = {0};
	double moves_before = figures->moves, after_before = figures->after;

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
	r.older = rule->older ? older->begin() : NULL;
	cpu_policy_init(&r.policy);
	if (c->open_eyes)
		r.policy.due_most = INFINITY;
	draw(c, &r.dice, &r.truth, start);
	for (size_t v = 0; rule->floats && v < r.nvcpus; v++)
		start[v] = -1;
	/* What is done before the loads counts too, but not in a warm-up that is undone. */
	r.figures = c->warmup ? &warmup : figures;
	begin(&r, start);
	r.figures = figures;
	segment_begin(&r, 0);
	if (!c->warmup)
		memcpy(r.start, start, r.nvcpus * sizeof(*start));
	for (unsigned int tick = 0; tick < c->ticks; tick++)
		step(&r, tick);
	segment_end(&r);
	if (!c->change && !c->open_eyes)
		count_start(&r, figures->moves - moves_before, figures->after - after_before);
	if (rule->ours && figures->bounded < c->bounded)
		find_sharp(&r, figures->moves - moves_before);
	cpu_plan_free(&r.plan);
	cpu_state_free(r.state);
	if (r.older)
		older->end(r.older);
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
