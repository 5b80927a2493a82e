/* SPDX-License-Identifier: MIT */
/* When what failed is tried again. */
#include "backoff.h"

#define RETRIES	   2U
#define MOST_STEPS 6U

bool backoff_waits(const struct backoff *backoff, unsigned long tick)
{
	return tick < backoff->until_tick;
}

void backoff_fail(struct backoff *backoff, unsigned long tick, bool timed_out)
{
	unsigned int step;

	if (timed_out && backoff->failures < RETRIES)
		backoff->failures = RETRIES;
	backoff->until_tick = tick + 1;
	if (backoff->failures >= RETRIES) {
		step = backoff->failures - RETRIES;
		backoff->until_tick += 1UL << (step < MOST_STEPS ? step : MOST_STEPS);
	}
	backoff->failures++;
}

void backoff_end(struct backoff *backoff)
{
	*backoff = (struct backoff){0};
}
