/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's only contact with libvirt: reads the host and its guests into a sample, and makes
 * pins. A quiet tick costs one call of libvirt, whatever the number of guests; and another about
 * one of them, in turn, where their processes are not on this machine and cannot be asked.
 */
#ifndef BALLAST_CPU_HOST_H
#define BALLAST_CPU_HOST_H

#include "plan.h"
#include "state.h"

#include <libvirt/libvirt.h>

struct host_options {
	const char *guests; /* glob of the guests' names; NULL: all */
	const char
		*pcpus; /* list of the pCPUs to use; NULL: all that are online and not isolated */
	bool respect_pins; /* keep to the affinities found, and off guests that others pin */
};

/* What is known of the host and its guests between ticks. */
struct host;
struct session;

/*
 * options, what was saved in an earlier life, and the session, which is woken when somebody else
 * sets an affinity, must outlive the host. NULL when out of memory.
 */
struct host *host_new(const struct host_options *options, const struct saved *earlier,
		      struct session *session);
void host_free(struct host *host);

/*
 * 0 if options.pcpus names only pCPUs that the host has; −1 with the error in the session's wire;
 * else how many it has.
 */
int host_check(struct session *session, const struct host_options *options);

/* For struct session: what to do when a connection was made, and before one is given up. opaque is
 * the host. */
void host_opened(virConnectPtr conn, void *opaque);
void host_closed(virConnectPtr conn, void *opaque);

/*
 * Reads everything into *sample, which stays valid until the next call. 0, or −1 with
 * the error in the session's wire; what can be told better than by that was logged then.
 */
int host_sample(struct host *host, virConnectPtr conn, struct cpu_sample *sample);

/*
 * Did no guest run that we manage, by the last sample? One that could not be asked about yet may be
 * one.
 */
bool host_is_empty(const struct host *host);

/* The name of a guest of the last sample. */
const char *host_guest_name(const struct host *host, size_t guest);

/* Takes over, and says, what libvirt told that others made of affinities since the last sample. */
void host_notice(struct host *host);

/* Announces a pin, so that what it changes can be saved before. */
void host_announce(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin);

/*
 * Makes one pin on a vCPU of the last sample. 0, or −1 after telling why on stderr; it is not even
 * tried while the vCPU's back-off lasts or a call on its guest is still on its way.
 */
int host_pin(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin);

/*
 * The affinities that announced pins change, and those saved earlier of guests that may still run.
 * 0, −1 when out of memory.
 */
int host_save(const struct host *host, struct saved *saved);

/* Is that other than when host_saved() was called last? */
bool host_unsaved(const struct host *host);
void host_saved(struct host *host);

/* How many vCPUs got their affinity back, run no more in the same life, and could not be put back.
 */
struct host_restored {
	size_t done, gone, failed;
};

/* Puts affinities back; says on stderr why one could not be. */
struct host_restored host_restore(struct session *session, const struct saved *saved);

#endif
