/* SPDX-License-Identifier: MIT */
/* Fills in the guests of a scenario for a host: counts, pins and positions that depend on its
 * pCPUs. */
#include "scenario_parse.h"

#include "timeline.h"
#include "units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void scenario_free_guests(struct scenario *s)
{
	for (size_t i = 0; i < s->nguests; i++) {
		for (size_t j = 0; j < s->guests[i].nphases; j++)
			free(s->guests[i].phases[j].text);
		free(s->guests[i].phases);
		free(s->guests[i].pins);
	}
	free(s->guests);
	s->guests = NULL;
	s->nguests = 0;
}

static unsigned int quantity_count(const struct quantity *q, size_t npcpus)
{
	double value = q->per_pcpu ? floor(q->value * (double)npcpus) : q->value;

	return value < 1 ? 1 : (unsigned int)value;
}

/* The item of a comma-separated list at a position, the list being repeated; NULL if it is too
 * long. */
static const char *list_item(const char *list, size_t position, char *buf, size_t len)
{
	size_t count = 1, item_len;

	for (const char *c = list; *c; c++)
		count += *c == ',';
	for (position %= count; position; position--)
		list = strchr(list, ',') + 1;
	item_len = strcspn(list, ",");
	if (item_len >= len)
		return NULL;
	memcpy(buf, list, item_len);
	buf[item_len] = '\0';
	return buf;
}

/* The pCPU of the index-th vCPU of total, or −1: every pCPU. */
static int initial_pin(const struct scenario_parse *p, size_t index, size_t total, const int *pcpus,
		       size_t npcpus, int *out)
{
	const char *pins = p->pins ? p->pins : "none";
	char item[16];
	long position;

	if (!strcmp(pins, "none")) {
		*out = -1;
	} else if (!strcmp(pins, "spread")) {
		*out = pcpus[index % npcpus];
	} else if (!strcmp(pins, "all-on-one")) {
		*out = pcpus[0];
	} else if (!strcmp(pins, "half-half")) {
		*out = pcpus[index * 2 < total || npcpus < 2 ? 0 : 1];
	} else {
		if (!list_item(pins, index, item, sizeof(item)))
			goto bad;
		if (!strcmp(item, "-")) {
			*out = -1;
			return 0;
		}
		if (parse_integer(item, 0, PCPUS_MAX, &position))
			goto bad;
		if ((size_t)position >= npcpus)
			return scenario_fail(
				p, p->pins_line,
				"pins = %.60s: the host has no pCPU position %ld, only %zu", pins,
				position, npcpus);
		*out = pcpus[position];
	}
	return 0;
bad:
	return scenario_fail(p, p->pins_line,
			     "pins = %.60s: it is none, spread, all-on-one, half-half or a list "
			     "like 0,0,1,-",
			     pins);
}

/* Positions among the pCPUs to a list of their ids. Allocated; NULL when a position does not exist.
 */
static char *resolve_cpulist(const char *positions, const int *pcpus, size_t npcpus)
{
	unsigned char in[CPULIST_MAX], out[CPULIST_MAX] = {0};
	char list[CPULIST_MAX];
	bool all = !strcmp(positions, "all");

	if (!all && cpumap_parse(positions, in, sizeof(in)))
		return NULL;
	for (unsigned int position = 0; position < sizeof(in) * 8; position++) {
		if (!(all ? position < npcpus : cpumap_has(in, sizeof(in), position)))
			continue;
		if (position >= npcpus)
			return NULL;
		cpumap_add(out, (unsigned int)pcpus[position]);
	}
	return strdup(cpumap_format(out, sizeof(out), list, sizeof(list)));
}

static int copy_phase(struct scenario_parse *p, const struct phase *from,
		      struct scenario_guest *guest, const int *pcpus, size_t npcpus)
{
	struct phase *bigger = scenario_grow(guest->phases, guest->nphases, sizeof(*bigger));
	struct phase phase = *from;

	if (!bigger)
		return scenario_fail(p, 0, "out of memory");
	guest->phases = bigger;
	if (phase.vcpus > guest->vcpus)
		return scenario_fail(p, phase.line, "cpu … vcpus %u: the guests have %u",
				     phase.vcpus, guest->vcpus);
	if (phase.verb == PHASE_PIN) {
		phase.text = resolve_cpulist(from->text, pcpus, npcpus);
		if (!phase.text)
			return scenario_fail(p, phase.line,
					     "pin %.40s: the host has pCPU positions 0-%zu",
					     from->text, npcpus - 1);
	} else if (phase.text) {
		phase.text = strdup(phase.text);
	}
	/* Insertion keeps equal times in file order. */
	size_t at = guest->nphases++;
	while (at > 0 && guest->phases[at - 1].at_s > phase.at_s) {
		guest->phases[at] = guest->phases[at - 1];
		at--;
	}
	guest->phases[at] = phase;
	return 0;
}

static int resolve_phases(struct scenario *s, const int *pcpus, size_t npcpus)
{
	struct scenario_parse *p = s->parse;

	for (size_t i = 0; i < p->nentries; i++) {
		const struct timeline_entry *entry = &p->entries[i];
		unsigned int highest = guests_highest(entry->who);

		if (highest > s->nguests)
			return scenario_fail(p, entry->phase.line,
					     "guest %u does not exist; on this host there are %zu",
					     highest, s->nguests);
		for (size_t g = 0; g < s->nguests; g++) {
			if (guests_match(entry->who, s->guests[g].number,
					 (unsigned int)s->nguests) &&
			    copy_phase(p, &entry->phase, &s->guests[g], pcpus, npcpus))
				return -1;
		}
	}
	return 0;
}

static int resolve_guests(struct scenario *s, const int *pcpus, size_t npcpus, const char *prefix)
{
	struct scenario_parse *p = s->parse;
	unsigned int count = quantity_count(&p->count, npcpus);
	unsigned int vcpus = quantity_count(&p->vcpus, npcpus);

	if (count > GUESTS_MAX || vcpus > VCPUS_MAX)
		return scenario_fail(p, p->count.line,
				     "%u guests of %u vCPUs are too many; at most %d of %d", count,
				     vcpus, GUESTS_MAX, VCPUS_MAX);
	if (snprintf(s->prefix, sizeof(s->prefix), "%s", prefix) >= (int)sizeof(s->prefix))
		return scenario_fail(p, 0, "the guests' name prefix %.20s… is too long", prefix);
	s->guests = calloc(count, sizeof(*s->guests));
	if (!s->guests)
		return scenario_fail(p, 0, "out of memory");
	s->nguests = count;
	for (unsigned int g = 0; g < count; g++) {
		struct scenario_guest *guest = &s->guests[g];

		guest->number = g + 1;
		if (snprintf(guest->name, sizeof(guest->name), "%s%u", prefix, g + 1) >=
		    (int)sizeof(guest->name))
			return scenario_fail(p, 0, "the guests' name prefix %.20s… is too long",
					     prefix);
		guest->vcpus = vcpus;
		guest->memory_kib = p->memory_kib;
		guest->maximum_kib = p->maximum_kib;
		guest->pins = calloc(vcpus, sizeof(*guest->pins));
		if (!guest->pins)
			return scenario_fail(p, 0, "out of memory");
		for (unsigned int v = 0; v < vcpus; v++) {
			if (initial_pin(p, (size_t)g * vcpus + v, (size_t)count * vcpus, pcpus,
					npcpus, &guest->pins[v]))
				return -1;
		}
	}
	return resolve_phases(s, pcpus, npcpus);
}

int scenario_resolve(struct scenario *s, const int *pcpus, size_t npcpus, const char *prefix,
		     char error[SCENARIO_ERROR_MAX])
{
	int status;

	scenario_free_guests(s);
	error[0] = '\0';
	s->parse->error = error;
	if (npcpus == 0)
		status = scenario_fail(s->parse, 0, "the host has no online pCPU");
	else
		status = resolve_guests(s, pcpus, npcpus, prefix);
	s->parse->error = NULL;
	if (status)
		scenario_free_guests(s);
	return status;
}

size_t scenario_host_pcpus(const struct scenario *s, int *ids)
{
	unsigned char offline[PCPUS_MAX / 8] = {0};
	size_t count = 0;

	if (s->host.offline)
		cpumap_parse(s->host.offline, offline, sizeof(offline));
	for (unsigned int id = 0; id < s->host.pcpus; id++) {
		if (!cpumap_has(offline, sizeof(offline), id))
			ids[count++] = (int)id;
	}
	return count;
}

bool scenario_starts_off(const struct scenario_guest *guest)
{
	return guest->nphases > 0 && guest->phases[0].verb == PHASE_START;
}

int64_t scenario_phase_number(const struct scenario_guest *guest, const struct phase *phase)
{
	return phase - guest->phases + 1;
}

static const struct {
	const char *name;
	enum phase_verb verb;
} load_classes[LOAD_CLASSES] = {
	[LOAD_CPU] = {"cpu", PHASE_CPU},
	[LOAD_MEMORY] = {"memory", PHASE_MEMORY},
	[LOAD_CACHE] = {"cache", PHASE_CACHE},
	[LOAD_STRESS] = {"stress", PHASE_STRESS},
};

enum load_class phase_load_class(enum phase_verb verb)
{
	enum load_class class = 0;

	while (class < LOAD_CLASSES && load_classes[class].verb != verb)
		class ++;
	return class;
}

enum load_class load_class(const char *name)
{
	enum load_class class = 0;

	while (class < LOAD_CLASSES && strcmp(load_classes[class].name, name) != 0)
		class ++;
	return class;
}

bool phase_sets_load(enum phase_verb verb)
{
	return verb == PHASE_IDLE || phase_load_class(verb) != LOAD_CLASSES;
}
