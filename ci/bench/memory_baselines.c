/* SPDX-License-Identifier: MIT */
/* Other coordinators' rules, written from their descriptions, and ours behind the same interface.
 */
#include "memory.h"
#include "memory_policy.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool told(const struct mem_guest *g)
{
	return g->made_s > 0 && g->unused_kib >= 0;
}

/* --- ours, and another build's --- */

struct build {
	void *state;
	double interval_s, look_s;
	struct seen_guest guests[BENCH_GUESTS_MOST];
};

static struct seen see(const struct mem_sample *sample, struct seen_guest *guests)
{
	for (size_t i = 0; i < sample->nguests; i++) {
		const struct mem_guest *g = &sample->guests[i];

		guests[i] = (struct seen_guest){
			.number = g->uuid[0],
			.running = g->running,
			.managed = g->managed,
			.balloon = g->balloon,
			.maximum_kib = g->maximum_kib,
			.actual_kib = g->actual_kib,
			.rss_kib = g->rss_kib,
			.made_s = g->made_s,
			.unused_kib = g->unused_kib,
			.usable_kib = g->usable_kib,
			.total_kib = g->total_kib,
			.swap_in_kib = g->swap_in_kib,
			.swap_out_kib = g->swap_out_kib,
			.major_faults = g->major_faults,
		};
	}
	return (struct seen){
		.time_s = sample->time_s,
		.wall_s = sample->wall_s,
		.host_total_kib = sample->host_total_kib,
		.host_available_kib = sample->host_available_kib,
		.nguests = sample->nguests,
		.guests = guests,
	};
}

static void build_begin(void *state, double interval_s)
{
	((struct build *)state)->interval_s = interval_s;
}

static double build_look_s(const void *state)
{
	return ((const struct build *)state)->look_s;
}

static void ours_plan(void *state, const struct mem_sample *sample, int64_t *targets)
{
	struct build *b = state;
	struct seen seen = see(sample, b->guests);

	b->look_s = bench_policy_plan(&b->state, &seen, b->interval_s, BENCH_HOST_RESERVE, targets);
}

static void ours_finish(void *state)
{
	bench_policy_free(((struct build *)state)->state);
}

/* The functions of a shared object with another build's policy: bench_add_build(). */
static struct {
	double (*plan)(void **state, const struct seen *seen, double interval_s,
		       int64_t host_reserve_kib, int64_t *targets);
	void (*free)(void *state);
} other;

static void other_plan(void *state, const struct mem_sample *sample, int64_t *targets)
{
	struct build *b = state;
	struct seen seen = see(sample, b->guests);

	b->look_s = other.plan(&b->state, &seen, b->interval_s, BENCH_HOST_RESERVE, targets);
}

static void other_finish(void *state)
{
	other.free(((struct build *)state)->state);
}

/* --- nobody --- */

static void nobody_plan(void *state, const struct mem_sample *sample, int64_t *targets)
{
	(void)state;
	(void)sample;
	(void)targets;
}

/* --- 100 MB exchange --- */

/* The guest with most free gives until it has 100 MB free; the one with least gets until it has 100
 * MB. */
static void exchange_plan(void *state, const struct mem_sample *s, int64_t *targets)
{
	size_t most = s->nguests, least = s->nguests;

	(void)state;
	for (size_t i = 0; i < s->nguests; i++) {
		if (!told(&s->guests[i]))
			continue;
		if (most == s->nguests || s->guests[i].unused_kib > s->guests[most].unused_kib)
			most = i;
		if (least == s->nguests || s->guests[i].unused_kib < s->guests[least].unused_kib)
			least = i;
	}
	if (most == s->nguests)
		return;
	if (s->guests[most].unused_kib > 100 * MIB)
		targets[most] =
			s->guests[most].actual_kib - (s->guests[most].unused_kib - 100 * MIB);
	if (s->guests[least].unused_kib < 100 * MIB)
		targets[least] = min64(s->guests[least].actual_kib +
					       (100 * MIB - s->guests[least].unused_kib),
				       s->guests[least].maximum_kib);
}

/* --- oVirt MoM --- */

#define MOM_SAMPLES 10

struct mom {
	double free_part[MOM_SAMPLES]; /* of the host, every 5 s */
	size_t n;
	unsigned int calls;
};

static void mom_guest(const struct mem_guest *g, double host_free, int64_t *target)
{
	int64_t used = g->actual_kib - g->unused_kib, want;

	if (host_free < 0.20) {
		double part = 0.20 * host_free / 0.20;

		want = used + (int64_t)(part * (double)g->actual_kib);
		if (host_free < 0.05)
			want = used - (int64_t)((0.05 - host_free) * (double)used);
		want = min64(want, g->actual_kib);
	} else {
		want = max64(used + (int64_t)(0.20 * (double)g->actual_kib), g->actual_kib);
	}
	/* At most 5 % of the size per step; changes under 0.25 % are ignored. */
	want = clamp64(want, g->actual_kib - g->actual_kib / 20,
		       g->actual_kib + g->actual_kib / 20);
	want = clamp64(want, BENCH_FLOOR, g->maximum_kib);
	if (llabs(want - g->actual_kib) * 400 >= g->actual_kib)
		*target = want;
}

/* Called every 5 s; decides every 10 s on the average of its samples. */
static void mom_plan(void *state, const struct mem_sample *s, int64_t *targets)
{
	struct mom *m = state;
	double sum = 0;
	size_t n;

	m->free_part[m->n++ % MOM_SAMPLES] =
		(double)s->host_available_kib / (double)s->host_total_kib;
	n = m->n < MOM_SAMPLES ? m->n : MOM_SAMPLES;
	if (m->calls++ % 2)
		return;
	for (size_t i = 0; i < n; i++)
		sum += m->free_part[i];
	for (size_t i = 0; i < s->nguests; i++) {
		if (told(&s->guests[i]))
			mom_guest(&s->guests[i], sum / (double)n, &targets[i]);
	}
}

/* --- Proxmox --- */

/*
 * Goal: 80 % of the host's memory in use. What is over or under is divided by shares (equal), ±100
 * MiB per guest and round at most; nothing within 10 MiB. A guest with more than a quarter of its
 * minimum free is comfortable and is not given more.
 */
static void proxmox_plan(void *state, const struct mem_sample *s, int64_t *targets)
{
	int64_t used = s->host_total_kib - s->host_available_kib;
	int64_t goal = s->host_total_kib * 8 / 10 - used;
	size_t n = 0;

	(void)state;
	if (llabs(goal) < 10 * MIB)
		return;
	for (size_t i = 0; i < s->nguests; i++) {
		const struct mem_guest *g = &s->guests[i];

		n += told(g) &&
		     (goal > 0 ? g->unused_kib <= BENCH_FLOOR / 4 : g->actual_kib > BENCH_FLOOR);
	}
	for (size_t i = 0; i < s->nguests && n; i++) {
		const struct mem_guest *g = &s->guests[i];
		int64_t change = clamp64(goal / (int64_t)n, -100 * MIB, 100 * MIB);

		if (!told(g) || (goal > 0 && g->unused_kib > BENCH_FLOOR / 4))
			continue;
		change = clamp64(g->actual_kib + change, BENCH_FLOOR, g->maximum_kib) -
			 g->actual_kib;
		if (change)
			targets[i] = g->actual_kib + change;
	}
}

/* --- Qubes qmemman --- */

static int64_t qubes_pref(const struct mem_guest *g)
{
	int64_t used = g->actual_kib - max64(g->usable_kib, 0);

	return clamp64(used * 13 / 10, 200 * MIB, g->maximum_kib);
}

/* Shares total over the guests in proportion to their preference, none above its maximum. */
static void qubes_share(const struct mem_sample *s, int64_t total, int64_t *want)
{
	bool full[BENCH_GUESTS_MOST] = {false};

	for (;;) {
		int64_t prefs = 0, left = total;
		bool again = false;

		for (size_t i = 0; i < s->nguests; i++) {
			if (!told(&s->guests[i]) || full[i])
				left -= told(&s->guests[i]) ? s->guests[i].maximum_kib : 0;
			else
				prefs += qubes_pref(&s->guests[i]);
		}
		for (size_t i = 0; i < s->nguests; i++) {
			if (!told(&s->guests[i]))
				continue;
			if (full[i]) {
				want[i] = s->guests[i].maximum_kib;
				continue;
			}
			want[i] = (int64_t)((double)left * (double)qubes_pref(&s->guests[i]) /
					    (double)prefs);
			if (want[i] > s->guests[i].maximum_kib)
				full[i] = again = true;
		}
		if (!again)
			return;
	}
}

/* Donors first: acceptors get in this round what is free now. */
static void qubes_plan(void *state, const struct mem_sample *s, int64_t *targets)
{
	int64_t want[BENCH_GUESTS_MOST] = {0}, total = 0, prefs = 0, moved = 0, room;
	bool needy = false;

	(void)state;
	room = s->host_available_kib - BENCH_HOST_RESERVE;
	for (size_t i = 0; i < s->nguests; i++) {
		if (!told(&s->guests[i]))
			continue;
		total += s->guests[i].actual_kib;
		prefs += qubes_pref(&s->guests[i]);
		/* What it has and has not touched is not free. */
		room -= max64(s->guests[i].actual_kib - s->guests[i].rss_kib, 0);
	}
	if (!total)
		return;
	total += room;
	if (total >= prefs) {
		qubes_share(s, total, want);
	} else {
		int64_t rest = total, short_prefs = 0;

		for (size_t i = 0; i < s->nguests; i++) {
			if (!told(&s->guests[i]))
				continue;
			if (s->guests[i].actual_kib >= qubes_pref(&s->guests[i]))
				rest -= want[i] = qubes_pref(&s->guests[i]);
			else
				short_prefs += qubes_pref(&s->guests[i]);
		}
		for (size_t i = 0; i < s->nguests; i++) {
			if (told(&s->guests[i]) && !want[i])
				want[i] = (int64_t)((double)max64(rest, 0) *
						    (double)qubes_pref(&s->guests[i]) /
						    (double)short_prefs);
		}
	}
	for (size_t i = 0; i < s->nguests; i++) {
		const struct mem_guest *g = &s->guests[i];

		if (!want[i])
			continue;
		moved += llabs(want[i] - g->actual_kib);
		needy |= g->actual_kib < qubes_pref(g) && want[i] - g->actual_kib > 15 * MIB;
	}
	if (moved <= 150 * MIB && !needy)
		return;
	for (size_t i = 0; i < s->nguests; i++) {
		if (want[i] && want[i] < s->guests[i].actual_kib)
			targets[i] = want[i];
	}
	for (size_t i = 0; i < s->nguests; i++) {
		int64_t more = want[i] - s->guests[i].actual_kib;

		if (!want[i] || more <= 0 || room <= 0)
			continue;
		more = min64(more, room);
		targets[i] = s->guests[i].actual_kib + more;
		room -= more;
	}
}

/* --- balloond --- */

/* Keeps usable at 256 MiB in chunks of 32 MiB; the host is never looked at. */
static void balloond_plan(void *state, const struct mem_sample *s, int64_t *targets)
{
	(void)state;
	for (size_t i = 0; i < s->nguests; i++) {
		const struct mem_guest *g = &s->guests[i];
		int64_t chunks;

		if (!told(g))
			continue;
		chunks = (256 * MIB - g->usable_kib) / (32 * MIB);
		if (chunks)
			targets[i] = clamp64(g->actual_kib + chunks * 32 * MIB, 64 * MIB,
					     g->maximum_kib);
	}
}

/* --- the best published solution of the course --- */

struct student {
	int64_t unused_kib[BENCH_GUESTS_MOST];
	bool known[BENCH_GUESTS_MOST];
};

/* Unused fell by 20 MB: 150 MB more while the host has 1 GB; else back by at most 120 MB a tick,
 * down to 100 MB unused. */
static void student_plan(void *state, const struct mem_sample *s, int64_t *targets)
{
	struct student *st = state;

	for (size_t i = 0; i < s->nguests; i++) {
		const struct mem_guest *g = &s->guests[i];
		int64_t fell = st->unused_kib[i] - g->unused_kib;

		if (!told(g))
			continue;
		if ((st->known[i] && fell >= 20 * MIB) || g->unused_kib < 100 * MIB) {
			if (s->host_available_kib > 1024 * MIB)
				targets[i] = min64(g->actual_kib + 150 * MIB, g->maximum_kib);
		} else if (g->unused_kib > 100 * MIB) {
			targets[i] =
				max64(g->actual_kib - min64(120 * MIB, g->unused_kib - 100 * MIB),
				      BENCH_FLOOR);
		}
		st->unused_kib[i] = g->unused_kib;
		st->known[i] = true;
	}
}

struct bench_rule bench_rules[] = {
	{"ballast", 2, sizeof(struct build), build_begin, ours_plan, build_look_s, ours_finish},
	{"nobody", 2, 1, NULL, nobody_plan, NULL, NULL},
	{"100 MB exchange", 2, 1, NULL, exchange_plan, NULL, NULL},
	{"best student", 2, sizeof(struct student), NULL, student_plan, NULL, NULL},
	{"oVirt MoM", 5, sizeof(struct mom), NULL, mom_plan, NULL, NULL},
	{"Proxmox", 10, 1, NULL, proxmox_plan, NULL, NULL},
	{"Qubes qmemman", 2, 1, NULL, qubes_plan, NULL, NULL},
	{"balloond", 10, 1, NULL, balloond_plan, NULL, NULL},
	{"baseline", 2, sizeof(struct build), build_begin, other_plan, build_look_s, other_finish},
};
/* Without the last, another build's. */
size_t bench_nrules = sizeof(bench_rules) / sizeof(*bench_rules) - 1;

int bench_add_build(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!object)
		return -1;
	*(void **)&other.plan = dlsym(object, "bench_policy_plan");
	*(void **)&other.free = dlsym(object, "bench_policy_free");
	if (!other.plan || !other.free)
		return -1;
	bench_nrules = sizeof(bench_rules) / sizeof(*bench_rules);
	return 0;
}
