/* SPDX-License-Identifier: MIT */
/* Random numbers that depend on nothing but their seed: splitmix64 (Steele, Lea, Flood 2014). */
#include "rng.h"

#include <math.h>

struct rng rng_seed(uint64_t seed, uint64_t stream)
{
	struct rng r = {seed};

	r.state = rng_next(&r) ^ stream;
	rng_next(&r);
	return r;
}

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
	uint64_t bits = rng_next(r);
	double sum = 0;

	/* Four uniforms of 16 bits: variance 4/12. */
	for (int i = 0; i < 4; i++, bits >>= 16)
		sum += (double)(bits & 0xffff) * 0x1p-16;
	return (sum - 2) * 1.7320508075688772;
}

unsigned int rng_below(struct rng *r, unsigned int n)
{
	return (unsigned int)((rng_next(r) >> 32) * n >> 32);
}

double rng_wander(struct rng *r, double value, double steps)
{
	double keep = 1 - 1 / steps;

	return keep * value + sqrt(1 - keep * keep) * rng_normal(r);
}
