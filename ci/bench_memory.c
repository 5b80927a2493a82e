/* SPDX-License-Identifier: MIT */
/* The coordinator's benchmark: its policy and every baseline, side by side on the model of a host.
 */
#include "bench_memory.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How often the model is looked at. */
#define LOOK_S 0.5

/* A load that stands still for so long is constant: its transfers are done. */
#define CONSTANT_S 10.0
#define REVERSAL   (10 * MIB)

/* The host's clock at the start; any will do. */
#define WALL_S 1700000000.0

/* What one run showed. */
struct result {
	double below_s;	 /* Σ over guests: neither unused nor usable reach the reserve */
	double cached_s; /* the same: unused is below it, but page cache could give way */
	double guest_s;	 /* Σ over guests: all of it */
	double oom;
	double host_breach_s;  /* available below the host reserve */
	double grant_breaches; /* ticks after which more was promised than is there */
	double floor_breaches; /* targets below the floor, releases below what is used */
	double serve_s;	       /* mean */
	size_t serves, unserved;
	double release_mib; /* biggest */
	double reversals;
	double sets, noops;
	double constant_sets;
	double jain;
	double beyond_mib; /* held beyond used + 2 reserves, mean per guest */
	double reclaim_s;  /* worst time from a release of load to used + 2 reserves */
	size_t reclaims, unreclaimed;
	double recovered_pct; /* of the memory configured at the start, at the end */
	double plan_us;	      /* mean CPU time of a decision */
};

/* --- random numbers: splitmix64 --- */

static uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

double dice_unit(struct dice *dice)
{
	return (double)(dice_next(dice) >> 11) / 9007199254740992.0;
}

int64_t dice_range(struct dice *dice, int64_t least, int64_t most)
{
	return least + (int64_t)(dice_next(dice) % (uint64_t)(most - least + 1));
}

/* --- one run --- */

struct run {
	const struct scene *scene;
	const struct bench_rule *rule;
	struct model *model;
	struct mem_sample sample;
	struct mem_guest guests[BENCH_GUESTS_MOST];
	double now_s;
	double changed_s[BENCH_GUESTS_MOST]; /* when the guest's load began to change last, or ends
						doing so */
	int direction[BENCH_GUESTS_MOST];    /* of its last set under constant load */
	double step_s[BENCH_GUESTS_MOST];    /* waiting to be served since then; negative: not */
	double freed_s[BENCH_GUESTS_MOST];   /* the same for being reclaimed */
	struct result result;
};

static void on_event(const struct model_event *event, void *opaque)
{
	struct run *r = opaque;

	r->result.oom += event->kind == MODEL_OOM;
}

static int by_time(const void *a, const void *b)
{
	const struct happening *x = a, *y = b;

	return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

static void load(struct run *r, const struct happening *h)
{
	struct model_memory m;
	double seconds = 0;

	model_memory_read(r->model, h->guest, &m);
	if (h->rate_kib_s)
		seconds = fabs((double)h->kib - (double)m.load_kib) / (double)h->rate_kib_s;
	if (h->served)
		r->step_s[h->guest] = r->now_s;
	if ((uint64_t)h->kib + 200 * MIB < m.load_kib)
		r->freed_s[h->guest] = r->now_s + seconds;
	else
		r->freed_s[h->guest] = -1;
	r->changed_s[h->guest] = r->now_s + seconds;
	r->direction[h->guest] = 0;
	model_set_memory_load(r->model, h->guest, (uint64_t)h->kib, (uint64_t)h->rate_kib_s);
}

static void happen(struct run *r, const struct happening *h)
{
	switch (h->verb) {
	case HAPPEN_LOAD:
		load(r, h);
		return;
	case HAPPEN_CACHE:
		model_set_cache_load(r->model, h->guest, (uint64_t)h->kib, (uint64_t)h->rate_kib_s);
		r->changed_s[h->guest] = r->now_s + 60;
		return;
	case HAPPEN_BALLOON:
		model_set_balloon_fault(r->model, h->guest, &h->fault);
		return;
	case HAPPEN_FREEZE:
		model_set_stats_frozen(r->model, h->guest, h->kib != 0);
		return;
	case HAPPEN_PAUSE:
		if (h->kib)
			model_guest_pause(r->model, h->guest);
		else
			model_guest_resume(r->model, h->guest);
		return;
	case HAPPEN_REBOOT:
		model_guest_reboot(r->model, h->guest);
		return;
	case HAPPEN_HOST:
		model_set_host_used(r->model, (uint64_t)h->kib, (uint64_t)h->rate_kib_s);
		return;
	case HAPPEN_OTHERS:
		model_set_balloon(r->model, h->guest, (uint64_t)h->kib);
		return;
	}
}

static void read_guest(struct run *r, unsigned int i)
{
	struct mem_guest *g = &r->guests[i];
	struct model_memory m;
	struct model_stats s;

	model_memory_read(r->model, i, &m);
	model_stats_read(r->model, i, &s);
	*g = (struct mem_guest){
		.managed = true,
		.running = model_guest_state(r->model, i) == MODEL_GUEST_RUNNING,
		.balloon = true,
		.maximum_kib = (int64_t)m.maximum_kib,
		.actual_kib = (int64_t)m.actual_kib,
		.rss_kib = (int64_t)m.rss_kib,
		.unused_kib = MEM_NOT_KNOWN,
		.usable_kib = MEM_NOT_KNOWN,
		.total_kib = MEM_NOT_KNOWN,
		.swap_in_kib = MEM_NOT_KNOWN,
		.swap_out_kib = MEM_NOT_KNOWN,
		.major_faults = MEM_NOT_KNOWN,
	};
	g->uuid[0] = (unsigned char)(i + 1);
	if (s.made_ns == MODEL_NEVER)
		return;
	g->made_s = (int64_t)(WALL_S + (double)s.made_ns / 1e9);
	g->unused_kib = (int64_t)s.unused_kib;
	g->usable_kib = (int64_t)s.usable_kib;
	g->total_kib = (int64_t)s.available_kib;
	g->swap_in_kib = (int64_t)s.swap_in_kib;
	g->swap_out_kib = (int64_t)s.swap_out_kib;
	g->major_faults = (int64_t)s.major_faults;
}

static void read_host(struct run *r)
{
	struct model_host_memory host;

	model_host_memory_read(r->model, &host);
	r->sample.time_s = r->now_s;
	r->sample.wall_s = WALL_S + r->now_s;
	r->sample.host_total_kib = (int64_t)host.total_kib;
	r->sample.host_available_kib = (int64_t)host.available_kib;
	r->sample.nguests = r->scene->nguests;
	r->sample.guests = r->guests;
	for (unsigned int i = 0; i < r->scene->nguests; i++)
		read_guest(r, i);
}

/* What the guest needs to live, as its own kernel sees it. */
static double true_used(const struct model_memory *m)
{
	return (double)m->actual_kib - (double)m->usable_kib;
}

/* One target: counted, judged and set. */
static void set(struct run *r, unsigned int i, int64_t to)
{
	struct result *res = &r->result;
	struct model_memory m;
	int64_t change;

	model_memory_read(r->model, i, &m);
	change = to - (int64_t)m.actual_kib;
	res->sets++;
	if (to == (int64_t)m.target_kib)
		res->noops++;
	if ((double)-change > res->release_mib * MIB)
		res->release_mib = (double)-change / MIB;
	if (to < BENCH_FLOOR || (change < -MIB && (double)to < true_used(&m)))
		res->floor_breaches++;
	if (r->now_s > r->changed_s[i] + CONSTANT_S) {
		int direction = change >= REVERSAL ? 1 : change <= -REVERSAL ? -1 : 0;

		res->constant_sets += r->freed_s[i] < 0;
		res->reversals += direction && direction == -r->direction[i];
		if (direction)
			r->direction[i] = direction;
	}
	model_set_balloon(r->model, i, (uint64_t)to);
}

/* What guests may still take of what they have or are to get. */
static double promised_kib(const struct run *r)
{
	double sum = 0;

	for (unsigned int i = 0; i < r->scene->nguests; i++) {
		struct model_memory m;

		model_memory_read(r->model, i, &m);
		sum += fmax(fmax((double)m.actual_kib, (double)m.target_kib) - (double)m.rss_kib,
			    0);
	}
	return sum;
}

/* After a decision that promised more: is it there? */
static void judge_grants(struct run *r, double before_kib)
{
	double now_kib = promised_kib(r);
	struct model_host_memory host;

	model_host_memory_read(r->model, &host);
	/* A MiB per guest for rounding. */
	r->result.grant_breaches += now_kib > before_kib + 1 &&
				    now_kib > (double)host.available_kib - BENCH_HOST_RESERVE +
						      (double)MIB * (double)r->scene->nguests;
}

static void decide(struct run *r, void *state)
{
	int64_t targets[BENCH_GUESTS_MOST] = {0};
	struct timespec before, after;
	double promised = promised_kib(r);

	read_host(r);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	r->rule->plan(state, &r->sample, targets);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	r->result.plan_us += (double)(after.tv_sec - before.tv_sec) * 1e6 +
			     (double)(after.tv_nsec - before.tv_nsec) / 1e3;
	for (unsigned int i = 0; i < r->scene->nguests; i++) {
		if (targets[i])
			set(r, i, targets[i]);
	}
	judge_grants(r, promised);
}

static void look_at_guest(struct run *r, unsigned int i)
{
	struct result *res = &r->result;
	struct model_memory m;
	double beyond;

	if (!model_guest_ready(r->model, i))
		return;
	model_memory_read(r->model, i, &m);
	res->guest_s += LOOK_S;
	if (m.free_kib < BENCH_RESERVE && m.usable_kib < BENCH_RESERVE)
		res->below_s += LOOK_S;
	else if (m.free_kib < BENCH_RESERVE)
		res->cached_s += LOOK_S;
	beyond = (double)m.usable_kib - 2.0 * BENCH_RESERVE;
	res->beyond_mib += fmax(beyond, 0) / MIB * LOOK_S;
	if (r->step_s[i] >= 0 && m.free_kib >= BENCH_RESERVE && m.swapped_kib < MIB) {
		res->serve_s += r->now_s - r->step_s[i];
		res->serves++;
		r->step_s[i] = -1;
	}
	/* 2 MiB: what a guest's use wanders by. */
	if (r->freed_s[i] >= 0 && beyond <= 2 * MIB) {
		res->reclaim_s = fmax(res->reclaim_s, r->now_s - r->freed_s[i]);
		res->reclaims++;
		r->freed_s[i] = -1;
	}
}

static void look(struct run *r)
{
	struct model_host_memory host;

	for (unsigned int i = 0; i < r->scene->nguests; i++)
		look_at_guest(r, i);
	model_host_memory_read(r->model, &host);
	if (host.available_kib < BENCH_HOST_RESERVE)
		r->result.host_breach_s += LOOK_S;
}

/* Of what each guest wants beyond its reserve, how equally is it given? */
static void judge_end(struct run *r)
{
	double sum = 0, squares = 0, size = 0, initial = 0;
	size_t n = r->scene->nguests;

	for (unsigned int i = 0; i < n; i++) {
		struct model_memory m;
		double share;

		model_memory_read(r->model, i, &m);
		share = (double)m.actual_kib /
			(true_used(&m) + (double)m.swapped_kib + (double)BENCH_RESERVE);
		share = fmin(share, 1);
		sum += share;
		squares += share * share;
		size += (double)m.actual_kib;
		initial += (double)r->scene->guests[i].memory_kib;
		r->result.unserved += r->step_s[i] >= 0;
		r->result.unreclaimed += r->freed_s[i] >= 0;
	}
	r->result.jain = sum * sum / ((double)n * squares);
	r->result.recovered_pct = 100 * (1 - size / initial);
}

static struct model *build(const struct scene *scene)
{
	struct model *m = model_new(&scene->host);

	for (size_t i = 0; m && i < scene->nguests; i++) {
		int id = model_guest_add(m, &scene->guests[i]);

		if (id != (int)i || model_guest_start(m, (unsigned int)id, true))
			return NULL;
		model_set_stats_period(m, (unsigned int)id, 1);
	}
	return m;
}

static struct result run(struct scene *scene, const struct bench_rule *rule, uint64_t seed)
{
	struct run *r = calloc(1, sizeof(*r));
	void *state = calloc(1, rule->state_size);
	double decide_s = 0.7, look_s = 0; /* at no special moment of the guests' statistics */
	size_t next = 0, decisions = 0;
	struct result result;

	scene->host.seed = seed;
	qsort(scene->happenings, scene->nhappenings, sizeof(*scene->happenings), by_time);
	if (!r || !state)
		abort();
	r->scene = scene;
	r->rule = rule;
	r->model = build(scene);
	if (!r->model) {
		perror("bench_memory: model");
		exit(1);
	}
	model_on_event(r->model, on_event, r);
	for (size_t i = 0; i < BENCH_GUESTS_MOST; i++)
		r->step_s[i] = r->freed_s[i] = -1;
	while (r->now_s < scene->length_s) {
		double until = fmin(fmin(decide_s, look_s), scene->length_s);

		if (next < scene->nhappenings)
			until = fmin(until, scene->happenings[next].at_s);
		model_advance(r->model, (uint64_t)(until * 1e9));
		r->now_s = until;
		while (next < scene->nhappenings && scene->happenings[next].at_s <= until)
			happen(r, &scene->happenings[next++]);
		if (look_s <= until) {
			look(r);
			look_s += LOOK_S;
		}
		if (decide_s <= until) {
			decide(r, state);
			decide_s += rule->interval_s;
			decisions++;
		}
	}
	judge_end(r);
	result = r->result;
	result.plan_us /= (double)decisions;
	if (rule->finish)
		rule->finish(state);
	model_free(r->model);
	free(state);
	free(r);
	return result;
}

/* --- many runs --- */

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void add(struct result *sum, const struct result *one)
{
	sum->below_s += one->below_s;
	sum->cached_s += one->cached_s;
	sum->guest_s += one->guest_s;
	sum->oom += one->oom;
	sum->host_breach_s += one->host_breach_s;
	sum->grant_breaches += one->grant_breaches;
	sum->floor_breaches += one->floor_breaches;
	sum->serve_s += one->serve_s;
	sum->serves += one->serves;
	sum->unserved += one->unserved;
	sum->release_mib = larger(sum->release_mib, one->release_mib);
	sum->reversals += one->reversals;
	sum->sets += one->sets;
	sum->noops += one->noops;
	sum->constant_sets += one->constant_sets;
	sum->jain += one->jain;
	sum->beyond_mib += one->beyond_mib;
	sum->reclaim_s = larger(sum->reclaim_s, one->reclaim_s);
	sum->reclaims += one->reclaims;
	sum->unreclaimed += one->unreclaimed;
	sum->recovered_pct += one->recovered_pct;
	sum->plan_us += one->plan_us;
}

static struct result run_case(const struct bench_case *c, const struct bench_rule *rule,
			      unsigned int seeds)
{
	struct result sum = {0};

	for (unsigned int seed = 1; seed <= seeds; seed++) {
		struct dice dice = {.state = seed};
		struct scene *scene = calloc(1, sizeof(*scene));
		struct result one;

		if (!scene)
			abort();
		c->draw(scene, &dice);
		one = run(scene, rule, seed);
		add(&sum, &one);
		free(scene->happenings);
		free(scene);
	}
	return sum;
}

static void print_case(const struct bench_case *c, const char *only)
{
	printf("\n%s: %s (%u runs; sums and means per run)\n", c->name, c->title, c->seeds);
	printf("%-16s %8s %7s %7s %4s %7s %6s %6s %6s %8s %5s %6s %6s %6s %6s %7s %6s %6s %6s\n",
	       "", "below s", "above %", "cache s", "oom", "host s", "over", "floor", "step s",
	       "release", "rev", "sets", "no-op", "const", "jain", "held MB", "got %", "back s",
	       "us");
	for (size_t i = 0; i < bench_nrules; i++) {
		struct result r;
		double n = c->seeds;
		char serve[16] = "-", back[16] = "-", jain[16] = "-";

		if (only && strcmp(only, bench_rules[i].name))
			continue;
		r = run_case(c, &bench_rules[i], c->seeds);
		if (r.serves || r.unserved)
			snprintf(serve, sizeof(serve), r.unserved ? "never" : "%.1f",
				 r.serve_s / (double)(r.serves ? r.serves : 1));
		if (r.reclaims || r.unreclaimed)
			snprintf(back, sizeof(back), r.unreclaimed ? "never" : "%.0f", r.reclaim_s);
		if (c->shortage)
			snprintf(jain, sizeof(jain), "%.3f", r.jain / n);
		printf("%-16s %8.1f %7.2f %7.1f %4.1f %7.1f %6.1f %6.1f %6s %8.0f %5.1f %6.0f "
		       "%6.0f %6.1f "
		       "%6s %7.0f %6.0f %6s %6.1f\n",
		       bench_rules[i].name, r.below_s / n, 100 * (1 - r.below_s / r.guest_s),
		       r.cached_s / n, r.oom / n, r.host_breach_s / n, r.grant_breaches / n,
		       r.floor_breaches / n, serve, r.release_mib, r.reversals / n, r.sets / n,
		       r.noops / n, r.constant_sets / n, jain, r.beyond_mib / r.guest_s,
		       r.recovered_pct / n, back, r.plan_us / n);
		fflush(stdout);
	}
}

static const char legend[] =
	"below s: guests' seconds with less than 100 MB unused or usable; above %: the rest of the "
	"time;\n"
	"cache s: seconds with less than 100 MB unused, but page cache that could give way;\n"
	"host s: seconds with less than 200 MB available; over: decisions that promised more than "
	"there is;\n"
	"floor: targets below 200 MB or below what is used; step s: until a step is served;\n"
	"release: biggest, MB; rev: reversals of 10 MB or more under constant demand; const: sets "
	"then;\n"
	"held MB: beyond used + 200 MB, per guest; got %: of the sizes at the start, at the end; "
	"back s: until freed memory is back; us: CPU per decision\n";

/* Ours against everything at random. */
static int run_random(unsigned int runs)
{
	const struct bench_case c = {"random", "everything at random, faults included", runs, false,
				     draw_random};
	struct result r = run_case(&c, &bench_rules[0], runs);

	printf("random: %u runs with faults: %.0f decisions that promised more than there is, "
	       "%.0f targets below a floor or below what is used\n",
	       runs, r.grant_breaches, r.floor_breaches);
	return r.grant_breaches + r.floor_breaches > 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"case", required_argument, NULL, 'c'},
		{"rule", required_argument, NULL, 'r'},
		{"random", required_argument, NULL, 'R'},
		{NULL, 0, NULL, 0},
	};
	const char *only_case = NULL, *only_rule = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'c')
			only_case = optarg;
		else if (option == 'r')
			only_rule = optarg;
		else if (option == 'R')
			return run_random((unsigned int)strtoul(optarg, NULL, 10));
		else
			return 2;
	}
	printf("memory coordinators side by side, interval 2 s where a rule does not say its "
	       "own\n%s",
	       legend);
	for (size_t i = 0; i < bench_ncases; i++) {
		if (!only_case || !strcmp(only_case, bench_cases[i].name))
			print_case(&bench_cases[i], only_rule);
	}
	return 0;
}
