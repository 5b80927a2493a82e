/* SPDX-License-Identifier: MIT */
/* The lab's own guests and the host's pCPUs. */
#include "labguest.h"

#include "units.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>

bool labguest_is(virDomainPtr dom)
{
	char *tag = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, LABGUEST_URI, 0);

	if (!tag)
		virResetLastError();
	free(tag);
	return tag != NULL;
}

virDomainPtr labguest_find(virConnectPtr conn, const char *name, char error[LABGUEST_ERROR_MAX])
{
	virDomainPtr dom = virDomainLookupByName(conn, name);

	if (!dom) {
		if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
			snprintf(error, LABGUEST_ERROR_MAX,
				 "there is no guest %s; `ballast up` makes guests", name);
		else
			snprintf(error, LABGUEST_ERROR_MAX, "guest %s: %s", name,
				 virGetLastErrorMessage());
		return NULL;
	}
	if (!labguest_is(dom)) {
		snprintf(error, LABGUEST_ERROR_MAX, "guest %s is not the lab's and is left alone",
			 name);
		virDomainFree(dom);
		return NULL;
	}
	return dom;
}

int labguest_pcpus(virConnectPtr conn, int **ids)
{
	unsigned char *map = NULL;
	int total = virNodeGetCPUMap(conn, &map, NULL, 0), count = 0;

	if (total < 0)
		return -1;
	*ids = calloc((size_t)total + 1, sizeof(**ids));
	for (int cpu = 0; *ids && cpu < total; cpu++) {
		if (cpumap_has(map, (size_t)VIR_CPU_MAPLEN(total), (unsigned int)cpu))
			(*ids)[count++] = cpu;
	}
	free(map);
	return *ids ? count : -1;
}
