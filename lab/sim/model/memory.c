/* SPDX-License-Identifier: MIT */
/* Guests' memory: what their kernels do under pressure, their balloons and the statistics they
 * tell. */
#include "priv.h"

#include <errno.h>
#include <math.h>

#define MIB 1024.0 /* KiB */

/*
 * A guest's kernel, KiB. Transparent huge pages make Linux keep 45 MiB (or a twentieth) in
 * min_free_kbytes: allocations fail a little above it, reclaim runs from 1.25 to 1.5 times it. So
 * unused bottoms out at 50–70 MB.
 */
#define MIN_FREE_MOST (45 * MIB)
#define MIN_FREE_PART 20
#define LEAST_FACTOR  1.1
#define LOW_FACTOR    1.25
#define HIGH_FACTOR   1.5
/* struct page takes 64 bytes of each 4 KiB up to the maximum; MemTotal lacks 37 MiB beside them. */
#define PAGE_STRUCTS 64
#define KERNEL	     (37.2 * MIB)
/* Slab, agent, init and the files of the initramfs: 68.7 to 68.9 MiB in micro guests. */
#define BASE_LEAST (68 * MIB)
#define BASE_RANGE (1.5 * MIB)
#define BASE_FILES (19 * MIB) /* of it: counted as page cache, but cannot be reclaimed */
/*
 * What comes and goes of it, in pages. A guest at work: 0.7 MiB either way, now and then. An idle
 * one: the same to the page again and again, but for a few pages when something of its own wakes.
 */
#define WORK_NOISE	  (0.7 * MIB)
#define WORK_NOISE_CHANCE 0.1 /* per step */
#define WORK_NOISE_STEPS  10
#define IDLE_NOISE_CHANCE 0.01
#define IDLE_NOISE_STAY	  0.5 /* else back to what it always is */
#define IDLE_NOISE_PAGES  64
/* What MemAvailable leaves out beside the high marks: the reserve of the lowest zone less half the
 * slab. */
#define LOWMEM_RESERVE (1.5 * MIB)

/* QEMU's own memory beside the guest's, under TCG (half of it translated code): rss is 281 to
 * 282 MiB with an idle guest's 138 and the fragments. */
#define PROCESS_LEAST (133 * MIB)
#define PROCESS_RANGE (2 * MIB)

#define TOUCH_KIB_S    (1024 * MIB) /* how fast a load touches pages when it has no rate */
#define SWAP_IN_KIB_S  (20 * MIB)   /* 4 KiB faults */
#define OOM_PATIENCE_S 0.15	    /* a kernel without progress gives up within a few tenths */
#define RETRY_NS       200000000ULL /* virtio_balloon: msleep(200) when the guest gives no page */
#define RETRY_KIB      MIB	    /* it asks for 256 pages at a time */
/*
 * Free page reporting looks every 2 s and returns so much and no more
 * (measured: 256 MiB every 2 s); fragments stay.
 */
#define REPORT_S     1
#define REPORT_KIB_S (128 * MIB)
#define FRAGMENTS    (10 * MIB)
#define TELL_NS	     MODEL_NS_PER_S /* QEMU's limit on BALLOON_CHANGE */

#define PAGE_KIB 4
/*
 * A guest's answer to QEMU's timer: an interrupt, its driver's worker, and QEMU's loop; and before
 * it the turns of whoever else wants its first vCPU's pCPU.
 */
#define ANSWER_LEAST_NS 1e6
#define ANSWER_RANGE_NS 4e6
#define TURN_NS		4e6
#define TURNS_MOST	25

/* --- layout --- */

static double memory_used(const struct memory *mem)
{
	return mem->overhead + mem->base + mem->base_noise + mem->anon + mem->cache;
}

double memory_free(const struct memory *mem)
{
	return fmax(0, mem->actual - memory_used(mem));
}

/* MemAvailable as Linux reckons: what is above its reserves, and the page cache but for half of it
 * or the low mark. */
static double memory_usable(const struct memory *mem)
{
	double cache = mem->cache - fmin(mem->cache / 2, mem->free_low);

	return fmax(0, memory_free(mem) - mem->free_high - LOWMEM_RESERVE + cache);
}

double memory_rss(const struct guest *g)
{
	const struct memory *mem = &g->memory;

	if (g->state != MODEL_GUEST_RUNNING && g->state != MODEL_GUEST_PAUSED)
		return 0;
	return mem->process + memory_used(mem) + mem->dirty - mem->host_swapped;
}

/* Pages of the guest: what a kernel counts in. */
static uint64_t pages(double kib)
{
	return (uint64_t)fmax(0, kib) / PAGE_KIB * PAGE_KIB;
}

/* A size as QEMU can set it: whole pages below the maximum. */
static double balloon_pages(const struct memory *mem, double kib)
{
	return mem->maximum - floor((mem->maximum - kib) / PAGE_KIB) * PAGE_KIB;
}

/* The guest has a driver for the balloon, whatever that does. */
static bool has_driver(const struct guest *g)
{
	return g->booted && !g->memory.no_balloon && !g->memory.fault.no_driver;
}

void memory_init(struct model *m, struct guest *g, const struct model_guest_config *config)
{
	struct memory *mem = &g->memory;
	double maximum = (double)config->maximum_kib,
	       min_free = fmin(MIN_FREE_MOST, maximum / MIN_FREE_PART);

	mem->rng = rng_seed(m->config.seed, (g->id + 1ULL) << 32 | UINT32_MAX);
	mem->stats_rng = rng_seed(m->config.seed, (g->id + 1ULL) << 32 | (UINT32_MAX - 1));
	mem->maximum = maximum;
	mem->initial = balloon_pages(mem, (double)config->memory_kib);
	mem->overhead = maximum / PAGE_STRUCTS + KERNEL;
	mem->base = BASE_LEAST + BASE_RANGE * rng_unit(&mem->rng);
	mem->process = PROCESS_LEAST + PROCESS_RANGE * rng_unit(&mem->rng);
	mem->free_least = min_free * LEAST_FACTOR;
	mem->free_low = min_free * LOW_FACTOR;
	mem->free_high = min_free * HIGH_FACTOR;
	mem->swap_size = (double)config->swap_kib;
	mem->no_balloon = config->no_balloon;
	mem->stats.made_ns = MODEL_NEVER;
}

/* What a fresh kernel has. */
static void memory_boot(struct memory *mem)
{
	mem->anon = mem->anon_goal = mem->anon_rate = 0;
	mem->loaded = false;
	mem->work_ns = 0;
	mem->cache = 0;
	mem->cache_growing = false;
	mem->swapped = mem->swap_in = mem->swap_out = 0;
	mem->major_faults = mem->minor_faults = 0;
	mem->starved_s = mem->starving_s = 0;
	mem->oom_kills = 0;
	mem->retry_ns = 0;
	mem->actual = mem->maximum;
}

void memory_start(struct model *m, struct guest *g, bool booted)
{
	struct memory *mem = &g->memory;

	memory_boot(mem);
	mem->target = mem->initial;
	mem->base_noise = mem->host_swapped = 0;
	mem->dirty = FRAGMENTS;
	if (has_driver(g))
		mem->actual =
			fmin(mem->maximum, fmax(mem->initial, memory_used(mem) + mem->free_least));
	mem->shown = mem->way_start = mem->actual;
	mem->period_s = 0;
	mem->stats_frozen = false;
	mem->stats = (struct model_stats){.made_ns = MODEL_NEVER};
	mem->stats_since_ns = m->now_ns;
	mem->up_since_ns = booted ? m->now_ns : MODEL_NEVER;
	mem->told_kib = mem->shown;
	mem->told_ns = 0;
	if (booted)
		memory_ready(m, g);
}

/*
 * The new kernel has all of the memory until its driver takes some; QEMU goes on telling the size
 * and the statistics of the old one.
 */
void memory_reboot(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;

	memory_sync(m, g);
	mem->dirty += mem->anon + mem->cache;
	memory_boot(mem);
	mem->way_start = mem->actual;
}

/* --- CPU time --- */

static void work(struct memory *mem, double kib, uint64_t ns_mib)
{
	mem->work_ns += kib / MIB * (double)ns_mib;
}

void model_spend(struct model *m, unsigned int guest, uint64_t ns)
{
	m->guests[guest]->memory.work_ns += (double)ns;
}

double memory_cpu(const struct model *m, struct memory *mem, double most)
{
	double load = mem->loaded ? m->config.memory_load_pct / 100 : 0, moving;

	moving = fmax(0, fmin(mem->work_ns / MODEL_STEP_NS, most - load));
	mem->work_ns -= moving * MODEL_STEP_NS;
	return load + moving;
}

/* --- the guest's kernel --- */

static void give_free(struct memory *mem, double kib)
{
	mem->dirty += kib;
}

static double reclaim_cache(struct memory *mem, double kib)
{
	double got = fmin(kib, mem->cache);

	if (got <= 0)
		return 0;
	mem->cache -= got;
	give_free(mem, got);
	return got;
}

static double swap_out(struct memory *mem, double kib)
{
	double got = fmin(kib, fmin(mem->anon, mem->swap_size - mem->swapped));

	if (got <= 0)
		return 0;
	mem->anon -= got;
	mem->swapped += got;
	mem->swap_out += got;
	give_free(mem, got);
	return got;
}

/* How much of kib can be had; makes room for it: first the page cache, then swap. Freed pages are
 * used first. */
static double take_free(struct memory *mem, double kib)
{
	double room = memory_free(mem) - mem->free_least, got;

	if (kib > room)
		room += reclaim_cache(mem, kib - room);
	if (kib > room)
		room += swap_out(mem, kib - room);
	got = fmax(0, fmin(kib, room));
	mem->dirty = fmax(0, mem->dirty - got);
	return got;
}

/* kswapd: below the low mark, up to the high one. */
static void reclaim(struct memory *mem)
{
	double missing = mem->free_high - memory_free(mem);

	if (memory_free(mem) >= mem->free_low)
		return;
	missing -= reclaim_cache(mem, missing);
	if (missing > 0)
		swap_out(mem, missing);
}

/* Pages come back when touched; under lasting pressure others take their place. */
static void swap_in(struct memory *mem)
{
	double kib = fmin(mem->swapped, SWAP_IN_KIB_S * MODEL_STEP_S), got;

	if (kib <= 0)
		return;
	got = take_free(mem, kib);
	got = fmin(got, mem->swapped);
	mem->swapped -= got;
	mem->anon += got;
	mem->swap_in += got;
	mem->major_faults += got / 4;
}

/* --- loads --- */

static void oom_kill(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;
	double held = mem->anon + mem->swapped;

	give_free(mem, mem->anon);
	mem->anon = mem->anon_goal = mem->swapped = 0;
	mem->starving_s = 0;
	mem->oom_kills++;
	model_emit(m, MODEL_OOM, g, held);
}

static void load_shrink(const struct model *m, struct memory *mem, double kib)
{
	double swapped = fmin(kib, mem->swapped), resident = fmin(kib - swapped, mem->anon);

	mem->swapped -= swapped;
	mem->anon -= resident;
	give_free(mem, resident);
	work(mem, resident, m->config.free_ns_mib);
}

static void load_step(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;
	double missing = mem->anon_goal - mem->anon - mem->swapped, want, got;

	if (missing < 0)
		load_shrink(m, mem,
			    mem->anon_rate > 0 ? fmin(-missing, mem->anon_rate * MODEL_STEP_S)
					       : -missing);
	if (missing <= 0)
		return;
	want = fmin(missing, (mem->anon_rate > 0 ? mem->anon_rate : TOUCH_KIB_S) * MODEL_STEP_S);
	got = take_free(mem, want);
	mem->anon += got;
	mem->minor_faults += got / 4;
	work(mem, got, m->config.touch_ns_mib);
	if (got >= want) {
		mem->starving_s = 0;
		return;
	}
	mem->starved_s += MODEL_STEP_S * (1 - got / want);
	mem->starving_s += MODEL_STEP_S;
	if (mem->starving_s > OOM_PATIENCE_S)
		oom_kill(m, g);
}

/* Reading files takes what is free, not what others hold. */
static void cache_step(struct memory *mem)
{
	double rate = mem->cache_rate > 0 ? mem->cache_rate : TOUCH_KIB_S, got;

	if (!mem->cache_growing)
		return;
	got = fmin(mem->cache_goal - mem->cache, rate * MODEL_STEP_S);
	got = fmax(0, fmin(got, memory_free(mem) - mem->free_high));
	mem->cache += got;
	mem->dirty = fmax(0, mem->dirty - got);
	mem->cache_growing = mem->cache < mem->cache_goal;
}

void model_set_memory_load(struct model *m, unsigned int guest, uint64_t kib, uint64_t rate_kib_s)
{
	struct memory *mem = &m->guests[guest]->memory;

	mem->loaded = true;
	mem->anon_goal = (double)kib;
	mem->anon_rate = (double)rate_kib_s;
	mem->starved_s = mem->starving_s = 0;
}

void model_end_memory_load(struct model *m, unsigned int guest)
{
	model_set_memory_load(m, guest, 0, 0);
	m->guests[guest]->memory.loaded = false;
}

void model_set_cache_load(struct model *m, unsigned int guest, uint64_t kib, uint64_t rate_kib_s)
{
	struct memory *mem = &m->guests[guest]->memory;

	memory_sync(m, m->guests[guest]);
	mem->cache_goal = (double)kib;
	mem->cache_rate = (double)rate_kib_s;
	mem->cache_growing = mem->cache < mem->cache_goal;
	reclaim_cache(mem, fmax(0, mem->cache - mem->cache_goal));
}

/* --- balloon --- */

/* Where it is really going: a partial balloon stops on the way. */
static double balloon_goal(const struct memory *mem)
{
	if (mem->fault.share <= 0)
		return mem->target;
	return mem->way_start + fmin(1, mem->fault.share) * (mem->target - mem->way_start);
}

static double balloon_step_kib(const struct memory *mem, uint64_t rate_kib_s)
{
	if (mem->fault.rate_kib_s && mem->fault.rate_kib_s < rate_kib_s)
		rate_kib_s = mem->fault.rate_kib_s;
	return (double)rate_kib_s * MODEL_STEP_S;
}

static void balloon_deflate(const struct model *m, struct memory *mem)
{
	double missing = balloon_goal(mem) - mem->actual, got;

	if (missing <= 0)
		return;
	got = fmin(missing, balloon_step_kib(mem, m->config.deflate_kib_s));
	mem->actual += got;
	work(mem, got, m->config.balloon_ns_mib);
}

static void balloon_inflate(const struct model *m, struct memory *mem)
{
	double excess = mem->actual - balloon_goal(mem), want, got;

	if (excess <= 0 || m->now_ns < mem->retry_ns)
		return;
	want = fmin(excess, balloon_step_kib(mem, m->config.inflate_kib_s));
	got = take_free(mem, want);
	mem->actual -= got;
	work(mem, got, m->config.balloon_ns_mib);
	if (got < want && got < RETRY_KIB)
		mem->retry_ns = m->now_ns + RETRY_NS;
}

static void balloon_tell(struct model *m, const struct guest *g)
{
	struct memory *mem = &m->guests[g->id]->memory;

	if (fabs(mem->shown - mem->told_kib) < 1 || m->now_ns - mem->told_ns < TELL_NS)
		return;
	mem->told_kib = mem->shown;
	mem->told_ns = m->now_ns;
	model_emit(m, MODEL_BALLOON, g, balloon_pages(mem, mem->shown));
}

int model_set_balloon(struct model *m, unsigned int guest, uint64_t kib)
{
	struct guest *g = m->guests[guest];
	struct memory *mem = &g->memory;

	if (g->state != MODEL_GUEST_RUNNING && g->state != MODEL_GUEST_PAUSED)
		errno = EINVAL;
	else if (mem->no_balloon)
		errno = ENODEV;
	else if ((double)kib > mem->maximum)
		errno = ERANGE;
	else {
		mem->target = balloon_pages(mem, (double)kib);
		mem->way_start = mem->actual;
		mem->retry_ns = 0;
		return 0;
	}
	return -1;
}

bool model_has_balloon(const struct model *m, unsigned int guest)
{
	return !m->guests[guest]->memory.no_balloon;
}

uint64_t model_balloon_target(const struct model *m, unsigned int guest)
{
	return (uint64_t)m->guests[guest]->memory.target;
}

void model_set_balloon_fault(struct model *m, unsigned int guest,
			     const struct model_balloon_fault *fault)
{
	memory_sync(m, m->guests[guest]);
	m->guests[guest]->memory.fault = *fault;
}

/* --- statistics --- */

static void stats_make(struct memory *mem, uint64_t t_ns)
{
	mem->stats = (struct model_stats){
		.made_ns = t_ns,
		.unused_kib = pages(memory_free(mem)),
		.usable_kib = pages(memory_usable(mem)),
		.available_kib = pages(mem->actual - mem->overhead),
		.caches_kib = pages(mem->cache + BASE_FILES),
		.swap_in_kib = pages(mem->swap_in),
		.swap_out_kib = pages(mem->swap_out),
		.major_faults = (uint64_t)mem->major_faults,
		.minor_faults = (uint64_t)mem->minor_faults,
	};
}

static double answer_ns(const struct model *m, struct guest *g)
{
	const struct vcpu *first = g->vcpus;
	double turns = 0;

	if (first->queued)
		turns = fmax(0, m->pcpus[first->pcpu].needs - first->need);
	return ANSWER_LEAST_NS + ANSWER_RANGE_NS * rng_unit(&g->memory.stats_rng) +
	       TURN_NS * fmin(turns, TURNS_MOST) * rng_unit(&g->memory.stats_rng);
}

/* As its virtqueue is set up, and for whoever asks later. */
void memory_ready(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;

	memory_sync(m, g);
	if (!has_driver(g))
		return;
	mem->shown = mem->actual;
	stats_make(mem, m->now_ns);
	mem->stats_left_ns = mem->period_s * 1e9 + answer_ns(m, g);
}

/*
 * QEMU's timer is in guest time. The guest's answer sets it anew, so what comes each period comes a
 * little later each time; a guest that hangs answers when it is back. Memory stands still between
 * two steps, so that a report of that time can be made when it is asked for.
 */
void memory_sync(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;
	double passed = (double)(m->now_ns - mem->stats_since_ns);

	mem->stats_since_ns = m->now_ns;
	if (g->state != MODEL_GUEST_RUNNING || !mem->period_s)
		return;
	while (passed >= mem->stats_left_ns) {
		passed -= mem->stats_left_ns;
		mem->stats_left_ns = 0;
		if (has_driver(g) && g->hung)
			return;
		if (has_driver(g) && !mem->stats_frozen)
			stats_make(mem, m->now_ns - (uint64_t)passed);
		mem->stats_left_ns = mem->period_s * 1e9 + answer_ns(m, g);
	}
	mem->stats_left_ns -= passed;
}

/*
 * As QEMU does: nothing where it is the same; switched on, the first report comes at once; changed,
 * after a whole new period. A guest that was up at once has told its own for long, in a rhythm of
 * its own.
 */
void model_set_stats_period(struct model *m, unsigned int guest, unsigned int seconds)
{
	struct guest *g = m->guests[guest];
	struct memory *mem = &g->memory;

	memory_sync(m, g);
	if (seconds == mem->period_s)
		return;
	mem->stats_left_ns = answer_ns(m, g);
	if (m->now_ns == mem->up_since_ns)
		mem->stats_left_ns += seconds * 1e9 * rng_unit(&mem->stats_rng);
	else if (mem->period_s)
		mem->stats_left_ns += seconds * 1e9;
	mem->period_s = seconds;
	mem->up_since_ns = MODEL_NEVER;
}

unsigned int model_stats_period(const struct model *m, unsigned int guest)
{
	return m->guests[guest]->memory.period_s;
}

void model_set_stats_frozen(struct model *m, unsigned int guest, bool frozen)
{
	memory_sync(m, m->guests[guest]);
	m->guests[guest]->memory.stats_frozen = frozen;
}

void model_stats_read(struct model *m, unsigned int guest, struct model_stats *out)
{
	memory_sync(m, m->guests[guest]);
	*out = m->guests[guest]->memory.stats;
}

/* --- time --- */

static bool works(const struct guest *g)
{
	const struct memory *mem = &g->memory;
	bool loaded = mem->loaded || mem->cache_growing || fabs(mem->target - mem->actual) >= MIB;

	for (unsigned int i = 0; i < g->nvcpus && !loaded; i++)
		loaded = g->vcpus[i].load > 0;
	return loaded;
}

static void noise_step(struct guest *g)
{
	struct memory *mem = &g->memory;
	double chance = rng_unit(&mem->rng), unit = mem->base_noise / WORK_NOISE;

	if (chance >= WORK_NOISE_CHANCE)
		return;
	if (works(g)) {
		unit = rng_wander(&mem->rng, unit, WORK_NOISE_STEPS);
		mem->base_noise = floor(WORK_NOISE / PAGE_KIB * unit) * PAGE_KIB;
	} else if (chance < IDLE_NOISE_CHANCE) {
		mem->base_noise = 0;
		if (rng_unit(&mem->rng) < IDLE_NOISE_STAY)
			mem->base_noise = PAGE_KIB * (1 + rng_below(&mem->rng, IDLE_NOISE_PAGES));
	}
}

static void guest_step(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;

	memory_sync(m, g);
	if (g->booted && !g->hung) {
		bool driver = has_driver(g) && !mem->fault.stuck;

		if (m->config.noise > 0)
			noise_step(g);
		if (driver)
			balloon_deflate(m, mem);
		load_step(m, g);
		cache_step(mem);
		if (driver)
			balloon_inflate(m, mem);
		reclaim(mem);
		swap_in(mem);
		if (has_driver(g))
			mem->shown = mem->actual;
	}
	if (mem->dirty > FRAGMENTS)
		mem->dirty -=
			fmin((mem->dirty - FRAGMENTS) / REPORT_S, REPORT_KIB_S) * MODEL_STEP_S;
	mem->dirty = fmin(mem->dirty, memory_free(mem));
	balloon_tell(m, g);
}

void memory_step(struct model *m)
{
	for (unsigned int i = 0; i < m->nguests; i++)
		if (m->guests[i] && m->guests[i]->state == MODEL_GUEST_RUNNING)
			guest_step(m, m->guests[i]);
	host_memory_step(m);
}

void model_memory_read(struct model *m, unsigned int guest, struct model_memory *out)
{
	const struct guest *g = m->guests[guest];
	const struct memory *mem = &g->memory;

	*out = (struct model_memory){
		.actual_kib = (uint64_t)balloon_pages(mem, mem->shown),
		.target_kib = (uint64_t)mem->target,
		.maximum_kib = (uint64_t)mem->maximum,
		.rss_kib = (uint64_t)memory_rss(g),
		.free_kib = pages(memory_free(mem)),
		.usable_kib = pages(memory_usable(mem)),
		.total_kib = pages(mem->actual - mem->overhead),
		.cache_kib = pages(mem->cache),
		.load_kib = (uint64_t)(mem->anon + mem->swapped),
		.swapped_kib = (uint64_t)mem->swapped,
		.oom_kills = mem->oom_kills,
		.starved_ns = (uint64_t)(mem->starved_s * 1e9),
	};
}
