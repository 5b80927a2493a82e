/* SPDX-License-Identifier: MIT */
/* The host's memory: guests' processes, other consumers, page cache; swap and the OOM killer when
 * it runs out. */
#include "priv.h"

#include <math.h>

#define MIB 1024.0 /* KiB */

/* The kernel's watermarks: a hundredth, as far as it goes. */
#define RESERVE_PART  100
#define RESERVE_LEAST (16 * MIB)
#define RESERVE_MOST  (128 * MIB)
/* Page cache and buffers a host has gathered. */
#define CACHED_PART   0.05
#define BUFFERS_PART  0.002
#define CACHE_GROW    (20 * MIB) /* per second */
#define SWAP_IN_KIB_S (50 * MIB)

void host_memory_init(struct model *m)
{
	struct host_memory *h = &m->memory;

	h->total = (double)m->config.memory_kib;
	h->used = h->used_goal = (double)m->config.used_kib;
	h->swap = (double)m->config.swap_kib;
	h->reserve = fmin(RESERVE_MOST, fmax(RESERVE_LEAST, h->total / RESERVE_PART));
	h->buffers = (h->total - h->used) * BUFFERS_PART;
	h->cached = h->cached_most = (h->total - h->used) * CACHED_PART;
}

static double guests_rss(const struct model *m)
{
	double sum = 0;

	for (unsigned int i = 0; i < m->nguests; i++)
		if (m->guests[i])
			sum += memory_rss(m->guests[i]);
	return sum;
}

/* What is left for page cache and free memory; negative while nothing was done about it yet. */
static double host_room(const struct model *m)
{
	const struct host_memory *h = &m->memory;

	return h->total - h->used - h->buffers - guests_rss(m);
}

/* Pages of guests, each in proportion to what it holds; kib < 0 brings them back. Returns what was
 * moved. */
static double host_swap(struct model *m, double kib)
{
	struct host_memory *h = &m->memory;
	double sum = kib > 0 ? guests_rss(m) : h->swapped;

	kib = fmin(kib, fmin(h->swap - h->swapped, sum));
	if (sum <= 0 || fabs(kib) < 1)
		return 0;
	h->swapped = 0;
	for (unsigned int i = 0; i < m->nguests; i++) {
		struct guest *g = m->guests[i];

		if (!g || memory_rss(g) <= 0)
			continue;
		g->memory.host_swapped +=
			kib * (kib > 0 ? memory_rss(g) : g->memory.host_swapped) / sum;
		h->swapped += g->memory.host_swapped;
	}
	return kib;
}

static void host_oom(struct model *m)
{
	struct guest *biggest = NULL;

	for (unsigned int i = 0; i < m->nguests; i++) {
		struct guest *g = m->guests[i];

		if (g && memory_rss(g) > 0 && (!biggest || memory_rss(g) > memory_rss(biggest)))
			biggest = g;
	}
	if (biggest)
		guest_crash(m, biggest);
}

/* Guests that ended or gave memory back leave nothing of it in swap. */
static void count_swapped(struct model *m)
{
	m->memory.swapped = 0;
	for (unsigned int i = 0; i < m->nguests; i++) {
		struct memory *mem = m->guests[i] ? &m->guests[i]->memory : NULL;

		if (!mem || mem->host_swapped <= 0)
			continue;
		mem->host_swapped = fmax(
			0, fmin(mem->host_swapped, mem->host_swapped + memory_rss(m->guests[i])));
		m->memory.swapped += mem->host_swapped;
	}
}

void host_memory_step(struct model *m)
{
	struct host_memory *h = &m->memory;
	double missing = h->used_goal - h->used, step = h->used_rate * MODEL_STEP_S, room;

	if (h->used_rate <= 0 || fabs(missing) <= step)
		h->used = h->used_goal;
	else
		h->used += copysign(step, missing);
	count_swapped(m);
	room = host_room(m);
	if (room < h->reserve)
		room += host_swap(m, h->reserve - room);
	else if (h->swapped > 0 && room > 2 * h->reserve)
		room += host_swap(m, -fmin(h->swapped, fmin(room - 2 * h->reserve,
							    SWAP_IN_KIB_S * MODEL_STEP_S)));
	if (room < h->reserve / 2) {
		host_oom(m);
		room = host_room(m);
	}
	h->cached = fmin(h->cached + CACHE_GROW * MODEL_STEP_S, h->cached_most);
	h->cached = fmax(0, fmin(h->cached, room - h->reserve));
}

void model_set_host_used(struct model *m, uint64_t kib, uint64_t rate_kib_s)
{
	m->memory.used_goal = fmin((double)kib, m->memory.total + m->memory.swap);
	m->memory.used_rate = (double)rate_kib_s;
}

void model_host_memory_read(struct model *m, struct model_host_memory *out)
{
	const struct host_memory *h = &m->memory;
	double free = fmax(0, host_room(m) - h->cached);
	double available =
		free - h->reserve + h->buffers + h->cached - fmin(h->cached / 2, h->reserve);

	*out = (struct model_host_memory){
		.total_kib = (uint64_t)h->total,
		.free_kib = (uint64_t)free,
		.available_kib = (uint64_t)fmax(0, available),
		.buffers_kib = (uint64_t)h->buffers,
		.cached_kib = (uint64_t)h->cached,
		.swap_total_kib = (uint64_t)h->swap,
		.swap_free_kib = (uint64_t)fmax(0, h->swap - h->swapped),
		.guests_kib = (uint64_t)guests_rss(m),
		.used_kib = (uint64_t)h->used,
	};
}

/* Guests are where they were started, all else is spread evenly; what a full node lacks the others
 * have. */
static double node_free(const struct model *m, unsigned int node)
{
	const struct host_memory *h = &m->memory;
	double free = (h->total - h->used - h->cached - h->buffers) / m->config.nodes;

	for (unsigned int i = 0; i < m->nguests; i++)
		if (m->guests[i] && m->guests[i]->node == node)
			free -= memory_rss(m->guests[i]);
	return fmax(0, free);
}

void model_node_memory_read(struct model *m, unsigned int node, uint64_t *total_kib,
			    uint64_t *free_kib)
{
	struct model_host_memory host;
	double sum = 0;

	model_host_memory_read(m, &host);
	for (unsigned int i = 0; i < m->config.nodes; i++)
		sum += node_free(m, i);
	*total_kib = host.total_kib / m->config.nodes;
	*free_kib = sum > 0 ? (uint64_t)((double)host.free_kib * node_free(m, node) / sum) : 0;
}
