/* SPDX-License-Identifier: MIT */
/* What outlives a run: one instance per host, and the targets and settings of guests it has
 * changed. */
#ifndef BALLAST_MEMORY_STATE_H
#define BALLAST_MEMORY_STATE_H

#include "plan.h"
#include "statefile.h"

struct saved_guest {
	unsigned char uuid[MEM_UUID_LEN];
	int64_t id;	      /* libvirt's: another at each start of the guest */
	int64_t actual_kib;   /* its size when this was written */
	int64_t target_kib;   /* 0: none stands */
	int64_t original_kib; /* its size when it was first seen */
	int64_t period_s;     /* of its statistics before we set it; MEM_NOT_KNOWN: we did not */
};

struct saved {
	char *uri; /* of the hypervisor, as it was asked for; NULL where the file does not say */
	size_t n;
	struct saved_guest *guests;
};

/* A file that is not there holds nothing. 0; −1 with one line in error if it cannot be read or
 * understood, and nothing in *saved. */
int state_read(const char *path, struct saved *saved, char error[STATE_ERROR_MAX]);

/* Replaces the file as a whole. 0, −1 with one line in error. */
int state_write(const char *path, const char *uri, const struct saved *saved,
		char error[STATE_ERROR_MAX]);

/* That guest in that life, or NULL. */
const struct saved_guest *state_find(const struct saved *saved, const unsigned char *uuid,
				     int64_t id);

void state_free(struct saved *saved);

#endif
