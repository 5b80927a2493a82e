/* SPDX-License-Identifier: MIT */
/* The first line of a trace: what ran where, on which guests. */
#ifndef BALLAST_RECORD_HEADER_H
#define BALLAST_RECORD_HEADER_H

#include "record.h"

/* Everything but epoch_ns. Ends the program where a guest is missing, not the lab's, or does not
 * run. */
json_t *record_header(struct recorder *r, char *const *program);

#endif
