/* SPDX-License-Identifier: MIT */
/*
 * The coordinator's only contact with libvirt: reads the host and its guests into a sample, and
 * sets balloons. A quiet tick costs one call of libvirt, whatever the number of guests.
 */
#ifndef BALLAST_MEMORY_HOST_H
#define BALLAST_MEMORY_HOST_H

#include "plan.h"
#include "session.h"
#include "state.h"

#include <libvirt/libvirt.h>

/* --weight GLOB=N */
struct host_weight {
	const char *guests;
	int weight;
};

struct host_options {
	const char *guests;	     /* glob of the guests' names; NULL: all */
	int period_s;		     /* of the guests' statistics */
	struct host_weight *weights; /* the last that fits a name counts; its metadata before all */
	size_t nweights;
	bool touch_nothing; /* not even the period */
};

/* What is known of the host and its guests between ticks. */
struct host;

/* NULL when out of memory. options and session must outlive the host; the session is woken when
 * somebody else changes a guest. */
struct host *host_new(const struct host_options *options, struct session *session);
void host_free(struct host *host);

/* For struct session: what to do when a connection was made, and before one is given up. opaque is
 * the host. */
void host_opened(virConnectPtr conn, void *opaque);
void host_closed(virConnectPtr conn, void *opaque);

/*
 * Reads everything into *sample, which stays valid until the next call. 0, or −1 with
 * the error in the session's wire; what can be told better than by that was logged then.
 */
int host_sample(struct host *host, virConnectPtr conn, struct mem_sample *sample);

/* Did somebody else set a guest's balloon, or change its settings, since the last sample? */
bool host_changed(const struct host *host);

/* The name of a guest of the last sample. */
const char *host_guest_name(const struct host *host, size_t guest);

/* Is it in a sample for the first time since its start, or since its settings changed? */
bool host_guest_new(const struct host *host, size_t guest);

/* Sets one balloon of the last sample. 0, or −1 after saying why on stderr. */
int host_set(struct host *host, const struct mem_set *set);

/* What the balloon of a guest of the last sample was set to by a call that was given up and has
 * gone well since; 0: none. */
int64_t host_set_late(struct host *host, size_t guest);

/* What was known of guests in an earlier life; must outlive the host. */
void host_remember(struct host *host, const struct saved *saved);

/* What is to be kept of a guest of the last sample, but for its target. */
struct saved_guest host_save(const struct host *host, size_t guest);

/* Restoring leaves that guest of the last sample with so much at least. */
void host_keep(struct host *host, size_t guest, int64_t least_kib);

/*
 * Puts the guests' statistics periods back to what was found, and their balloons too where asked.
 * Returns how many balloons are not as they were found, each of which was named on stderr.
 */
size_t host_restore(struct host *host, virConnectPtr conn, bool balloons);

#endif
