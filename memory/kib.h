/* SPDX-License-Identifier: MIT */
/* The smaller, the larger, the nearest within bounds: of sizes in KiB. */
#ifndef BALLAST_MEMORY_KIB_H
#define BALLAST_MEMORY_KIB_H

#include <stdint.h>

#define MIB ((int64_t)1024)

static inline int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t clamp64(int64_t value, int64_t least, int64_t most)
{
	return max64(least, min64(value, most));
}

#endif
