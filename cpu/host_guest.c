/* SPDX-License-Identifier: MIT */
/* A guest as libvirt has it: what is set for it, where it may run, and pins. */
#include "host_guest.h"

#include "log.h"
#include "units.h"

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

/* Reads a guest's affinity. Returns how many vCPUs have another than was known, −1 on failure. */
static int read_affinity(const struct guest_env *env, virDomainPtr dom, struct guest *guest)
{
	unsigned char *maps = calloc(guest->nvcpus + 1, guest->maplen);
	int n = -1, changed = 0;

	if (maps)
		n = wire_affinity(env->wire, dom, (int)guest->nvcpus, maps, (int)guest->maplen);
	for (int v = 0; v < n; v++)
		changed += take_affinity(env->pcpus, guest, (unsigned int)v,
					 maps + (size_t)v * guest->maplen);
	free(maps);
	guest->stale = n < 0;
	return n < 0 ? -1 : changed;
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
	for (unsigned int v = 0; guest->ours && v < guest->nvcpus; v++)
		guest->ours[v] = CPU_FLOATING;
	if (!guest->name || !guest->affinity || !guest->pinned || !guest->ours ||
	    !guest->original || !guest->announced || !guest->pins ||
	    guest_read_policy(env, record->dom, guest) ||
	    read_affinity(env, record->dom, guest) < 0 || recall_affinity(env, guest)) {
		log_verbose("guest %s: %s; asking again next time", name ? name : "?",
			    env->wire->error);
		guest_clear(env, guest);
		return -1;
	}
	return 0;
}

/* --- pins --- */

static void note_failure(const struct guest_env *env, struct guest *guest, unsigned int number,
			 int pcpu, unsigned long tick)
{
	bool timed_out = env->wire->code == VIR_ERR_OPERATION_TIMEOUT;

	if (env->wire->code == VIR_ERR_NO_DOMAIN || env->wire->code == VIR_ERR_OPERATION_INVALID) {
		log_verbose("guest %s is gone", guest->name);
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
