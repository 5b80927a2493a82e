/* SPDX-License-Identifier: MIT */
/* A scenario played on the model of a host: its guests, its timeline, and time. */
#include "priv.h"

#include "array.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A phase whose guest is not ready (it boots) is tried again this much later. */
#define RETRY_NS (MODEL_NS_PER_S / 10)

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static uint64_t nanoseconds(double s)
{
	return (uint64_t)(s * 1e9 + 0.5);
}

void world_emit(struct world *w, struct world_event *event)
{
	event->t_ns = model_now(w->model);
	if (w->on_event)
		w->on_event(event, w->opaque);
}

__attribute__((format(printf, 3, 4))) static void warn(struct world *w, int guest,
						       const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	world_emit(w, &(struct world_event){.kind = WORLD_WARNING, .guest = guest, .text = text});
}

/* --- what is due --- */

static bool sooner(const struct action *a, const struct action *b)
{
	return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

static void swap(struct action *a, struct action *b)
{
	struct action c = *a;

	*a = *b;
	*b = c;
}

void world_schedule(struct world *w, const struct action *action)
{
	size_t i = w->nactions;

	if (!array_add(&w->actions, &w->nactions, &w->actions_size, sizeof(*action)))
		abort();
	w->actions[i] = *action;
	w->actions[i].order = w->order++;
	for (; i > 0 && sooner(&w->actions[i], &w->actions[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->actions[i], &w->actions[(i - 1) / 2]);
}

static struct action take_next(struct world *w)
{
	struct action next = w->actions[0];
	size_t i = 0;

	w->actions[0] = w->actions[--w->nactions];
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < w->nactions; child++)
			if (sooner(&w->actions[child], &w->actions[least]))
				least = child;
		if (least == i)
			return next;
		swap(&w->actions[i], &w->actions[least]);
		i = least;
	}
}

/* --- loads and their reports --- */

static unsigned int loaded_vcpus(const struct world *w, size_t guest, const struct phase *phase)
{
	return phase->vcpus ? phase->vcpus : w->guests[guest].view.config->vcpus;
}

static struct load_mark mark(const struct world *w, size_t guest, const struct phase *phase)
{
	struct load_mark mark = {0};
	struct model_memory memory;

	for (unsigned int i = 0; phase->verb == PHASE_CPU && i < loaded_vcpus(w, guest, phase);
	     i++) {
		struct model_vcpu vcpu;

		model_vcpu_read(w->model, w->guests[guest].view.id, i, &vcpu);
		mark.load_ns += vcpu.load_ns;
		mark.run_ns += vcpu.run_ns;
		mark.delay_ns += vcpu.delay_ns;
	}
	model_memory_read(w->model, w->guests[guest].view.id, &memory);
	mark.kib = phase->verb == PHASE_CACHE ? memory.cache_kib : memory.load_kib;
	return mark;
}

static void report_cpu(const struct world *w, size_t guest, const struct active *active,
		       struct world_report *report)
{
	struct load_mark now = mark(w, guest, active->phase);
	unsigned int n = loaded_vcpus(w, guest, active->phase);
	double scale = 100 / ((report->to_s - report->from_s) * 1e9 * n);
	struct model_vcpu vcpu;

	report->asked_pct = active->phase->pct;
	if (report->to_s <= report->from_s)
		return;
	report->attained_pct = (double)(now.load_ns - active->mark.load_ns) * scale;
	report->waited_pct = (double)(now.delay_ns - active->mark.delay_ns) * scale;
	report->host_pct = (double)(now.run_ns - active->mark.run_ns) * scale;
	if (!active->phase->open_loop)
		report->given_up_pct = fmax(0, report->asked_pct - report->attained_pct);
	for (unsigned int i = 0; i < n; i++) {
		model_vcpu_read(w->model, w->guests[guest].view.id, i, &vcpu);
		report->backlog_s += seconds(vcpu.backlog_ns) / n;
	}
}

/* lost_kib: what a killed load had come to; 0 for one that ends by itself. */
static void report_memory(const struct world *w, size_t guest, const struct active *active,
			  uint64_t lost_kib, struct world_report *report)
{
	uint64_t kib = lost_kib ? lost_kib : mark(w, guest, active->phase).kib;
	struct model_memory memory;

	report->asked_kib = active->phase->kib;
	report->attained_kib = kib;
	report->peak_kib = kib > active->mark.kib ? kib : active->mark.kib;
	report->state = kib < report->asked_kib	  ? TRACE_LOAD_GROWING
			: kib > report->asked_kib ? TRACE_LOAD_SHRINKING
						  : TRACE_LOAD_HOLDING;
	if (lost_kib)
		report->state = TRACE_LOAD_OOM;
	model_memory_read(w->model, w->guests[guest].view.id, &memory);
	if (active->phase->verb == PHASE_MEMORY)
		report->starved_s = seconds(memory.starved_ns);
}

static void end_load(struct world *w, size_t guest, enum load_class class, uint64_t lost_kib)
{
	struct active active = w->guests[guest].active[class];
	struct world_event event = {
		.kind = WORLD_REPORT, .guest = (int)guest, .phase = active.phase};

	if (!active.phase)
		return;
	w->guests[guest].active[class].phase = NULL;
	event.report.from_s = seconds(active.from_ns);
	event.report.to_s = seconds(model_now(w->model));
	if (class == LOAD_CPU)
		report_cpu(w, guest, &active, &event.report);
	else
		report_memory(w, guest, &active, lost_kib, &event.report);
	world_emit(w, &event);
}

static void end_loads(struct world *w, size_t guest)
{
	for (enum load_class class = 0; class < LOAD_CLASSES; class ++)
		end_load(w, guest, class, 0);
}

static void begin_load(struct world *w, size_t guest, enum load_class class,
		       const struct phase *phase)
{
	end_load(w, guest, class, 0);
	w->guests[guest].active[class] =
		(struct active){phase, model_now(w->model), mark(w, guest, phase)};
}

/* The profiles of workloads/profiles, and what they come to. */
static bool stress(struct world *w, size_t guest, const char *profile)
{
	static const struct {
		const char *name;
		double pct;
		uint64_t kib;
	} profiles[] = {
		{"cpu-heavy", 100, 0},
		{"cpu-light", 45, 0},
		{"vm-keep", 0, 256 * KIB_PER_MIB},
	};
	unsigned int id = w->guests[guest].view.id;

	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		if (strcmp(profile, profiles[i].name))
			continue;
		model_set_stolen(w->model, id, MODEL_STOLEN_STRESS);
		model_set_cpu_load(w->model, id, profiles[i].pct, false, 0);
		if (profiles[i].kib)
			model_set_memory_load(w->model, id, profiles[i].kib, 0);
		else
			model_end_memory_load(w->model, id);
		return true;
	}
	return false;
}

static void set_load(struct world *w, size_t guest, const struct phase *phase)
{
	unsigned int id = w->guests[guest].view.id;

	switch (phase->verb) {
	case PHASE_CPU:
		begin_load(w, guest, LOAD_CPU, phase);
		model_set_stolen(w->model, id, 0); /* cpuload tells stalls from work */
		model_set_cpu_load(w->model, id, phase->pct, phase->open_loop, phase->vcpus);
		break;
	case PHASE_MEMORY:
		begin_load(w, guest, LOAD_MEMORY, phase);
		model_set_memory_load(w->model, id, phase->kib, phase->rate_kib_s);
		break;
	case PHASE_CACHE:
		begin_load(w, guest, LOAD_CACHE, phase);
		model_set_cache_load(w->model, id, phase->kib, phase->rate_kib_s);
		break;
	case PHASE_STRESS:
		if (!stress(w, guest, phase->text))
			warn(w, (int)guest,
			     "stress %.100s: the simulated host does not know this profile",
			     phase->text);
		break;
	default: /* idle */
		end_loads(w, guest);
		model_set_cpu_load(w->model, id, 0, false, 0);
		model_end_memory_load(w->model, id);
		model_set_cache_load(w->model, id, 0, 0);
	}
}

/* --- guests --- */

void world_pin(struct world *w, size_t guest, const unsigned char *map)
{
	struct guest_state *g = &w->guests[guest];
	size_t len = model_maplen(w->model);

	for (unsigned int vcpu = 0; vcpu < g->view.config->vcpus; vcpu++) {
		struct world_event event = {.kind = WORLD_PIN,
					    .guest = (int)guest,
					    .vcpu = vcpu,
					    .map = map,
					    .maplen = len};

		event.noop = !memcmp(model_affinity(w->model, g->view.id, vcpu), map, len);
		if (model_set_affinity(w->model, g->view.id, vcpu, map, len)) {
			warn(w, (int)guest, "cannot pin it: no pCPU of the list is online");
			return;
		}
		world_emit(w, &event);
	}
}

void world_setmem(struct world *w, size_t guest, uint64_t kib)
{
	struct world_event event = {.kind = WORLD_SETMEM, .guest = (int)guest, .kib = kib};

	if (model_set_balloon(w->model, w->guests[guest].view.id, kib))
		warn(w, (int)guest, "cannot set its memory: %s", strerror(errno));
	else
		world_emit(w, &event);
}

void world_stop(struct world *w, size_t guest)
{
	end_loads(w, guest);
	model_guest_stop(w->model, w->guests[guest].view.id);
}

static void apply_pins(struct world *w, size_t guest)
{
	struct guest_state *g = &w->guests[guest];
	unsigned char all[MAP_BYTES];

	memset(all, 0xff, sizeof(all));
	for (unsigned int vcpu = 0; vcpu < g->view.config->vcpus; vcpu++) {
		int pin = g->view.config->pins[vcpu];
		unsigned char one[MAP_BYTES] = {0};

		if (pin >= 0)
			cpumap_add(one, (unsigned int)pin);
		/* A pCPU that has gone meanwhile is no place to start on. */
		if (pin < 0 || model_set_affinity(w->model, g->view.id, vcpu, one, sizeof(one)))
			model_set_affinity(w->model, g->view.id, vcpu, all, sizeof(all));
	}
}

void world_start(struct world *w, size_t guest, bool booted)
{
	struct guest_state *g = &w->guests[guest];

	if (model_guest_state(w->model, g->view.id) == MODEL_GUEST_RUNNING ||
	    model_guest_state(w->model, g->view.id) == MODEL_GUEST_PAUSED)
		return;
	apply_pins(w, guest);
	model_guest_start(w->model, g->view.id, booted);
}

static void fill_uuid(const struct world *w, struct world_guest *view)
{
	uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a of the name */
	struct rng rng;

	for (const char *c = view->config->name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
	rng = rng_seed(w->seed, hash + view->incarnation);
	for (size_t i = 0; i < sizeof(view->uuid); i++)
		view->uuid[i] = (unsigned char)(rng_next(&rng) >> 56);
	view->uuid[6] = (unsigned char)((view->uuid[6] & 0x0f) | 0x40);
	view->uuid[8] = (unsigned char)((view->uuid[8] & 0x3f) | 0x80);
}

/* Adds the model's guest of that place, off. */
static int add_guest(struct world *w, size_t guest)
{
	struct guest_state *g = &w->guests[guest];
	int id = model_guest_add(w->model, &g->config);

	if (id < 0)
		return -1;
	if ((size_t)id >= w->nids) {
		int *bigger = realloc(w->by_id, ((size_t)id + 1) * sizeof(*bigger));

		if (!bigger)
			return -1;
		w->by_id = bigger;
		w->nids = (size_t)id + 1;
	}
	w->by_id[id] = (int)guest;
	g->view.id = (unsigned int)id;
	fill_uuid(w, &g->view);
	world_faults_apply(w, guest);
	return 0;
}

void world_replace(struct world *w, size_t guest)
{
	struct guest_state *g = &w->guests[guest];
	struct world_event event = {.kind = WORLD_REPLACED, .guest = (int)guest};

	model_guest_remove(w->model, g->view.id);
	memcpy(event.old_uuid, g->view.uuid, sizeof(event.old_uuid));
	g->view.incarnation++;
	if (add_guest(w, guest))
		abort(); /* the one just removed had its place and memory */
	world_emit(w, &event);
}

static void on_model_event(const struct model_event *model_event, void *opaque)
{
	struct world *w = opaque;
	int guest = w->by_id[model_event->guest];
	struct guest_state *g = &w->guests[guest];
	struct world_event event = {
		.guest = guest, .kib = model_event->kib, .state = model_event->kind};

	switch (model_event->kind) {
	case MODEL_STARTED:
		g->view.starts++;
		model_set_stats_period(w->model, g->view.id, STATS_PERIOD_S);
		event.kind = WORLD_GUEST;
		break;
	case MODEL_READY:
		event.kind = WORLD_READY;
		break;
	case MODEL_OOM:
		end_load(w, (size_t)guest, LOAD_MEMORY, model_event->kib);
		event.kind = WORLD_OOM;
		break;
	case MODEL_BALLOON:
		event.kind = WORLD_BALLOON;
		break;
	default:
		event.kind = WORLD_GUEST;
		if (model_event->kind == MODEL_CRASHED)
			end_loads(w, (size_t)guest);
	}
	world_emit(w, &event);
}

/* --- the timeline --- */

static void change_guest(struct world *w, size_t guest, const struct phase *phase)
{
	unsigned int id = w->guests[guest].view.id;
	unsigned char map[MAP_BYTES] = {0};

	switch (phase->verb) {
	case PHASE_START:
		world_start(w, guest, false);
		break;
	case PHASE_STOP:
		world_stop(w, guest);
		break;
	case PHASE_REBOOT:
		end_loads(w, guest);
		model_guest_reboot(w->model, id);
		break;
	case PHASE_PAUSE:
		model_guest_pause(w->model, id);
		break;
	case PHASE_RESUME:
		model_guest_resume(w->model, id);
		break;
	case PHASE_PIN:
		if (cpumap_parse(phase->text, map, sizeof(map)) == 0)
			world_pin(w, guest, map);
		break;
	default:
		world_setmem(w, guest, phase->kib);
	}
}

static void play_phase(struct world *w, const struct action *action)
{
	unsigned int id = w->guests[action->guest].view.id;
	const struct phase *phase = action->phase;
	enum model_state state = model_guest_state(w->model, id);
	struct world_event event = {
		.kind = WORLD_LOAD, .guest = (int)action->guest, .phase = phase};
	char text[128];

	if (phase->verb != PHASE_START && state != MODEL_GUEST_RUNNING &&
	    state != MODEL_GUEST_PAUSED) {
		warn(w, (int)action->guest, "%s: the guest is off",
		     phase_format(phase, text, sizeof(text)));
		return;
	}
	if (phase_sets_load(phase->verb) && !model_guest_ready(w->model, id)) {
		struct action later = *action;

		later.t_ns = model_now(w->model) + RETRY_NS;
		world_schedule(w, &later);
		return;
	}
	if (phase_sets_load(phase->verb))
		set_load(w, action->guest, phase);
	else
		change_guest(w, action->guest, phase);
	event.skew_s = seconds(model_now(w->model)) - phase->at_s;
	world_emit(w, &event);
}

static void play(struct world *w, const struct action *action)
{
	switch (action->kind) {
	case ACTION_PHASE:
		play_phase(w, action);
		break;
	case ACTION_FAULT_BEGIN:
		world_fault_begin(w, action->fault);
		break;
	case ACTION_FAULT_END:
		world_fault_end(w, action->fault);
		break;
	case ACTION_START:
		world_start(w, action->guest, false);
	}
}

/* --- time --- */

uint64_t world_advance(struct world *w, uint64_t until_ns)
{
	w->interrupted = false;
	for (;;) {
		uint64_t now = model_now(w->model), next = until_ns;

		while (w->nactions && w->actions[0].t_ns <= now) {
			struct action action = take_next(w);

			play(w, &action);
		}
		if (w->interrupted || now >= until_ns)
			return now;
		if (w->nactions && w->actions[0].t_ns < next)
			next = w->actions[0].t_ns;
		/* The model has news at its steps only: an interruption must not run past one. */
		if ((now / MODEL_STEP_NS + 1) * MODEL_STEP_NS < next)
			next = (now / MODEL_STEP_NS + 1) * MODEL_STEP_NS;
		model_advance(w->model, next);
	}
}

void world_interrupt(struct world *w)
{
	w->interrupted = true;
}

void world_end(struct world *w)
{
	for (size_t i = 0; i < w->nguests; i++)
		end_loads(w, i);
}

/* --- making --- */

static struct model *make_model(const struct scenario_host *host, uint64_t seed)
{
	struct model_config config;
	unsigned char offline[MAP_BYTES] = {0};
	struct model *m;

	model_config_default(&config);
	config.seed = seed;
	config.pcpus = host->pcpus;
	config.threads_per_core = host->threads_per_core;
	config.nodes = host->nodes;
	config.memory_kib = host->memory_kib;
	config.swap_kib = host->swap_kib;
	config.used_kib = host->used_kib;
	config.load_pct = host->load_pct;
	config.inflate_kib_s = host->inflate_kib_s;
	config.deflate_kib_s = host->deflate_kib_s;
	config.uptime_ns = WORLD_UPTIME_S * MODEL_NS_PER_S;
	m = model_new(&config);
	if (m && host->offline && cpumap_parse(host->offline, offline, sizeof(offline)) == 0)
		for (unsigned int i = 0; i < host->pcpus; i++)
			if (cpumap_has(offline, sizeof(offline), i))
				model_set_online(m, i, false);
	return m;
}

/* The host must hold what it has promised when the scenario begins. */
static int check_memory(const struct scenario *s, char error[WORLD_ERROR_MAX])
{
	uint64_t promised = 0, room = s->host.memory_kib + s->host.swap_kib;
	char host[32], swap_size[32], guests[32], used[32];

	for (size_t i = 0; i < s->nguests; i++)
		if (!scenario_starts_off(&s->guests[i]))
			promised += s->guests[i].memory_kib;
	if (s->host.used_kib < s->host.memory_kib && promised + s->host.used_kib <= room)
		return 0;
	snprintf(error, WORLD_ERROR_MAX,
		 "%.100s: [host] memory = %s and swap = %s cannot hold the guests' %s and the %s "
		 "used by the host",
		 s->path, format_size(s->host.memory_kib, host, sizeof(host)),
		 format_size(s->host.swap_kib, swap_size, sizeof(swap_size)),
		 format_size(promised, guests, sizeof(guests)),
		 format_size(s->host.used_kib, used, sizeof(used)));
	return -1;
}

static int make_guest(struct world *w, size_t i)
{
	const struct scenario_guest *config = &w->scenario->guests[i];
	struct guest_state *g = &w->guests[i];

	g->view.config = config;
	model_guest_config_default(&g->config);
	g->config.vcpus = config->vcpus;
	g->config.memory_kib = config->memory_kib;
	g->config.maximum_kib = config->maximum_kib;
	world_faults_configure(w, i);
	g->windows = calloc(config->vcpus, sizeof(*g->windows));
	g->vcpus = calloc(config->vcpus, sizeof(*g->vcpus));
	if (!g->windows || !g->vcpus || add_guest(w, i))
		return -1;
	if (!scenario_starts_off(config))
		world_start(w, i, true);
	for (size_t j = 0; j < config->nphases; j++)
		world_schedule(w, &(struct action){.t_ns = nanoseconds(config->phases[j].at_s),
						   .kind = ACTION_PHASE,
						   .guest = i,
						   .phase = &config->phases[j]});
	return 0;
}

static int make(struct world *w, char error[WORLD_ERROR_MAX])
{
	const struct scenario *s = w->scenario;

	snprintf(error, WORLD_ERROR_MAX, "%.100s: out of memory", s->path);
	w->pcpus = calloc(s->host.pcpus, sizeof(*w->pcpus));
	w->guests = calloc(s->nguests, sizeof(*w->guests));
	w->windows = calloc(s->host.pcpus, sizeof(*w->windows));
	w->sample.pcpus = calloc(s->host.pcpus, sizeof(*w->sample.pcpus));
	w->sample.guests = calloc(s->nguests, sizeof(*w->sample.guests));
	if (!w->pcpus || !w->guests || !w->windows || !w->sample.pcpus || !w->sample.guests)
		return -1;
	w->npcpus = scenario_host_pcpus(s, w->pcpus);
	w->nguests = s->nguests;
	if (check_memory(s, error) || world_faults_parse(w, error))
		return -1;
	snprintf(error, WORLD_ERROR_MAX,
		 "%.100s: no host of %u pCPUs, %u threads per core, %u nodes can be: %s", s->path,
		 s->host.pcpus, s->host.threads_per_core, s->host.nodes, strerror(EINVAL));
	w->model = make_model(&s->host, w->seed);
	if (!w->model)
		return -1;
	model_on_event(w->model, on_model_event, w);
	for (size_t i = 0; i < w->nguests; i++) {
		if (make_guest(w, i)) {
			snprintf(error, WORLD_ERROR_MAX, "%.100s: guest %s: %s", s->path,
				 s->guests[i].name, strerror(errno));
			return -1;
		}
	}
	sample_begin(w);
	return 0;
}

struct world *world_new(const struct scenario *s, uint64_t seed, char error[WORLD_ERROR_MAX])
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w) {
		snprintf(error, WORLD_ERROR_MAX, "%.100s: out of memory", s->path);
		return NULL;
	}
	w->scenario = s;
	w->seed = seed;
	w->rng = rng_seed(seed, UINT64_MAX);
	if (make(w, error)) {
		world_free(w);
		return NULL;
	}
	return w;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	model_free(w->model);
	sample_free(w);
	free(w->guests);
	free(w->by_id);
	world_faults_free(w);
	free(w->actions);
	free(w->pcpus);
	free(w);
}

/* --- asking --- */

void world_on_event(struct world *w, world_event_fn fn, void *opaque)
{
	w->on_event = fn;
	w->opaque = opaque;
}

uint64_t world_now(const struct world *w)
{
	return model_now(w->model);
}

struct model *world_model(struct world *w)
{
	return w->model;
}

size_t world_guests(const struct world *w)
{
	return w->nguests;
}

const struct world_guest *world_guest(const struct world *w, size_t i)
{
	return &w->guests[i].view;
}
