/* SPDX-License-Identifier: MIT */
/* Puts affinities back: of what was saved, whether by this run or by one before it. */
#include "host.h"

#include "log.h"
#include "session.h"
#include "units.h"
#include "uuid.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

/* Puts one back, and counts what came of it. */
static void restore_vcpu(struct session *session, const struct saved_vcpu *vcpu, int total,
			 struct host_restored *restored)
{
	virDomainPtr dom = wire_lookup(&session->wire, session->conn, vcpu->uuid);
	bool gone = dom ? virDomainGetID(dom) != vcpu->id : session->wire.code == VIR_ERR_NO_DOMAIN;
	char uuid[UUID_TEXT_LEN];
	const char *name = dom ? virDomainGetName(dom) : uuid_format(vcpu->uuid, uuid);
	size_t maplen = VIR_CPU_MAPLEN(total);
	unsigned char *map = calloc(1, maplen);

	if (gone) {
		restored->gone++;
	} else if (dom && map && cpumap_parse(vcpu->affinity, map, maplen) == 0 &&
		   wire_pin(&session->wire, dom, vcpu->number, map, (int)maplen, NULL) == 0) {
		restored->done++;
	} else {
		restored->failed++;
		log_warn("guest %s: putting vCPU %u back to %s: %s", name, vcpu->number,
			 vcpu->affinity, session->wire.error);
	}
	if (dom)
		virDomainFree(dom);
	free(map);
}

struct host_restored host_restore(struct session *session, const struct saved *saved)
{
	struct host_restored restored = {0};
	int total = wire_cpu_map(&session->wire, session->conn, NULL);

	if (total <= 0) {
		log_warn("putting affinities back: %s", session->wire.error);
		restored.failed = saved->n;
		return restored;
	}
	for (size_t i = 0; i < saved->n; i++)
		restore_vcpu(session, &saved->vcpus[i], total, &restored);
	return restored;
}
