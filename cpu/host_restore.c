/* SPDX-License-Identifier: MIT */
/* Puts affinities back: of what was saved, whether by this run or by one before it. */
#include "host.h"

#include "log.h"
#include "units.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

/* 0; −1 with libvirt's error; 1 where that guest runs no more, or in another life. */
static int restore_vcpu(virConnectPtr conn, const struct saved_vcpu *vcpu, int total)
{
	virDomainPtr dom = virDomainLookupByUUID(conn, vcpu->uuid);
	const char *name =
		dom ? virDomainGetName(dom) : NULL; /* asked later, it would forget the error */
	size_t maplen = VIR_CPU_MAPLEN(total);
	unsigned char *map = calloc(1, maplen);
	int result = -1;

	if (!dom || virDomainGetID(dom) != vcpu->id)
		result = 1;
	else if (map && cpumap_parse(vcpu->affinity, map, maplen) == 0)
		result = virDomainPinVcpuFlags(dom, vcpu->number, map, (int)maplen,
					       VIR_DOMAIN_AFFECT_LIVE);
	if (result < 0)
		log_warn("guest %s: putting vCPU %u back to %s: %s", name, vcpu->number,
			 vcpu->affinity, virGetLastErrorMessage());
	if (dom)
		virDomainFree(dom);
	free(map);
	return result;
}

size_t host_restore(virConnectPtr conn, const struct saved *saved)
{
	int total = virNodeGetCPUMap(conn, NULL, NULL, 0);
	size_t failed = 0;

	if (total <= 0) {
		log_warn("putting affinities back: %s", virGetLastErrorMessage());
		return saved->n;
	}
	for (size_t i = 0; i < saved->n; i++)
		failed += restore_vcpu(conn, &saved->vcpus[i], total) < 0;
	return failed;
}
