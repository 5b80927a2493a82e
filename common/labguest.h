/* SPDX-License-Identifier: MIT */
/*
 * The lab's own guests and the host's pCPUs, through libvirt. A host may run guests of other
 * people: only domains that carry the lab's metadata (urn:ballast:lab:1) may be touched.
 */
#ifndef BALLAST_LABGUEST_H
#define BALLAST_LABGUEST_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#define LABGUEST_URI	   "urn:ballast:lab:1" /* namespace of the tag */
#define LABGUEST_ERROR_MAX 256

/* Whether a domain carries the lab's metadata. */
bool labguest_is(virDomainPtr dom);

/* The lab guest of that name, or NULL with one line in error: there is none, or it is not the
 * lab's. */
virDomainPtr labguest_find(virConnectPtr conn, const char *name, char error[LABGUEST_ERROR_MAX]);

/* The ids of the host's online pCPUs, ascending, allocated; how many, −1 with libvirt's error set.
 */
int labguest_pcpus(virConnectPtr conn, int **ids);

#endif
