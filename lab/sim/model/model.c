/* SPDX-License-Identifier: MIT */
/* The model of a host: its making, its guests' lives, and time. */
#include "priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void model_config_default(struct model_config *config)
{
	*config = (struct model_config){
		.seed = 1,
		.pcpus = 4,
		.threads_per_core = 1,
		.nodes = 1,
		.memory_kib = 16 * KIB_PER_GIB,
		.used_kib = KIB_PER_GIB,
		.load_pct = 1,
		.inflate_kib_s = KIB_PER_GIB * 9 / 10,
		.deflate_kib_s = KIB_PER_GIB * 21 / 10,
		.background_pct = 0.22,
		.memory_load_pct = 2.7,
		.touch_ns_mib = 6000000,
		.free_ns_mib = 350000,
		.balloon_ns_mib = 400000,
		.noise = 0.02,
		.stolen = 0,
		.smt_speed = 0.65,
		.remote_speed = 0.85,
		.move_cost_ns = 200000,
		.boot_ns = 3 * MODEL_NS_PER_S,
	};
}

void model_guest_config_default(struct model_guest_config *config)
{
	*config = (struct model_guest_config){
		.vcpus = 1,
		.memory_kib = 512 * KIB_PER_MIB,
		.maximum_kib = 2048 * KIB_PER_MIB,
		.shares = 1024,
	};
}

static bool config_valid(const struct model_config *c)
{
	return c->pcpus >= 1 && c->pcpus <= MODEL_PCPUS_MAX && c->threads_per_core >= 1 &&
	       c->nodes >= 1 && c->nodes <= c->pcpus && c->used_kib < c->memory_kib &&
	       c->inflate_kib_s && c->deflate_kib_s && c->smt_speed > 0 && c->remote_speed > 0;
}

struct model *model_new(const struct model_config *config)
{
	struct model *m;

	if (!config_valid(config)) {
		errno = EINVAL;
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->config = *config;
	m->rng = rng_seed(config->seed, 0);
	m->maplen = (config->pcpus + 7) / 8;
	m->online = config->pcpus;
	m->pcpus = calloc(config->pcpus, sizeof(*m->pcpus));
	if (!m->pcpus) {
		free(m);
		return NULL;
	}
	for (unsigned int i = 0; i < config->pcpus; i++) {
		struct pcpu *p = &m->pcpus[i];
		unsigned int cores =
			(config->pcpus + config->threads_per_core - 1) / config->threads_per_core;

		p->online = p->dirty = true;
		p->core = i / config->threads_per_core;
		p->node = p->core * config->nodes / cores;
		p->host_load = p->host_need = p->host_runnable = fmin(1, config->load_pct / 100);
		p->rng = rng_seed(config->seed, 1000 + i);
	}
	past_of_host(m);
	host_memory_init(m);
	return m;
}

static void guest_free(struct guest *g)
{
	if (!g)
		return;
	free(g->vcpus);
	free(g->affinities);
	free(g);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < m->nguests; i++)
		guest_free(m->guests[i]);
	free(m->guests);
	free(m->pcpus);
	free(m);
}

void model_on_event(struct model *m, model_event_fn fn, void *opaque)
{
	m->on_event = fn;
	m->opaque = opaque;
}

void model_emit(struct model *m, enum model_event_kind kind, const struct guest *g, double kib)
{
	struct model_event event = {kind, m->now_ns, g->id, (uint64_t)kib};

	if (m->on_event)
		m->on_event(&event, m->opaque);
}

uint64_t model_now(const struct model *m)
{
	return m->now_ns;
}

size_t model_maplen(const struct model *m)
{
	return m->maplen;
}

unsigned int model_pcpus(const struct model *m)
{
	return m->config.pcpus;
}

uint64_t model_steps(const struct model *m)
{
	return m->steps;
}

/* --- guests --- */

static int free_id(struct model *m)
{
	struct guest **guests;

	for (unsigned int i = 0; i < m->nguests; i++)
		if (!m->guests[i])
			return (int)i;
	guests = realloc(m->guests, (m->nguests + 1) * sizeof(*guests));
	if (!guests)
		return -1;
	m->guests = guests;
	m->guests[m->nguests] = NULL;
	return (int)m->nguests++;
}

static void vcpus_init(struct model *m, struct guest *g)
{
	for (unsigned int i = 0; i < g->nvcpus; i++) {
		struct vcpu *v = &g->vcpus[i];

		v->guest = g;
		v->affinity = g->affinities + i * m->maplen;
		for (unsigned int p = 0; p < m->config.pcpus; p++)
			cpumap_add(v->affinity, p);
		v->choices = m->online;
		v->rng = rng_seed(m->config.seed, (g->id + 1ULL) << 32 | i);
		v->background = m->config.background_pct / 100 * (0.8 + 0.4 * rng_unit(&v->rng));
		v->speed = 1;
	}
	guest_cpu_reset(g);
}

int model_guest_add(struct model *m, const struct model_guest_config *config)
{
	struct guest *g;
	int id;

	if (config->vcpus == 0 || config->maximum_kib == 0 ||
	    config->memory_kib > config->maximum_kib) {
		errno = EINVAL;
		return -1;
	}
	id = free_id(m);
	if (id < 0)
		return -1;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -1;
	g->id = (unsigned int)id;
	g->nvcpus = config->vcpus;
	g->shares = config->shares ? config->shares : 1;
	g->stolen = m->config.stolen;
	g->vcpus = calloc(g->nvcpus, sizeof(*g->vcpus));
	g->affinities = calloc(g->nvcpus, m->maplen);
	if (!g->vcpus || !g->affinities) {
		guest_free(g);
		return -1;
	}
	vcpus_init(m, g);
	memory_init(m, g, config);
	m->guests[id] = g;
	return id;
}

void model_guest_remove(struct model *m, unsigned int guest)
{
	model_guest_stop(m, guest);
	guest_free(m->guests[guest]);
	m->guests[guest] = NULL;
}

int model_guest_start(struct model *m, unsigned int guest, bool booted)
{
	struct guest *g = m->guests[guest];

	if (g->state != MODEL_GUEST_OFF && g->state != MODEL_GUEST_CRASHED) {
		errno = EINVAL;
		return -1;
	}
	guest_cpu_reset(g);
	if (booted)
		past_of_guest(m, g);
	g->state = MODEL_GUEST_RUNNING;
	g->booted = booted;
	g->boot_left_s = (double)m->config.boot_ns / 1e9;
	memory_start(m, g, booted);
	guest_cpu_update(m, g);
	g->node = m->pcpus[g->vcpus[0].pcpu].node;
	model_emit(m, MODEL_STARTED, g, 0);
	if (booted)
		model_emit(m, MODEL_READY, g, 0);
	return 0;
}

/* Powered off or killed. */
static void guest_end(struct model *m, struct guest *g, enum model_state state,
		      enum model_event_kind kind)
{
	g->state = state;
	g->booted = g->hung = false;
	guest_cpu_update(m, g);
	for (unsigned int i = 0; i < g->nvcpus; i++)
		g->vcpus[i].load = 0;
	model_emit(m, kind, g, 0);
}

void model_guest_stop(struct model *m, unsigned int guest)
{
	struct guest *g = m->guests[guest];

	if (g->state == MODEL_GUEST_RUNNING || g->state == MODEL_GUEST_PAUSED)
		guest_end(m, g, MODEL_GUEST_OFF, MODEL_STOPPED);
}

void guest_crash(struct model *m, struct guest *g)
{
	guest_end(m, g, MODEL_GUEST_CRASHED, MODEL_CRASHED);
}

void model_guest_pause(struct model *m, unsigned int guest)
{
	struct guest *g = m->guests[guest];

	if (g->state != MODEL_GUEST_RUNNING)
		return;
	memory_sync(m, g);
	g->state = MODEL_GUEST_PAUSED;
	guest_cpu_update(m, g);
	model_emit(m, MODEL_PAUSED, g, 0);
}

void model_guest_resume(struct model *m, unsigned int guest)
{
	struct guest *g = m->guests[guest];

	if (g->state != MODEL_GUEST_PAUSED)
		return;
	memory_sync(m, g);
	g->state = MODEL_GUEST_RUNNING;
	guest_cpu_update(m, g);
	model_emit(m, MODEL_RESUMED, g, 0);
}

void model_guest_reboot(struct model *m, unsigned int guest)
{
	struct guest *g = m->guests[guest];

	if (g->state != MODEL_GUEST_RUNNING)
		return;
	for (unsigned int i = 0; i < g->nvcpus; i++)
		model_set_vcpu_load(m, guest, i, 0, false);
	memory_reboot(m, g);
	g->booted = g->hung = false;
	g->boot_left_s = (double)m->config.boot_ns / 1e9;
	guest_cpu_update(m, g);
	model_emit(m, MODEL_REBOOTED, g, 0);
}

enum model_state model_guest_state(const struct model *m, unsigned int guest)
{
	return m->guests[guest]->state;
}

bool model_guest_ready(const struct model *m, unsigned int guest)
{
	const struct guest *g = m->guests[guest];

	return g->state == MODEL_GUEST_RUNNING && g->booted && !g->hung;
}

bool model_guest_connected(const struct model *m, unsigned int guest)
{
	return m->guests[guest]->booted;
}

unsigned int model_guest_vcpus(const struct model *m, unsigned int guest)
{
	return m->guests[guest]->nvcpus;
}

static void boot_step(struct model *m)
{
	for (unsigned int i = 0; i < m->nguests; i++) {
		struct guest *g = m->guests[i];

		if (!g || g->booted || g->state != MODEL_GUEST_RUNNING)
			continue;
		g->boot_left_s -= MODEL_STEP_S;
		if (g->boot_left_s > 0)
			continue;
		memory_sync(m, g);
		g->booted = true;
		memory_ready(m, g);
		guest_cpu_update(m, g);
		model_emit(m, MODEL_READY, g, 0);
	}
}

/* --- time --- */

void model_advance(struct model *m, uint64_t until_ns)
{
	while (m->now_ns < until_ns) {
		uint64_t step = (m->now_ns / MODEL_STEP_NS + 1) * MODEL_STEP_NS;

		m->now_ns = step < until_ns ? step : until_ns;
		if (m->now_ns % MODEL_STEP_NS)
			break;
		boot_step(m);
		memory_step(m);
		cpu_step(m);
	}
}
