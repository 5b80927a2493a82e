/* SPDX-License-Identifier: MIT */
/* One guest restored from a golden one, and made somebody of its own. */
#ifndef BALLAST_CLONE_GUEST_H
#define BALLAST_CLONE_GUEST_H

#include "clone.h"
#include "clone_feed.h"
#include "clone_golden.h"

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all clones of a run share. */
struct batch {
	const struct clone_args *args;
	struct golden golden;
	struct feed_gate gate;	  /* the golden guest's contents are what they were */
	sem_t slots;		  /* restores at once */
	int done_fd;		  /* eventfd: one more thread is done */
	pthread_mutex_t lock;	  /* of what follows */
	pthread_cond_t connected; /* some guest's agent has */
	bool copy;		  /* pipes do not work here */
	bool mismatch;		  /* the golden guest is of another kind */
};

struct clone {
	struct batch *batch;
	char *name;
	pthread_t thread;
	virConnectPtr conn;
	virDomainPtr dom;
	char uuid[VIR_UUID_STRING_BUFLEN];
	bool connected; /* its agent; under the batch's lock */
	bool started;	/* its thread */
	bool ready;
	char error[1024];
};

/* Defines the guest where it is not, and restores it. Balloon it shall have: *wanted_kib. 0, −1
 * with c->error. */
int clone_guest_restore(struct clone *c, uint64_t *wanted_kib);

/*
 * Gives the restored guest its statistics period, balloon, clock, host name, machine id and entropy
 * of its own, waiting for its agent first. 0, −1 with c->error.
 */
int clone_guest_settle(struct clone *c, uint64_t wanted_kib);

#endif
