/* SPDX-License-Identifier: MIT */
/* Pins that the scenario makes: libvirt reports each as it does those of the program. */
#ifndef BALLAST_PINS_H
#define BALLAST_PINS_H

#include "scenario.h"

#include <stdbool.h>
#include <stddef.h>

#define PINS_MAX 256

struct pin {
	char guest[SCENARIO_NAME_MAX];
	unsigned int vcpu;
	char affinity[128]; /* CPU list */
	double at_s;	    /* CLOCK_MONOTONIC */
};

struct pins {
	struct pin items[PINS_MAX];
	size_t n;
};

/* One that is about to be made; the oldest makes room. */
void pins_announce(struct pins *pins, const char *guest, unsigned int vcpu, const char *affinity,
		   double now_s);

/* Whether a pin that was just seen had been announced; it is forgotten then. */
bool pins_claim(struct pins *pins, const char *guest, unsigned int vcpu, const char *affinity,
		double now_s);

#endif
