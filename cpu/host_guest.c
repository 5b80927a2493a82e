/* SPDX-License-Identifier: MIT */
/* A guest as libvirt has it: what is set for it, where it may run, and pins. */
#include "host_guest.h"

#include "cpuset.h"
#include "log.h"
#include "units.h"
#include "uuid.h"

#include <fnmatch.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void guest_clear(const struct guest_env *env, struct guest *guest)
{
	wire_forget(env->wire, &guest->left);
	for (unsigned int v = 0; guest->original && v < guest->nvcpus; v++)
		free(guest->original[v]);
	free(guest->name);
	free(guest->affinity);
	free(guest->pinned);
	free(guest->ours);
	free(guest->original);
	free(guest->announced);
	free(guest->allowed);
	free(guest->cpuset);
	free(guest->told);
	free(guest->places);
	free(guest->may);
	free(guest->pins);
}

/* --- affinity --- */

/* "0-3,8" as the one CPU it names, or CPU_FLOATING. */
static int single_cpu(const char *list)
{
	char *end;
	long id = strtol(list, &end, 10);

	return end != list && *end == '\0' && id >= 0 && id <= INT32_MAX ? (int)id : CPU_FLOATING;
}

bool guest_is_foreign_pin(const struct guest *guest, const virTypedParameter *param)
{
	unsigned int number;
	int pcpu;

	if (sscanf(param->field, "cputune.vcpupin%u", &number) != 1 ||
	    param->type != VIR_TYPED_PARAM_STRING || number >= guest->nvcpus)
		return false;
	pcpu = single_cpu(param->value.s);
	return pcpu == CPU_FLOATING || pcpu != guest->pinned[number];
}

/* The one online pCPU in a map, or CPU_FLOATING where there are several. */
static int find_pcpu(const struct host_pcpus *pcpus, const unsigned char *map, size_t maplen)
{
	int found = CPU_FLOATING;

	for (size_t p = 0; p < pcpus->n; p++) {
		if (!cpumap_has(map, maplen, (unsigned int)pcpus->list[p].id))
			continue;
		if (found != CPU_FLOATING)
			return CPU_FLOATING;
		found = pcpus->list[p].id;
	}
	return found;
}

static bool is_online(const struct host_pcpus *pcpus, int pcpu)
{
	for (size_t p = 0; p < pcpus->n; p++) {
		if (pcpus->list[p].id == pcpu)
			return true;
	}
	return false;
}

/*
 * Is a vCPU's affinity what comes of our pin to that pCPU? The kernel widens it when the pCPU goes
 * offline.
 */
static bool is_ours(const struct host_pcpus *pcpus, const unsigned char *map, size_t maplen,
		    int pcpu)
{
	return pcpu != CPU_FLOATING &&
	       ((cpumap_count(map, maplen) == 1 && cpumap_has(map, maplen, (unsigned int)pcpu)) ||
		!is_online(pcpus, pcpu));
}

/*
 * Takes a vCPU's affinity as it was read: where it is now; and where it is others who made it that,
 * what is to be put back one day. True if so, and if that was not known. A pin of ours may have
 * been made though the call failed.
 */
static bool take_affinity(const struct host_pcpus *pcpus, struct guest *guest, unsigned int number,
			  const unsigned char *map)
{
	unsigned char *known = guest->affinity + number * guest->maplen;
	bool same = guest->original[number] && !memcmp(map, known, guest->maplen);
	char list[CPULIST_MAX], *copy;

	guest->pinned[number] = find_pcpu(pcpus, map, guest->maplen);
	memcpy(known, map, guest->maplen);
	if (same ||
	    (guest->original[number] && is_ours(pcpus, map, guest->maplen, guest->ours[number])))
		return false;
	guest->ours[number] = CPU_FLOATING;
	copy = strdup(cpumap_format(map, guest->maplen, list, sizeof(list)));
	if (copy) {
		free(guest->original[number]);
		guest->original[number] = copy;
		guest->unsaved |= guest->announced[number];
	}
	return true;
}

static void fill_online(const struct guest_env *env, unsigned char *map, size_t maplen)
{
	memset(map, 0, maplen);
	for (size_t p = 0; p < env->pcpus->n; p++) {
		if ((size_t)env->pcpus->list[p].id < maplen * 8)
			cpumap_add(map, (unsigned int)env->pcpus->list[p].id);
	}
}

/*
 * Where each vCPU may be put: within the cpuset, and within what was found with respect_pins. Says
 * so when a cpuset changes that leaves out pCPUs of the host, or does no more.
 */
static void find_may(const struct guest_env *env, struct guest *guest)
{
	size_t maplen = guest->maplen;
	unsigned char *online = calloc(2, maplen), *inside = online + maplen;
	bool was_confined = guest->confined;
	char list[CPULIST_MAX];

	free(guest->may);
	guest->may = NULL;
	if (!online)
		return;
	fill_online(env, online, maplen);
	for (size_t i = 0; i < maplen; i++)
		inside[i] = online[i] & guest->cpuset[i];
	guest->confined = memcmp(inside, online, maplen) != 0;
	if (memcmp(inside, guest->told, maplen) != 0 && (guest->confined || was_confined))
		log_warn("guest %s: the kernel lets it run on pCPUs %s", guest->name,
			 cpumap_format(inside, maplen, list, sizeof(list)));
	memcpy(guest->told, inside, maplen);
	if (guest->confined || guest->allowed)
		guest->may = calloc(guest->nvcpus + 1, maplen);
	for (size_t i = 0; guest->may && i < guest->nvcpus * maplen; i++)
		guest->may[i] =
			guest->cpuset[i % maplen] & (guest->allowed ? guest->allowed[i] : 0xff);
	free(online);
}

/* By the emulator's threads, which nobody pins. */
static bool look_at_process(struct guest *guest)
{
	unsigned char *map;
	bool changed = false;

	if (!guest->process || guest->policy.emulator_pinned)
		return false;
	map = calloc(1, guest->maplen);
	if (map && cpuset_read_process(guest->process, map, guest->maplen) == 0 &&
	    cpumap_count(map, guest->maplen) > 0) {
		changed = memcmp(map, guest->cpuset, guest->maplen) != 0;
		memcpy(guest->cpuset, map, guest->maplen);
	}
	free(map);
	return changed;
}

/*
 * Takes in what the kernel made of the affinities that were asked for; places has its maps. What is
 * not where it was asked to be is not where we pinned it, but nobody else did it either.
 */
static void take_places(const struct guest_env *env, struct guest *guest,
			const unsigned char *asked, const unsigned char *places)
{
	unsigned char *online = calloc(1, guest->maplen);

	if (!online)
		return;
	fill_online(env, online, guest->maplen);
	memcpy(guest->places, places, guest->nvcpus * guest->maplen);
	for (unsigned int v = 0; v < guest->nvcpus; v++) {
		const unsigned char *place = places + v * guest->maplen;

		if (cpumap_count(place, guest->maplen) > 0)
			guest->pinned[v] = find_pcpu(env->pcpus, place, guest->maplen);
	}
	cpuset_learn(guest->cpuset, asked, places, guest->nvcpus, online, guest->maplen);
	look_at_process(guest);
	free(online);
}

/*
 * Reads a guest's affinity: what was asked for, and what the kernel made of it, where it can be
 * asked. Returns how many vCPUs have another than was known, −1 on failure.
 */
static int read_affinity(const struct guest_env *env, virDomainPtr dom, struct guest *guest)
{
	size_t size = (guest->nvcpus + 1) * guest->maplen;
	unsigned char *maps = calloc(3, size), *places = maps + size, *again = places + size;
	int n = -1, changed = 0;
	bool placed;

	if (maps)
		n = wire_affinity(env->wire, dom, (int)guest->nvcpus, maps, (int)guest->maplen);
	for (int v = 0; v < n; v++)
		changed += take_affinity(env->pcpus, guest, (unsigned int)v,
					 maps + (size_t)v * guest->maplen);
	guest->stale = n < 0;
	/* Both are of one time if nobody pinned it meanwhile; else it is read at the next tick. */
	placed = n >= 0 &&
		 wire_places(env->wire, dom, (int)guest->nvcpus, places, (int)guest->maplen) >= 0;
	if (placed && memcmp(maps, places, size) != 0) {
		placed = wire_affinity(env->wire, dom, (int)guest->nvcpus, again,
				       (int)guest->maplen) == n &&
			 memcmp(maps, again, size) == 0;
		guest->stale = !placed;
	}
	if (placed)
		take_places(env, guest, maps, places);
	find_may(env, guest);
	free(maps);
	return n < 0 ? -1 : changed;
}

bool guest_look_at_cpuset(const struct guest_env *env, virDomainPtr dom, struct guest *guest,
			  bool ask)
{
	unsigned char *places;
	bool changed = false;

	if (guest->process && !guest->policy.emulator_pinned) {
		changed = look_at_process(guest);
	} else if (ask && (places = calloc(guest->nvcpus + 1, guest->maplen))) {
		changed = wire_places(env->wire, dom, (int)guest->nvcpus, places,
				      (int)guest->maplen) >= 0 &&
			  memcmp(places, guest->places, guest->nvcpus * guest->maplen) != 0;
		free(places);
	}
	guest->stale |= changed;
	return changed;
}

void guest_read_affinity(const struct guest_env *env, virDomainPtr dom, struct guest *guest)
{
	int changed = read_affinity(env, dom, guest);

	if (changed < 0)
		log_verbose("guest %s: %s", guest->name, env->wire->error);
	if (changed <= 0 || !guest->policy.managed)
		return;
	guest->left_alone = env->options->respect_pins;
	log_warn("guest %s: %d of its vCPUs pinned by somebody else; %s", guest->name, changed,
		 guest->left_alone ? "leaving it alone" : "going on from there");
}

/*
 * What was there before an earlier life of ours pinned it; and where that is to be kept to, the
 * maps.
 */
static int recall_affinity(const struct guest_env *env, struct guest *guest)
{
	for (unsigned int v = 0; v < guest->nvcpus; v++) {
		const struct saved_vcpu *saved =
			state_find(env->earlier, guest->uuid, guest->id, v);

		if (!saved)
			continue;
		free(guest->original[v]);
		guest->original[v] = strdup(saved->affinity);
		guest->announced[v] = true;
		guest->ours[v] = guest->pinned[v];
		if (!guest->original[v])
			return -1;
	}
	if (!env->options->respect_pins)
		return 0;
	guest->allowed = calloc(guest->nvcpus + 1, guest->maplen);
	for (unsigned int v = 0; guest->allowed && v < guest->nvcpus; v++)
		cpumap_parse(guest->original[v] ? guest->original[v] : "",
			     guest->allowed + v * guest->maplen, guest->maplen);
	return guest->allowed ? 0 : -1;
}

int guest_read_policy(const struct guest_env *env, virDomainPtr dom, struct guest *guest)
{
	char *xml = wire_xml(env->wire, dom);
	unsigned long long shares;

	guest->outdated = !xml;
	if (!xml)
		return -1;
	xml_read_guest(xml, &guest->policy);
	free(xml);
	/* Shares as they are in force: the default of a host with cgroup v1 is 1024, of one with v2
	 * 100, so only what is read in the same way can be compared. */
	shares = wire_shares(env->wire, dom);
	if (shares)
		guest->policy.weight = (double)shares / XML_SHARES_DEFAULT;
	if (env->options->guests && fnmatch(env->options->guests, guest->name, 0) != 0)
		guest->policy.managed = false;
	return 0;
}

static unsigned int read_unsigned(const virDomainStatsRecord *record, const char *field)
{
	unsigned int value = 0;

	virTypedParamsGetUInt(record->params, record->nparams, field, &value);
	return value;
}

int guest_read(const struct guest_env *env, const virDomainStatsRecord *record, struct guest *guest)
{
	const char *name = virDomainGetName(record->dom);
	char uuid[VIR_UUID_STRING_BUFLEN];

	*guest = (struct guest){.id = virDomainGetID(record->dom), .maplen = env->pcpus->maplen};
	virDomainGetUUID(record->dom, guest->uuid);
	guest->nvcpus = read_unsigned(record, "vcpu.maximum");
	if (!guest->nvcpus)
		guest->nvcpus = 1; /* in-process drivers do not say */
	guest->name = name ? strdup(name) : NULL;
	guest->affinity = calloc(guest->nvcpus + 1, guest->maplen);
	guest->pinned = calloc(guest->nvcpus + 1, sizeof(*guest->pinned));
	guest->ours = calloc(guest->nvcpus + 1, sizeof(*guest->ours));
	guest->original = calloc(guest->nvcpus + 1, sizeof(*guest->original));
	guest->announced = calloc(guest->nvcpus + 1, sizeof(*guest->announced));
	guest->pins = calloc(guest->nvcpus + 1, sizeof(*guest->pins));
	guest->cpuset = calloc(1, guest->maplen);
	guest->told = calloc(1, guest->maplen);
	guest->places = calloc(guest->nvcpus + 1, guest->maplen);
	for (unsigned int v = 0; guest->ours && v < guest->nvcpus; v++)
		guest->ours[v] = CPU_FLOATING;
	if (guest->cpuset)
		fill_online(env, guest->cpuset, guest->maplen);
	if (guest->name && env->pcpus->local && uuid_format(guest->uuid, uuid))
		guest->process = cpuset_find_process(guest->name, uuid);
	if (!guest->name || !guest->cpuset || !guest->told || !guest->places || !guest->affinity ||
	    !guest->pinned || !guest->ours || !guest->original || !guest->announced ||
	    !guest->pins || guest_read_policy(env, record->dom, guest) ||
	    read_affinity(env, record->dom, guest) < 0 || recall_affinity(env, guest)) {
		log_verbose("guest %s: %s; asking again next time", name ? name : "?",
			    env->wire->error);
		guest_clear(env, guest);
		return -1;
	}
	find_may(env, guest);
	return 0;
}

/* --- pins --- */

static void note_failure(const struct guest_env *env, struct guest *guest, unsigned int number,
			 int pcpu, unsigned long tick)
{
	bool timed_out = env->wire->code == VIR_ERR_OPERATION_TIMEOUT;

	if (env->wire->code == VIR_ERR_NO_DOMAIN || env->wire->code == VIR_ERR_OPERATION_INVALID) {
		log_verbose("guest %s, or its vCPU %u, is gone", guest->name, number);
		backoff_fail(&guest->pins[number], tick, false);
		return;
	}
	if (!guest->pins[number].failures)
		log_warn("guest %s: pinning vCPU %u to pCPU %d: %s; %s", guest->name, number, pcpu,
			 env->wire->error,
			 timed_out ? "going on without waiting for it" : "trying again");
	backoff_fail(&guest->pins[number], tick, timed_out);
	if (timed_out)
		guest->failed_tick = tick; /* the whole guest is held */
}

int guest_pin(const struct guest_env *env, struct guest *guest, virDomainPtr dom,
	      unsigned int number, int pcpu, unsigned long tick)
{
	size_t maplen = env->pcpus->maplen;
	unsigned char *map;
	int before = guest->pinned[number], result;

	if (guest->left || guest->failed_tick == tick || backoff_waits(&guest->pins[number], tick))
		return -1;
	map = calloc(1, maplen);
	if (!map)
		return -1;
	cpumap_add(map, (unsigned int)pcpu);
	/* The event of our own pin may come at any moment from here on. */
	guest->pinned[number] = guest->ours[number] = pcpu;
	result = wire_pin(env->wire, dom, number, map, (int)maplen, &guest->left);
	if (result == 0) {
		backoff_end(&guest->pins[number]);
		memcpy(guest->affinity + number * guest->maplen, map,
		       guest->maplen < maplen ? guest->maplen : maplen);
		memcpy(guest->places + number * guest->maplen, map,
		       guest->maplen < maplen ? guest->maplen : maplen);
	} else {
		guest->pinned[number] = before;
		guest->stale = true;
		note_failure(env, guest, number, pcpu, tick);
	}
	free(map);
	return result;
}

int guest_save(const struct guest *guest, struct saved *saved)
{
	for (unsigned int v = 0; v < guest->nvcpus; v++) {
		if (guest->announced[v] && guest->original[v] &&
		    state_add(saved, guest->uuid, guest->id, v, guest->original[v]))
			return -1;
	}
	return 0;
}
