/* SPDX-License-Identifier: MIT */
/* What has to be forgotten when the program closes a descriptor. */
#ifndef BALLAST_SIM_DESCRIPTORS_H
#define BALLAST_SIM_DESCRIPTORS_H

void timerfd_closed(int fd);
void file_closed(int fd);

#endif
