/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel lets a guest run: a cpuset of its slice or partition narrows what is asked for.
 * All maps are libvirt's, of maplen bytes.
 */
#ifndef BALLAST_CPU_CPUSET_H
#define BALLAST_CPU_CPUSET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Takes in what the kernel made of affinities: asked[] and now[] are n maps each; those of now that
 * are empty say nothing. cpuset is what was known, and becomes what is: one vCPU that may run
 * anywhere, or nowhere it was asked to, shows all of it; others only what they have of it.
 * True if that changes it. online: the host's pCPUs.
 */
bool cpuset_learn(unsigned char *cpuset, const unsigned char *asked, const unsigned char *now,
		  size_t n, const unsigned char *online, size_t maplen);

/* The process of a QEMU guest on this machine, by its name and UUID as text; 0: not found. */
int cpuset_find_process(const char *name, const char *uuid);

/* Where a process may run. 0, or −1 where that cannot be told. */
int cpuset_read_process(int pid, unsigned char *map, size_t maplen);

#endif
