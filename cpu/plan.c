/* SPDX-License-Identifier: MIT */
/* The policy's second stage and its order: demands to loads, is there anything to do, and the pins. */
#include "plan.h"

#include "rates.h"
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The bar the project sets itself: usage of the pCPUs within 10 points. */
#define THRESHOLD_PCT 10.0

/* A vCPU that changes its pCPU refills its caches: at most about 3 ms, 0.15 % of a pCPU at an interval
 * of 2 s. Ask a little more than that back. */
#define COST_PCT 0.2

/* Memory of another node is slower by a tenth to a half: leave the node for a good deal more than the
 * threshold only. */
#define NODE_COST_PCT 20.0

/* One search node takes some 0.2 µs on a small host. */
#define NODE_BUDGET 50000

/* Idle guests use 1 to 3 % each, under emulation up to 5; what little they use is no reason to act … */
#define IDLE_PCT 5.0
/* … unless there are so many of them that a pCPU is half full. */
#define CROWD_PCT 50.0

/* Floating vCPUs are left to the kernel until one of the vCPUs does this much: before that nothing tells
 * them apart, and wherever they were put they would have to be moved again. */
#define LOUD_PCT 10.0

/* While this part of all load is just changing, wait; but not for more than so many ticks. */
#define HOLD_SHARE 0.2
#define HOLD_TICKS 2

/*
 * See limit_demands(). A little above 1, so that heavy and light are still told apart on a host that is
 * just overloaded (four of 100 % and four of 45 % on 4 pCPUs: 55 are due to the heavy, so two of them on
 * one pCPU hardly lose); not much more, or three light ones would be crowded together to match a heavy one.
 */
#define DUE_MOST 1.25

/* Once a plan was made that could not reach the threshold, another must gain this part of it. */
#define GAIN_LEAST 0.25

/* A move that goes back to where the vCPU was within so many ticks undoes the earlier one. */
#define UNDO_TICKS 5

struct cpu_state {
	struct cpu_tracks tracks;
	unsigned int held; /* ticks in a row */
	bool settled;	   /* the last tick made a plan, or found that none was worth its moves */
};

void cpu_policy_init(struct cpu_policy *policy)
{
	*policy = (struct cpu_policy){
		.threshold_pct = THRESHOLD_PCT,
		.cost_pct = COST_PCT,
		.node_cost_pct = NODE_COST_PCT,
		.due_most = DUE_MOST,
		.confirm = 2,
		.node_budget = NODE_BUDGET,
	};
}

struct cpu_state *cpu_state_new(void)
{
	return calloc(1, sizeof(struct cpu_state));
}

void cpu_state_free(struct cpu_state *state)
{
	if (!state)
		return;
	cpu_tracks_free(&state->tracks);
	free(state);
}

void cpu_plan_free(struct cpu_plan *plan)
{
	free(plan->pins);
	free(plan->vcpus);
	free(plan->pcpus);
	memset(plan, 0, sizeof(*plan));
}

/* --- demands to a problem --- */

/* The part of a sample that can be planned, in an order that is not the sample's. */
struct table {
	struct cpu_problem problem;
	size_t *vcpu;	    /* [problem.nvcpus] position in the sample */
	size_t *pcpu;	    /* [problem.npcpus] position in the sample */
	ptrdiff_t *column;  /* [sample.npcpus] position in the problem, or −1 */
	double *base, *demand;
	int *core, *cache, *node, *at;
	size_t *guest;
	unsigned char *flags;	     /* nvcpus × npcpus, where any vCPU is restricted */
	const unsigned char **allowed;
	double *weight;		     /* [problem.nvcpus] */
	size_t floating;	     /* vCPUs without a pCPU of ours */
	double loudest;		     /* the largest demand */
	double total;
};

static void table_free(struct table *table)
{
	free(table->vcpu);
	free(table->pcpu);
	free(table->column);
	free(table->base);
	free(table->demand);
	free(table->core);
	free(table->cache);
	free(table->node);
	free(table->at);
	free(table->guest);
	free(table->weight);
	free(table->flags);
	free(table->allowed);
}

static int table_allocate(struct table *table, const struct cpu_sample *sample)
{
	size_t n = sample->nvcpus + 1, m = sample->npcpus + 1;

	table->vcpu = calloc(n, sizeof(*table->vcpu));
	table->demand = calloc(n, sizeof(*table->demand));
	table->at = calloc(n, sizeof(*table->at));
	table->guest = calloc(n, sizeof(*table->guest));
	table->weight = calloc(n, sizeof(*table->weight));
	table->pcpu = calloc(m, sizeof(*table->pcpu));
	table->column = calloc(m, sizeof(*table->column));
	table->base = calloc(m, sizeof(*table->base));
	table->core = calloc(m, sizeof(*table->core));
	table->cache = calloc(m, sizeof(*table->cache));
	table->node = calloc(m, sizeof(*table->node));
	return table->vcpu && table->demand && table->at && table->guest &&
	       table->weight && table->pcpu &&
	       table->column && table->base && table->core && table->cache && table->node ? 0 : -1;
}

static bool may_use(const struct cpu_vcpu *vcpu, int id)
{
	size_t byte = (size_t)id / 8;

	return !vcpu->allowed || (id >= 0 && byte < vcpu->allowed_len &&
				  (vcpu->allowed[byte] >> (id % 8) & 1));
}

static bool has_place(const struct cpu_sample *sample, const struct cpu_vcpu *vcpu)
{
	for (size_t p = 0; p < sample->npcpus; p++) {
		if (sample->pcpus[p].usable && may_use(vcpu, sample->pcpus[p].id))
			return true;
	}
	return false;
}

static void add_pcpus(struct table *table, const struct cpu_sample *sample,
		      const struct cpu_pcpu_load *loads)
{
	for (size_t p = 0; p < sample->npcpus; p++) {
		const struct cpu_pcpu *pcpu = &sample->pcpus[p];
		size_t c = table->problem.npcpus;

		table->column[p] = -1;
		if (!pcpu->usable)
			continue;
		table->column[p] = (ptrdiff_t)c;
		table->pcpu[c] = p;
		table->base[c] = loads[p].other_pct;
		table->core[c] = pcpu->core;
		table->cache[c] = pcpu->cache;
		table->node[c] = pcpu->node;
		table->problem.npcpus++;
	}
}

/* One vCPU: something to plan with, or load that stays. */
static void add_vcpu(struct table *table, const struct cpu_sample *sample, size_t i,
		     const struct cpu_plan *plan)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[i];
	ptrdiff_t p = cpu_pcpu_find(sample, vcpu->pcpu);
	ptrdiff_t column = p < 0 ? -1 : table->column[p];
	size_t n = table->problem.nvcpus;

	if (!plan->vcpus[i].known)
		return;
	if (!sample->guests[vcpu->guest].managed || !has_place(sample, vcpu)) {
		if (column >= 0)
			table->base[column] += plan->vcpus[i].demand_pct;
		return;
	}
	if (column >= 0 && !may_use(vcpu, vcpu->pcpu))
		column = -1;
	table->vcpu[n] = i;
	table->demand[n] = plan->vcpus[i].demand_pct;
	table->guest[n] = vcpu->guest;
	table->weight[n] = sample->guests[vcpu->guest].weight;
	table->at[n] = column < 0 ? CPU_NOWHERE : (int)column;
	table->floating += column < 0;
	table->loudest = fmax(table->loudest, table->demand[n]);
	table->total += table->demand[n];
	table->problem.nvcpus++;
}

static int compare_levels(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * Where all pCPUs together cannot give what is wanted, a vCPU's due is what it would get if they were one
 * (weighted max-min: everybody's demand, but at most level · weight). What it wants beyond due_most times
 * its due it would not get anywhere, and to plan for it would be to move vCPUs for nothing.
 */
static int limit_demands(struct table *table, double due_most)
{
	size_t n = table->problem.nvcpus, i = 0;
	double room = 0, weight = 0, level = 0;
	double *levels = calloc(2 * n + 1, sizeof(*levels));

	if (!levels)
		return -1;
	for (size_t c = 0; c < table->problem.npcpus; c++)
		room += fmax(100 - table->base[c], 0);
	if (table->total <= room)
		goto out;
	for (size_t v = 0; v < n; v++) {
		levels[2 * v] = table->demand[v] / table->weight[v];
		levels[2 * v + 1] = table->weight[v];
		weight += table->weight[v];
	}
	qsort(levels, n, 2 * sizeof(*levels), compare_levels);
	/* Raise the level from one demand to the next until the room is used up. */
	for (; i < n && (levels[2 * i] - level) * weight <= room; i++) {
		room -= (levels[2 * i] - level) * weight;
		level = levels[2 * i];
		weight -= levels[2 * i + 1];
	}
	if (i < n && weight > 0)
		level += room / weight;
	for (size_t v = 0; v < n; v++)
		table->demand[v] = fmin(table->demand[v], due_most * level * table->weight[v]);
out:
	free(levels);
	return 0;
}

/* Which vCPU may go where, if any is restricted. */
static int add_restrictions(struct table *table, const struct cpu_sample *sample)
{
	size_t n = table->problem.nvcpus, m = table->problem.npcpus;
	bool any = false;

	for (size_t v = 0; v < n; v++)
		any |= sample->vcpus[table->vcpu[v]].allowed != NULL;
	if (!any)
		return 0;
	table->flags = calloc(n, m);
	table->allowed = calloc(n, sizeof(*table->allowed));
	if (!table->flags || !table->allowed)
		return -1;
	for (size_t v = 0; v < n; v++) {
		const struct cpu_vcpu *vcpu = &sample->vcpus[table->vcpu[v]];

		if (!vcpu->allowed)
			continue;
		table->allowed[v] = table->flags + v * m;
		for (size_t c = 0; c < m; c++)
			table->flags[v * m + c] =
				may_use(vcpu, sample->pcpus[table->pcpu[c]].id);
	}
	table->problem.allowed = table->allowed;
	return 0;
}

static int table_build(struct table *table, const struct cpu_policy *policy,
		       const struct cpu_sample *sample, const struct cpu_plan *plan,
		       const size_t *sorted)
{
	memset(table, 0, sizeof(*table));
	if (table_allocate(table, sample))
		return -1;
	add_pcpus(table, sample, plan->pcpus);
	for (size_t i = 0; i < sample->nvcpus; i++)
		add_vcpu(table, sample, sorted[i], plan);
	if (limit_demands(table, policy->due_most))
		return -1;
	table->problem.base = table->base;
	table->problem.core = table->core;
	table->problem.cache = table->cache;
	table->problem.node = table->node;
	table->problem.demand = table->demand;
	table->problem.at = table->at;
	table->problem.guest = table->guest;
	table->problem.threshold = policy->threshold_pct;
	table->problem.move_cost = policy->cost_pct;
	table->problem.node_budget = policy->node_budget;
	return add_restrictions(table, sample);
}

/* Loads of the problem's pCPUs as things are, counting only vCPUs of at least that demand. */
static void sum_loads(const struct table *table, const int *to, double least, double *load)
{
	memcpy(load, table->base, table->problem.npcpus * sizeof(*load));
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (to[v] != CPU_NOWHERE && table->demand[v] >= least)
			load[to[v]] += table->demand[v];
	}
}

struct span {
	double least, most, stddev;
	double astray; /* load that is not where it would be if all were even */
};

static struct span measure(const double *load, size_t n)
{
	struct span span = {INFINITY, 0, 0, 0};
	double sum = 0, squares = 0;

	for (size_t p = 0; p < n; p++) {
		span.least = fmin(span.least, load[p]);
		span.most = fmax(span.most, load[p]);
		sum += load[p];
	}
	for (size_t p = 0; p < n; p++) {
		double off = load[p] - sum / (double)n;

		squares += off * off;
		span.astray += fabs(off);
	}
	span.stddev = sqrt(squares / (double)n);
	return span;
}

/* --- is there anything to do --- */

static enum cpu_verdict judge(const struct table *table, const struct cpu_policy *policy,
			      struct cpu_plan *plan, double *load)
{
	struct span all, loud;

	sum_loads(table, table->at, 0, load);
	all = measure(load, table->problem.npcpus);
	for (size_t c = 0; c < table->problem.npcpus; c++)
		plan->pcpus[table->pcpu[c]].load_pct = plan->pcpus[table->pcpu[c]].plan_pct = load[c];
	plan->spread_pct = plan->plan_spread_pct = all.most - all.least;
	plan->stddev_pct = all.stddev;
	if (table->floating)
		return table->loudest < LOUD_PCT ? CPU_QUIET : CPU_ACT;
	if (plan->spread_pct <= policy->threshold_pct)
		return CPU_BALANCED;
	sum_loads(table, table->at, IDLE_PCT, load);
	loud = measure(load, table->problem.npcpus);
	if (all.most < CROWD_PCT && loud.most - loud.least <= policy->threshold_pct)
		return CPU_QUIET;
	return CPU_ACT;
}

/* --- the pins --- */

static enum cpu_reason find_reason(const struct table *table, const struct cpu_policy *policy,
				   const struct cpu_plan *plan, size_t v, int to)
{
	double mean = 0, half = policy->threshold_pct / 2;

	if (table->at[v] == CPU_NOWHERE)
		return CPU_PLACE;
	for (size_t c = 0; c < table->problem.npcpus; c++)
		mean += plan->pcpus[table->pcpu[c]].load_pct / (double)table->problem.npcpus;
	if (plan->pcpus[table->pcpu[table->at[v]]].load_pct > mean + half)
		return CPU_RELIEVE;
	return plan->pcpus[table->pcpu[to]].load_pct < mean - half ? CPU_FILL : CPU_SWAP;
}

static int write_pins(const struct table *table, const struct cpu_policy *policy,
		      const struct cpu_sample *sample, const int *to, struct cpu_plan *plan)
{
	struct cpu_pin *pins = realloc(plan->pins, (table->problem.nvcpus + 1) * sizeof(*pins));

	if (!pins)
		return -1;
	plan->pins = pins;
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		struct cpu_pin *pin = &pins[plan->npins];

		if (to[v] == table->at[v])
			continue;
		pin->vcpu = table->vcpu[v];
		pin->from = sample->vcpus[pin->vcpu].pcpu;
		pin->to = sample->pcpus[table->pcpu[to[v]]].id;
		pin->reason = find_reason(table, policy, plan, v, to[v]);
		plan->npins++;
		plan->moves += pin->from != CPU_FLOATING;
	}
	return 0;
}

/* Remembers what was moved, and whose surroundings that changes. touched: a false per pCPU. */
static void remember(const struct table *table, const int *to, struct cpu_tracks *tracks,
		     const size_t *order, bool *touched, struct cpu_plan *plan)
{
	for (size_t i = 0; i < plan->npins; i++) {
		const struct cpu_pin *pin = &plan->pins[i];
		struct cpu_track *track = &tracks->vcpus[order[pin->vcpu]];

		plan->undone += track->moved_ago && track->moved_ago <= UNDO_TICKS &&
				track->came_from == pin->to;
		track->came_from = pin->from;
		track->moved_ago = 1;
	}
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (to[v] == table->at[v])
			continue;
		touched[to[v]] = true;
		if (table->at[v] != CPU_NOWHERE)
			touched[table->at[v]] = true;
	}
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (touched[to[v]])
			tracks->vcpus[order[table->vcpu[v]]].belief.disturbed = true;
	}
}

/*
 * How far the spread may be off: twice the standard error of the difference of two sums of beliefs, those
 * of the busiest and the idlest pCPU. variance: scratch.
 */
static double find_doubt(const struct table *table, const struct cpu_tracks *tracks,
			 const size_t *order, double *variance)
{
	double first = 0, second = 0;

	for (size_t c = 0; c < table->problem.npcpus; c++)
		variance[c] = 0;
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		double error = cpu_belief_error(&tracks->vcpus[order[table->vcpu[v]]].belief);

		if (table->at[v] != CPU_NOWHERE)
			variance[table->at[v]] += error * error;
	}
	/* Not knowing which two it will be, the least certain. */
	for (size_t c = 0; c < table->problem.npcpus; c++) {
		second = fmax(second, fmin(first, variance[c]));
		first = fmax(first, variance[c]);
	}
	return 2 * sqrt(first + second);
}

/* Is a solution worth its moves: does it gain more than they cost, and at least that much? */
static bool is_worth(const struct table *table, const struct cpu_policy *policy,
		     const struct cpu_solution *solution, double least_gain, double *load)
{
	struct span now, then;

	/* What floats must be placed, whatever it costs. */
	if (table->floating)
		return true;
	sum_loads(table, table->at, 0, load);
	now = measure(load, table->problem.npcpus);
	sum_loads(table, solution->to, 0, load);
	then = measure(load, table->problem.npcpus);
	return now.most - now.least - (then.most - then.least) > least_gain &&
	       now.astray - then.astray > policy->cost_pct * (double)solution->moves;
}

/* Searches, and takes the result if it is worth its moves. */
static int search(const struct table *table, const struct cpu_policy *policy, bool settled,
		  const struct cpu_sample *sample, struct cpu_tracks *tracks, const size_t *order,
		  double *load, struct cpu_plan *plan)
{
	double least_gain = fmax(find_doubt(table, tracks, order, load),
				 settled ? GAIN_LEAST * policy->threshold_pct : 0);
	struct cpu_solution solution = {0};
	struct span span;
	bool *touched = calloc(table->problem.npcpus, sizeof(*touched));
	int result = -1;

	if (!touched || cpu_search(&table->problem, &solution))
		goto out;
	result = 0;
	plan->best_spread_pct = solution.spread_bound;
	plan->bound = solution.bound;
	plan->exact = solution.exact;
	plan->verdict = CPU_BEST;
	if (!is_worth(table, policy, &solution, least_gain, load))
		goto out;
	result = write_pins(table, policy, sample, solution.to, plan);
	if (result)
		goto out;
	if (plan->npins)
		plan->verdict = CPU_ACT;
	sum_loads(table, solution.to, 0, load);
	span = measure(load, table->problem.npcpus);
	plan->plan_spread_pct = span.most - span.least;
	for (size_t c = 0; c < table->problem.npcpus; c++)
		plan->pcpus[table->pcpu[c]].plan_pct = load[c];
	remember(table, solution.to, tracks, order, touched, plan);
out:
	free(touched);
	cpu_solution_free(&solution);
	return result;
}

/* Decides on the demands. */
static int decide(struct cpu_state *state, const struct cpu_policy *policy,
		  const struct cpu_sample *sample, struct cpu_tracks *tracks,
		  const struct cpu_windows *windows, struct cpu_plan *plan, unsigned int *held)
{
	size_t *sorted = calloc(sample->nvcpus + 1, sizeof(*sorted));
	double *load = calloc(sample->npcpus + 1, sizeof(*load));
	struct table table = {0};
	int result = -1;

	*held = 0;
	if (!sorted || !load)
		goto out;
	for (size_t i = 0; i < sample->nvcpus; i++)
		sorted[windows->order[i]] = i;
	if (table_build(&table, policy, sample, plan, sorted))
		goto out;
	result = 0;
	plan->verdict = CPU_EMPTY;
	if (!table.problem.nvcpus || !table.problem.npcpus)
		goto out;
	plan->verdict = judge(&table, policy, plan, load);
	if (plan->verdict != CPU_ACT)
		goto out;
	if (windows->changed_pct > fmax(policy->threshold_pct, HOLD_SHARE * table.total) &&
	    state->held < HOLD_TICKS) {
		plan->verdict = CPU_HELD;
		*held = state->held + 1;
		goto out;
	}
	result = search(&table, policy, state->settled, sample, tracks, windows->order, load, plan);
out:
	table_free(&table);
	free(sorted);
	free(load);
	return result;
}

/* Makes room for the sample's figures and forgets the last plan. */
static int plan_reset(struct cpu_plan *plan, const struct cpu_sample *sample)
{
	struct cpu_vcpu_load *vcpus =
		realloc(plan->vcpus, (sample->nvcpus + 1) * sizeof(*plan->vcpus));
	struct cpu_pcpu_load *pcpus;

	if (!vcpus)
		return -1;
	plan->vcpus = vcpus;
	pcpus = realloc(plan->pcpus, (sample->npcpus + 1) * sizeof(*plan->pcpus));
	if (!pcpus)
		return -1;
	*plan = (struct cpu_plan){.vcpus = vcpus, .pcpus = pcpus, .pins = plan->pins,
				  .nvcpus = sample->nvcpus, .npcpus = sample->npcpus};
	return 0;
}

int cpu_plan(struct cpu_state *state, const struct cpu_policy *policy,
	     const struct cpu_sample *sample, struct cpu_plan *plan)
{
	struct cpu_windows windows = {0};
	struct cpu_tracks next = {0};
	unsigned int held = 0;
	int result = -1;

	if (plan_reset(plan, sample))
		return -1;
	if (cpu_rates(&state->tracks, policy, sample, plan->vcpus, plan->pcpus, &next, &windows))
		goto out;
	plan->elapsed_s = state->tracks.started ? windows.elapsed_s : 0;
	if (windows.usable &&
	    decide(state, policy, sample, &next, &windows, plan, &held))
		goto out;
	result = 0;
	/* A window too short to be read goes on until it is long enough. */
	if (windows.usable || !state->tracks.started || windows.elapsed_s < 0) {
		struct cpu_tracks old = state->tracks;

		state->tracks = next;
		next = old;
		state->held = held;
		state->settled = plan->verdict == CPU_ACT || plan->verdict == CPU_BEST;
	}
out:
	cpu_tracks_free(&next);
	free(windows.order);
	return result;
}

const char *cpu_verdict_name(enum cpu_verdict verdict)
{
	static const char *const names[] = {
		[CPU_FIRST] = "first",	     [CPU_EMPTY] = "empty", [CPU_QUIET] = "quiet",
		[CPU_BALANCED] = "balanced", [CPU_BEST] = "best",   [CPU_HELD] = "held",
		[CPU_ACT] = "act",
	};

	return names[verdict];
}

const char *cpu_reason_name(enum cpu_reason reason)
{
	static const char *const names[] = {
		[CPU_PLACE] = "place", [CPU_RELIEVE] = "relieve", [CPU_FILL] = "fill",
		[CPU_SWAP] = "swap",   [CPU_PART] = "part",
	};

	return names[reason];
}
