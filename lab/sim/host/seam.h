/* SPDX-License-Identifier: MIT */
/* The functions of ../api, and the run they answer in. */
#ifndef BALLAST_SIM_SEAM_H
#define BALLAST_SIM_SEAM_H

struct host;

void seam_begin(struct host *h);

/* Events that wait are handed out. */
void seam_hand_out(void);

#endif
