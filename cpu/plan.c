/* SPDX-License-Identifier: MIT */
/*
 * The policy's second stage and its order: demands to loads, is there anything to do, and the pins.
 */
#include "plan.h"

#include "hidden.h"
#include "search/part.h"
#include "rates.h"
#include "search/search.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The bar the project sets itself: usage of the pCPUs within 10 points. */
#define THRESHOLD_PCT 10.0

/*
 * A vCPU that changes its pCPU refills its caches: at most about 3 ms, 0.15 % of a pCPU at an
 * interval of 2 s. Ask a little more than that back.
 */
#define COST_PCT 0.2

/*
 * Memory of another node is slower by a tenth to a half: leave the node for a good deal more than
 * the threshold only.
 */
#define NODE_COST_PCT 20.0

/* One search node takes 0.1 µs, so a plan takes about a tenth of a second at most. */
#define NODE_BUDGET 1000000

/* Idle guests use 1 to 3 % each, under emulation up to 5: that is no reason to act … */
#define IDLE_PCT 5.0
/* … unless there are so many of them that a pCPU is half full. */
#define CROWD_PCT 50.0

/*
 * Floating vCPUs are left to the kernel until one of the vCPUs does this much: before that nothing
 * tells them apart, and wherever they were put they would have to be moved again.
 */
#define LOUD_PCT 10.0

/* While this part of all load is just changing, wait; but not for more than so many ticks. */
#define HOLD_SHARE 0.05
#define HOLD_TICKS 2

/*
 * See limit_demands(). A little above 1, so that heavy and light are still told apart on a host
 * that is just overloaded (four of 100 % and four of 45 % on 4 pCPUs: 55 are due to the heavy, so
 * two of them on one pCPU hardly lose); not much more, or three light ones would be crowded
 * together to match a heavy one.
 */
#define DUE_MOST 1.05

/*
 * A plan must gain this part of the threshold; the larger one, once a plan was made that could not
 * reach it.
 */
#define GAIN_LEAST	   0.05
#define GAIN_LEAST_SETTLED 0.25

/*
 * A spread that is no news, less than this part of the threshold above what the last tick left or
 * aimed at, is not acted on, if it is over the threshold or can be made less by less than that,
 * until so many ticks in a row say the same, and never while it may be chance that it is over:
 * beliefs wander with the noise they are made of, and what lies close to the threshold crosses it
 * to and fro. A change of load is larger.
 */
#define NEWS_LEAST  0.5
#define SMALL_TICKS 3U

/*
 * A move that goes back to where the vCPU was within so many ticks undoes the earlier one. Then the
 * vCPU rests for 4, 8 … at most 256 ticks, so that nothing that is misread can make it go to and
 * fro for ever; all is forgotten once it has stayed for twice as long.
 */
#define UNDO_TICKS 5
#define REST_FIRST 4U
#define REST_MOST  256U

/*
 * Demands may stay hidden for so many ticks while what is done is only what brings them to light;
 * then what is likeliest is acted on. (Random starts take 1.5 such ticks on average, 3 at most.)
 */
#define LOOKS_MOST 4U

/*
 * If it is likely that no more of all pCPUs together is free there is no place to look: then a vCPU
 * that never sleeps is planned for as if it wanted all, and its due counts.
 */
#define FREE_LEAST_PCT 5.0

struct cpu_state {
	struct cpu_tracks tracks;
	unsigned int held;   /* ticks in a row */
	bool unreached;	     /* the last tick made a plan, or found that none was worth its moves */
	double expected_pct; /* the spread that was left, or aimed at */
	unsigned int looks;  /* ticks in a row that only brought demands to light */
	unsigned int small;  /* ticks in a row that would have gained a little */
};

void cpu_policy_init(struct cpu_policy *policy)
{
	*policy = (struct cpu_policy){
		.threshold_pct = THRESHOLD_PCT,
		.cost_pct = COST_PCT,
		.node_cost_pct = NODE_COST_PCT,
		.due_most = DUE_MOST,
		.confirm = 2,
		.free_least_pct = FREE_LEAST_PCT,
		.looks_most = LOOKS_MOST,
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
		plan->pcpus[table->pcpu[c]].load_pct = plan->pcpus[table->pcpu[c]].plan_pct =
			load[c];
	plan->spread_pct = plan->plan_spread_pct = all.most - all.least;
	plan->stddev_pct = all.stddev;
	if (table->floating && table->loudest >= LOUD_PCT)
		return CPU_ACT;
	/* What floats is no reason, nor is it one to leave the others as they are. */
	if (plan->spread_pct <= policy->threshold_pct)
		return table->floating ? CPU_QUIET : CPU_BALANCED;
	sum_loads(table, table->at, IDLE_PCT, load);
	loud = measure(load, table->problem.npcpus);
	if (all.most < CROWD_PCT && loud.most - loud.least <= policy->threshold_pct)
		return CPU_QUIET;
	return CPU_ACT;
}

/* --- the pins --- */

/* What a decision is made of. */
struct decision {
	const struct cpu_policy *policy;
	const struct cpu_sample *sample;
	struct cpu_tracks *tracks;
	const size_t *order; /* tracks[order[i]] belongs to the sample's vCPU i */
	struct table table;
	struct cpu_plan *plan;
	int *to;       /* [problem.nvcpus] */
	bool *parted;  /* [problem.nvcpus] moved for another reason than load */
	double *load;  /* [problem.npcpus] scratch */
	bool *touched; /* [problem.npcpus] scratch */
	bool looks;    /* what it does is to see more, and the rest waits */
	bool small;    /* it would gain a little, which is to be seen again before it counts */
};

static enum cpu_reason find_reason(const struct decision *d, size_t v)
{
	double mean = 0, half = d->policy->threshold_pct / 2;
	const struct table *table = &d->table;

	if (table->at[v] == CPU_NOWHERE)
		return CPU_PLACE;
	if (d->parted[v])
		return CPU_PART;
	for (size_t c = 0; c < table->problem.npcpus; c++)
		mean += d->plan->pcpus[table->pcpu[c]].load_pct / (double)table->problem.npcpus;
	if (d->plan->pcpus[table->pcpu[table->at[v]]].load_pct > mean + half)
		return CPU_RELIEVE;
	return d->plan->pcpus[table->pcpu[d->to[v]]].load_pct < mean - half ? CPU_FILL : CPU_SWAP;
}

/* The pins that make what is into what is to be. */
static int write_pins(struct decision *d)
{
	const struct table *table = &d->table;
	struct cpu_plan *plan = d->plan;
	struct cpu_pin *pins = realloc(plan->pins, (table->problem.nvcpus + 1) * sizeof(*pins));
	struct span span;

	if (!pins)
		return -1;
	plan->pins = pins;
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		struct cpu_pin *pin = &pins[plan->npins];

		if (d->to[v] == table->at[v])
			continue;
		pin->vcpu = table->vcpu[v];
		pin->from = d->sample->vcpus[pin->vcpu].pcpu;
		pin->to = d->sample->pcpus[table->pcpu[d->to[v]]].id;
		pin->reason = find_reason(d, v);
		plan->npins++;
		plan->moves += pin->from != CPU_FLOATING;
	}
	sum_loads(table, d->to, 0, d->load);
	span = measure(d->load, table->problem.npcpus);
	plan->plan_spread_pct = span.most - span.least;
	for (size_t c = 0; c < table->problem.npcpus; c++)
		plan->pcpus[table->pcpu[c]].plan_pct = d->load[c];
	return 0;
}

/* Remembers what was moved, and whose surroundings that changes. */
static void remember(struct decision *d)
{
	const struct table *table = &d->table;

	for (size_t i = 0; i < d->plan->npins; i++) {
		const struct cpu_pin *pin = &d->plan->pins[i];
		struct cpu_track *track = &d->tracks->vcpus[d->order[pin->vcpu]];

		if (track->moved_ago && track->moved_ago <= UNDO_TICKS &&
		    track->came_from == pin->to) {
			d->plan->undone++;
			track->rests = REST_FIRST << track->undone;
			track->undone += track->rests < REST_MOST;
		} else if (track->moved_ago > 2 * REST_MOST) {
			track->undone = 0;
		}
		track->came_from = pin->from;
		track->moved_ago = 1;
	}
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (d->to[v] == table->at[v])
			continue;
		d->touched[d->to[v]] = true;
		if (table->at[v] != CPU_NOWHERE)
			d->touched[table->at[v]] = true;
	}
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (d->touched[d->to[v]])
			d->tracks->vcpus[d->order[table->vcpu[v]]].belief.disturbed = true;
	}
}

static double load_of(const struct decision *d, size_t column)
{
	return d->plan->pcpus[d->table.pcpu[column]].load_pct;
}

/*
 * How far the spread may be off by chance: twice the standard error of the difference of two loads,
 * those of the busiest and the idlest pCPU; each a sum of beliefs, and of what else runs there. (Of
 * the least certain two, before: on 256 pCPUs there is always one of which nothing is certain.)
 */
static double find_doubt(struct decision *d)
{
	const struct table *table = &d->table;
	size_t busiest = 0, idlest = 0;
	double *variance = d->load;

	for (size_t c = 0; c < table->problem.npcpus; c++) {
		double error = d->tracks->pcpus[table->pcpu[c]].noise_pct;

		variance[c] = error * error;
	}
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		double error = cpu_belief_error(&d->tracks->vcpus[d->order[table->vcpu[v]]].belief);

		if (table->at[v] != CPU_NOWHERE)
			variance[table->at[v]] += error * error;
	}
	for (size_t c = 1; c < table->problem.npcpus; c++) {
		busiest = load_of(d, c) > load_of(d, busiest) ? c : busiest;
		idlest = load_of(d, c) < load_of(d, idlest) ? c : idlest;
	}
	return 2 * sqrt(variance[busiest] + variance[idlest]);
}

/*
 * What a solution gains in spread over having all at `from`, if that is worth its moves: more than
 * they cost, and at least that much. Else 0.
 */
static double find_gain(struct decision *d, const int *from, const struct cpu_solution *solution,
			double least_gain)
{
	const struct table *table = &d->table;
	struct span now, then;
	double gain;

	sum_loads(table, from, 0, d->load);
	now = measure(d->load, table->problem.npcpus);
	sum_loads(table, solution->to, 0, d->load);
	then = measure(d->load, table->problem.npcpus);
	gain = now.most - now.least - (then.most - then.least);
	if (fmax(gain, now.astray - then.astray) <= d->policy->cost_pct * (double)solution->moves)
		return 0;
	return gain > least_gain ? gain : 0;
}

/* What floats must be placed, whatever it costs; but to move others for it must be worth it. */
static int settle_moves(struct decision *d, struct cpu_solution *solution, double least_gain)
{
	const struct table *table = &d->table;
	int *placed;

	if (!table->floating || !solution->moves)
		return 0;
	placed = calloc(table->problem.nvcpus + 1, sizeof(*placed));
	if (!placed)
		return -1;
	for (size_t v = 0; v < table->problem.nvcpus; v++)
		placed[v] = table->at[v] == CPU_NOWHERE ? solution->to[v] : table->at[v];
	if (find_gain(d, placed, solution, least_gain) <= 0) {
		memcpy(solution->to, placed, table->problem.nvcpus * sizeof(*placed));
		solution->moves = solution->bound = 0;
		solution->exact = true;
	}
	free(placed);
	return 0;
}

/* Searches among the places on the guests' own nodes, and everywhere if that gains enough. */
static int search_nodes(struct decision *d, struct cpu_solution *solution)
{
	struct table *table = &d->table;
	struct cpu_solution near = {0};

	if (cpu_search(&table->problem, solution))
		return -1;
	if (!table->near)
		return 0;
	table->problem.allowed = table->near;
	if (cpu_search(&table->problem, &near)) {
		cpu_solution_free(&near);
		return -1;
	}
	table->problem.allowed = table->allowed;
	if (near.spread - solution->spread <= d->policy->node_cost_pct) {
		struct cpu_solution far = *solution;

		*solution = near;
		near = far;
	}
	cpu_solution_free(&near);
	return 0;
}

/* Is there so little to say for a plan with that gain that it is to be seen again? */
static bool is_small(const struct decision *d, const struct cpu_state *state, double gain)
{
	double least = NEWS_LEAST * d->policy->threshold_pct;
	double over = d->plan->spread_pct - d->policy->threshold_pct;

	/* What floats must be placed. */
	return !d->table.floating && d->plan->spread_pct - state->expected_pct < least &&
	       fmin(gain, over) < least;
}

/* Balances the loads into to[], if that is worth its moves and need not be seen again first. */
static int balance(struct decision *d, const struct cpu_state *state)
{
	double part = state->unreached ? GAIN_LEAST_SETTLED : GAIN_LEAST, gain;
	double over = d->plan->spread_pct - d->policy->threshold_pct, doubt = find_doubt(d);
	double least_gain = fmax(doubt, part * d->policy->threshold_pct);
	struct cpu_solution solution = {0};
	int result = search_nodes(d, &solution);

	if (result == 0)
		result = settle_moves(d, &solution, least_gain);
	if (result == 0) {
		d->plan->best_spread_pct = solution.spread_bound;
		d->plan->verdict = CPU_BEST;
		gain = d->table.floating ? INFINITY
					 : find_gain(d, d->table.at, &solution, least_gain);
		d->small = gain > 0 && is_small(d, state, gain);
		if (d->small && (over < doubt || state->small + 1 < SMALL_TICKS)) {
			d->plan->verdict = CPU_HELD;
		} else if (gain > 0) {
			d->plan->bound = solution.bound;
			d->plan->exact = solution.exact;
			memcpy(d->to, solution.to, d->table.problem.nvcpus * sizeof(*d->to));
		}
	}
	cpu_solution_free(&solution);
	return result;
}

/* Parts what is in each other's way, as far as the spread allows. */
static int part(struct decision *d)
{
	struct table *table = &d->table;
	double most = fmax(d->policy->threshold_pct, cpu_spread(&table->problem, d->to));
	int result;

	if (table->near)
		table->problem.allowed = table->near;
	result = cpu_part(&table->problem, most, d->to, d->parted);
	table->problem.allowed = table->allowed;
	return result;
}

static bool differs(const struct decision *d)
{
	return memcmp(d->to, d->table.at, d->table.problem.nvcpus * sizeof(*d->to)) != 0;
}

/* Of a plan for hidden demands, does first what brings them to light. */
static int look(struct decision *d, const struct cpu_state *state)
{
	ptrdiff_t kept;

	/* Who decides on one window alone will not look again. */
	if (!d->table.looks || !differs(d) || state->looks >= d->policy->looks_most ||
	    d->policy->confirm < 2)
		return 0;
	kept = hidden_keep(&d->table, d->policy->threshold_pct, d->to);
	if (kept > 0) {
		d->looks = true;
		d->plan->bound = 0;
		d->plan->exact = false;
	}
	return kept < 0 ? -1 : 0;
}

/* Fills in what is to be: to[]. */
static int choose(struct decision *d, const struct cpu_state *state)
{
	struct table *table = &d->table;

	memcpy(d->to, table->at, table->problem.nvcpus * sizeof(*d->to));
	/* A plan never makes the worst pCPU worse; unless what floats must go somewhere. */
	table->problem.top_most = table->floating ? INFINITY : cpu_top(&table->problem, table->at);
	d->plan->verdict = judge(table, d->policy, d->plan, d->load);
	if (d->plan->verdict == CPU_ACT && balance(d, state))
		return -1;
	if (look(d, state))
		return -1;
	/* While something floats for want of load there is nothing to part. */
	if (d->plan->verdict != CPU_QUIET && !d->looks && part(d))
		return -1;
	if (differs(d))
		d->plan->verdict = CPU_ACT;
	return 0;
}

static int decision_allocate(struct decision *d)
{
	size_t n = d->table.problem.nvcpus + 1, m = d->table.problem.npcpus + 1;

	d->to = calloc(n, sizeof(*d->to));
	d->parted = calloc(n, sizeof(*d->parted));
	d->load = calloc(m, sizeof(*d->load));
	d->touched = calloc(m, sizeof(*d->touched));
	return d->to && d->parted && d->load && d->touched ? 0 : -1;
}

static void decision_free(struct decision *d)
{
	table_free(&d->table);
	free(d->to);
	free(d->parted);
	free(d->load);
	free(d->touched);
}

/*
 * Is a floating vCPU believed to want a whole pCPU after one window only? Linux lets one starve for
 * a second now and then, and a paced load does not sleep until it has caught up. Where it is pinned
 * first costs nothing; to pin it once more is a move.
 */
static bool is_hasty(const struct decision *d)
{
	const struct table *table = &d->table;

	for (size_t v = 0; table->floating && v < table->problem.nvcpus; v++) {
		const struct cpu_belief *belief =
			&d->tracks->vcpus[d->order[table->vcpu[v]]].belief;

		if (table->at[v] == CPU_NOWHERE && belief->guessed && !belief->agreed)
			return d->policy->confirm > 1;
	}
	return false;
}

/* Decides on the demands. *held: for how many ticks in a row this has now been put off. */
static int decide(struct decision *d, const struct cpu_state *state,
		  const struct cpu_windows *windows, unsigned int *held)
{
	size_t *sorted = calloc(d->sample->nvcpus + 1, sizeof(*sorted));
	bool *resting = calloc(d->sample->nvcpus + 1, sizeof(*resting));
	int result = -1;

	*held = 0;
	if (!sorted || !resting)
		goto out;
	for (size_t i = 0; i < d->sample->nvcpus; i++) {
		sorted[d->order[i]] = i;
		resting[i] = d->tracks->vcpus[d->order[i]].rests > 0;
	}
	if (table_build(&d->table, d->policy, d->sample, d->plan, sorted, resting) ||
	    decision_allocate(d))
		goto out;
	result = 0;
	d->plan->verdict = CPU_EMPTY;
	if (!d->table.problem.nvcpus || !d->table.problem.npcpus)
		goto out;
	result = choose(d, state);
	if (result || d->plan->verdict != CPU_ACT)
		goto out;
	if ((is_hasty(d) ||
	     windows->changed_pct > fmax(d->policy->threshold_pct, HOLD_SHARE * d->table.total)) &&
	    state->held < HOLD_TICKS) {
		d->plan->verdict = CPU_HELD;
		d->looks = false;
		d->plan->bound = 0;
		d->plan->exact = false;
		*held = state->held + 1;
		goto out;
	}
	result = write_pins(d);
	if (result == 0)
		remember(d);
out:
	decision_free(d);
	free(sorted);
	free(resting);
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
	*plan = (struct cpu_plan){.vcpus = vcpus,
				  .pcpus = pcpus,
				  .pins = plan->pins,
				  .nvcpus = sample->nvcpus,
				  .npcpus = sample->npcpus};
	return 0;
}

int cpu_plan(struct cpu_state *state, const struct cpu_policy *policy,
	     const struct cpu_sample *sample, struct cpu_plan *plan)
{
	struct cpu_windows windows = {0};
	struct cpu_tracks next = {0};
	struct decision decision;
	unsigned int held = 0;
	int result = -1;

	if (plan_reset(plan, sample))
		return -1;
	if (cpu_rates(&state->tracks, policy, sample, plan->vcpus, plan->pcpus, &next, &windows))
		goto out;
	plan->elapsed_s = state->tracks.started ? windows.elapsed_s : 0;
	decision = (struct decision){.policy = policy,
				     .sample = sample,
				     .tracks = &next,
				     .order = windows.order,
				     .plan = plan};
	if (windows.usable && decide(&decision, state, &windows, &held))
		goto out;
	result = 0;
	/* A window too short to be read goes on until it is long enough. */
	if (windows.usable || !state->tracks.started || windows.elapsed_s < 0) {
		struct cpu_tracks old = state->tracks;

		state->tracks = next;
		next = old;
		state->held = held;
		state->looks = decision.looks ? state->looks + 1 : 0;
		state->small = decision.small ? state->small + 1 : 0;
		state->expected_pct = plan->plan_spread_pct;
		state->unreached = plan->verdict == CPU_ACT || plan->verdict == CPU_BEST ||
				   (plan->verdict == CPU_HELD && state->unreached);
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
