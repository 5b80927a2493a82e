/* SPDX-License-Identifier: MIT */
/* What libvirt tells of the scenario's guests while they are watched: pins, balloons, lives. */
#ifndef BALLAST_EVENTS_H
#define BALLAST_EVENTS_H

#include "recorder.h"

/* For session.on_open and .on_close; opaque is the recorder. */
void events_register(virConnectPtr conn, void *opaque);
void events_deregister(virConnectPtr conn, void *opaque);

/*
 * Notes the affinities of a guest's vCPUs and the pCPUs they ran on last. A change no event told of
 * is written as one. 0, −1 with libvirt's error set.
 */
int events_refresh_vcpus(struct recorder *r, struct watched *g, virDomainPtr dom);

#endif
