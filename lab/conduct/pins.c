/* SPDX-License-Identifier: MIT */
/* Pins that the scenario makes. */
#include "pins.h"

#include <stdio.h>
#include <string.h>

/* An announced pin is seen within a few milliseconds; one that failed is never seen. */
#define ANNOUNCED_S 5.0

static void forget(struct pins *pins, size_t index)
{
	pins->n--;
	memmove(pins->items + index, pins->items + index + 1,
		(pins->n - index) * sizeof(pins->items[0]));
}

void pins_announce(struct pins *pins, const char *guest, unsigned int vcpu, const char *affinity,
		   double now_s)
{
	struct pin *pin;

	if (pins->n == PINS_MAX)
		forget(pins, 0);
	pin = &pins->items[pins->n++];
	snprintf(pin->guest, sizeof(pin->guest), "%s", guest);
	snprintf(pin->affinity, sizeof(pin->affinity), "%s", affinity);
	pin->vcpu = vcpu;
	pin->at_s = now_s;
}

bool pins_claim(struct pins *pins, const char *guest, unsigned int vcpu, const char *affinity,
		double now_s)
{
	for (size_t i = 0; i < pins->n; i++) {
		const struct pin *pin = &pins->items[i];

		if (now_s - pin->at_s < ANNOUNCED_S && pin->vcpu == vcpu &&
		    !strcmp(pin->guest, guest) && !strcmp(pin->affinity, affinity)) {
			forget(pins, i);
			return true;
		}
	}
	return false;
}
