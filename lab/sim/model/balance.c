/* SPDX-License-Identifier: MIT */
/*
 * What Linux does with vCPUs that may run on several pCPUs: it starts and wakes them where it looks
 * idle, and pulls from a busier pCPU now and then. Only a few candidates are looked at, so the
 * result is roughly balanced, never settled, and blind to what loads on saturated pCPUs really
 * want.
 */
#include "priv.h"

/* Candidates looked at for one decision; select_idle_cpu() and find_busiest_queue() give up early
 * too. */
#define CANDIDATES 8
/* Loads and timers wake a guest about every MODEL_STEP_NS; so often the kernel looks around. */
#define WAKE_CHANCE 0.5
/*
 * A vCPU that sleeps for most of the time is woken by QEMU's other threads and by interrupts, and
 * drawn to where those run: on real hosts it is anywhere each time. One that works more is woken by
 * its own timer, where it was.
 */
#define LIGHT	     0.3
#define DRAWN_CHANCE 0.7
/* A pCPU's chance per step to look for work elsewhere. */
#define PULL_CHANCE 0.5
/* Chance that a pull may take more than half the difference (the kernel: after failing often). */
#define PULL_ANYWAY 0.1
/* Chance that a waking vCPU looks no further than the node of its memory. */
#define SAME_NODE_CHANCE 0.8

/* Loads are Σ weight · runnable, 1024 a busy guest. Smaller differences are not worth a pull
 * (imbalance_pct). */
#define PULL_LEAST 256.0
/* Two pCPUs that differ by less look the same to a new vCPU. */
#define LOAD_BLUR 100.0

static bool allowed(const struct model *m, const struct vcpu *v, unsigned int pcpu)
{
	return m->pcpus[pcpu].online && cpumap_has(v->affinity, m->maplen, pcpu);
}

/* The load a vCPU would meet there. */
static double load_met(const struct model *m, const struct vcpu *v, unsigned int pcpu)
{
	double load = m->pcpus[pcpu].pressure;

	if (v->queued && v->pcpu == (int)pcpu)
		load -= v->present * v->weight;
	return load;
}

int balance_place(struct model *m, const struct vcpu *v)
{
	double best_load = 0;
	int best = -1;

	for (unsigned int i = 0; i < m->config.pcpus; i++) {
		double load;

		if (!allowed(m, v, i))
			continue;
		load = load_met(m, v, i);
		if (v->choices > 1)
			load += LOAD_BLUR * rng_unit(&m->rng);
		if (best < 0 || load < best_load) {
			best = (int)i;
			best_load = load;
		}
	}
	return best;
}

/*
 * One that wakes stays where it was if that is idle at the moment; otherwise it goes to whatever is
 * found idle. So partly loaded vCPUs wander several times a second, and saturated ones hardly do.
 */
static void wake(struct model *m, struct vcpu *v)
{
	bool near = m->config.nodes > 1 && rng_unit(&m->rng) < SAME_NODE_CHANCE;
	bool drawn = v->runnable < LIGHT && rng_unit(&m->rng) < DRAWN_CHANCE;

	if (!drawn && rng_unit(&m->rng) >= m->pcpus[v->pcpu].usage - v->rate)
		return;
	for (unsigned int i = 0; i < CANDIDATES; i++) {
		unsigned int pcpu = rng_below(&m->rng, m->config.pcpus);

		if (v->pcpu == (int)pcpu || !allowed(m, v, pcpu) ||
		    (near && m->pcpus[pcpu].node != v->guest->node))
			continue;
		if (rng_unit(&m->rng) >= m->pcpus[pcpu].usage) {
			vcpu_move(m, v, pcpu);
			return;
		}
	}
}

/* The busiest of a few others. */
static struct pcpu *busiest(struct model *m, const struct pcpu *p)
{
	struct pcpu *found = NULL;

	for (unsigned int i = 0; i < CANDIDATES; i++) {
		struct pcpu *other = &m->pcpus[rng_below(&m->rng, m->config.pcpus)];

		if (other != p && other->online && (!found || other->pressure > found->pressure))
			found = other;
	}
	return found;
}

struct pcpu *balance_neediest(struct model *m, const struct pcpu *p)
{
	unsigned int first = 0, n = m->config.pcpus;
	struct pcpu *found = NULL;

	if (n > CANDIDATES) {
		first = rng_below(&m->rng, n);
		n = CANDIDATES;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct pcpu *other = &m->pcpus[(first + i) % m->config.pcpus];

		if (other != p && other->online && other->waiting > (found ? found->waiting : 0))
			found = other;
	}
	return found;
}

/* One vCPU from a busier pCPU: at most half the difference, unless nothing else helps. */
static void pull(struct model *m, struct pcpu *p)
{
	struct pcpu *from = busiest(m, p);
	unsigned int to = (unsigned int)(p - m->pcpus), skip;
	double difference, most;
	struct vcpu *v;

	if (!from || !from->queued)
		return;
	difference = from->pressure - p->pressure;
	if (difference < PULL_LEAST)
		return;
	most = rng_unit(&m->rng) < PULL_ANYWAY ? difference : difference / 2;
	skip = rng_below(&m->rng, from->queued);
	v = from->first;
	while (skip--)
		v = v->next;
	/* From a random one on, round again. */
	for (unsigned int i = 0; i < from->queued; i++) {
		double load = v->present * v->weight;

		if (v->choices > 1 && load <= most + LOAD_BLUR && load > LOAD_BLUR &&
		    allowed(m, v, to)) {
			vcpu_move(m, v, to);
			return;
		}
		v = v->next ? v->next : from->first;
	}
}

void balance_step(struct model *m)
{
	for (unsigned int i = 0; i < m->nguests; i++) {
		struct guest *g = m->guests[i];

		if (!g || g->state != MODEL_GUEST_RUNNING)
			continue;
		for (unsigned int j = 0; j < g->nvcpus; j++) {
			struct vcpu *v = &g->vcpus[j];

			if (v->choices > 1 && v->runnable < 1 && rng_unit(&m->rng) < WAKE_CHANCE)
				wake(m, v);
		}
	}
	for (unsigned int i = 0; i < m->config.pcpus; i++)
		if (m->pcpus[i].online && rng_unit(&m->rng) < PULL_CHANCE)
			pull(m, &m->pcpus[i]);
}
