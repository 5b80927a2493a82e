/* SPDX-License-Identifier: MIT */
/* What libvirt keeps of each guest beyond what the model does: its id, its definition, its place in
 * lists. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct driver_guest *guests;
static size_t *order; /* places by UUID */
static size_t nguests;
static int next_id = 1;

struct world *driver_world(void)
{
	return driver_play()->world;
}

struct model *driver_model(void)
{
	return world_model(driver_world());
}

struct driver_guest *guest_at(size_t place)
{
	return &guests[place];
}

bool guest_running(size_t place)
{
	enum model_state state =
		model_guest_state(driver_model(), world_guest(driver_world(), place)->id);

	return state == MODEL_GUEST_RUNNING || state == MODEL_GUEST_PAUSED;
}

static int by_uuid(const void *a, const void *b)
{
	const struct world_guest *first = world_guest(driver_world(), *(const size_t *)a);
	const struct world_guest *second = world_guest(driver_world(), *(const size_t *)b);

	return memcmp(first->uuid, second->uuid, sizeof(first->uuid));
}

/* libvirt lists domains as they lie in a hash table by UUID. */
static void sort(void)
{
	qsort(order, nguests, sizeof(*order), by_uuid);
}

const size_t *guests_in_order(size_t *count)
{
	*count = nguests;
	return order;
}

void guests_start(void)
{
	nguests = world_guests(driver_world());
	guests = calloc(nguests + 1, sizeof(*guests));
	order = calloc(nguests + 1, sizeof(*order));
	if (!guests || !order)
		driver_fail("out of memory");
	for (size_t i = 0; i < nguests; i++) {
		const struct scenario_guest *config = world_guest(driver_world(), i)->config;

		order[i] = i;
		guests[i].id = guest_running(i) ? next_id++ : -1;
		guests[i].agent = guest_running(i);
		guests[i].memory_kib = config->memory_kib;
		guests[i].maximum_kib = config->maximum_kib;
		guests[i].period_us = CPU_PERIOD_US;
		guests[i].policy_set = world_guest(driver_world(), i)->policy;
	}
	sort();
}

/* A new process has run nowhere yet. */
static void forget_times(struct driver_guest *guest)
{
	free(guest->pcpu_ns);
	free(guest->seen_ns);
	guest->pcpu_ns = NULL;
	guest->seen_ns = NULL;
}

void guests_on_event(const struct world_event *event)
{
	struct driver_guest *guest;

	if (event->guest < 0)
		return;
	guest = &guests[event->guest];
	if (event->kind == WORLD_REPLACED) {
		guest->replaced = true;
		sort();
	}
	/* Whoever takes the name over gets the policy. */
	if (event->kind == WORLD_POLICY || event->kind == WORLD_REPLACED)
		guest->policy_set = true;
	if (event->kind != WORLD_GUEST)
		return;
	if (event->state == MODEL_STARTED || event->state == MODEL_RESUMED)
		guest->unpaused = event->state == MODEL_RESUMED;
	if (event->state == MODEL_STARTED)
		guest->id = next_id++;
	else if (event->state == MODEL_STOPPED || event->state == MODEL_CRASHED)
		guest->id = -1;
	if (guest->id < 0) {
		forget_times(guest);
		guest->stopped = true;
	}
}
