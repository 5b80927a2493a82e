/* SPDX-License-Identifier: MIT */
/* A toy host whose balloons do at once what they are told. */
#include "toy.h"

#include "kib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* What a guest's process holds beside the guest's memory. */
#define PROCESS (150 * MIB)

struct toy *toy_new(size_t n, int64_t host_mib)
{
	struct toy *t = calloc(1, sizeof(*t));

	mem_policy_init(&t->policy);
	t->policy.host_reserve_kib = 200 * MIB;
	t->state = mem_state_new();
	t->sample.nguests = n;
	t->sample.guests = t->guests;
	t->sample.host_total_kib = host_mib * MIB;
	t->host_kib = host_mib * MIB;
	t->sample.time_s = 1000;
	t->sample.wall_s = 5000;
	for (size_t i = 0; i < n; i++) {
		t->guests[i] = (struct mem_guest){
			.managed = true,
			.running = true,
			.balloon = true,
			.maximum_kib = 2048 * MIB,
			.actual_kib = 512 * MIB,
		};
		t->guests[i].uuid[0] = (unsigned char)(i + 1);
		t->toys[i].used_kib = 100 * MIB;
	}
	return t;
}

void toy_free(struct toy *t)
{
	mem_plan_free(&t->plan);
	mem_state_free(t->state);
	free(t);
}

void toy_tell(struct toy *t, size_t i)
{
	struct mem_guest *g = &t->guests[i];
	const struct toy_guest *toy = &t->toys[i];

	if (!toy->frozen)
		g->made_s = (int64_t)t->sample.wall_s;
	g->total_kib = g->actual_kib - 50 * MIB;
	g->usable_kib = g->actual_kib - toy->used_kib;
	g->unused_kib = g->usable_kib - toy->cache_kib;
	g->rss_kib = PROCESS + (toy->untouched ? toy->used_kib + toy->cache_kib : g->actual_kib);
}

void toy_tick(struct toy *t)
{
	int64_t held = 0;

	for (size_t i = 0; i < t->sample.nguests; i++) {
		struct toy_guest *toy = &t->toys[i];

		if (toy->target_kib && !toy->stuck)
			t->guests[i].actual_kib = toy->target_kib;
		toy->used_kib += toy->growth_kib;
		/* Its kernel keeps a little, and lets the rest wait. */
		if (toy->used_kib > t->guests[i].actual_kib - 20 * MIB)
			toy->used_kib = t->guests[i].actual_kib - 20 * MIB;
		toy_tell(t, i);
		held += t->guests[i].rss_kib - PROCESS;
	}
	t->sample.host_available_kib = t->host_kib - held;
	assert_int_equal(mem_plan(t->state, &t->policy, &t->sample, &t->plan), 0);
	for (size_t i = 0; i < t->plan.nsets; i++)
		t->toys[t->plan.sets[i].guest].target_kib = t->plan.sets[i].to_kib;
	t->sample.time_s += t->policy.interval_s;
	t->sample.wall_s += t->policy.interval_s;
}

void toy_ticks(struct toy *t, int n)
{
	while (n-- > 0)
		toy_tick(t);
}

const struct mem_set *toy_set(const struct toy *t, size_t guest)
{
	for (size_t i = 0; i < t->plan.nsets; i++) {
		if (t->plan.sets[i].guest == guest)
			return &t->plan.sets[i];
	}
	return NULL;
}

bool toy_noted(const struct toy *t, size_t guest, enum mem_happening what)
{
	for (size_t i = 0; i < t->plan.nnotes; i++) {
		if (t->plan.notes[i].guest == guest && t->plan.notes[i].what == what)
			return true;
	}
	return false;
}
