/* SPDX-License-Identifier: MIT */
/* What counters hold of the time before the model: a host that has been up for long, and guests
 * that have booted. */
#include "priv.h"

#include <math.h>

/* What pCPUs of a lab host have had to do: guests of earlier days, and the host's own work beside
 * the load it always has. */
#define GUESTS_LEAST 0.01
#define GUESTS_RANGE 0.03
#define OWN_LEAST    0.005
#define OWN_RANGE    0.01

/*
 * Boots of micro guests: 4 to 7 s of the first vCPU under TCG, some of it waited for beside others
 * that boot; the other vCPUs wake up and wait for work. QEMU's other threads take a second more.
 */
#define BOOT_LEAST_S  4
#define BOOT_RANGE_S  3
#define BOOT_WAIT_S   1.5
#define OTHER_VCPUS   0.1 /* of it: what the other vCPUs have */
#define QEMU_LEAST_S  0.7
#define QEMU_RANGE_S  0.6
#define STREAM_HOST   (1ULL << 40)
#define STREAM_GUESTS (1ULL << 41)

void past_of_host(struct model *m)
{
	double uptime = (double)m->config.uptime_ns;

	for (unsigned int i = 0; uptime > 0 && i < m->config.pcpus; i++) {
		struct rng rng = rng_seed(m->config.seed, STREAM_HOST | i);
		struct pcpu *p = &m->pcpus[i];
		double own = p->host_load + OWN_LEAST + OWN_RANGE * rng_unit(&rng);

		p->guests_ns = uptime * (GUESTS_LEAST + GUESTS_RANGE * rng_unit(&rng));
		p->busy_ns = fmin(uptime, p->guests_ns + uptime * own);
		p->idle_ns = uptime - p->busy_ns;
		for (int j = 0; j < 3; j++)
			m->load_average[j] += own;
	}
}

void past_of_guest(struct model *m, struct guest *g)
{
	struct rng rng = rng_seed(m->config.seed, STREAM_GUESTS | g->id);

	if (!m->config.uptime_ns)
		return;
	for (unsigned int i = 0; i < g->nvcpus; i++) {
		double part = (i == 0 ? 1 : OTHER_VCPUS) * MODEL_NS_PER_S;
		struct vcpu *v = &g->vcpus[i];

		v->run_ns = v->work_ns = part * (BOOT_LEAST_S + BOOT_RANGE_S * rng_unit(&rng));
		v->delay_ns = part * BOOT_WAIT_S * rng_unit(&rng);
	}
	g->other_ns = MODEL_NS_PER_S * (QEMU_LEAST_S + QEMU_RANGE_S * rng_unit(&rng));
}
