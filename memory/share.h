/* SPDX-License-Identifier: MIT */
/* Shares of what there is: weighted max-min, in layers of falling importance. Pure. */
#ifndef BALLAST_MEMORY_SHARE_H
#define BALLAST_MEMORY_SHARE_H

#include <stddef.h>
#include <stdint.h>

enum share_layer {
	SHARE_LIFE,    /* used + what it will have grown by before it can be helped again */
	SHARE_RESERVE, /* used + reserve */
	SHARE_NEED,    /* … + growth until the next chance to act */
	SHARE_GUARD,   /* … + guard against growth that is not seen yet */
	SHARE_CACHE,   /* … + page cache */
	SHARE_LAYERS,
};

struct share {
	int64_t least_kib;		 /* what it has in any case */
	int64_t most_kib;		 /* what it never gets more than */
	int64_t layer_kib[SHARE_LAYERS]; /* size that fills each layer, ascending */
	int weight;			 /* 1…MEM_WEIGHT_MOST */
	int64_t share_kib;		 /* out */
};

/*
 * Divides total_kib[layer], what all together may have while that layer is filled (never
 * ascending): layer after layer is filled for everybody; the first that does not fit is cut at one
 * level, which is each guest's size ÷ its weight, and ends it. Nobody gets less than least or, from
 * here, more than most. The sum stays within the totals unless the leasts alone exceed them. The
 * order of shares does not matter.
 */
void share_out(struct share *shares, size_t n, const int64_t total_kib[SHARE_LAYERS]);

#endif
