/* SPDX-License-Identifier: MIT */
/* Judges of a coordinator's run, one per expectation of kind = memory. */
#include "check.h"
#include "expectations.h"
#include "memory_run.h"
#include "timeline.h"
#include "windows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const enum scenario_kind check_kind = SCENARIO_MEMORY;

#define MIB 1024.0

/* Balloons count in pages and kernels keep some: sizes within this share are the same. */
#define SAME_SHARE 0.02

/* Of the time a guest is judged over, this much must be seen from inside. */
#define EVIDENCE_SHARE 0.8

/* A load constant for so many intervals has given its guest time to release gradually. */
#define SETTLED_INTERVALS 20

/* A surplus where the scenario does not say what is one. */
#define SURPLUS_KIB (200 * MIB)

/* "Settled" figures are medians over this last part of the run, "at the end" over that. */
#define LAST_FIFTH 0.2
#define LAST_TENTH 0.1

/* One decision's release is looked for within this part of an interval: libvirt tells of a
 * balloon's progress once a second, so that of two decisions two seconds apart may be told 1.1 s
 * apart, and they must not be taken for one. */
#define DECISION_SHARE 0.5

static const struct memory_run *memory(const struct run *run)
{
	return run->own;
}

/* With so many host reserves available a host has room for page cache. */
#define ROOMY_RESERVES 3

static double host_reserve_kib(const struct run *run)
{
	const struct expect_value *value = check_value(run, "host_reserve");

	return value->none ? 0 : (double)value->kib;
}

/* Adds what one guest measured, as long as there is room. */
__attribute__((format(printf, 2, 3))) static void append(struct finding *f, const char *format, ...)
{
	size_t used = strlen(f->measured);
	va_list args;

	va_start(args, format);
	vsnprintf(f->measured + used, sizeof(f->measured) - used, format, args);
	va_end(args);
}

/* What was found follows from a kill that is a finding of its own. */
static void blame_kill(const struct run *run, const struct guest_memory *g, struct finding *f)
{
	const struct expect_value *oom = check_value(run, "oom");

	if (isnan(g->killed_s) || f->result != RESULT_FAIL)
		return;
	append(f, ", %s was killed for want of memory at %.0f s",
	       isnan(g->load_end_s) ? "where a process" : "since its load", g->killed_s);
	if (!oom->none)
		f->because = "oom";
}

/* --- what every guest keeps unused --- */

struct shortage {
	double seen_s, short_s; /* time seen from inside, and of that with less than the reserve */
	double least_kib, least_at_s;
};

/* More usable memory than any guest is to be left with, by reserve and near_target. */
static double surplus_kib(const struct run *run)
{
	const struct expect_value *unused = check_value(run, "unused"),
				  *near = check_value(run, "near_target");

	return 2 * (unused->none ? 0 : (double)unused->kib) +
	       (near->none ? SURPLUS_KIB : (double)near->kib);
}

/* Whether another guest has had a surplus for so long that gradual release is no excuse for it. */
static bool others_hoard(const struct run *run, const struct guest_memory *g, double t_s)
{
	double since_s = t_s - SETTLED_INTERVALS * run->scenario->interval_s;

	for (size_t i = 0; since_s >= 0 && i < memory(run)->nguests; i++) {
		const struct guest_memory *other = &memory(run)->guests[i];

		if (other != g && memory_least_usable(other, since_s, t_s) > surplus_kib(run))
			return true;
	}
	return false;
}

/* The coordinator cannot help a guest at its maximum, nor where nobody has anything left to give.
 */
static bool beyond_help(const struct run *run, const struct guest_memory *g, double t_s)
{
	double actual = memory_actual_at(g, t_s), host = memory_host_at(run, t_s);

	return actual >= (1 - SAME_SHARE) * (double)g->guest->maximum_kib ||
	       (host <= (1 + SAME_SHARE) * host_reserve_kib(run) && !others_hoard(run, g, t_s));
}

/* Time between two looks counts as short where either end of it is: a starved guest answers late,
 * or to the end of the run no more. */
static struct shortage measure_shortage(const struct run *run, const struct guest_memory *g,
					double reserve)
{
	struct shortage s = {.least_kib = INFINITY};
	double last_s = 0, away_s;
	bool was_short = false;

	for (size_t i = 0; i < g->ninside; i++) {
		const struct inside *now = &g->inside[i];
		bool is_short = now->spare_kib < reserve && !beyond_help(run, g, now->t_s);
		double gap_s;

		away_s = memory_away_s(g, last_s, now->t_s);
		gap_s = now->t_s - last_s - away_s;
		was_short &= away_s == 0;
		s.seen_s += away_s;
		if (now->spare_kib < s.least_kib) {
			s.least_kib = now->spare_kib;
			s.least_at_s = now->t_s;
		}
		if (is_short || was_short || gap_s <= memory(run)->gap_s)
			s.seen_s += gap_s;
		if (is_short || (was_short && gap_s > memory(run)->gap_s))
			s.short_s += gap_s;
		was_short = is_short;
		last_s = now->t_s;
	}
	away_s = memory_away_s(g, last_s, run->end_s);
	s.seen_s += away_s;
	if (was_short && away_s == 0 && run->end_s - last_s > memory(run)->gap_s) {
		s.seen_s += run->end_s - last_s;
		s.short_s += run->end_s - last_s;
	}
	return s;
}

static void judge_unused(const struct run *run, const struct expect_value *value, struct finding *f)
{
	const struct guest_memory *worst = NULL;
	struct shortage least = {.least_kib = INFINITY}, worst_shortage = {0};
	double seen_s = INFINITY;

	SAY(f->asked, "every guest has %.0f MiB unused or usable in %g %% of the time",
	    (double)value->kib / MIB, value->number);
	f->limit = value->number;
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];
		struct shortage s = measure_shortage(run, g, (double)value->kib);
		double share = s.seen_s > 0 ? 100 * (1 - s.short_s / s.seen_s) : NAN;

		seen_s = fmin(seen_s, s.seen_s);
		if (s.least_kib < least.least_kib)
			least = s;
		if (!worst || share < f->value) {
			worst = g;
			worst_shortage = s;
			f->value = share;
		}
	}
	verdict_figure(run->verdict, "least_unused_mib", least.least_kib / MIB);
	if (!worst || isnan(f->value))
		f->result = RESULT_UNJUDGED;
	else
		f->result = f->value < f->limit ? RESULT_FAIL : RESULT_PASS;
	if (f->result == RESULT_PASS && seen_s < EVIDENCE_SHARE * run->end_s)
		f->result = RESULT_UNJUDGED;
	if (f->result == RESULT_UNJUDGED)
		SAY(f->measured, "only %.0f s of %.0f s were seen from inside the guests",
		    isinf(seen_s) ? 0 : seen_s, run->end_s);
	else
		SAY(f->measured, "%s: %.1f %%, least %.0f MiB at %.0f s", worst->guest->name,
		    f->value, worst_shortage.least_kib / MIB, worst_shortage.least_at_s);
	f->least = true;
	if (worst)
		blame_kill(run, worst, f);
}

/* --- what the host had left meanwhile --- */

/* More than this beyond its reserve, of all it has, and the host could have helped. */
static double host_plenty_kib(const struct run *run, double share_pct)
{
	double total = 0;

	for (size_t i = 0; i < run->trace->nsamples; i++)
		total = fmax(total, (double)run->trace->samples[i].host_total_kib);
	return host_reserve_kib(run) + share_pct / 100 * total;
}

/* Whether the host could have helped the guest then. */
static bool wasted(const struct run *run, const struct guest_memory *g, double t_s,
		   double plenty_kib)
{
	return memory_host_at(run, t_s) > plenty_kib &&
	       memory_actual_at(g, t_s) < (1 - SAME_SHARE) * (double)g->guest->maximum_kib;
}

/* How long the guest was short while the host had plenty, s; *at_s is when that began. */
static double short_in_plenty_s(const struct run *run, const struct guest_memory *g,
				double plenty_kib, double *at_s)
{
	const struct expect_value *unused = check_value(run, "unused");
	double sum = 0;

	for (size_t i = 1; !unused->none && i < g->ninside; i++) {
		const struct inside *now = &g->inside[i];
		double gap_s = now->t_s - g->inside[i - 1].t_s;

		if (now->spare_kib >= (double)unused->kib ||
		    memory_away_s(g, g->inside[i - 1].t_s, now->t_s) > 0 ||
		    !wasted(run, g, now->t_s, plenty_kib))
			continue;
		if (sum == 0)
			*at_s = now->t_s;
		sum += gap_s;
	}
	return sum;
}

/* Memory that lies idle on the host is no use to a guest that dies for want of it. */
static void judge_waste(const struct run *run, const struct expect_value *value, struct finding *f)
{
	const struct expect_value *unused = check_value(run, "unused");
	double plenty = host_plenty_kib(run, value->number);
	double tolerated_s = unused->none ? 0 : (1 - unused->number / 100) * run->end_s;

	f->limit = plenty / MIB;
	f->value = 0;
	SAY(f->asked, "no guest is killed or kept short while the host has %.0f MiB available",
	    f->limit);
	SAY(f->measured, "none was");
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];
		double at_s = NAN, short_s = short_in_plenty_s(run, g, plenty, &at_s), left;
		bool killed = g->kills > 0 && wasted(run, g, g->killed_s, plenty);

		if (!killed && short_s <= tolerated_s)
			continue;
		at_s = killed ? g->killed_s : at_s;
		left = memory_host_at(run, at_s) / MIB;
		if (left <= f->value)
			continue;
		f->result = RESULT_FAIL;
		f->value = left;
		f->from_s = f->to_s = at_s;
		if (killed)
			SAY(f->measured, "%s killed at %.0f s: the host had %.1f GB left",
			    g->guest->name, at_s, left * MIB * MIB / 1e9);
		else
			SAY(f->measured,
			    "%s short for %.0f s from %.0f s: the host had %.1f GB left",
			    g->guest->name, short_s, at_s, left * MIB * MIB / 1e9);
		f->because = !killed ? "unused" : check_value(run, "oom")->none ? NULL : "oom";
	}
}

/* --- what settled guests hold beyond their need --- */

/*
 * What it has beyond its use. A guest keeps its page cache as long as the host has room: it is not
 * needed, but used, and given up first.
 */
static double beyond_use_kib(const struct run *run, const struct inside *in)
{
	bool roomy = memory_host_at(run, in->t_s) >= ROOMY_RESERVES * host_reserve_kib(run);

	return roomy ? fmin(in->usable_kib, in->unused_kib) : in->usable_kib;
}

static double usable_after(const struct run *run, const struct guest_memory *g, double from_s)
{
	double *values = malloc((g->ninside + 1) * sizeof(*values)), result;
	size_t n = 0;

	if (!values)
		return NAN;
	for (size_t i = 0; i < g->ninside; i++)
		if (g->inside[i].t_s >= from_s)
			values[n++] = beyond_use_kib(run, &g->inside[i]);
	result = median(values, n);
	free(values);
	return result;
}

static void judge_near_target(const struct run *run, const struct expect_value *value,
			      struct finding *f)
{
	double from_s = (1 - LAST_FIFTH) * run->end_s,
	       constant_s = SETTLED_INTERVALS * run->scenario->interval_s;
	const struct expect_value *unused = check_value(run, "unused");
	double reserve = unused->none ? 0 : (double)unused->kib;
	const char *worst = NULL;

	f->limit = (2 * reserve + (double)value->kib) / MIB;
	f->from_s = from_s;
	f->to_s = run->end_s;
	SAY(f->asked, "settled guests have at most %.0f MiB usable", f->limit);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];
		double usable;

		if (memory_constant_since(g) + constant_s > from_s)
			continue;
		usable = usable_after(run, g, from_s) / MIB;
		if (isnan(usable) || (worst && usable <= f->value))
			continue;
		worst = g->guest->name;
		f->value = usable;
	}
	if (!worst) {
		f->result = RESULT_SKIPPED;
		SAY(f->measured, "no guest's load stayed the same for %.0f s before the last fifth",
		    constant_s);
		return;
	}
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->measured, "most: %s with %.0f MiB", worst, f->value);
	verdict_figure(run->verdict, "most_usable_mib", f->value);
}

/* --- the host, the floor, the steps --- */

static void judge_host_reserve(const struct run *run, const struct expect_value *value,
			       struct finding *f)
{
	double least = INFINITY, first = NAN;

	f->limit = (double)value->kib / MIB;
	f->least = true;
	for (size_t i = 0; i < run->trace->nsamples; i++) {
		const struct trace_sample *sample = &run->trace->samples[i];

		if (sample->host_available_kib < 0 || sample->t_s > run->end_s)
			continue;
		if (isnan(first))
			first = (double)sample->host_available_kib / MIB;
		if ((double)sample->host_available_kib >= least)
			continue;
		least = (double)sample->host_available_kib;
		f->from_s = f->to_s = sample->t_s;
	}
	f->value = least / MIB;
	SAY(f->asked, "the host always has %.0f MiB available", f->limit);
	if (isinf(least)) {
		f->value = NAN;
		f->result = RESULT_UNJUDGED;
		SAY(f->measured, "the trace does not tell the host's memory");
		return;
	}
	if (first < f->limit) {
		/* No program can keep what is not there; but it need not take of it. */
		SAY(f->asked, "the host has no less than the %.0f MiB it began with", first);
		f->limit = (1 - SAME_SHARE) * first;
	}
	f->result = f->value >= f->limit ? RESULT_PASS : RESULT_FAIL;
	SAY(f->measured, "least %.0f MiB", f->value);
	verdict_figure(run->verdict, "least_host_mib", f->value);
}

static void judge_floor(const struct run *run, const struct expect_value *value, struct finding *f)
{
	const char *lowest = NULL;

	f->limit = (double)value->kib / MIB;
	SAY(f->asked, "no guest below %.0f MiB", f->limit);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];

		for (size_t k = 0; k < g->nactual; k++)
			if (g->guest->memory_kib >= value->kib &&
			    (!lowest || g->actual[k].kib / MIB < f->value)) {
				lowest = g->guest->name;
				f->value = g->actual[k].kib / MIB;
				f->from_s = f->to_s = g->actual[k].t_s;
			}
	}
	if (!lowest) {
		f->result = RESULT_UNJUDGED;
		SAY(f->measured, "the trace tells no guest's size");
		return;
	}
	f->least = true;
	f->result = f->value < (1 - SAME_SHARE) * f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->measured, "lowest: %s with %.0f MiB", lowest, f->value);
}

/* Whether somebody else set the guest's size about then. */
static bool set_by_scenario(const struct run *run, const struct scenario_guest *guest,
			    double from_s, double to_s)
{
	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];

		if (check_about(event, TRACE_SETMEM, guest) && event->t_s >= from_s &&
		    event->t_s <= to_s && event->setmem.by == TRACE_BY_SCENARIO)
			return true;
	}
	return false;
}

/* The biggest decrease that ends at point k and began within the window before it. Where the points
 * are farther apart than an interval, what one interval's share of it was. */
static double release_at(const struct guest_memory *g, size_t k, double interval_s, double *from_s)
{
	double window_s = DECISION_SHARE * interval_s, biggest = 0;

	for (size_t i = k; i-- > 0;) {
		double gap_s = g->actual[k].t_s - g->actual[i].t_s,
		       step = g->actual[i].own_kib - g->actual[k].own_kib;

		/* The size at a point holds until the next: one from before the window counts too.
		 */
		if (g->actual[i + 1].t_s <= g->actual[k].t_s - window_s)
			break;
		if (i + 1 == k && gap_s > interval_s)
			step *= interval_s / gap_s;
		if (step > biggest) {
			biggest = step;
			*from_s = g->actual[i].t_s;
		}
	}
	return biggest;
}

static void judge_release_step(const struct run *run, const struct expect_value *value,
			       struct finding *f)
{
	const char *guest = NULL;

	f->limit = (double)value->kib / MIB;
	f->value = 0;
	SAY(f->asked, "at most %.0f MiB taken from a guest at once", f->limit);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];

		for (size_t k = 1; k < g->nactual; k++) {
			double from_s = NAN,
			       step = release_at(g, k, run->scenario->interval_s, &from_s) / MIB;
			double host = memory_host_at(run, g->actual[k].t_s);

			/* Near the host's end anything may be taken. */
			if (step <= f->value || host < 2 * host_reserve_kib(run) ||
			    set_by_scenario(run, g->guest, from_s, g->actual[k].t_s))
				continue;
			f->value = step;
			f->from_s = from_s;
			f->to_s = g->actual[k].t_s;
			guest = g->guest->name;
		}
	}
	f->result = f->value > (1 + SAME_SHARE) * f->limit ? RESULT_FAIL : RESULT_PASS;
	if (guest)
		SAY(f->measured, "%.0f MiB from %s at %.0f s", f->value, guest, f->to_s);
	else
		SAY(f->measured, "nothing was taken");
	verdict_figure(run->verdict, "biggest_release_mib", f->value);
}

/* --- sizes by a time --- */

/* Whether the scenario asks that guest for a load of that size by then; else it is its size that
 * counts. */
static bool load_asked(const struct scenario_guest *guest, double kib, double by_s)
{
	for (size_t i = 0; i < guest->nphases; i++)
		if (guest->phases[i].verb == PHASE_MEMORY && guest->phases[i].at_s <= by_s &&
		    (double)guest->phases[i].kib >= kib)
			return true;
	return false;
}

/* When the guest's load, or its balloon, first was that large; NAN: never. *most is as far as it
 * got. */
static double reached_s(const struct guest_memory *g, bool load, double kib, double by_s,
			double *most)
{
	size_t n = load ? g->ninside : g->nactual;

	*most = NAN;
	for (size_t i = 0; i < n; i++) {
		double t_s = load ? g->inside[i].t_s : g->actual[i].t_s;
		double size = load ? g->inside[i].load_kib : g->actual[i].kib;

		if (size >= (1 - SAME_SHARE) * kib)
			return t_s;
		if (t_s <= by_s)
			*most = fmax(*most, size);
	}
	return NAN;
}

/* How late the guest's loads due before then began: what is asked of it shifts by as much. */
static double late_s(const struct run *run, const struct guest_memory *g, double by_s)
{
	double late = 0;

	for (size_t i = 0; i < g->guest->nphases && g->guest->phases[i].at_s < by_s; i++)
		late = fmax(late, check_begun_s(run, g->guest, &g->guest->phases[i]) -
					  g->guest->phases[i].at_s);
	return late;
}

/* One guest's answer, added to the finding, whose value is the least that any of them got to. */
static void reach_one(const struct run *run, const struct expect_value *value,
		      const struct guest_memory *g, struct finding *f)
{
	double asked = (double)value->kib, reserve = (double)check_value(run, "unused")->kib;
	bool load = load_asked(g->guest, asked, value->number);
	double by_s = value->number + late_s(run, g, value->number), most;
	double t_s = reached_s(g, load, asked, by_s, &most);
	struct finding one = {.result = RESULT_FAIL};

	append(f, "%s%s ", f->measured[0] ? ", " : "", g->guest->name);
	if (t_s <= by_s) {
		f->value = fmin(f->value, asked / MIB); /* fmin prefers what is not NAN */
		f->to_s = fmax(f->to_s, t_s);
		append(f, "at %.0f s", t_s);
		return;
	}
	f->value = fmin(f->value, most / MIB);
	f->to_s = by_s;
	if (isnan(most))
		append(f, "does not tell");
	else
		append(f, "only %.0f MiB by then", most / MIB);
	if (isnan(most) || by_s > run->end_s + run->scenario->sample_s) {
		f->result = f->result == RESULT_FAIL ? RESULT_FAIL : RESULT_UNJUDGED;
	} else if (load && memory_had_room(g, reserve, 0, by_s)) {
		append(f, ", though it had room");
		f->result = f->result == RESULT_FAIL ? RESULT_FAIL : RESULT_UNJUDGED;
	} else {
		f->result = RESULT_FAIL;
		if (g->killed_s <= by_s)
			blame_kill(run, g, &one);
		append(f, "%s", one.measured);
		f->because = one.because ? one.because : f->because;
	}
}

static bool concerns(const struct run *run, const struct expect_value *value,
		     const struct guest_memory *g)
{
	return guests_match(value->guests, g->guest->number, (unsigned int)memory(run)->nguests);
}

static void judge_reach(const struct run *run, const struct expect_value *value, struct finding *f)
{
	f->limit = (double)value->kib / MIB;
	f->least = true;
	SAY(f->asked, "guests %s reach %.0f MiB by %g s", value->guests, f->limit, value->number);
	for (size_t i = 0; i < memory(run)->nguests; i++)
		if (concerns(run, value, &memory(run)->guests[i]))
			reach_one(run, value, &memory(run)->guests[i], f);
}

static void judge_given_back(const struct run *run, const struct expect_value *value,
			     struct finding *f)
{
	f->limit = (double)value->kib / MIB;
	f->from_s = f->to_s = value->number;
	SAY(f->asked, "guests %s shrunk to %.0f MiB by %g s", value->guests, f->limit,
	    value->number);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];
		double by_s = value->number + late_s(run, g, value->number);
		double size = memory_actual_at(g, by_s) / MIB;

		if (!concerns(run, value, g))
			continue;
		if (memory_away_s(g, by_s, by_s + 1) > 0)
			size = 0; /* what is off holds nothing */
		append(f, "%s%s %.0f MiB", f->measured[0] ? ", " : "", g->guest->name, size);
		f->value = fmax(f->value, size); /* fmax prefers what is not NAN */
		if (value->number > run->end_s + run->scenario->sample_s)
			f->result = RESULT_UNJUDGED;
		else if (size > (1 + SAME_SHARE) * f->limit)
			f->result = RESULT_FAIL;
	}
}

/* --- the rest --- */

static void judge_oom(const struct run *run, const struct expect_value *value, struct finding *f)
{
	const struct guest_memory *first = NULL;
	int loads = 0;

	f->limit = value->number;
	f->value = 0;
	SAY(f->asked, "at most %g processes killed for want of memory", value->number);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];

		f->value += g->kills;
		if (g->kills > 0 && (!first || g->killed_s < first->killed_s))
			first = g;
	}
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	verdict_figure(run->verdict, "oom_kills", f->value);
	if (!first) {
		SAY(f->measured, "none");
		return;
	}
	f->from_s = f->to_s = first->killed_s;
	SAY(f->measured, "%.0f, first in %s at %.0f s", f->value, first->guest->name, f->from_s);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		const struct guest_memory *g = &memory(run)->guests[i];

		if (isnan(g->load_end_s))
			continue;
		append(f, "%s %s at %.0f s", loads++ ? "," : "; loads ended:", g->guest->name,
		       g->load_end_s);
	}
}

static double actual_after(const struct run *run, const char *guest, double from_s)
{
	double *values = malloc((run->trace->nsamples + 1) * sizeof(*values)), result;
	size_t n = 0;

	if (!values)
		return NAN;
	for (size_t i = 0; i < run->trace->nsamples; i++) {
		const struct trace_sample *sample = &run->trace->samples[i];
		const struct trace_guest *seen = trace_find_guest(sample, guest);

		if (seen && sample->t_s >= from_s && sample->t_s <= run->end_s &&
		    seen->memory.actual_kib >= 0)
			values[n++] = (double)seen->memory.actual_kib;
	}
	result = median(values, n);
	free(values);
	return result;
}

static void judge_similar(const struct run *run, const struct expect_value *value,
			  struct finding *f)
{
	double low = INFINITY, high = -INFINITY;

	f->from_s = (1 - LAST_TENTH) * run->end_s - run->scenario->sample_s;
	f->to_s = run->end_s;
	f->limit = (double)value->kib / MIB;
	SAY(f->asked, "guests' sizes at the end within %.0f MiB of each other", f->limit);
	for (size_t i = 0; i < memory(run)->nguests; i++) {
		double size =
			actual_after(run, memory(run)->guests[i].guest->name, f->from_s) / MIB;

		low = fmin(low, size);
		high = fmax(high, size);
	}
	if (isinf(low)) {
		f->result = RESULT_UNJUDGED;
		SAY(f->measured, "the trace tells no guest's size");
		return;
	}
	f->value = high - low;
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->measured, "%.0f MiB … %.0f MiB", low, high);
}

/* A key without its judge does not compile. */
#define COMMON_SPEC(key, form, fallback, meaning)                                                  \
	{#key, EXPECT_##form, fallback, meaning, check_##key},
#define SPEC(key, form, fallback, meaning) {#key, EXPECT_##form, fallback, meaning, judge_##key},

const struct expect_spec check_specs[] = {EXPECTATIONS_OF_BOTH(COMMON_SPEC)
						  EXPECTATIONS_OF_MEMORY(SPEC)};
const size_t check_nspecs = sizeof(check_specs) / sizeof(*check_specs);

int check_prepare(struct run *run)
{
	struct memory_run *m = malloc(sizeof(*m));

	run->own = m;
	return m ? memory_run_init(m, run) : -1;
}

void check_release(struct run *run)
{
	if (run->own)
		memory_run_free(run->own);
	free(run->own);
}
