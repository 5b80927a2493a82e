/* SPDX-License-Identifier: MIT */
/* The policy of the tree whose memory/plan.h is found first, behind the benchmark's interface. */
#include "memory_policy.h"

#include "memory/plan.h"

#include <stdlib.h>
#include <string.h>

struct policy_state {
	struct mem_state *state;
	struct mem_policy policy;
	struct mem_plan plan;
	struct mem_guest *guests;
};

static struct policy_state *policy_new(double interval_s, int64_t host_reserve_kib)
{
	struct policy_state *p = calloc(1, sizeof(*p));

	if (!p || !(p->state = mem_state_new()))
		abort();
	mem_policy_init(&p->policy);
	p->policy.interval_s = interval_s;
	p->policy.host_reserve_kib = host_reserve_kib;
	return p;
}

static struct mem_guest guest_of(const struct seen_guest *s)
{
	struct mem_guest g = {
		.managed = s->managed,
		.running = s->running,
		.balloon = s->balloon,
		.maximum_kib = s->maximum_kib,
		.actual_kib = s->actual_kib,
		.rss_kib = s->rss_kib,
		.made_s = s->made_s,
		.unused_kib = s->unused_kib,
		.usable_kib = s->usable_kib,
		.total_kib = s->total_kib,
		.swap_in_kib = s->swap_in_kib,
		.swap_out_kib = s->swap_out_kib,
		.major_faults = s->major_faults,
	};

	g.uuid[0] = s->number;
	return g;
}

/* Policies that always decide at the interval do not have the figure. */
#ifdef POLICY_WITHOUT_LOOKS
#define look_of(plan, interval_s) ((void)(plan), (interval_s))
#else
#define look_of(plan, interval_s) ((plan)->look_s > 0 ? (plan)->look_s : (interval_s))
#endif

double bench_policy_plan(void **state, const struct seen *seen, double interval_s,
			 int64_t host_reserve_kib, int64_t *targets)
{
	struct policy_state *p = *state ? *state : policy_new(interval_s, host_reserve_kib);
	struct mem_sample sample = {
		.time_s = seen->time_s,
		.wall_s = seen->wall_s,
		.host_total_kib = seen->host_total_kib,
		.host_available_kib = seen->host_available_kib,
		.nguests = seen->nguests,
	};

	*state = p;
	p->guests = realloc(p->guests, (seen->nguests + 1) * sizeof(*p->guests));
	if (!p->guests)
		abort();
	for (size_t i = 0; i < seen->nguests; i++)
		p->guests[i] = guest_of(&seen->guests[i]);
	sample.guests = p->guests;
	if (mem_plan(p->state, &p->policy, &sample, &p->plan))
		abort();
	for (size_t i = 0; i < p->plan.nsets; i++)
		targets[p->plan.sets[i].guest] = p->plan.sets[i].to_kib;
	return look_of(&p->plan, interval_s);
}

void bench_policy_free(void *state)
{
	struct policy_state *p = state;

	if (!p)
		return;
	mem_state_free(p->state);
	mem_plan_free(&p->plan);
	free(p->guests);
	free(p);
}
