/* SPDX-License-Identifier: MIT */
/*
 * `clone`: guests that are booted once and restored many times. Each function is one of its
 * subcommands and returns an exit status.
 *
 * A golden guest lives in a folder: `ram`, a libvirt save file; `digest`, its size and XXH3,
 * written last, so that a folder without it is unfinished.
 */
#ifndef BALLAST_CLONE_H
#define BALLAST_CLONE_H

#include <stdbool.h>
#include <stdint.h>

struct clone_args {
	const char *uri;
	const char *golden; /* folder of the golden guest */
	const char *guests; /* folder that holds NAME/domain.xml; gets NAME/incoming for a moment */
	double since_s;	    /* CLOCK_MONOTONIC the user's wait began at */
	double timeout_s;
	unsigned int period_s; /* of the balloon's statistics */
	unsigned int parallel; /* restores at once; 0: by the number of pCPUs */
	bool copy;	       /* by a copy of the golden file each, not by a pipe */
	uint64_t balloon_kib;  /* that a golden guest is saved with */
	char **names;	       /* operands, NULL-terminated */
};

/* Prints what a save file holds, having checked it. */
int clone_inspect(const struct clone_args *args);

/* Waits until a ready guest has become quiet, all its free memory zero and its balloon of the
 * wanted size, and saves it into the golden folder. */
int clone_save(const struct clone_args *args);

/*
 * Defines and restores all names, and gives each its own clock, host name, machine id and entropy.
 * Prints "NAME SECONDS" when a guest is ready. One that fails is left shut off. EXIT_LAB if one
 * failed; EXIT_FAIL if the golden guest itself is damaged or of another kind and should be made
 * anew.
 */
int clone_restore(const struct clone_args *args);

#endif
