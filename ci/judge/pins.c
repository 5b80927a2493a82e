/* SPDX-License-Identifier: MIT */
/* Replays a trace's changes of affinity. */
#include "segments.h"

#include "units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BYTES 1024 /* pCPUs 0…8191 */

static int position(const struct layout *l, int id)
{
	for (size_t i = 0; i < l->npcpus; i++)
		if (l->pcpu_ids[i] == id)
			return (int)i;
	return -1;
}

int pins_single(const struct layout *l, const char *affinity)
{
	unsigned char map[MAP_BYTES] = {0};
	int found = -1;

	if (!affinity || cpumap_parse(affinity, map, sizeof(map)) ||
	    cpumap_count(map, sizeof(map)) != 1)
		return -1;
	for (unsigned int i = 0; i < 8 * MAP_BYTES && found < 0; i++)
		if (cpumap_has(map, sizeof(map), i))
			found = (int)i;
	return position(l, found);
}

static size_t find_vcpu(const struct run *run, const struct layout *l,
			const struct trace_event *event)
{
	for (size_t i = 0; i < l->nvcpus; i++)
		if ((int64_t)l->vcpu_of[i] == event->pin.vcpu &&
		    check_about(event, TRACE_PIN, &run->scenario->guests[l->guest_of[i]]))
			return i;
	return SIZE_MAX;
}

int pins_init(struct pins *pins, const struct run *run, const struct layout *l)
{
	int *now = calloc(2 * l->nvcpus + 1, sizeof(*now)), *last;

	*pins = (struct pins){0};
	pins->start = calloc(l->nvcpus + 1, sizeof(*pins->start));
	pins->changes = calloc(run->trace->nevents + 1, sizeof(*pins->changes));
	if (!now || !pins->start || !pins->changes) {
		free(now);
		return -1;
	}
	last = now + l->nvcpus;
	for (size_t i = 0; i < l->nvcpus; i++)
		pins->start[i] = now[i] = last[i] =
			position(l, run->scenario->guests[l->guest_of[i]].pins[l->vcpu_of[i]]);
	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];
		size_t vcpu;
		int to;

		if (event->kind != TRACE_PIN || event->t_s > run->end_s)
			continue;
		vcpu = find_vcpu(run, l, event);
		if (vcpu == SIZE_MAX)
			continue;
		to = pins_single(l, event->pin.affinity);
		if (to >= 0 && to == now[vcpu])
			continue; /* it was there already */
		pins->changes[pins->count++] = (struct pin_change){
			.t_s = event->t_s,
			.vcpu = vcpu,
			.from = last[vcpu],
			.to = to,
			.by_program = event->pin.by == TRACE_BY_PROGRAM,
		};
		now[vcpu] = to;
		if (to >= 0)
			last[vcpu] = to;
	}
	free(now);
	return 0;
}

void pins_at(const struct pins *pins, const struct layout *l, double t_s, int *place)
{
	memcpy(place, pins->start, l->nvcpus * sizeof(*place));
	for (size_t i = 0; i < pins->count && pins->changes[i].t_s <= t_s; i++)
		place[pins->changes[i].vcpu] = pins->changes[i].to;
}

void pins_free(struct pins *pins)
{
	free(pins->changes);
	free(pins->start);
}
