/* SPDX-License-Identifier: MIT */
/* The folder of a golden guest: its save file and the digest that tells whether it is still the
 * same. */
#ifndef BALLAST_CLONE_GOLDEN_H
#define BALLAST_CLONE_GOLDEN_H

#include "clone_saved.h"

struct golden {
	struct saved saved;
	struct saved_identity identity;
	uint64_t size; /* as written down when it was saved */
	uint64_t digest;
};

/* Opens the folder and checks all that takes no reading of the whole. 0; −1 with a line in error.
 */
int golden_open(struct golden *g, const char *folder, char error[SAVED_ERROR_MAX]);

/* Reads the whole save file and compares it. 0; −1 with a line in error. */
int golden_verify(const struct golden *g, char error[SAVED_ERROR_MAX]);

void golden_close(struct golden *g);

/* Checks the save file `ram` of a folder and writes down its digest. 0; −1 with a line in error. */
int golden_seal(const char *folder, char error[SAVED_ERROR_MAX]);

#endif
