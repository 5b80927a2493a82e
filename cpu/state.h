/* SPDX-License-Identifier: MIT */
/*
 * The affinities vCPUs had before they were changed: kept in a file, so that they outlive a crash.
 */
#ifndef BALLAST_CPU_STATE_H
#define BALLAST_CPU_STATE_H

#include "statefile.h"
#include "uuid.h"

#include <stddef.h>

/* No host has more; a file that tells of more is damaged. */
#define CPUS_MOST 65536

struct saved_vcpu {
	unsigned char uuid[UUID_LEN];
	unsigned int id;     /* libvirt's: another at each start of the guest */
	unsigned int number; /* of the vCPU */
	char *affinity;	     /* CPU list */
};

struct saved {
	char *uri; /* of the hypervisor, as it was asked for; NULL where the file does not say */
	size_t n, size;
	struct saved_vcpu *vcpus;
};

/* One more, copied. 0, −1 when out of memory. */
int state_add(struct saved *saved, const unsigned char *uuid, unsigned int id, unsigned int number,
	      const char *affinity);

/* The vCPU of a guest in that life, or NULL. */
const struct saved_vcpu *state_find(const struct saved *saved, const unsigned char *uuid,
				    unsigned int id, unsigned int number);

/* A file that is not there holds nothing. 0; −1 with one line in error, and nothing in *saved. */
int state_read(const char *path, struct saved *saved, char error[STATE_ERROR_MAX]);

/*
 * Replaces the file as a whole; without anything to save, removes it. 0, −1 with one line in error.
 */
int state_write(const char *path, const char *uri, const struct saved *saved,
		char error[STATE_ERROR_MAX]);

void state_free(struct saved *saved);

#endif
