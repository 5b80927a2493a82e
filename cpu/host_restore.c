/* SPDX-License-Identifier: MIT */
/* Puts affinities back: of what was saved, whether by this run or by one before it. */
#include "host.h"

#include "log.h"
#include "session.h"
#include "units.h"
#include "uuid.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

/* What failed is tried a second time: somebody else's operation may have held the guest. */
#define TRIES 2

enum outcome { PUT_BACK, GONE, NOT_PUT_BACK };

/*
 * The affinity as far as this host still has the pCPUs, or all of them where it has none left.
 * False: not a list, or out of memory. tell: of those that are gone.
 */
static bool read_map(const struct saved_vcpu *vcpu, const char *name, int total, unsigned char *map,
		     bool tell)
{
	unsigned char *whole = calloc(1, CPUS_MOST / 8);
	bool read = whole && cpumap_parse(vcpu->affinity, whole, CPUS_MOST / 8) == 0;
	unsigned int kept = 0;

	for (unsigned int id = 0; read && id < (unsigned int)total; id++) {
		if (!cpumap_has(whole, CPUS_MOST / 8, id))
			continue;
		cpumap_add(map, id);
		kept++;
	}
	if (tell && read && kept < cpumap_count(whole, CPUS_MOST / 8))
		log_warn("guest %s: vCPU %u was on %s, and this host has pCPUs 0-%d only; put back "
			 "to %s",
			 name, vcpu->number, vcpu->affinity, total - 1,
			 kept ? "the others" : "all of them");
	for (unsigned int id = 0; read && !kept && id < (unsigned int)total; id++)
		cpumap_add(map, id);
	free(whole);
	return read;
}

static enum outcome restore_vcpu(struct session *session, const struct saved_vcpu *vcpu, int total,
				 int try)
{
	virDomainPtr dom = wire_lookup(&session->wire, session->conn, vcpu->uuid);
	bool gone = dom ? virDomainGetID(dom) != vcpu->id : session->wire.code == VIR_ERR_NO_DOMAIN;
	char uuid[UUID_TEXT_LEN];
	const char *name = dom ? virDomainGetName(dom) : uuid_format(vcpu->uuid, uuid);
	size_t maplen = VIR_CPU_MAPLEN(total);
	unsigned char *map = calloc(1, maplen);
	enum outcome outcome = gone ? GONE : NOT_PUT_BACK;

	if (!gone && dom && map && read_map(vcpu, name, total, map, try == 1) &&
	    wire_pin(&session->wire, dom, vcpu->number, map, (int)maplen, NULL) == 0)
		outcome = PUT_BACK;
	if (outcome == NOT_PUT_BACK && try == TRIES)
		log_warn("guest %s: putting vCPU %u back to %s: %s", name, vcpu->number,
			 vcpu->affinity, session->wire.error);
	if (dom)
		virDomainFree(dom);
	free(map);
	return outcome;
}

struct host_restored host_restore(struct session *session, const struct saved *saved)
{
	struct host_restored restored = {.failed = saved->n};
	int total = wire_cpu_map(&session->wire, session->conn, NULL);
	bool *settled = calloc(saved->n + 1, sizeof(*settled));

	if (total <= 0 || !settled)
		log_warn("putting affinities back: %s",
			 settled ? session->wire.error : "out of memory");
	for (int i = 1; total > 0 && settled && i <= TRIES && restored.failed; i++) {
		for (size_t v = 0; v < saved->n; v++) {
			enum outcome outcome = NOT_PUT_BACK;

			if (!settled[v])
				outcome = restore_vcpu(session, &saved->vcpus[v], total, i);
			if (outcome == NOT_PUT_BACK)
				continue;
			settled[v] = true;
			restored.failed--;
			*(outcome == GONE ? &restored.gone : &restored.done) += 1;
		}
	}
	free(settled);
	return restored;
}
