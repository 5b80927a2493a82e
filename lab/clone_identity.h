/* SPDX-License-Identifier: MIT */
/*
 * Who a guest is: what a restored one must not share with the golden one it came from. An agent
 * that does not answer in time is asked again until end_s (CLOCK_MONOTONIC); a busy host needs
 * that.
 */
#ifndef BALLAST_CLONE_IDENTITY_H
#define BALLAST_CLONE_IDENTITY_H

#include "workloads/agent_reply.h"

#include <libvirt/libvirt.h>

/*
 * Puts into a guest what clone_identity_set() runs there later, in the guest's clones. 0, −1 with
 * one line in error.
 */
int clone_identity_prepare(virDomainPtr dom, double end_s, char error[AGENT_ERROR_MAX]);

/*
 * Gives a guest the host's time, random numbers of its own, its domain's name as host name, its
 * UUID as machine id and ssh host keys of its own, by one program in the guest. 0, −1 with one
 * line in error.
 */
int clone_identity_set(virDomainPtr dom, double end_s, char error[AGENT_ERROR_MAX]);

#endif
