/* SPDX-License-Identifier: MIT */
/*
 * The limit: a plan that knows all loads to come. Guests give what they do not use in time, so that
 * only what loads hold counts against the host and each guest's maximum; the timeline is walked
 * through, and where the host would be below its reserve, of the loads that grow just then the one
 * ends that would come to hold most. That is a plan, so no fewer kills are possible than with the
 * best choice, and no more than with this one.
 */
#include "memory.h"

#include <math.h>
#include <stdlib.h>

#define STEP_S 0.1

struct load {
	double base_kib; /* its process with nothing loaded */
	double now_kib, goal_kib, rate_kib_s;
	double most_kib; /* beyond it there is no memory in the guest, swap included */
	double swap_kib;
	bool on;
};

struct walk {
	const struct scene *scene;
	struct load loads[BENCH_GUESTS_MOST];
	double room_kib; /* for all processes, above the reserve */
	double used_kib, used_goal_kib, used_rate_kib_s;
	unsigned int kills;
};

/* The host's kernel keeps some for itself, of which MemAvailable tells. */
static double kernel_kib(const struct model_host_memory *h)
{
	double x = (double)h->free_kib + (double)h->buffers_kib + (double)h->cached_kib -
		   (double)h->available_kib;

	return (double)h->cached_kib >= x ? x / 2 : x - (double)h->cached_kib / 2;
}

static void begin(struct walk *w, struct model *m)
{
	struct model_host_memory host;

	model_advance(m, MODEL_NS_PER_S);
	model_host_memory_read(m, &host);
	w->used_kib = w->used_goal_kib = (double)host.used_kib;
	w->room_kib = (double)host.total_kib - kernel_kib(&host) - (double)BENCH_HOST_RESERVE;
	for (unsigned int i = 0; i < w->scene->nguests; i++) {
		struct model_memory g;

		model_memory_read(m, i, &g);
		w->loads[i] = (struct load){
			.base_kib = (double)g.rss_kib,
			.swap_kib = (double)w->scene->guests[i].swap_kib,
			/* What is free now, what it could grow by, less its kernel's last. */
			.most_kib = (double)(g.maximum_kib - g.actual_kib) + (double)g.free_kib -
				    50.0 * MIB + (double)w->scene->guests[i].swap_kib,
			.on = true,
		};
	}
}

static void happen(struct walk *w, const struct happening *h)
{
	struct load *load = &w->loads[h->guest];

	switch (h->verb) {
	case HAPPEN_LOAD:
		if (!load->on)
			return;
		load->goal_kib = (double)h->kib;
		load->rate_kib_s = (double)h->rate_kib_s;
		return;
	case HAPPEN_REBOOT:
	case HAPPEN_STOP:
		load->now_kib = load->goal_kib = 0;
		load->on = h->verb == HAPPEN_REBOOT;
		return;
	case HAPPEN_START:
		load->on = true;
		return;
	case HAPPEN_HOST:
		w->used_goal_kib = (double)h->kib;
		w->used_rate_kib_s = (double)h->rate_kib_s;
		return;
	default:
		return; /* a plan that knows has no use for what others do */
	}
}

static double towards(double now, double goal, double rate_s)
{
	double step = rate_s * STEP_S;

	return rate_s <= 0 || fabs(goal - now) <= step ? goal : now + copysign(step, goal - now);
}

static void end(struct walk *w, struct load *load)
{
	load->now_kib = load->goal_kib = 0;
	w->kills++;
}

/* What a load has in memory when what it has in swap is out of the way. */
static double held(const struct load *load)
{
	return load->on ? load->base_kib + fmax(load->now_kib - load->swap_kib, 0) : 0;
}

static void relieve(struct walk *w)
{
	for (;;) {
		struct load *most = NULL;
		double sum = w->used_kib;

		for (unsigned int i = 0; i < w->scene->nguests; i++) {
			struct load *load = &w->loads[i];

			sum += held(load);
			if (load->on && load->now_kib > load->swap_kib &&
			    load->goal_kib >= load->now_kib && load->now_kib > 0 &&
			    (!most || load->goal_kib > most->goal_kib))
				most = load;
		}
		if (sum <= w->room_kib || !most)
			return;
		end(w, most);
	}
}

static void step(struct walk *w)
{
	w->used_kib = towards(w->used_kib, w->used_goal_kib, w->used_rate_kib_s);
	for (unsigned int i = 0; i < w->scene->nguests; i++) {
		struct load *load = &w->loads[i];

		load->now_kib = towards(load->now_kib, load->goal_kib, load->rate_kib_s);
		if (load->now_kib > load->most_kib)
			end(w, load);
	}
	relieve(w);
}

unsigned int clairvoyant_kills(const struct scene *scene, struct model *m)
{
	struct walk *w = calloc(1, sizeof(*w));
	unsigned int kills;
	size_t next = 0;

	if (!w)
		abort();
	w->scene = scene;
	begin(w, m);
	for (double t = 0; t < scene->length_s; t += STEP_S) {
		while (next < scene->nhappenings && scene->happenings[next].at_s <= t)
			happen(w, &scene->happenings[next++]);
		step(w);
	}
	kills = w->kills;
	free(w);
	return kills;
}
