/* SPDX-License-Identifier: MIT */
/* What a recorder on the simulated host sees. */
#include "priv.h"

#include <stdlib.h>
#include <string.h>

static double pct(uint64_t now, uint64_t before, double elapsed_ns)
{
	return elapsed_ns > 0 ? 100 * (double)(now - before) / elapsed_ns : 0;
}

static void sample_pcpus(struct world *w, double elapsed_ns)
{
	w->sample.npcpus = 0;
	for (unsigned int i = 0; i < model_pcpus(w->model); i++) {
		struct pcpu_window *window = &w->windows[i];
		struct model_pcpu now;

		model_pcpu_read(w->model, i, &now);
		if (now.online)
			w->sample.pcpus[w->sample.npcpus++] = (struct trace_pcpu){
				.id = (int)i,
				.usage_pct = pct(now.busy_ns, window->busy_ns, elapsed_ns),
				.guests_pct = pct(now.guests_ns, window->guests_ns, elapsed_ns),
			};
		*window = (struct pcpu_window){now.busy_ns, now.guests_ns};
	}
}

/* As a CPU list; written anew only when the map changed. */
static char *affinity(struct vcpu_window *window, const unsigned char *map, size_t len)
{
	char list[CPULIST_MAX];

	if (window->affinity && !memcmp(window->map, map, len))
		return window->affinity;
	free(window->affinity);
	window->affinity = strdup(cpumap_format(map, len, list, sizeof(list)));
	memcpy(window->map, map, len);
	return window->affinity;
}

static void sample_vcpus(struct world *w, struct guest_state *g, double elapsed_ns)
{
	/* A new process counts from 0. */
	bool anew = g->sampled_starts != g->view.starts;

	g->sampled_starts = g->view.starts;
	for (unsigned int i = 0; i < g->view.config->vcpus; i++) {
		struct vcpu_window *window = &g->windows[i];
		struct model_vcpu now;

		model_vcpu_read(w->model, g->view.id, i, &now);
		g->vcpus[i] = (struct trace_vcpu){
			.usage_pct = pct(now.run_ns, anew ? 0 : window->run_ns, elapsed_ns),
			.delay_pct = pct(now.delay_ns, anew ? 0 : window->delay_ns, elapsed_ns),
			.pcpu = now.pcpu,
			.affinity = affinity(window, model_affinity(w->model, g->view.id, i),
					     model_maplen(w->model)),
		};
		window->run_ns = now.run_ns;
		window->delay_ns = now.delay_ns;
	}
}

static struct trace_memory sample_memory(const struct world *w, const struct guest_state *g)
{
	struct model_memory memory;
	struct model_stats stats;

	model_memory_read(w->model, g->view.id, &memory);
	model_stats_read(w->model, g->view.id, &stats);
	if (stats.made_ns == MODEL_NEVER)
		return (struct trace_memory){(int64_t)memory.actual_kib,
					     -1,
					     -1,
					     -1,
					     (int64_t)memory.rss_kib,
					     -1,
					     -1,
					     -1,
					     -1};
	return (struct trace_memory){
		.actual_kib = (int64_t)memory.actual_kib,
		.unused_kib = (int64_t)stats.unused_kib,
		.usable_kib = (int64_t)stats.usable_kib,
		.available_kib = (int64_t)stats.available_kib,
		.rss_kib = (int64_t)memory.rss_kib,
		.swap_in_kib = (int64_t)stats.swap_in_kib,
		.swap_out_kib = (int64_t)stats.swap_out_kib,
		.major_faults = (int64_t)stats.major_faults,
		.age_s = (double)(model_now(w->model) - stats.made_ns) / 1e9,
	};
}

/* The lab's recorder opens, reads and closes two files. */
#define LOOK_COMMANDS 6

static void look_inside(struct world *w, size_t guest)
{
	struct world_event event = {.kind = WORLD_INSIDE, .guest = (int)guest};

	model_memory_read(w->model, w->guests[guest].view.id, &event.memory);
	model_spend(w->model, w->guests[guest].view.id, LOOK_COMMANDS * WORLD_AGENT_NS);
	world_emit(w, &event);
}

static bool on(const struct world *w, const struct guest_state *g)
{
	enum model_state state = model_guest_state(w->model, g->view.id);

	return state == MODEL_GUEST_RUNNING || state == MODEL_GUEST_PAUSED;
}

void sample_begin(struct world *w)
{
	sample_pcpus(w, 0);
	for (size_t i = 0; i < w->nguests; i++)
		if (on(w, &w->guests[i]))
			sample_vcpus(w, &w->guests[i], 0);
}

struct trace_sample *world_sample(struct world *w)
{
	uint64_t now_ns = model_now(w->model);
	double elapsed_ns = (double)(now_ns - w->sampled_ns);
	struct trace_sample *sample = &w->sample;
	struct model_host_memory host;

	sample->t_s = (double)now_ns / 1e9;
	sample->elapsed_s = elapsed_ns / 1e9;
	sample_pcpus(w, elapsed_ns);
	sample->nguests = 0;
	for (size_t i = 0; i < w->nguests; i++) {
		struct guest_state *g = &w->guests[i];

		if (!on(w, g))
			continue;
		sample_vcpus(w, g, elapsed_ns);
		sample->guests[sample->nguests++] = (struct trace_guest){
			.name = g->view.config->name,
			.nvcpus = g->view.config->vcpus,
			.vcpus = g->vcpus,
			.memory = sample_memory(w, g),
		};
		if (w->scenario->kind == SCENARIO_MEMORY && model_guest_ready(w->model, g->view.id))
			look_inside(w, i);
	}
	model_host_memory_read(w->model, &host);
	sample->host_total_kib = (int64_t)host.total_kib;
	sample->host_free_kib = (int64_t)host.free_kib;
	sample->host_available_kib = (int64_t)host.available_kib;
	sample->program_cpu_pct = -1;
	sample->program_rss_kib = -1;
	w->sampled_ns = now_ns;
	return sample;
}

void sample_free(struct world *w)
{
	for (size_t i = 0; w->guests && i < w->nguests; i++) {
		struct guest_state *g = &w->guests[i];

		for (unsigned int j = 0; g->windows && j < g->view.config->vcpus; j++)
			free(g->windows[j].affinity);
		free(g->windows);
		free(g->vcpus);
	}
	free(w->windows);
	free(w->sample.pcpus);
	free(w->sample.guests);
}
