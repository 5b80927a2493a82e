/* SPDX-License-Identifier: MIT */
/* What the tests of the model share: hosts and guests made up, and what is read of them. A step
 * that fails fails the test. */
#ifndef BALLAST_MADE_HOST_H
#define BALLAST_MADE_HOST_H

#include "model.h"
#include "units.h"

#define S   MODEL_NS_PER_S
#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB

/* A host whose own load is none where there is no noise. */
struct model *made_host(unsigned int pcpus, double noise);

/* Adds a guest and starts it, booted already. Its id. */
unsigned int made_guest(struct model *m, unsigned int vcpus);

void made_pin(struct model *m, unsigned int id, unsigned int vcpu, unsigned int pcpu);
struct model_memory made_memory(struct model *m, unsigned int id);

/* Fractions of a pCPU over the window since the last call. */
struct rates {
	struct model_vcpu before;
	double run, delay;
};

void rates_read(struct model *m, unsigned int id, unsigned int vcpu, uint64_t window_ns,
		struct rates *r);

void assert_near(double value, double expected, double tolerance);

#endif
