/* SPDX-License-Identifier: MIT */
/* Random numbers that depend on nothing but their seed. */
#ifndef BALLAST_MODEL_RNG_H
#define BALLAST_MODEL_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

/* Streams of one seed are independent of each other. */
struct rng rng_seed(uint64_t seed, uint64_t stream);

uint64_t rng_next(struct rng *r);

/* [0, 1) */
double rng_unit(struct rng *r);

/* Roughly normal: mean 0, standard deviation 1, within ±3.5. */
double rng_normal(struct rng *r);

/* 0…n−1 */
unsigned int rng_below(struct rng *r, unsigned int n);

/* Moves a value that wanders around 0 with standard deviation 1 on by one step; it forgets over so
 * many steps. */
double rng_wander(struct rng *r, double value, double steps);

#endif
