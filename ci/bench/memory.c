/* SPDX-License-Identifier: MIT */
/* The coordinator's benchmark: its policy and every baseline, side by side on the model of a host.
 */
#include "memory.h"

#include <dlfcn.h>
#include <getopt.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How often the model is looked at. */
#define LOOK_S 0.5

/* A load that stands still for so long is constant; after this its guest has come to rest, even if
 * it had everything and gives it back. */
#define CONSTANT_S 10.0
#define SETTLED_S  60.0
#define REVERSAL   (10 * MIB)

/* The host's clock at the start; any will do. */
#define WALL_S 1700000000.0

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
	unsigned int places[BENCH_GUESTS_MOST]; /* [position in the sample] guest */
	double now_s;
	double changed_s[BENCH_GUESTS_MOST]; /* when the guest's load began to change last, or ends
						doing so */
	int direction[BENCH_GUESTS_MOST];    /* of its last set under constant load */
	double step_s[BENCH_GUESTS_MOST];    /* waiting to be served since then; negative: not */
	double freed_s[BENCH_GUESTS_MOST];   /* the same for being reclaimed */
	bool dead[BENCH_GUESTS_MOST];	     /* its load was killed and no other has come since */
	double pinched_s; /* when the host last had not enough for all to be at rest */
	struct bench_result result;
};

static void on_event(const struct model_event *event, void *opaque)
{
	struct run *r = opaque;

	if (event->kind == MODEL_OOM && r->result.oom == 0 && r->result.crashed == 0) {
		struct model_host_memory host;

		model_host_memory_read(r->model, &host);
		r->result.first_pct = 100 * ((double)host.available_kib - BENCH_HOST_RESERVE) /
				      (double)host.total_kib;
	}
	if (event->kind == MODEL_OOM || event->kind == MODEL_CRASHED)
		r->dead[event->guest] = true;
	r->result.oom += event->kind == MODEL_OOM;
	r->result.crashed += event->kind == MODEL_CRASHED;
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
	r->dead[h->guest] = false;
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
	case HAPPEN_STOP:
		model_guest_stop(r->model, h->guest);
		return;
	case HAPPEN_START:
		model_guest_start(r->model, h->guest, false);
		model_set_stats_period(r->model, h->guest, 1);
		r->changed_s[h->guest] = r->now_s + SETTLED_S;
		return;
	case HAPPEN_HOST:
		model_set_host_used(r->model, (uint64_t)h->kib, (uint64_t)h->rate_kib_s);
		return;
	case HAPPEN_OTHERS:
		model_set_balloon(r->model, h->guest, (uint64_t)h->kib);
		return;
	}
}

static void read_guest(struct run *r, unsigned int i, struct mem_guest *g)
{
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

static bool on(const struct run *r, unsigned int i)
{
	enum model_state state = model_guest_state(r->model, i);

	return state == MODEL_GUEST_RUNNING || state == MODEL_GUEST_PAUSED;
}

static void read_host(struct run *r)
{
	struct model_host_memory host;

	model_host_memory_read(r->model, &host);
	r->sample.time_s = r->now_s;
	r->sample.wall_s = WALL_S + r->now_s;
	r->sample.host_total_kib = (int64_t)host.total_kib;
	r->sample.host_available_kib = (int64_t)host.available_kib;
	r->sample.nguests = 0;
	r->sample.guests = r->guests;
	for (unsigned int i = 0; i < r->scene->nguests; i++) {
		if (!on(r, i))
			continue;
		r->places[r->sample.nguests] = i;
		read_guest(r, i, &r->guests[r->sample.nguests++]);
	}
}

/* What the guest needs to live, as its own kernel sees it. */
static double true_used(const struct model_memory *m)
{
	return (double)m->actual_kib - (double)m->usable_kib;
}

/* One target: counted, judged and set. */
static void set(struct run *r, unsigned int i, int64_t to)
{
	struct bench_result *res = &r->result;
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
	/* Where all cannot be at rest, what one guest gets depends on the others' demand. */
	if (r->now_s > r->changed_s[i] + CONSTANT_S && r->now_s > r->pinched_s + SETTLED_S) {
		int direction = change >= REVERSAL ? 1 : change <= -REVERSAL ? -1 : 0;

		res->constant_sets += r->now_s > r->changed_s[i] + SETTLED_S;
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

		if (!on(r, i))
			continue;
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

/* Has the host what all guests use, two reserves each, and its own? */
static bool enough_for_all(const struct run *r)
{
	struct model_host_memory host;
	double missing = BENCH_HOST_RESERVE;

	model_host_memory_read(r->model, &host);
	for (unsigned int i = 0; i < r->scene->nguests; i++) {
		struct model_memory m;

		if (!on(r, i))
			continue;
		model_memory_read(r->model, i, &m);
		missing += true_used(&m) + (double)m.swapped_kib + 2 * BENCH_RESERVE -
			   ((double)m.actual_kib - (double)m.free_kib);
	}
	return missing <= (double)host.available_kib;
}

static void decide(struct run *r, void *state)
{
	int64_t targets[BENCH_GUESTS_MOST] = {0};
	struct timespec before, after;
	double promised = promised_kib(r);

	if (!enough_for_all(r))
		r->pinched_s = r->now_s;
	read_host(r);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	r->rule->plan(state, &r->sample, targets);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	r->result.plan_us += (double)(after.tv_sec - before.tv_sec) * 1e6 +
			     (double)(after.tv_nsec - before.tv_nsec) / 1e3;
	for (size_t i = 0; i < r->sample.nguests; i++) {
		if (targets[i])
			set(r, r->places[i], targets[i]);
	}
	judge_grants(r, promised);
}

static void look_at_guest(struct run *r, unsigned int i)
{
	struct bench_result *res = &r->result;
	struct model_memory m;
	double beyond;

	res->dead_s += r->dead[i] ? LOOK_S : 0;
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
		res->serve_most_s = fmax(res->serve_most_s, r->now_s - r->step_s[i]);
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

static struct bench_result run(struct scene *scene, const struct bench_rule *rule, uint64_t seed)
{
	struct run *r = calloc(1, sizeof(*r));
	void *state = calloc(1, rule->state_size);
	/* At no special moment of the guests' statistics. */
	double decide_s = 0.7, due_s = decide_s, look_s = 0;
	double interval_s = rule->interval_s;
	size_t next = 0, decisions = 0;
	struct bench_result result;

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
	r->pinched_s = -SETTLED_S;
	if (interval_s == BENCH_INTERVAL_S && scene->interval_s > 0)
		interval_s = scene->interval_s;
	if (rule->begin)
		rule->begin(state, interval_s);
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
			due_s += decide_s >= due_s ? interval_s : 0;
			decide_s =
				fmin(due_s, rule->look_s ? decide_s + rule->look_s(state) : due_s);
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

static void add(struct bench_result *sum, const struct bench_result *one)
{
	sum->below_s += one->below_s;
	sum->cached_s += one->cached_s;
	sum->dead_s += one->dead_s;
	sum->guest_s += one->guest_s;
	sum->oom += one->oom;
	sum->crashed += one->crashed;
	sum->limit += one->limit;
	sum->runs_worse += one->oom > one->limit + 1;
	sum->first_pct = larger(sum->first_pct, one->first_pct);
	sum->host_breach_s += one->host_breach_s;
	sum->grant_breaches += one->grant_breaches;
	sum->floor_breaches += one->floor_breaches;
	sum->serve_s += one->serve_s;
	sum->serve_most_s = larger(sum->serve_most_s, one->serve_most_s);
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

/* The kills that a plan which knows everything could not avoid; the scene has been run, so its
 * happenings are in order. */
static double limit_of(const struct scene *scene)
{
	struct model *m = build(scene);
	double kills = m ? clairvoyant_kills(scene, m) : 0;

	model_free(m);
	return kills;
}

static struct bench_result run_seed(const struct bench_case *c, const struct bench_rule *rule,
				    unsigned int seed)
{
	struct dice dice = {.state = seed};
	struct scene *scene = calloc(1, sizeof(*scene));
	struct bench_result one;

	if (!scene)
		abort();
	c->draw(scene, &dice);
	one = run(scene, rule, seed);
	one.limit = limit_of(scene);
	free(scene->happenings);
	free(scene);
	return one;
}

static struct bench_result run_case(const struct bench_case *c, const struct bench_rule *rule)
{
	struct bench_result sum = {.runs = c->seeds};

	for (unsigned int seed = 1; seed <= c->seeds; seed++) {
		struct bench_result one = run_seed(c, rule, seed);

		add(&sum, &one);
	}
	return sum;
}

/* --- all of them, on all CPUs --- */

struct jobs {
	atomic_size_t taken;
	struct bench_result results[]; /* [case][rule] */
};

/* The last cases are the longest: they are begun first. */
static void work(struct jobs *jobs, const bool *wanted)
{
	const size_t n = bench_ncases * bench_nrules;

	for (size_t taken = jobs->taken++; taken < n; taken = jobs->taken++) {
		size_t job = n - 1 - taken;

		if (wanted[job])
			jobs->results[job] = run_case(&bench_cases[job / bench_nrules],
						      &bench_rules[job % bench_nrules]);
	}
}

/* Results of all cases by all rules; but for those that are wanted, zeroed. */
static const struct bench_result *run_all(const bool *wanted)
{
	const size_t n = bench_ncases * bench_nrules;
	struct jobs *jobs = mmap(NULL, sizeof(*jobs) + n * sizeof(*jobs->results),
				 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;

	if (jobs == MAP_FAILED)
		return NULL;
	for (long cpu = get_nprocs(); cpu > 1; cpu--) {
		if (fork() == 0) {
			work(jobs, wanted);
			_exit(0);
		}
	}
	work(jobs, wanted);
	while (wait(&status) > 0) {
		if (status != 0)
			return NULL;
	}
	return jobs->results;
}

/* Ours against everything at random. */
static int run_random(unsigned int runs)
{
	const struct bench_case c = {"random", "", runs, draw_random, BENCH_PINCHED};
	struct bench_result r = run_case(&c, &bench_rules[0]);

	printf("random: %u runs with faults: %.0f targets below a floor or below what is used\n",
	       runs, r.floor_breaches);
	return r.floor_breaches > 0;
}

/* A rule against bursts: the host keeps its reserve. Names the seeds of runs in which it did not.
 */
static int run_bursts(const struct bench_rule *rule, unsigned int first, unsigned int runs)
{
	const struct bench_case c = {"bursts", "", 1, draw_bursts, BENCH_PINCHED};
	double breach_s = 0, kills = 0, limit = 0;
	unsigned int broken = 0;

	for (unsigned int seed = first; seed < first + runs; seed++) {
		struct bench_result r = run_seed(&c, rule, seed);

		kills += r.oom;
		limit += r.limit;
		if (r.host_breach_s <= 0)
			continue;
		broken++;
		breach_s += r.host_breach_s;
		printf("bursts: seed %u: host below its reserve for %.1f s\n", seed,
		       r.host_breach_s);
	}
	printf("bursts: %u runs: host below its reserve in %u of them, for %.1f s in all; %.0f "
	       "loads "
	       "killed, %.0f by a plan that knows all\n",
	       runs, broken, breach_s, kills, limit);
	return broken > 0;
}

/* What is asked of a run that cannot do without kills. */
#define FIRST_PCT 5.0

/*
 * A rule in shortages, beside no coordinator and a plan that knows all. Names the seeds of runs in
 * which it was worse than it has to be.
 */
static int run_shortages(const struct bench_rule *rule, unsigned int first, unsigned int runs)
{
	const struct bench_case c = {"shortages", "", 1, draw_shortages, BENCH_SHORTAGE};
	double kills = 0, limit = 0, nobodys = 0, most_pct = 0;
	unsigned int broken = 0, worse = 0, than_nobody = 0, early = 0;

	for (unsigned int seed = first; seed < first + runs; seed++) {
		struct bench_result r = run_seed(&c, rule, seed);
		struct bench_result nobody = run_seed(&c, &bench_rules[1], seed);
		bool more = r.oom > r.limit + 1, bad = r.oom > nobody.oom;

		kills += r.oom;
		limit += r.limit;
		nobodys += nobody.oom;
		worse += more;
		than_nobody += bad;
		early += r.first_pct > FIRST_PCT;
		broken += r.host_breach_s > 0;
		most_pct = fmax(most_pct, r.first_pct);
		if (more || bad || r.first_pct > FIRST_PCT || r.host_breach_s > 0)
			printf("shortages: seed %u: %.0f loads killed, %.0f by a plan that knows "
			       "all, %.0f "
			       "with nobody; %.1f %% left at the first; host below its reserve for "
			       "%.1f s\n",
			       seed, r.oom, r.limit, nobody.oom, r.first_pct, r.host_breach_s);
	}
	printf("shortages: %u runs: %.0f loads killed, %.0f by a plan that knows all, %.0f with "
	       "nobody; more than one beyond that plan's in %u runs, more than with nobody in %u; "
	       "at most %.1f %% left at a first kill, over %.0f %% in %u; host below its reserve "
	       "in %u\n",
	       runs, kills, limit, nobodys, worse, than_nobody, most_pct, FIRST_PCT, early, broken);
	return than_nobody || broken;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"case", required_argument, NULL, 'c'},
		{"rule", required_argument, NULL, 'r'},
		{"random", required_argument, NULL, 'R'},
		{"bursts", required_argument, NULL, 'B'},
		{"shortages", required_argument, NULL, 'S'},
		{"first", required_argument, NULL, 'f'},
		{"baseline", required_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	const char *only_case = NULL, *only_rule = NULL;
	const struct bench_result *results;
	unsigned int bursts = 0, shortages = 0, first = 1;
	bool *wanted;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'c')
			only_case = optarg;
		else if (option == 'r')
			only_rule = optarg;
		else if (option == 'R')
			return run_random((unsigned int)strtoul(optarg, NULL, 10));
		else if (option == 'B')
			bursts = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'S')
			shortages = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'f')
			first = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option != 'b')
			return 2;
		else if (bench_add_build(optarg)) {
			fprintf(stderr, "bench_memory: --baseline %s: %s\n", optarg, dlerror());
			return 2;
		}
	}
	for (size_t i = 0; (bursts || shortages) && i < bench_nrules; i++) {
		if (only_rule && strcmp(only_rule, bench_rules[i].name) != 0)
			continue;
		return bursts ? run_bursts(&bench_rules[i], first, bursts)
			      : run_shortages(&bench_rules[i], first, shortages);
	}
	wanted = calloc(bench_ncases * bench_nrules, sizeof(*wanted));
	for (size_t i = 0; wanted && i < bench_ncases * bench_nrules; i++)
		wanted[i] =
			(!only_case || !strcmp(only_case, bench_cases[i / bench_nrules].name)) &&
			(!only_rule || !strcmp(only_rule, bench_rules[i % bench_nrules].name));
	results = wanted ? run_all(wanted) : NULL;
	if (!results) {
		perror("bench_memory");
		return 3;
	}
	table_print(results);
	if (!only_case && !only_rule) {
		table_print_kills(results);
		table_print_need(results);
		table_print_bounds(results);
	}
	free(wanted);
	return 0;
}
