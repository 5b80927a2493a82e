/* SPDX-License-Identifier: MIT */
/* The driver (../driver), and the run that it is part of. */
#ifndef BALLAST_SIM_SEAM_H
#define BALLAST_SIM_SEAM_H

struct host;

void seam_begin(struct host *h);

#endif
