/* SPDX-License-Identifier: MIT */
/* The model for other programs: comma-separated as virt-top has it, and JSON. */
#ifndef BALLAST_TOP_OUTPUT_H
#define BALLAST_TOP_OUTPUT_H

#include "screen.h"

#include <stdio.h>

/* The first line, and one for each look; a guest's columns are repeated for each guest. */
void top_csv_head(FILE *to);
void top_csv(FILE *to, const struct top_model *m, const char *host, const char *clock);

/* The whole model as one object. 0; −1: no memory, or it could not be written. */
int top_json(FILE *to, const struct top_model *m);

#endif
