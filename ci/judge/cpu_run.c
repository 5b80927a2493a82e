/* SPDX-License-Identifier: MIT */
/* Works out, per segment of constant load, what was attained and what could have been. */
#include "cpu_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A load counts as there if the guest ran, or waited to, for this share of what was asked. */
#define ATTAINED_SHARE 0.8

/* Figures of a settled stretch are medians over so many samples at least, where it is long enough.
 */
#define SETTLED_SAMPLES 5

/* A vCPU that wants no more than this disturbs nobody, wherever it runs. */
#define LIGHT_PCT 5.0

/* Demands nearer than this need not be told apart. */
#define ALIKE_PCT 5.0

/* Balance is looked for in windows of so many samples, and must hold in so many of those that
 * follow. */
#define BALANCE_SAMPLES 3
#define BALANCE_SHARE	0.8

/*
 * Four intervals, or two to see the load and one for each move that is needed: the course's own
 * sample makes one move at a time. And two samples, to see it done.
 */
static double default_within_s(const struct scenario *s, unsigned int fewest)
{
	return fmax(4, 2 + fewest) * s->interval_s + 2 * s->sample_s;
}

/* Only there the scenario says how pCPUs share cores. */
static bool is_simulated(const struct run *run)
{
	return run->trace->header.world == TRACE_WORLD_SIM;
}

/* --- demands --- */

/*
 * What a vCPU wants: what it ran where it did not have to wait; else what it was asked to run;
 * where that is not known, what it ran of the time it did not wait (run ÷ (elapsed − delay)). In
 * whole points: windows differ by as much.
 */
static double demand_of(const struct window *w, const struct scenario_guest *guest, size_t vcpu,
			double asked, bool crowded)
{
	double usage = window_vcpu_usage(w, guest->name, vcpu);
	double delay = window_vcpu_delay(w, guest->name, vcpu);
	bool waits = isnan(delay) ? crowded : delay >= WAITS_PCT;

	if (isnan(usage))
		return fmax(0, asked);
	if (!waits)
		return round(usage);
	if (asked >= 0)
		return round(asked);
	return round(fmin(100, usage / (1 - fmin(99, isnan(delay) ? 0 : delay) / 100)));
}

/* --- where it began --- */

static bool even_by_number(const int *start, size_t n, size_t npcpus)
{
	size_t low = n, high = 0;

	for (size_t pcpu = 0; pcpu < npcpus; pcpu++) {
		size_t count = 0;

		for (size_t i = 0; i < n; i++)
			count += start[i] == (int)pcpu;
		low = count < low ? count : low;
		high = count > high ? count : high;
	}
	return high - low <= 1;
}

/*
 * Where the segment to come is taken to start from: where the vCPUs were once the load before was
 * balanced (at the run's start: where the scenario pins them), with what others than the program
 * changed since. What the program moved without need meanwhile makes no move necessary, and what it
 * moved in advance was one that counts. A vCPU pinned nowhere starts from where it is first pinned.
 */
static void start_from(struct cpu_run *c, double to_s)
{
	for (size_t i = 0; i < c->pins.count && c->pins.changes[i].t_s <= to_s; i++) {
		const struct pin_change *change = &c->pins.changes[i];
		bool first = change->from < 0 && c->home[change->vcpu] < 0;

		if (change->t_s > c->home_s && change->to >= 0 && (first || !change->by_program))
			c->home[change->vcpu] = change->to;
	}
	c->home_s = fmax(c->home_s, to_s);
}

/* What the segment leaves behind for the next one. */
static void leave_at(struct cpu_run *c, double t_s)
{
	for (size_t i = 0; i < c->layout.nvcpus; i++)
		c->home[i] = c->pins.start[i];
	for (size_t i = 0; i < c->pins.count && c->pins.changes[i].t_s <= t_s; i++)
		if (c->pins.changes[i].to >= 0)
			c->home[c->pins.changes[i].vcpu] = c->pins.changes[i].to;
	c->home_s = t_s;
}

/*
 * First pins are no moves, so whoever piles up free vCPUs before there is any load would have moves
 * of its own making counted as needed. There the start is taken to be the worst that is even by
 * number: the heaviest together.
 */
static void refuse_piles(struct settled *s, const struct cpu_run *c)
{
	const struct segment *segment = s->segment;
	size_t n = s->problem.nvcpus, npcpus = c->layout.npcpus;

	for (const struct segment *before = c->segments.list; before < segment; before++)
		if (before->loaded)
			return;
	for (size_t i = 0; i < n; i++)
		if (c->pins.start[s->vcpu[i]] >= 0 || s->start[i] < 0)
			return;
	if (even_by_number(s->start, n, npcpus))
		return;
	for (size_t i = 0; i < n; i++) {
		size_t heavier = 0;

		for (size_t k = 0; k < n; k++)
			heavier += s->demand[k] > s->demand[i] ||
				   (s->demand[k] == s->demand[i] && k < i);
		s->start[i] = (int)(heavier * npcpus / n);
	}
}

static int fill_problem(struct settled *s, const struct cpu_run *c, const struct run *run)
{
	const struct layout *l = &c->layout;
	const struct window *w = s->window.count >= SAMPLES_MIN ? &s->window : &s->whole;
	size_t n = 0;

	s->demand = calloc(l->nvcpus + 1, sizeof(*s->demand));
	s->start = calloc(l->nvcpus + 1, sizeof(*s->start));
	s->guest = calloc(l->nvcpus + 1, sizeof(*s->guest));
	s->vcpu = calloc(l->nvcpus + 1, sizeof(*s->vcpu));
	if (!s->demand || !s->start || !s->guest || !s->vcpu)
		return -1;
	for (size_t i = 0; i < l->nvcpus; i++) {
		double asked = s->segment->asked_pct[i];

		if (isnan(asked))
			continue;
		s->vcpu[n] = i;
		s->start[n] = c->home[i];
		s->guest[n] = l->guest_of[i];
		s->demand[n++] = demand_of(w, &run->scenario->guests[l->guest_of[i]], l->vcpu_of[i],
					   asked, s->saturated);
	}
	s->problem = (struct optimum_problem){.nvcpus = n,
					      .npcpus = l->npcpus,
					      .demand = s->demand,
					      .start = s->start,
					      .guest = s->guest,
					      .group = s->segment->group,
					      .nguests = l->nguests,
					      .fair_points = FAIR_POINTS};
	refuse_piles(s, c);
	return 0;
}

/* --- what could be had --- */

static int fill_best(struct settled *s, const struct cpu_run *c)
{
	struct optimum_limits asked = c->asked;

	/* Each demand is known to a point; two pCPUs' sums of them differ by chance as much as all
	 * that are on the two. */
	s->demand_error = sqrt(2.0 * (double)s->problem.nvcpus / (double)s->problem.npcpus);

	if (!s->segment->loaded)
		asked.unfairness = INFINITY;
	return limits_find(&s->limits, &s->problem, &asked, s->segment->loaded, NULL);
}

/* A thread this busy slows its sibling down; one this idle does not. */
#define THREAD_BUSY_PCT 20.0
#define THREAD_IDLE_PCT 5.0

/*
 * Cores on which two busy threads start, as far as there are idle cores to part them to. That usage
 * is balanced both ways, but each thread of a core that is busy twice is slower: whoever parts them
 * makes as many moves more, and it is none of the needless ones. Siblings have neighbouring
 * numbers.
 */
static int count_crowded(struct settled *s, const struct cpu_run *c, const struct run *run)
{
	size_t threads = run->scenario->host.threads_per_core, crowded = 0, idle = 0;
	double *sums = calloc(c->layout.npcpus + 1, sizeof(*sums));

	if (!sums)
		return -1;
	optimum_sums(&s->problem, s->start, sums);
	for (size_t first = 0; first < c->layout.npcpus;) {
		int core = c->layout.pcpu_ids[first] / (int)threads;
		size_t busy = 0, at_rest = 0, i = first;

		for (; i < c->layout.npcpus && c->layout.pcpu_ids[i] / (int)threads == core; i++) {
			busy += sums[i] >= THREAD_BUSY_PCT;
			at_rest += sums[i] <= THREAD_IDLE_PCT;
		}
		crowded += busy > 1 ? busy - 1 : 0;
		idle += at_rest == i - first;
		first = i;
	}
	s->crowded = (unsigned int)(crowded < idle ? crowded : idle);
	free(sums);
	return 0;
}

bool cpu_run_is_light(const struct settled *s, size_t i)
{
	double asked = s->segment->asked_pct[s->vcpu[i]];

	return s->demand[i] <= LIGHT_PCT || (asked >= 0 && asked <= LIGHT_PCT);
}

/* Where the running vCPUs are pinned, by their position in the problem, −1 for light ones that are
 * not; NULL if another is not. */
static int *places_at(const struct cpu_run *c, const struct settled *s, double t_s)
{
	int *all = calloc(c->layout.nvcpus + 1, sizeof(*all));
	int *place = calloc(s->problem.nvcpus + 1, sizeof(*place));
	bool pinned = all && place;

	if (pinned)
		pins_at(&c->pins, &c->layout, t_s, all);
	for (size_t i = 0; pinned && i < s->problem.nvcpus; i++) {
		place[i] = all[s->vcpu[i]];
		pinned = place[i] >= 0 || cpu_run_is_light(s, i);
	}
	free(all);
	if (pinned)
		return place;
	free(place);
	return NULL;
}

double cpu_run_demand_spread(const struct cpu_run *c, const struct settled *s, double t_s)
{
	double *sums = calloc(c->layout.npcpus + 1, sizeof(*sums)), spread = NAN;
	int *place = places_at(c, s, t_s);

	if (place && sums) {
		optimum_sums(&s->problem, place, sums);
		spread = spread_of(sums, c->layout.npcpus);
	}
	free(place);
	free(sums);
	return spread;
}

bool cpu_run_is_placed(const struct cpu_run *c, const struct settled *s, double t_s)
{
	int *place = places_at(c, s, t_s);
	bool placed = place && optimum_suits(&s->problem, place, &s->limits.aim);

	for (size_t i = 0; placed && i < s->problem.nvcpus; i++)
		placed = place[i] >= 0;
	free(place);
	return placed;
}

double cpu_run_unfairness(const struct cpu_run *c, const struct settled *s)
{
	double from_s = window_from_s(&s->window), to_s = window_to_s(&s->window), unfairness = NAN;
	int *place = places_at(c, s, to_s);

	if (place)
		unfairness = optimum_unfairness(&s->problem, place);
	free(place);
	for (size_t i = 0; i < c->pins.count; i++) {
		if (c->pins.changes[i].t_s > from_s && c->pins.changes[i].t_s < to_s)
			return NAN;
	}
	return unfairness;
}

bool cpu_run_hidden(const struct cpu_run *c, const struct settled *s)
{
	double *share = calloc(s->problem.nvcpus + 1, sizeof(*share));
	bool hidden = false;

	if (!share)
		return false;
	optimum_shares(&s->problem, s->start, share);
	for (size_t pcpu = 0; pcpu < c->layout.npcpus; pcpu++) {
		double low = INFINITY, high = 0;

		for (size_t i = 0; i < s->problem.nvcpus; i++)
			if (s->start[i] == (int)pcpu && s->demand[i] - share[i] > ALIKE_PCT) {
				low = fmin(low, s->demand[i]);
				high = fmax(high, s->demand[i]);
			}
		hidden |= high - low > ALIKE_PCT;
	}
	free(share);
	return hidden;
}

/* --- time to balance --- */

/*
 * Usage is balanced in the window; where it is blind, so are the demands by where they are pinned.
 * Where the places alone are balanced, by what the vCPUs wanted all through the segment, usage that
 * is not for a few samples is their noise.
 */
static bool balanced(const struct cpu_run *c, const struct settled *s, const struct window *w)
{
	double most = s->limits.within.demand + s->demand_error;
	double low = INFINITY, high = -INFINITY, busiest = 0;
	double demand = cpu_run_demand_spread(c, s, window_to_s(w));
	double before = cpu_run_demand_spread(c, s, window_from_s(w));

	if (s->segment->loaded && before <= s->limits.within.demand &&
	    demand <= s->limits.within.demand)
		return true;
	for (size_t i = 0; i < c->layout.npcpus; i++) {
		double guests = window_pcpu(w, c->layout.pcpu_ids[i], PCPU_GUESTS);

		low = fmin(low, guests);
		high = fmax(high, guests);
		busiest = fmax(busiest, window_pcpu(w, c->layout.pcpu_ids[i], PCPU_USAGE));
	}
	if (high - low > s->limits.within.spread)
		return false;
	if (busiest < SATURATED_PCT)
		return true;
	return isnan(demand) || demand <= most;
}

static double balanced_for_good(const struct cpu_run *c, const struct settled *s)
{
	size_t windows =
		s->whole.count < BALANCE_SAMPLES ? 0 : s->whole.count - BALANCE_SAMPLES + 1;
	size_t good = 0, best = windows;

	/* From the end: the earliest good window of which enough of all later ones are good. */
	for (size_t i = windows; i-- > 0;) {
		struct window w = {s->whole.trace, s->whole.first + i, BALANCE_SAMPLES};

		if (!balanced(c, s, &w))
			continue;
		good++;
		if ((double)good >= BALANCE_SHARE * (double)(windows - i))
			best = i;
	}
	if (best == windows)
		return NAN;
	/* That window's majority is balanced; its first sample need not be. */
	for (size_t i = best; i < best + BALANCE_SAMPLES; i++) {
		struct window w = {s->whole.trace, s->whole.first + i, 1};

		if (balanced(c, s, &w))
			return window_from_s(&w);
	}
	return window_from_s(
		&(struct window){s->whole.trace, s->whole.first + best, BALANCE_SAMPLES});
}

/* --- is the run evidence? --- */

/* A load that was not there, though nobody kept the guest from running. */
static void check_attained(const struct settled *s, const struct cpu_run *c, const struct run *run)
{
	for (size_t i = 0; i < s->problem.nvcpus; i++) {
		size_t vcpu = s->vcpu[i];
		const struct scenario_guest *guest =
			&run->scenario->guests[c->layout.guest_of[vcpu]];
		double asked = s->segment->asked_pct[vcpu];
		double usage = window_vcpu_usage(&s->whole, guest->name, c->layout.vcpu_of[vcpu]);
		double delay = window_vcpu_delay(&s->whole, guest->name, c->layout.vcpu_of[vcpu]);

		if (isnan(usage))
			verdict_cannot_judge(run->verdict,
					     "%s is not in the samples from %.0f s to %.0f s",
					     guest->name, s->segment->from_s, s->segment->to_s);
		else if (asked > 0 &&
			 (isnan(delay) ? !s->saturated : usage + delay < ATTAINED_SHARE * asked))
			if (usage < ATTAINED_SHARE * asked)
				verdict_cannot_judge(
					run->verdict,
					"%s ran at %.0f %% of the %.0f %% asked for "
					"from %.0f s on, though it did not have to wait",
					guest->name, usage, asked, s->segment->from_s);
	}
}

static void check_reports(const struct run *run, const struct cpu_run *c)
{
	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];
		double asked, attained;
		struct window w;

		if (event->kind != TRACE_LOAD_REPORT)
			continue;
		asked = event->load_report.asked_pct;
		attained = event->load_report.attained_pct;
		/* What waiting made it give up it would have run: the load was there. */
		if (!isnan(event->load_report.given_up_pct))
			attained += event->load_report.given_up_pct;
		if (!(attained < ATTAINED_SHARE * asked))
			continue;
		w = window_between(run->trace, event->load_report.from_s, event->load_report.to_s);
		for (size_t v = 0; v < c->layout.nvcpus; v++) {
			const struct scenario_guest *guest =
				&run->scenario->guests[c->layout.guest_of[v]];

			if (strcmp(guest->name, event->guest) != 0 || w.count < SAMPLES_MIN)
				continue;
			if (window_vcpu_delay(&w, guest->name, c->layout.vcpu_of[v]) < WAITS_PCT)
				verdict_cannot_judge(run->verdict,
						     "%s reports %.0f %% of the %.0f %% asked for, "
						     "though it did not have to wait",
						     guest->name, attained, asked);
		}
	}
}

/* --- all together --- */

static int fill_medians(struct settled *s, const struct cpu_run *c)
{
	const struct window *w = s->window.count >= SAMPLES_MIN ? &s->window : &s->whole;
	size_t n = c->layout.npcpus;

	s->usage = calloc(n + 1, sizeof(*s->usage));
	s->guests = calloc(n + 1, sizeof(*s->guests));
	s->own = calloc(n + 1, sizeof(*s->own));
	if (!s->usage || !s->guests || !s->own)
		return -1;
	for (size_t i = 0; i < n; i++) {
		s->usage[i] = window_pcpu(w, c->layout.pcpu_ids[i], PCPU_USAGE);
		s->guests[i] = window_pcpu(w, c->layout.pcpu_ids[i], PCPU_GUESTS);
		s->own[i] = window_pcpu(w, c->layout.pcpu_ids[i], PCPU_OWN);
		s->saturated |= s->usage[i] >= SATURATED_PCT;
	}
	return 0;
}

static void forget(struct settled *s)
{
	free(s->usage);
	free(s->guests);
	free(s->own);
	free(s->demand);
	free(s->start);
	free(s->guest);
	free(s->vcpu);
}

/* Everything that is measured after the time allowed for balancing. */
static int measure(struct settled *s, double within_s, struct cpu_run *c, const struct run *run)
{
	forget(s);
	*s = (struct settled){.segment = s->segment,
			      .applies = s->applies,
			      .whole = s->whole,
			      .within_s = within_s,
			      .balanced_s = NAN};
	s->window = window_between(run->trace, s->segment->from_s + within_s, s->segment->to_s);
	if (fill_medians(s, c) || fill_problem(s, c, run) || fill_best(s, c))
		return -1;
	return is_simulated(run) ? count_crowded(s, c, run) : 0;
}

/* The time allowed grows with the moves that are needed, as far as enough of the segment is left to
 * judge. */
static double grown_within_s(const struct settled *s, double length_s, const struct run *run)
{
	double most_s = length_s - SETTLED_SAMPLES * run->scenario->sample_s;

	return fmax(s->within_s, fmin(default_within_s(run->scenario, s->limits.fewest), most_s));
}

static int settle(struct settled *s, const struct segment *segment, double planned_to_s,
		  struct cpu_run *c, struct run *run)
{
	double length_s = planned_to_s - segment->planned_s, within_s;
	double base_s = isnan(c->within_s) ? default_within_s(run->scenario, 0) : c->within_s;

	s->segment = segment;
	s->whole = window_between(run->trace, segment->from_s, segment->to_s);
	s->applies = (segment->loaded || !c->any_load) &&
		     length_s >= base_s + SAMPLES_MIN * run->scenario->sample_s;
	start_from(c, segment->first_s);
	if (measure(s, base_s, c, run))
		return -1;
	within_s = grown_within_s(s, length_s, run);
	if (isnan(c->within_s) && within_s > base_s && measure(s, within_s, c, run))
		return -1;
	if (s->applies && s->window.count < SAMPLES_MIN)
		verdict_cannot_judge(run->verdict,
				     "only %zu samples between %.1f s, when usage should be "
				     "balanced, and %.1f s",
				     s->window.count, segment->from_s + s->within_s, segment->to_s);
	else if (s->applies)
		check_attained(s, c, run);
	if (s->applies)
		s->balanced_s = balanced_for_good(c, s);
	if (segment->loaded)
		leave_at(c, isnan(s->balanced_s)
				    ? segment->to_s
				    : fmin(segment->to_s, s->balanced_s + run->scenario->sample_s));
	return 0;
}

/* A limit that the scenario leaves out is none, but something must be the aim. */
static double limit_of(const struct run *run, const char *key, double otherwise)
{
	const struct expect_value *value = check_value(run, key);

	return value->none ? otherwise : value->number;
}

int cpu_run_init(struct cpu_run *c, struct run *run)
{
	const struct expect_value *within = check_value(run, "balance_within");
	bool any = false;

	*c = (struct cpu_run){.home_s = -1};
	c->within_s = within->given && !within->none ? within->number : NAN;
	c->asked.demand = c->asked.spread = limit_of(run, "spread", 10);
	c->asked.stddev = limit_of(run, "stddev", INFINITY);
	c->asked.unfairness = limit_of(run, "fairness", INFINITY);
	if (layout_init(&c->layout, run) || segments_init(&c->segments, run, &c->layout) ||
	    pins_init(&c->pins, run, &c->layout))
		return -1;
	c->settled = calloc(c->segments.count, sizeof(*c->settled));
	c->home = calloc(c->layout.nvcpus + 1, sizeof(*c->home));
	if (!c->settled || !c->home)
		return -1;
	memcpy(c->home, c->pins.start, c->layout.nvcpus * sizeof(*c->home));
	for (size_t i = 0; i < c->segments.count; i++)
		c->any_load |= c->segments.list[i].loaded;
	for (size_t i = 0; i < c->segments.count; i++) {
		double planned_to_s = i + 1 < c->segments.count ? c->segments.list[i + 1].planned_s
								: run->scenario->length_s;

		if (settle(&c->settled[i], &c->segments.list[i], planned_to_s, c, run))
			return -1;
		any |= c->settled[i].applies;
	}
	check_reports(run, c);
	if (!any)
		verdict_cannot_judge(run->verdict,
				     "no stretch of constant load lasts longer than the %g s "
				     "allowed for balancing",
				     isnan(c->within_s) ? default_within_s(run->scenario, 0)
							: c->within_s);
	return 0;
}

void cpu_run_free(struct cpu_run *c)
{
	for (size_t i = 0; c->settled && i < c->segments.count; i++)
		forget(&c->settled[i]);
	free(c->settled);
	free(c->home);
	segments_free(&c->segments);
	pins_free(&c->pins);
	layout_free(&c->layout);
}
