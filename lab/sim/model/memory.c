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
#define BASE_LEAST	 (68 * MIB)
#define BASE_RANGE	 (1.5 * MIB)
#define BASE_FILES	 (19 * MIB) /* of it: counted as page cache, but cannot be reclaimed */
#define BASE_NOISE	 (0.7 * MIB)
#define BASE_NOISE_STEPS 30
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

void memory_init(struct model *m, struct guest *g, const struct model_guest_config *config)
{
	struct memory *mem = &g->memory;
	double maximum = (double)config->maximum_kib,
	       min_free = fmin(MIN_FREE_MOST, maximum / MIN_FREE_PART);

	mem->rng = rng_seed(m->config.seed, (g->id + 1ULL) << 32 | UINT32_MAX);
	mem->maximum = maximum;
	mem->initial = (double)config->memory_kib;
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
	if (booted && !mem->no_balloon && !mem->fault.no_driver)
		mem->actual =
			fmin(mem->maximum, fmax(mem->initial, memory_used(mem) + mem->free_least));
	mem->way_start = mem->actual;
	mem->period_s = 0;
	mem->stats_frozen = false;
	mem->stats = (struct model_stats){.made_ns = MODEL_NEVER};
	mem->told_kib = mem->actual;
	mem->told_ns = 0;
	(void)m;
}

void memory_reboot(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;

	mem->dirty += mem->anon + mem->cache;
	memory_boot(mem);
	mem->way_start = mem->actual;
	(void)m;
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

	if (fabs(mem->actual - mem->told_kib) < 1 || m->now_ns - mem->told_ns < TELL_NS)
		return;
	mem->told_kib = mem->actual;
	mem->told_ns = m->now_ns;
	model_emit(m, MODEL_BALLOON, g, mem->actual);
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
		mem->target = (double)kib;
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
	m->guests[guest]->memory.fault = *fault;
}

/* --- statistics --- */

static void stats_make(const struct model *m, struct memory *mem)
{
	mem->stats = (struct model_stats){
		.made_ns = m->now_ns,
		.unused_kib = (uint64_t)memory_free(mem),
		.usable_kib = (uint64_t)memory_usable(mem),
		.available_kib = (uint64_t)(mem->actual - mem->overhead),
		.caches_kib = (uint64_t)(mem->cache + BASE_FILES),
		.swap_in_kib = (uint64_t)mem->swap_in,
		.swap_out_kib = (uint64_t)mem->swap_out,
		.major_faults = (uint64_t)mem->major_faults,
		.minor_faults = (uint64_t)mem->minor_faults,
	};
}

static bool stats_possible(const struct guest *g)
{
	const struct memory *mem = &g->memory;

	return g->booted && !g->hung && !mem->fault.no_driver && !mem->no_balloon &&
	       !mem->stats_frozen;
}

/* QEMU's timer is in guest time, and starts anew when the driver does not answer. */
static void stats_step(const struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;

	if (!mem->period_s)
		return;
	mem->stats_left_s -= MODEL_STEP_S;
	if (mem->stats_left_s > MODEL_STEP_S / 2)
		return;
	mem->stats_left_s += mem->period_s;
	if (stats_possible(g))
		stats_make(m, mem);
}

/* Switched on, the first comes at once. At time 0 guests have told theirs for long, each in its own
 * rhythm. */
void model_set_stats_period(struct model *m, unsigned int guest, unsigned int seconds)
{
	struct memory *mem = &m->guests[guest]->memory;

	if (seconds == mem->period_s)
		return;
	mem->stats_left_s = mem->period_s ? seconds : MODEL_STEP_S;
	mem->period_s = seconds;
	if (m->now_ns == 0 && seconds && stats_possible(m->guests[guest])) {
		stats_make(m, mem);
		mem->stats_left_s = MODEL_STEP_S * (1 + rng_below(&mem->rng, seconds * 10));
	}
}

unsigned int model_stats_period(const struct model *m, unsigned int guest)
{
	return m->guests[guest]->memory.period_s;
}

void model_set_stats_frozen(struct model *m, unsigned int guest, bool frozen)
{
	m->guests[guest]->memory.stats_frozen = frozen;
}

void model_stats_read(struct model *m, unsigned int guest, struct model_stats *out)
{
	*out = m->guests[guest]->memory.stats;
}

/* --- time --- */

static void guest_step(struct model *m, struct guest *g)
{
	struct memory *mem = &g->memory;

	if (g->booted && !g->hung) {
		bool driver = !mem->no_balloon && !mem->fault.no_driver && !mem->fault.stuck;

		if (m->config.noise > 0) {
			double unit = mem->base_noise / BASE_NOISE;

			mem->base_noise =
				BASE_NOISE * rng_wander(&mem->rng, unit, BASE_NOISE_STEPS);
		}
		if (driver)
			balloon_deflate(m, mem);
		load_step(m, g);
		cache_step(mem);
		if (driver)
			balloon_inflate(m, mem);
		reclaim(mem);
		swap_in(mem);
	}
	if (mem->dirty > FRAGMENTS)
		mem->dirty -=
			fmin((mem->dirty - FRAGMENTS) / REPORT_S, REPORT_KIB_S) * MODEL_STEP_S;
	mem->dirty = fmin(mem->dirty, memory_free(mem));
	stats_step(m, g);
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
		.actual_kib = (uint64_t)mem->actual,
		.target_kib = (uint64_t)mem->target,
		.maximum_kib = (uint64_t)mem->maximum,
		.rss_kib = (uint64_t)memory_rss(g),
		.free_kib = (uint64_t)memory_free(mem),
		.usable_kib = (uint64_t)memory_usable(mem),
		.total_kib = (uint64_t)(mem->actual - mem->overhead),
		.cache_kib = (uint64_t)mem->cache,
		.load_kib = (uint64_t)(mem->anon + mem->swapped),
		.swapped_kib = (uint64_t)mem->swapped,
		.oom_kills = mem->oom_kills,
		.starved_ns = (uint64_t)(mem->starved_s * 1e9),
	};
}
