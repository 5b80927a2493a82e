/* SPDX-License-Identifier: MIT */
/* What the tests of the model share. */
#include "made_host.h"

#include "units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct model *made_host(unsigned int pcpus, double noise)
{
	struct model_config config;
	struct model *m;

	model_config_default(&config);
	config.pcpus = pcpus;
	config.noise = noise;
	config.load_pct = noise > 0 ? 1 : 0;
	m = model_new(&config);
	assert_non_null(m);
	return m;
}

unsigned int made_guest(struct model *m, unsigned int vcpus)
{
	struct model_guest_config config;
	int id;

	model_guest_config_default(&config);
	config.vcpus = vcpus;
	id = model_guest_add(m, &config);
	assert_true(id >= 0);
	assert_int_equal(model_guest_start(m, (unsigned int)id, true), 0);
	return (unsigned int)id;
}

void made_pin(struct model *m, unsigned int id, unsigned int vcpu, unsigned int pcpu)
{
	unsigned char map[MODEL_PCPUS_MAX / 8] = {0};

	cpumap_add(map, pcpu);
	assert_int_equal(model_set_affinity(m, id, vcpu, map, sizeof(map)), 0);
}

void rates_read(struct model *m, unsigned int id, unsigned int vcpu, uint64_t window_ns,
		struct rates *r)
{
	struct model_vcpu now;

	model_vcpu_read(m, id, vcpu, &now);
	r->run = (double)(now.run_ns - r->before.run_ns) / (double)window_ns;
	r->delay = (double)(now.delay_ns - r->before.delay_ns) / (double)window_ns;
	r->before = now;
}

void assert_near(double value, double expected, double tolerance)
{
	if (value < expected - tolerance || value > expected + tolerance)
		fail_msg("%g is not %g ± %g", value, expected, tolerance);
}

struct model_memory made_memory(struct model *m, unsigned int id)
{
	struct model_memory memory;

	model_memory_read(m, id, &memory);
	return memory;
}
