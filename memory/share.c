/* SPDX-License-Identifier: MIT */
/* Shares of what there is: weighted max-min, in layers of falling importance. */
#include "share.h"

#include "kib.h"

/* What a guest would have with the layer filled up to that level. */
static int64_t filled(const struct share *s, enum share_layer layer, int64_t level)
{
	int64_t full = clamp64(s->layer_kib[layer], s->share_kib, s->most_kib);

	if (full < s->share_kib) /* most is below what it has */
		full = s->share_kib;
	return clamp64(level * s->weight, s->share_kib, full);
}

static int64_t sum_filled(const struct share *shares, size_t n, enum share_layer layer,
			  int64_t level)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += filled(&shares[i], layer, level);
	return sum;
}

/* The highest level whose sum stays within the total, by bisection: exact, and blind to order. */
static int64_t find_level(const struct share *shares, size_t n, enum share_layer layer,
			  int64_t total, int64_t most)
{
	int64_t low = 0, high = most;

	while (low < high) {
		int64_t middle = low + (high - low + 1) / 2;

		if (sum_filled(shares, n, layer, middle) <= total)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

void share_out(struct share *shares, size_t n, const int64_t total_kib[SHARE_LAYERS])
{
	for (size_t i = 0; i < n; i++)
		shares[i].share_kib = shares[i].least_kib;
	for (enum share_layer layer = 0; layer < SHARE_LAYERS; layer++) {
		int64_t most = 0, level;

		for (size_t i = 0; i < n; i++) {
			if (shares[i].layer_kib[layer] > most)
				most = shares[i].layer_kib[layer];
		}
		/* A weight of 1 needs the highest level to be full. */
		level = find_level(shares, n, layer, total_kib[layer], most);
		if (sum_filled(shares, n, layer, level) > total_kib[layer])
			return; /* not even what they have in any case */
		for (size_t i = 0; i < n; i++)
			shares[i].share_kib = filled(&shares[i], layer, level);
		if (level < most)
			return;
	}
}
