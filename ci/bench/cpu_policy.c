/* SPDX-License-Identifier: MIT */
/* The policy of the tree that this is compiled against, as a shared object. */
#include "cpu_policy.h"

#include "cpu/plan.h"

#include <stdlib.h>
#include <string.h>

struct build {
	struct cpu_state *state;
	struct cpu_policy policy;
	struct cpu_plan plan;
	struct cpu_pcpu *pcpus;
	struct cpu_guest *guests;
	struct cpu_vcpu *vcpus;
};

static void *build_begin(void)
{
	struct build *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->state = cpu_state_new();
	cpu_policy_init(&b->policy);
	return b;
}

static void build_end(void *policy)
{
	struct build *b = policy;

	if (!b)
		return;
	cpu_plan_free(&b->plan);
	cpu_state_free(b->state);
	free(b->pcpus);
	free(b->guests);
	free(b->vcpus);
	free(b);
}

/* The reading in the structs of this policy. */
static struct cpu_sample take(struct build *b, const struct bench_reading *r)
{
	size_t n = r->nguests * r->vcpus;

	for (size_t p = 0; p < r->npcpus; p++)
		b->pcpus[p] = (struct cpu_pcpu){.id = (int)p,
						.core = (int)p,
						.cache = -1,
						.usable = true,
						.busy_ns = r->busy_ns[p]};
	for (size_t g = 0; g < r->nguests; g++) {
		b->guests[g] = (struct cpu_guest){
			.managed = true, .weight = 1, .cap_pct = 100, .node = -1};
		memcpy(b->guests[g].uuid, r->uuid[g], sizeof(b->guests[g].uuid));
	}
	for (size_t v = 0; v < n; v++)
		b->vcpus[v] = (struct cpu_vcpu){.guest = v / r->vcpus,
						.number = (unsigned int)(v % r->vcpus),
						.run_ns = r->run_ns[v],
						.delay_ns = r->delay_ns[v],
						.pcpu = r->pcpu[v] < 0 ? CPU_FLOATING : r->pcpu[v]};
	return (struct cpu_sample){.time_s = r->time_s,
				   .npcpus = r->npcpus,
				   .pcpus = b->pcpus,
				   .nguests = r->nguests,
				   .guests = b->guests,
				   .nvcpus = n,
				   .vcpus = b->vcpus};
}

static int build_plan(void *policy, const struct bench_reading *r, int *to)
{
	struct build *b = policy;
	struct cpu_sample sample;

	if (!b->pcpus) {
		b->pcpus = calloc(r->npcpus, sizeof(*b->pcpus));
		b->guests = calloc(r->nguests, sizeof(*b->guests));
		b->vcpus = calloc(r->nguests * r->vcpus, sizeof(*b->vcpus));
	}
	if (!b->state || !b->pcpus || !b->guests || !b->vcpus)
		return -1;
	sample = take(b, r);
	if (cpu_plan(b->state, &b->policy, &sample, &b->plan))
		return -1;
	for (size_t i = 0; i < b->plan.npins; i++)
		to[b->plan.pins[i].vcpu] = b->plan.pins[i].to;
	return 0;
}

extern const struct bench_policy_calls bench_policy_calls;
const struct bench_policy_calls bench_policy_calls = {build_begin, build_plan, build_end};
