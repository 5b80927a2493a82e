/* SPDX-License-Identifier: MIT */
/* The host's pCPUs between ticks. Private to host.c and its parts. */
#ifndef BALLAST_CPU_HOST_PCPUS_H
#define BALLAST_CPU_HOST_PCPUS_H

#include "plan.h"
#include "wire.h"

struct host_pcpus {
	const char *asked; /* list of those to use; NULL: all that are not isolated */
	struct wire *wire; /* how libvirt is asked */
	bool local;	   /* they are this machine's: /proc tells */
	bool changed;	   /* topology and use must be read again */

	struct cpu_pcpu *list; /* the online ones, by id */
	size_t n, size;

	size_t maplen; /* of cpumaps, that hold all that are present or not */
	struct xml_pcpu *topology;
	int ntopology;
	unsigned char *wanted; /* [maplen] may be used */
};

/* Reads who is online and what each carries. 0, or −1 with the error in wire or out of memory. */
int host_pcpus_sample(struct host_pcpus *pcpus, virConnectPtr conn);
void host_pcpus_free(struct host_pcpus *pcpus);

/* Grows *array, of elements of that size, to hold at least n. 0, or −1 when out of memory. */
int host_reserve(void *array, size_t *size, size_t n, size_t element);

#endif
