/* SPDX-License-Identifier: MIT */
/* The model of a host: what must hold in every run, and the figures measured on real guests. */
#include "model.h"
#include "model_rng.h"
#include "units.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S    MODEL_NS_PER_S
#define MIB  KIB_PER_MIB
#define GIB  KIB_PER_GIB
#define RUNS 60 /* random runs of each property */

static struct model *host(unsigned int pcpus, double noise)
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

static unsigned int guest(struct model *m, unsigned int vcpus)
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

static void pin(struct model *m, unsigned int id, unsigned int vcpu, unsigned int pcpu)
{
	unsigned char map[MODEL_PCPUS_MAX / 8] = {0};

	cpumap_add(map, pcpu);
	assert_int_equal(model_set_affinity(m, id, vcpu, map, sizeof(map)), 0);
}

/* Fractions of a pCPU over the window since the last call. */
struct rates {
	struct model_vcpu before;
	double run, delay;
};

static void rates_read(struct model *m, unsigned int id, unsigned int vcpu, uint64_t window_ns,
		       struct rates *r)
{
	struct model_vcpu now;

	model_vcpu_read(m, id, vcpu, &now);
	r->run = (double)(now.run_ns - r->before.run_ns) / (double)window_ns;
	r->delay = (double)(now.delay_ns - r->before.delay_ns) / (double)window_ns;
	r->before = now;
}

static void assert_near(double value, double expected, double tolerance)
{
	if (value < expected - tolerance || value > expected + tolerance)
		fail_msg("%g is not %g ± %g", value, expected, tolerance);
}

/* --- CPU: figures --- */

struct sharing {
	double pct;
	bool open_loop;
	double stolen;
	double run, delay; /* expected; delay −1: not looked at */
};

/* All on one pCPU, without noise, over 4 s. */
static void check_sharing(const struct sharing *rows, size_t n, double tolerance)
{
	struct model *m = host(1, 0);

	for (unsigned int i = 0; i < n; i++) {
		unsigned int id = guest(m, 1);

		model_set_stolen(m, id, rows[i].stolen);
		model_set_cpu_load(m, id, rows[i].pct, rows[i].open_loop, 0);
	}
	model_advance(m, 4 * S);
	for (unsigned int i = 0; i < n; i++) {
		struct rates r = {0};

		rates_read(m, i, 0, 4 * S, &r);
		assert_near(r.run, rows[i].run, tolerance);
		if (rows[i].delay >= 0)
			assert_near(r.delay, rows[i].delay, tolerance);
	}
	model_free(m);
}

/* Measured on real guests with stress-ng. */
static void test_measured_contention(void **state)
{
	static const struct sharing rows[] = {
		{100, false, MODEL_STOLEN_STRESS, 0.33, 0.66},
		{100, false, MODEL_STOLEN_STRESS, 0.33, 0.66},
		{40, false, MODEL_STOLEN_STRESS, 0.165, 0.41},
		{40, false, MODEL_STOLEN_STRESS, 0.165, 0.41},
	};

	(void)state;
	check_sharing(rows, 4, 0.01);
}

static void test_sharing(void **state)
{
	static const struct sharing alone[] = {{40, false, 0, 0.4, 0}};
	static const struct sharing fits[] = {{30, false, 0, 0.3, -1}, {50, false, 0, 0.5, -1}};
	/* Whoever needs less than a fair share gets it; the others share the rest. */
	static const struct sharing some[] = {
		{10, false, 0, 0.1, -1}, {100, false, 0, 0.45, 0.55}, {100, false, 0, 0.45, 0.55}};
	static const struct sharing eight[] = {
		{45, false, 0, 0.125, 0.875},  {45, false, 0, 0.125, 0.875},
		{45, false, 0, 0.125, 0.875},  {45, false, 0, 0.125, 0.875},
		{100, false, 0, 0.125, 0.875}, {100, false, 0, 0.125, 0.875},
		{100, false, 0, 0.125, 0.875}, {100, false, 0, 0.125, 0.875}};

	(void)state;
	check_sharing(alone, 1, 0.001);
	check_sharing(fits, 2, 0.001);
	check_sharing(some, 3, 0.01);
	check_sharing(eight, 8, 0.001);
}

/* What waiting costs is given up by a closed loop, and caught up by an open one. */
static void test_open_and_closed_loop(void **state)
{
	for (int open_loop = 0; open_loop <= 1; open_loop++) {
		struct model *m = host(2, 0);
		unsigned int id = guest(m, 1), rival = guest(m, 1);
		struct rates r = {0};
		struct model_vcpu vcpu;

		pin(m, id, 0, 0);
		pin(m, rival, 0, 0);
		model_set_cpu_load(m, id, 80, open_loop, 0);
		model_set_cpu_load(m, rival, 100, false, 0);
		model_advance(m, 10 * S);
		rates_read(m, id, 0, 10 * S, &r);
		assert_near(r.run, 0.5, 0.001);
		model_vcpu_read(m, id, 0, &vcpu);
		assert_near((double)vcpu.backlog_ns / 1e9, open_loop ? 3 : 0, 0.01);
		/* Alone, it works off 3 s at 0.2 s a second, and a little for moving. */
		pin(m, rival, 0, 1);
		model_advance(m, 30 * S);
		rates_read(m, id, 0, 20 * S, &r);
		assert_near(r.run, open_loop ? 0.95 : 0.8, 0.001);
		model_vcpu_read(m, id, 0, &vcpu);
		assert_int_equal(vcpu.backlog_ns, 0);
		model_advance(m, 40 * S);
		rates_read(m, id, 0, 10 * S, &r);
		assert_near(r.run, 0.8, 0.001);
		model_free(m);
	}
	(void)state;
}

static void test_weights_and_quotas(void **state)
{
	struct model *m = host(1, 0);
	unsigned int heavy = guest(m, 1), light = guest(m, 1);
	struct rates r[2] = {0};
	struct model_vcpu vcpu;

	(void)state;
	assert_int_equal(model_shares(m, heavy), 1024);
	model_set_shares(m, heavy, 3072);
	model_set_cpu_load(m, heavy, 100, false, 0);
	model_set_cpu_load(m, light, 100, false, 0);
	model_advance(m, 4 * S);
	rates_read(m, heavy, 0, 4 * S, &r[0]);
	rates_read(m, light, 0, 4 * S, &r[1]);
	assert_near(r[0].run, 0.75, 0.001);
	assert_near(r[1].run, 0.25, 0.001);
	model_set_quota(m, heavy, 20);
	assert_near(model_quota(m, heavy), 20, 1e-9);
	model_advance(m, 8 * S);
	rates_read(m, heavy, 0, 4 * S, &r[0]);
	rates_read(m, light, 0, 4 * S, &r[1]);
	assert_near(r[0].run, 0.2, 0.001);
	assert_near(r[0].run + r[0].delay, 1, 0.001);
	assert_near(r[1].run, 0.8, 0.001);
	/* What the quota held back is no waiting for others. */
	model_vcpu_read(m, heavy, 0, &vcpu);
	assert_true(vcpu.wait_ns < vcpu.delay_ns - 2 * S);
	model_free(m);
}

/* A guest's weight is shared by its loaded vCPUs. */
static void test_guests_share_as_a_whole(void **state)
{
	struct model *m = host(1, 0);
	unsigned int wide = guest(m, 3), narrow = guest(m, 1);
	struct rates r = {0};

	(void)state;
	model_set_cpu_load(m, wide, 100, false, 0);
	model_set_cpu_load(m, narrow, 100, false, 0);
	model_advance(m, 4 * S);
	rates_read(m, narrow, 0, 4 * S, &r);
	assert_near(r.run, 0.5, 0.001);
	model_free(m);
}

static void test_siblings_and_nodes(void **state)
{
	struct model_config config;
	struct model *m;
	struct model_vcpu vcpu;
	struct model_pcpu pcpu;
	unsigned int a, b;

	(void)state;
	model_config_default(&config);
	config.pcpus = 8;
	config.threads_per_core = 2;
	config.nodes = 2;
	config.noise = config.load_pct = 0;
	config.move_cost_ns = 0;
	m = model_new(&config);
	model_pcpu_read(m, 1, &pcpu);
	assert_int_equal(pcpu.core, 0);
	assert_int_equal(pcpu.node, 0);
	model_pcpu_read(m, 4, &pcpu);
	assert_int_equal(pcpu.core, 2);
	assert_int_equal(pcpu.node, 1);
	a = guest(m, 1);
	b = guest(m, 1);
	model_vcpu_read(m, a, 0, &vcpu);
	model_pcpu_read(m, (unsigned int)vcpu.pcpu, &pcpu);
	pin(m, a, 0, 4 * pcpu.node);
	pin(m, b, 0, 4 * pcpu.node + 2);
	model_set_cpu_load(m, a, 100, false, 0);
	model_set_cpu_load(m, b, 100, false, 0);
	model_advance(m, 10 * S);
	model_vcpu_read(m, a, 0, &vcpu);
	assert_near((double)vcpu.work_ns / 1e10, 1, 0.001);
	/* The sibling is busy. */
	pin(m, b, 0, 4 * pcpu.node + 1);
	model_advance(m, 20 * S);
	model_vcpu_read(m, a, 0, &vcpu);
	assert_near((double)vcpu.work_ns / 1e10, 1.65, 0.01);
	assert_near((double)vcpu.run_ns / 1e10, 2, 0.001);
	/* Away from its memory. */
	pin(m, a, 0, 4 * !pcpu.node);
	model_advance(m, 30 * S);
	model_vcpu_read(m, a, 0, &vcpu);
	assert_near((double)vcpu.work_ns / 1e10, 1.65 + 0.85, 0.01);
	model_free(m);
}

static void test_moves_cost_work(void **state)
{
	struct model *m = host(2, 0);
	unsigned int id = guest(m, 1);
	struct model_vcpu vcpu;
	uint64_t moves;

	(void)state;
	pin(m, id, 0, 0);
	model_vcpu_read(m, id, 0, &vcpu);
	moves = vcpu.moves;
	model_set_cpu_load(m, id, 100, false, 0);
	for (unsigned int i = 1; i <= 100; i++) {
		pin(m, id, 0, i % 2);
		model_advance(m, i * S / 100);
	}
	model_vcpu_read(m, id, 0, &vcpu);
	assert_int_equal(vcpu.moves - moves, 100);
	assert_near((double)vcpu.run_ns, 1e9, 1e3);
	assert_near((double)vcpu.work_ns, 1e9 - 100 * 2e5, 1e6);
	model_free(m);
}

static void test_libvirt_time_goes_in_ticks(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id = guest(m, 1);
	struct model_vcpu vcpu;

	(void)state;
	model_set_cpu_load(m, id, 100, false, 0);
	model_advance(m, 123456789);
	model_vcpu_read(m, id, 0, &vcpu);
	assert_near((double)vcpu.run_ns, 123456789, 2);
	assert_int_equal(vcpu.time_ns, 120000000);
	model_free(m);
}

static void test_idle_guests_make_some_noise(void **state)
{
	struct model *m = host(4, 0.02);
	struct rates r[20] = {0};
	double least = 1, most = 0, sum = 0;

	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		guest(m, 1);
	for (unsigned int second = 1; second <= 60; second++) {
		model_advance(m, second * S);
		for (unsigned int i = 0; i < 20; i++) {
			rates_read(m, i, 0, S, &r[i]);
			least = r[i].run < least ? r[i].run : least;
			most = r[i].run > most ? r[i].run : most;
			sum += r[i].run / 1200;
		}
	}
	assert_near(sum, 0.0025, 0.001); /* measured: 0.2 to 0.3 % */
	assert_true(least > 0.0005 && least < 0.002);
	assert_true(most > 0.005 && most < 0.15);
	model_free(m);
}

/* Linux alone: roughly balanced, and never settled where there is room to wake up elsewhere. */
static void test_linux_balances_roughly(void **state)
{
	unsigned int maps = 0, changed = 0;
	struct model *m = host(4, 0.02);
	int before[8] = {0};
	double usage[4], mean = 0;

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		model_set_cpu_load(m, guest(m, 1), i % 2 ? 60 : 20, false, 0);
	for (unsigned int second = 1; second <= 60; second++) {
		model_advance(m, second * S);
		for (unsigned int i = 0; i < 8; i++) {
			struct model_vcpu vcpu;

			model_vcpu_read(m, i, 0, &vcpu);
			changed += vcpu.pcpu != before[i];
			before[i] = vcpu.pcpu;
			maps++;
		}
	}
	for (unsigned int i = 0; i < 4; i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(m, i, &pcpu);
		usage[i] = (double)pcpu.busy_ns / 60e9;
		mean += usage[i] / 4;
	}
	assert_near(mean, 0.8, 0.1);
	for (unsigned int i = 0; i < 4; i++)
		assert_near(usage[i], mean, 0.1);
	assert_true(changed > maps / 20 && changed < maps);
	model_free(m);
}

/* Over the next seconds of a host without other loads. */
static double run_over(struct model *m, unsigned int id, unsigned int seconds)
{
	uint64_t now = model_now(m);
	struct model_vcpu before, after;

	model_vcpu_read(m, id, 0, &before);
	model_advance(m, now + seconds * S);
	model_vcpu_read(m, id, 0, &after);
	return (double)(after.run_ns - before.run_ns) / (double)(seconds * S);
}

/* As measured: 17–21 % of a pCPU while a load grows at 25 MiB/s, 3–4 % while it holds. */
static void test_memory_takes_cpu_time(void **state)
{
	struct model *m = host(2, 0.02);
	unsigned int id = guest(m, 1);
	double idle = run_over(m, id, 10), held;

	(void)state;
	model_set_balloon(m, id, 2 * GIB);
	assert_true(run_over(m, id, 2) > idle + 0.2);
	model_set_memory_load(m, id, 1000 * MIB, 25 * MIB);
	assert_near(run_over(m, id, 40) - idle, 0.177, 0.02);
	held = run_over(m, id, 10) - idle;
	assert_near(held, 0.027, 0.015);
	model_set_memory_load(m, id, 0, 0);
	assert_near((run_over(m, id, 10) - idle - held) * 10, 0.35, 0.15);
	model_end_memory_load(m, id);
	assert_near(run_over(m, id, 10), idle, 0.015);
	model_free(m);
}

static void test_unpinned_pile_is_spread(void **state)
{
	struct model *m = host(4, 0.02);
	unsigned char all = 0x0f;
	struct model_pcpu pcpu;

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		model_set_cpu_load(m, guest(m, 1), 100, false, 0);
		pin(m, i, 0, 0);
	}
	model_advance(m, 2 * S);
	model_pcpu_read(m, 3, &pcpu);
	assert_true(pcpu.guests_ns < S / 100);
	for (unsigned int i = 0; i < 8; i++)
		model_set_affinity(m, i, 0, &all, 1);
	model_advance(m, 12 * S);
	for (unsigned int i = 0; i < 4; i++) {
		model_pcpu_read(m, i, &pcpu);
		assert_true(pcpu.guests_ns > 9 * S);
	}
	model_free(m);
}

/* --- CPU: hot-plug and affinity --- */

static void test_hotplug(void **state)
{
	struct model *m = host(3, 0);
	unsigned int id = guest(m, 1);
	struct model_pcpu gone, now;
	struct model_vcpu vcpu;
	unsigned char map = 0x04;

	(void)state;
	pin(m, id, 0, 2);
	model_set_cpu_load(m, id, 100, false, 0);
	model_advance(m, S);
	assert_int_equal(model_set_online(m, 2, false), 0);
	model_pcpu_read(m, 2, &gone);
	model_advance(m, 2 * S);
	/* Its only pCPU went: Linux lets it run everywhere. */
	assert_int_equal(model_affinity(m, id, 0)[0], 0x07);
	model_vcpu_read(m, id, 0, &vcpu);
	assert_true(vcpu.pcpu == 0 || vcpu.pcpu == 1);
	assert_near((double)vcpu.run_ns, 2e9, 1e3);
	model_pcpu_read(m, 2, &now);
	assert_false(now.online);
	assert_int_equal(now.busy_ns + now.idle_ns, gone.busy_ns + gone.idle_ns);
	assert_int_equal(model_set_affinity(m, id, 0, &map, 1), -1);
	assert_int_equal(model_set_online(m, 1, false), 0);
	assert_int_equal(model_set_online(m, 0, false), -1);
	assert_int_equal(model_set_online(m, 2, true), 0);
	assert_int_equal(model_set_affinity(m, id, 0, &map, 1), 0);
	model_advance(m, 3 * S);
	model_vcpu_read(m, id, 0, &vcpu);
	assert_int_equal(vcpu.pcpu, 2);
	model_free(m);
}

static void test_affinity_wants_a_pcpu(void **state)
{
	struct model *m = host(4, 0);
	unsigned int id = guest(m, 1);
	unsigned char none[4] = {0}, beyond[4] = {0xf0, 0xff, 0, 0}, wide[4] = {0x02, 0xff, 0, 0};

	(void)state;
	assert_int_equal(model_set_affinity(m, id, 0, none, 4), -1);
	assert_int_equal(model_set_affinity(m, id, 0, beyond, 4), -1);
	assert_int_equal(model_set_affinity(m, id, 0, wide, 4), 0);
	assert_int_equal(model_maplen(m), 1);
	assert_int_equal(model_affinity(m, id, 0)[0], 0x02);
	model_free(m);
}

/* --- memory: figures --- */

static struct model_memory memory_of(struct model *m, unsigned int id)
{
	struct model_memory memory;

	model_memory_read(m, id, &memory);
	return memory;
}

/*
 * Measured on a micro guest of 512 MiB, 2 GiB at most: MemTotal is 68.2 MiB less than actual,
 * MemFree 77 MiB less than that, MemAvailable 69 MiB less again.
 */
static void test_idle_guest_memory(void **state)
{
	struct model *m = host(1, 0.02);
	struct model_memory memory;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		guest(m, 1);
		model_advance(m, model_now(m) + S);
		memory = memory_of(m, i);
		assert_int_equal(memory.actual_kib, 512 * MIB);
		assert_near((double)(memory.actual_kib - memory.total_kib), 69.2 * MIB, MIB);
		assert_near((double)(memory.total_kib - memory.free_kib), 68.8 * MIB, 3 * MIB);
		assert_near((double)(memory.free_kib - memory.usable_kib), 69 * MIB, MIB);
	}
	model_free(m);
}

struct balloon_speed {
	uint64_t from_mib, to_mib;
	double kib_s;
};

static void test_balloon_speed(void **state)
{
	static const struct balloon_speed rows[] = {
		{2048, 512, 0.9 * 1024 * 1024},
		{512, 2048, 2.1 * 1024 * 1024},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct model *m = host(1, 0);
		unsigned int id = guest(m, 1);
		uint64_t since, before;

		model_set_balloon(m, id, rows[i].from_mib * MIB);
		model_advance(m, 10 * S);
		assert_int_equal(memory_of(m, id).actual_kib, rows[i].from_mib * MIB);
		assert_int_equal(model_set_balloon(m, id, rows[i].to_mib * MIB), 0);
		assert_int_equal(model_balloon_target(m, id), rows[i].to_mib * MIB);
		/* Asynchronous: nothing has moved yet. */
		before = memory_of(m, id).actual_kib;
		assert_int_equal(before, rows[i].from_mib * MIB);
		since = model_now(m);
		model_advance(m, since + S / 2);
		assert_near(2 * fabs((double)memory_of(m, id).actual_kib - (double)before),
			    rows[i].kib_s, rows[i].kib_s / 100);
		model_advance(m, since + 3 * S);
		assert_int_equal(memory_of(m, id).actual_kib, rows[i].to_mib * MIB);
		model_free(m);
	}
}

static void test_balloon_limits(void **state)
{
	struct model *m = host(1, 0);
	struct model_guest_config config;
	unsigned int id = guest(m, 1);
	int bare;

	(void)state;
	assert_int_equal(model_set_balloon(m, id, 2048 * MIB + 1), -1);
	assert_int_equal(errno, ERANGE);
	model_guest_config_default(&config);
	config.no_balloon = true;
	bare = model_guest_add(m, &config);
	assert_int_equal(model_set_balloon(m, (unsigned int)bare, 512 * MIB), -1);
	assert_int_equal(errno, EINVAL);
	model_guest_start(m, (unsigned int)bare, true);
	assert_int_equal(memory_of(m, (unsigned int)bare).actual_kib, 2048 * MIB);
	assert_int_equal(model_set_balloon(m, (unsigned int)bare, 512 * MIB), -1);
	assert_int_equal(errno, ENODEV);
	/* No minimum: accepted, and the guest gives what it can. */
	assert_int_equal(model_set_balloon(m, id, 120), 0);
	model_advance(m, 5 * S);
	assert_in_range(memory_of(m, id).free_kib, 45 * MIB, 70 * MIB);
	assert_int_equal(memory_of(m, id).oom_kills, 0);
	model_free(m);
}

/* What the guest frees later goes to the balloon that is still waiting. */
static void test_balloon_retries(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id = guest(m, 1);
	uint64_t stopped;

	(void)state;
	model_set_memory_load(m, id, 300 * MIB, 0);
	model_advance(m, 2 * S);
	model_set_balloon(m, id, 256 * MIB);
	model_advance(m, 5 * S);
	stopped = memory_of(m, id).actual_kib;
	assert_true(stopped > 400 * MIB);
	model_set_memory_load(m, id, 0, 0);
	model_advance(m, 6 * S);
	assert_int_equal(memory_of(m, id).actual_kib, 256 * MIB);
	model_free(m);
}

/* Measured: at 20 MiB/s it was killed after 15.7 and 16.5 s, holding 310 MiB, at 50 MiB unused. */
static void test_grower_is_killed(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id = guest(m, 1);
	uint64_t least = UINT64_MAX, held = 0;

	(void)state;
	model_set_memory_load(m, id, 1700 * MIB, 20 * MIB);
	while (!memory_of(m, id).oom_kills && model_now(m) < 60 * S) {
		held = memory_of(m, id).load_kib;
		model_advance(m, model_now(m) + S / 10);
		if (!memory_of(m, id).oom_kills && memory_of(m, id).free_kib < least)
			least = memory_of(m, id).free_kib;
	}
	assert_in_range(model_now(m), 15 * S, 17 * S);
	assert_in_range(least, 45 * MIB, 56 * MIB);
	assert_in_range(held, 300 * MIB, 330 * MIB);
	assert_int_equal(memory_of(m, id).load_kib, 0);
	assert_true(memory_of(m, id).starved_ns > 0);
	/* With a balloon that follows it lives. */
	model_set_balloon(m, id, 2048 * MIB);
	model_set_memory_load(m, id, 1700 * MIB, 20 * MIB);
	model_advance(m, model_now(m) + 100 * S);
	assert_int_equal(memory_of(m, id).load_kib, 1700 * MIB);
	assert_int_equal(memory_of(m, id).oom_kills, 1);
	model_free(m);
}

static void test_page_cache_yields(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id = guest(m, 1);
	struct model_memory full, pressed;

	(void)state;
	model_set_cache_load(m, id, 1024 * MIB, 100 * MIB);
	model_advance(m, 10 * S);
	full = memory_of(m, id);
	assert_in_range(full.free_kib, 55 * MIB, 72 * MIB);
	assert_true(full.usable_kib > 200 * MIB);
	model_set_memory_load(m, id, 200 * MIB, 50 * MIB);
	model_advance(m, 20 * S);
	pressed = memory_of(m, id);
	assert_int_equal(pressed.load_kib, 200 * MIB);
	assert_true(pressed.cache_kib + 190 * MIB < full.cache_kib);
	assert_in_range(pressed.free_kib, 50 * MIB, 72 * MIB);
	assert_int_equal(pressed.oom_kills, 0);
	model_free(m);
}

static void test_guest_swaps(void **state)
{
	struct model *m = host(1, 0);
	struct model_guest_config config;
	struct model_stats stats;
	unsigned int id;

	(void)state;
	model_guest_config_default(&config);
	config.swap_kib = 512 * MIB;
	id = (unsigned int)model_guest_add(m, &config);
	model_guest_start(m, id, true);
	model_set_stats_period(m, id, 1);
	model_set_memory_load(m, id, 600 * MIB, 50 * MIB);
	model_advance(m, 20 * S);
	assert_int_equal(memory_of(m, id).load_kib, 600 * MIB);
	assert_true(memory_of(m, id).swapped_kib > 100 * MIB);
	model_stats_read(m, id, &stats);
	assert_true(stats.swap_out_kib > 100 * MIB);
	assert_true(stats.major_faults > 0);
	/* Given memory, it comes back. */
	model_set_balloon(m, id, 1024 * MIB);
	model_advance(m, 60 * S);
	assert_int_equal(memory_of(m, id).swapped_kib, 0);
	model_stats_read(m, id, &stats);
	assert_true(stats.swap_in_kib > 100 * MIB);
	model_guest_reboot(m, id);
	model_advance(m, 70 * S);
	model_stats_read(m, id, &stats);
	assert_int_equal(stats.swap_in_kib, 0);
	assert_int_equal(stats.major_faults, 0);
	model_free(m);
}

static void test_rss_follows_use(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id = guest(m, 1);
	uint64_t idle, loaded;

	(void)state;
	model_set_balloon(m, id, 2048 * MIB);
	model_advance(m, 10 * S);
	idle = memory_of(m, id).rss_kib;
	/* Promised, but not touched. */
	assert_true(idle < 320 * MIB);
	model_set_memory_load(m, id, 1000 * MIB, 0);
	model_advance(m, 20 * S);
	loaded = memory_of(m, id).rss_kib;
	/* What was free but held already is used first. */
	assert_near((double)(loaded - idle), 990 * MIB, 10 * MIB);
	/* Free page reporting gives it back, 128 MiB a second. */
	model_set_memory_load(m, id, 0, 0);
	model_advance(m, 25 * S);
	assert_near((double)(loaded - memory_of(m, id).rss_kib), 5 * 128 * MIB, 10 * MIB);
	model_advance(m, 40 * S);
	assert_near((double)memory_of(m, id).rss_kib, (double)idle, 10 * MIB);
	model_guest_stop(m, id);
	assert_int_equal(memory_of(m, id).rss_kib, 0);
	model_free(m);
}

/* --- statistics --- */

static uint64_t stats_age(struct model *m, unsigned int id)
{
	struct model_stats stats;

	model_stats_read(m, id, &stats);
	return stats.made_ns == MODEL_NEVER ? MODEL_NEVER : model_now(m) - stats.made_ns;
}

static void test_statistics(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id;

	(void)state;
	model_advance(m, S);
	id = guest(m, 1);
	model_advance(m, 10 * S);
	assert_int_equal(stats_age(m, id), MODEL_NEVER);
	model_set_stats_period(m, id, 3);
	model_advance(m, 10 * S + S / 2);
	assert_true(stats_age(m, id) < S / 2);
	for (unsigned int i = 0; i < 30; i++) {
		model_advance(m, model_now(m) + S / 2);
		assert_true(stats_age(m, id) <= 3 * S);
	}
	/* The timer is the guest's: paused, it stands still. */
	model_guest_pause(m, id);
	model_advance(m, 40 * S);
	assert_true(stats_age(m, id) > 10 * S);
	model_guest_resume(m, id);
	model_advance(m, 44 * S);
	assert_true(stats_age(m, id) <= 3 * S);
	model_set_stats_frozen(m, id, true);
	model_advance(m, 50 * S);
	assert_true(stats_age(m, id) > 5 * S);
	model_set_stats_frozen(m, id, false);
	model_set_stats_period(m, id, 0);
	model_advance(m, 60 * S);
	assert_true(stats_age(m, id) > 15 * S);
	/* A new process has told nothing, and nobody has set its period. */
	model_guest_stop(m, id);
	model_guest_start(m, id, false);
	model_advance(m, 70 * S);
	assert_int_equal(model_stats_period(m, id), 0);
	assert_int_equal(stats_age(m, id), MODEL_NEVER);
	model_free(m);
}

/* --- balloons that misbehave --- */

struct misbehaviour {
	const char *name;
	struct model_balloon_fault fault;
	uint64_t least_mib, most_mib; /* of actual, 2 s after 2048M were wished for */
	bool tells;		      /* statistics */
};

static void test_balloon_faults(void **state)
{
	static const struct misbehaviour rows[] = {
		{"none", {0}, 2048, 2048, true},
		{"no driver", {.no_driver = true}, 512, 512, false},
		{"stuck", {.stuck = true}, 512, 512, true},
		{"half the way", {.share = 0.5}, 1280, 1280, true},
		{"slow", {.rate_kib_s = 100 * MIB}, 700, 712, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *m = host(1, 0);
		unsigned int id = guest(m, 1);
		uint64_t actual;

		print_message("# balloon: %s\n", rows[i].name);
		model_set_balloon_fault(m, id, &rows[i].fault);
		model_advance(m, S);
		model_set_stats_period(m, id, 1);
		assert_int_equal(model_set_balloon(m, id, 2048 * MIB), 0);
		model_advance(m, 3 * S);
		actual = memory_of(m, id).actual_kib / MIB;
		assert_in_range(actual, rows[i].least_mib, rows[i].most_mib);
		assert_int_equal(stats_age(m, id) != MODEL_NEVER, rows[i].tells);
		/* It follows again once the fault is gone. */
		model_set_balloon_fault(m, id, &rows[0].fault);
		model_advance(m, 5 * S);
		assert_int_equal(memory_of(m, id).actual_kib, 2048 * MIB);
		model_free(m);
	}
}

static void test_hung_guest(void **state)
{
	struct model *m = host(1, 0);
	unsigned int id = guest(m, 1);
	struct rates r = {0};

	(void)state;
	model_set_stats_period(m, id, 1);
	model_advance(m, 5 * S);
	rates_read(m, id, 0, 5 * S, &r);
	model_set_hung(m, id, true);
	model_set_balloon(m, id, 1024 * MIB);
	assert_false(model_guest_ready(m, id));
	model_advance(m, 10 * S);
	rates_read(m, id, 0, 5 * S, &r);
	assert_near(r.run, 1, 0.001);
	assert_true(stats_age(m, id) > 4 * S);
	assert_int_equal(memory_of(m, id).actual_kib, 512 * MIB);
	model_set_hung(m, id, false);
	model_advance(m, 12 * S);
	assert_int_equal(memory_of(m, id).actual_kib, 1024 * MIB);
	model_free(m);
}

/* --- guests' lives --- */

struct seen {
	enum model_event_kind kinds[64];
	size_t n;
};

static void note(const struct model_event *event, void *opaque)
{
	struct seen *seen = opaque;

	if (seen->n < 64)
		seen->kinds[seen->n++] = event->kind;
}

static void test_boot_and_counters(void **state)
{
	static const enum model_event_kind expected[] = {
		MODEL_STARTED, MODEL_READY,   MODEL_BALLOON, MODEL_BALLOON, MODEL_BALLOON,
		MODEL_PAUSED,  MODEL_RESUMED, MODEL_STOPPED, MODEL_STARTED, MODEL_READY,
	};
	struct model *m = host(2, 0);
	struct model_guest_config config;
	struct model_vcpu vcpu;
	struct seen seen = {0};
	unsigned int id;

	(void)state;
	model_on_event(m, note, &seen);
	model_guest_config_default(&config);
	id = (unsigned int)model_guest_add(m, &config);
	assert_int_equal(model_guest_start(m, id, false), 0);
	assert_int_equal(model_guest_start(m, id, false), -1);
	model_advance(m, S);
	/* It boots: busy, with all of its memory, and nobody answers. */
	assert_false(model_guest_ready(m, id));
	assert_int_equal(memory_of(m, id).actual_kib, 2048 * MIB);
	model_vcpu_read(m, id, 0, &vcpu);
	assert_near((double)vcpu.run_ns, 1e9, 1e6);
	model_advance(m, 10 * S);
	assert_true(model_guest_ready(m, id));
	assert_int_equal(memory_of(m, id).actual_kib, 512 * MIB);
	model_guest_pause(m, id);
	model_vcpu_read(m, id, 0, &vcpu);
	model_advance(m, 11 * S);
	assert_int_equal(model_guest_state(m, id), MODEL_GUEST_PAUSED);
	model_guest_resume(m, id);
	model_guest_stop(m, id);
	assert_int_equal(model_guest_state(m, id), MODEL_GUEST_OFF);
	model_guest_start(m, id, true);
	model_vcpu_read(m, id, 0, &vcpu);
	assert_int_equal(vcpu.run_ns, 0);
	assert_true(vcpu.running);
	assert_int_equal(seen.n, sizeof(expected) / sizeof(expected[0]));
	assert_memory_equal(seen.kinds, expected, sizeof(expected));
	model_free(m);
}

static void test_paused_guest_stands_still(void **state)
{
	struct model *m = host(1, 0.02);
	unsigned int id = guest(m, 1);
	struct model_vcpu before, after;
	uint64_t held;

	(void)state;
	model_set_cpu_load(m, id, 50, true, 0);
	model_set_memory_load(m, id, 200 * MIB, 10 * MIB);
	model_advance(m, 5 * S);
	model_guest_pause(m, id);
	model_set_balloon(m, id, 1024 * MIB);
	model_vcpu_read(m, id, 0, &before);
	held = memory_of(m, id).load_kib;
	model_advance(m, 15 * S);
	model_vcpu_read(m, id, 0, &after);
	assert_int_equal(after.run_ns, before.run_ns);
	assert_int_equal(after.delay_ns, before.delay_ns);
	assert_int_equal(after.backlog_ns, before.backlog_ns);
	assert_false(after.running);
	assert_int_equal(memory_of(m, id).load_kib, held);
	assert_int_equal(memory_of(m, id).actual_kib, 512 * MIB);
	model_guest_resume(m, id);
	model_advance(m, 40 * S);
	assert_int_equal(memory_of(m, id).load_kib, 200 * MIB);
	assert_int_equal(memory_of(m, id).actual_kib, 1024 * MIB);
	model_free(m);
}

static void test_reboot_keeps_the_process(void **state)
{
	struct model *m = host(2, 0);
	unsigned int id = guest(m, 1);
	struct model_vcpu before, after;

	(void)state;
	pin(m, id, 0, 1);
	model_set_stats_period(m, id, 2);
	model_set_cpu_load(m, id, 50, false, 0);
	model_set_memory_load(m, id, 100 * MIB, 0);
	model_set_balloon(m, id, 600 * MIB);
	model_advance(m, 5 * S);
	model_vcpu_read(m, id, 0, &before);
	model_guest_reboot(m, id);
	assert_false(model_guest_ready(m, id));
	assert_int_equal(memory_of(m, id).load_kib, 0);
	model_advance(m, 20 * S);
	model_vcpu_read(m, id, 0, &after);
	assert_true(after.run_ns > before.run_ns);
	assert_int_equal(after.pcpu, 1);
	assert_int_equal(model_stats_period(m, id), 2);
	assert_int_equal(memory_of(m, id).actual_kib, 600 * MIB);
	/* Its load ended with it. */
	assert_int_equal(after.load_ns, before.load_ns);
	model_free(m);
}

/* --- the host's memory --- */

static void test_host_runs_out(void **state)
{
	struct model_config config;
	struct model_host_memory memory;
	struct seen seen = {0};
	struct model *m;

	(void)state;
	for (unsigned int swap = 0; swap <= 1; swap++) {
		unsigned int crashed = 0;

		model_config_default(&config);
		config.memory_kib = 4 * GIB;
		config.swap_kib = swap * 4 * GIB;
		m = model_new(&config);
		model_on_event(m, note, &seen);
		for (unsigned int i = 0; i < 4; i++) {
			guest(m, 1);
			model_set_balloon(m, i, 2048 * MIB);
			model_set_memory_load(m, i, 1500 * MIB, 100 * MIB);
		}
		model_host_memory_read(m, &memory);
		assert_true(memory.available_kib > GIB);
		model_advance(m, 60 * S);
		model_host_memory_read(m, &memory);
		for (unsigned int i = 0; i < 4; i++)
			crashed += model_guest_state(m, i) == MODEL_GUEST_CRASHED;
		assert_true(swap ? crashed == 0 : crashed >= 1);
		assert_true(swap ? memory.swap_free_kib < 3 * GIB : memory.swap_free_kib == 0);
		assert_true(memory.free_kib + memory.guests_kib + memory.used_kib <=
			    memory.total_kib);
		model_free(m);
	}
}

static void test_other_consumers(void **state)
{
	struct model *m = host(1, 0);
	struct model_host_memory before, after;

	(void)state;
	model_host_memory_read(m, &before);
	model_set_host_used(m, 3 * GIB, 100 * MIB);
	model_advance(m, 10 * S);
	model_host_memory_read(m, &after);
	assert_near((double)(after.used_kib - before.used_kib), 1000 * MIB, MIB);
	assert_near((double)(before.available_kib - after.available_kib), 1000 * MIB, MIB);
	model_set_host_used(m, GIB, 0);
	model_advance(m, 20 * S);
	model_host_memory_read(m, &after);
	assert_int_equal(after.used_kib, before.used_kib);
	model_free(m);
}

/* --- properties of random runs --- */

struct history {
	struct model_vcpu vcpus[12][4];
	struct model_pcpu pcpus[8];
	uint64_t started_ns[12];
	uint64_t now_ns;
};

/* One random thing that may happen. */
static void happen(struct model *m, struct rng *rng, unsigned int guests, struct history *h)
{
	unsigned int id = rng_below(rng, guests);
	unsigned char map[1] = {(unsigned char)(1 + rng_below(rng, 255))};
	struct model_balloon_fault fault = {.stuck = rng_below(rng, 2), .share = rng_unit(rng)};

	switch (rng_below(rng, 16)) {
	case 0:
		model_set_cpu_load(m, id, 100 * rng_unit(rng), rng_below(rng, 2),
				   rng_below(rng, 3));
		break;
	case 1:
		model_set_vcpu_load(m, id, 0, 100, false);
		break;
	case 2:
	case 3:
		model_set_affinity(m, id, rng_below(rng, model_guest_vcpus(m, id)), map, 1);
		break;
	case 4:
		model_set_memory_load(m, id, rng_below(rng, 1700) * MIB, rng_below(rng, 100) * MIB);
		break;
	case 5:
	case 6:
		model_set_balloon(m, id, rng_below(rng, 2048) * MIB);
		break;
	case 7:
		model_set_cache_load(m, id, rng_below(rng, 1000) * MIB, rng_below(rng, 100) * MIB);
		break;
	case 8:
		model_set_online(m, rng_below(rng, 8), rng_below(rng, 2));
		break;
	case 9:
		model_set_quota(m, id, rng_below(rng, 2) * 100 * rng_unit(rng));
		model_set_shares(m, id, 1 + rng_below(rng, 4096));
		break;
	case 10:
		model_set_balloon_fault(m, id, &fault);
		break;
	case 11:
		model_set_host_used(m, GIB + rng_below(rng, 4096) * MIB, rng_below(rng, 200) * MIB);
		break;
	case 12:
		model_guest_pause(m, id);
		break;
	case 13:
		model_set_hung(m, id, rng_below(rng, 2));
		break;
	case 14:
		model_spend(m, id, rng_next(rng) % S);
		break;
	default:
		model_guest_resume(m, id);
		if (rng_below(rng, 4) == 0)
			model_guest_stop(m, id);
		if (model_guest_start(m, id, rng_below(rng, 2)) == 0) {
			memset(h->vcpus[id], 0, sizeof(h->vcpus[id]));
			h->started_ns[id] = model_now(m);
		}
	}
}

#define ROUNDING 4 /* ns or KiB that reading whole numbers may lose */

static uint64_t check_vcpus(struct model *m, unsigned int guests, struct history *h, uint64_t dt)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < guests; i++) {
		for (unsigned int j = 0; j < model_guest_vcpus(m, i); j++) {
			struct model_vcpu *before = &h->vcpus[i][j], now;

			model_vcpu_read(m, i, j, &now);
			assert_true(now.run_ns >= before->run_ns &&
				    now.delay_ns >= before->delay_ns);
			assert_true(now.time_ns >= before->time_ns && now.time_ns <= now.run_ns);
			assert_true(now.work_ns <= now.run_ns + ROUNDING);
			assert_true(now.load_ns <= now.run_ns + ROUNDING);
			assert_true(now.wait_ns <= now.delay_ns);
			/* The rest of the time it is idle. */
			assert_true(now.run_ns - before->run_ns + now.delay_ns - before->delay_ns <=
				    dt + ROUNDING);
			if (now.running)
				assert_true(cpumap_has(model_affinity(m, i, j), 1,
						       (unsigned int)now.pcpu));
			sum += now.run_ns - before->run_ns;
			*before = now;
		}
	}
	return sum;
}

static void check_pcpus(struct model *m, struct history *h, uint64_t dt, uint64_t guests_ns)
{
	uint64_t guests = 0;

	for (unsigned int i = 0; i < model_pcpus(m); i++) {
		struct model_pcpu *before = &h->pcpus[i], now;
		uint64_t busy, idle;

		model_pcpu_read(m, i, &now);
		busy = now.busy_ns - before->busy_ns;
		idle = now.idle_ns - before->idle_ns;
		assert_true(now.busy_ns >= before->busy_ns && now.idle_ns >= before->idle_ns);
		assert_true(now.guests_ns - before->guests_ns <= busy + ROUNDING);
		assert_true(busy + idle <= dt + ROUNDING);
		if (now.online && before->online)
			assert_true(busy + idle + ROUNDING >= dt);
		guests += now.guests_ns - before->guests_ns;
		*before = now;
	}
	/* What vCPUs ran is what pCPUs gave. */
	assert_near((double)guests, (double)guests_ns, 200);
}

static void check_memory(struct model *m, unsigned int guests)
{
	struct model_host_memory h;
	uint64_t rss = 0;

	for (unsigned int i = 0; i < guests; i++) {
		struct model_memory g = memory_of(m, i);

		rss += g.rss_kib;
		if (model_guest_state(m, i) != MODEL_GUEST_RUNNING)
			continue;
		assert_true(g.actual_kib <= g.maximum_kib && g.actual_kib >= 60 * MIB);
		assert_true(g.total_kib <= g.actual_kib);
		assert_true(g.free_kib + g.cache_kib + g.load_kib - g.swapped_kib <=
			    g.total_kib + ROUNDING);
		assert_true(g.usable_kib <= g.free_kib + g.cache_kib);
		assert_true(g.free_kib >= 40 * MIB);
		assert_true(g.rss_kib <= g.actual_kib + 150 * MIB);
	}
	model_host_memory_read(m, &h);
	assert_near((double)h.guests_kib, (double)rss, 20);
	assert_true(h.swap_free_kib <= h.swap_total_kib);
	assert_true(h.available_kib <= h.free_kib + h.cached_kib + h.buffers_kib);
	assert_true(h.free_kib + h.cached_kib <= h.total_kib);
	if (h.free_kib > ROUNDING)
		assert_near((double)(h.free_kib + h.cached_kib + h.buffers_kib + h.guests_kib +
				     h.used_kib),
			    (double)h.total_kib, 20);
}

static void random_run(uint64_t seed)
{
	struct rng rng = rng_seed(seed, 77);
	struct history h = {0};
	struct model_config config;
	struct model *m;
	unsigned int guests = 2 + rng_below(&rng, 10);

	model_config_default(&config);
	config.seed = seed;
	config.pcpus = 8;
	config.threads_per_core = 1 + rng_below(&rng, 2);
	config.nodes = 1 + rng_below(&rng, 2);
	config.memory_kib = (6 + rng_below(&rng, 10)) * GIB;
	config.swap_kib = rng_below(&rng, 2) * 2 * GIB;
	config.noise = rng_below(&rng, 2) * 0.02;
	config.stolen = rng_unit(&rng) * rng_below(&rng, 2);
	m = model_new(&config);
	assert_non_null(m);
	for (unsigned int i = 0; i < guests; i++)
		guest(m, 1 + rng_below(&rng, 4));
	for (unsigned int i = 0; i < 200; i++) {
		uint64_t dt = rng_next(&rng) % (rng_below(&rng, 8) ? S / 2 : 5 * S);

		happen(m, &rng, guests, &h);
		model_advance(m, h.now_ns + dt);
		assert_int_equal(model_now(m), h.now_ns + dt);
		check_pcpus(m, &h, dt, check_vcpus(m, guests, &h, dt));
		check_memory(m, guests);
		h.now_ns = model_now(m);
		/* Time does not go back. */
		model_advance(m, h.now_ns / 2);
		assert_int_equal(model_now(m), h.now_ns);
	}
	model_free(m);
}

static void test_conservation(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		print_message("# seed %lu\n", (unsigned long)seed);
		random_run(seed);
	}
}

/* A digest of every counter after a run, read along the way or only at its end. */
static uint64_t digest(uint64_t seed, bool look)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	struct model_config config;
	struct model *m;

	model_config_default(&config);
	config.seed = seed;
	config.threads_per_core = 2;
	m = model_new(&config);
	for (unsigned int i = 0; i < 10; i++) {
		model_set_cpu_load(m, guest(m, 2), 10 * i, i % 3 == 0, 0);
		model_set_memory_load(m, i, 100 * i * MIB, 10 * MIB);
	}
	for (unsigned int i = 1; i <= 300; i++) {
		model_advance(m, i * S / 10 + 12345);
		if (i == 100)
			pin(m, 3, 0, 1);
		for (unsigned int j = 0; (look || i == 300) && j < 10; j++) {
			struct model_vcpu vcpu;
			struct model_memory memory = memory_of(m, j);

			model_vcpu_read(m, j, 1, &vcpu);
			hash = (hash ^ vcpu.run_ns ^ vcpu.delay_ns << 20 ^ memory.free_kib << 40) *
			       0x100000001b3ULL;
			if (i < 300)
				hash = 0xcbf29ce484222325ULL;
		}
	}
	model_free(m);
	return hash;
}

static void test_determinism(void **state)
{
	(void)state;
	assert_true(digest(7, false) == digest(7, false));
	assert_false(digest(7, false) == digest(8, false));
}

/* Reading counters more often changes them by rounding at most. */
static void test_reading_changes_nothing(void **state)
{
	struct model_vcpu often, once;

	(void)state;
	for (int look = 0; look <= 1; look++) {
		struct model *m = host(2, 0.02);

		for (unsigned int i = 0; i < 5; i++)
			model_set_cpu_load(m, guest(m, 1), 60, i % 2, 0);
		for (unsigned int i = 1; i <= 1000; i++) {
			model_advance(m, i * S / 100);
			if (look)
				model_vcpu_read(m, 1, 0, &often);
		}
		model_vcpu_read(m, 1, 0, look ? &often : &once);
		model_free(m);
	}
	assert_near((double)often.run_ns, (double)once.run_ns, 10);
	assert_near((double)often.delay_ns, (double)once.delay_ns, 10);
	assert_int_equal(often.pcpu, once.pcpu);
}

/* --- size --- */

/* Rates are computed once per pCPU and step: a bigger host costs in proportion, a longer run too.
 */
static void test_cost_is_linear(void **state)
{
	static const unsigned int sizes[] = {16, 128, 1024};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct model *m = host(sizes[i], 0.02);

		for (unsigned int j = 0; j < sizes[i] * 8; j++)
			model_set_cpu_load(m, guest(m, 1), j % 100, false, 0);
		model_advance(m, 3 * S);
		assert_in_range(model_steps(m), 30 * sizes[i], 40 * sizes[i]);
		model_free(m);
	}
}

static size_t bytes_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* A guest more costs the same in a host of 500 as in one of 4,000, and nothing grows with time. */
static void test_memory_is_linear(void **state)
{
	static const unsigned int sizes[] = {500, 1000, 2000, 4000};
	double first = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t before = bytes_in_use(), after;
		struct model *m = host(128, 0.02);
		double each;

		for (unsigned int j = 0; j < sizes[i]; j++)
			model_set_cpu_load(m, guest(m, 1), j % 100, false, 0);
		after = bytes_in_use();
		model_advance(m, 2 * S);
		if (after > before) /* a sanitizer's allocator does not tell */
			assert_int_equal(bytes_in_use(), after);
		each = (double)(after - before) / sizes[i];
		first = i ? first : each;
		assert_near(each, first, first / 5);
		model_free(m);
	}
}

static void test_impossible_hosts(void **state)
{
	struct model_config config;
	struct model_guest_config guest_config;
	struct model *m;

	(void)state;
	for (int i = 0; i < 4; i++) {
		model_config_default(&config);
		config.pcpus = i == 0 ? 0 : i == 1 ? MODEL_PCPUS_MAX + 1 : 4;
		config.nodes = i == 2 ? 5 : 1;
		config.used_kib = i == 3 ? config.memory_kib : GIB;
		assert_null(model_new(&config));
		assert_int_equal(errno, EINVAL);
	}
	m = host(1, 0);
	model_guest_config_default(&guest_config);
	guest_config.vcpus = 0;
	assert_int_equal(model_guest_add(m, &guest_config), -1);
	model_guest_config_default(&guest_config);
	guest_config.memory_kib = guest_config.maximum_kib + 1;
	assert_int_equal(model_guest_add(m, &guest_config), -1);
	assert_int_equal(errno, EINVAL);
	model_free(m);
}

static void test_ids_are_used_again(void **state)
{
	struct model *m = host(1, 0);
	struct model_vcpu vcpu;
	unsigned int a = guest(m, 1), b = guest(m, 1);

	(void)state;
	model_set_cpu_load(m, a, 100, false, 0);
	model_advance(m, S);
	model_guest_remove(m, a);
	model_advance(m, 2 * S);
	assert_int_equal(guest(m, 1), a);
	model_vcpu_read(m, a, 0, &vcpu);
	assert_int_equal(vcpu.run_ns, 0);
	model_guest_remove(m, b);
	model_advance(m, 3 * S);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_measured_contention),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_open_and_closed_loop),
		cmocka_unit_test(test_weights_and_quotas),
		cmocka_unit_test(test_guests_share_as_a_whole),
		cmocka_unit_test(test_siblings_and_nodes),
		cmocka_unit_test(test_moves_cost_work),
		cmocka_unit_test(test_libvirt_time_goes_in_ticks),
		cmocka_unit_test(test_idle_guests_make_some_noise),
		cmocka_unit_test(test_memory_takes_cpu_time),
		cmocka_unit_test(test_linux_balances_roughly),
		cmocka_unit_test(test_unpinned_pile_is_spread),
		cmocka_unit_test(test_hotplug),
		cmocka_unit_test(test_affinity_wants_a_pcpu),
		cmocka_unit_test(test_idle_guest_memory),
		cmocka_unit_test(test_balloon_speed),
		cmocka_unit_test(test_balloon_limits),
		cmocka_unit_test(test_balloon_retries),
		cmocka_unit_test(test_grower_is_killed),
		cmocka_unit_test(test_page_cache_yields),
		cmocka_unit_test(test_guest_swaps),
		cmocka_unit_test(test_rss_follows_use),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_balloon_faults),
		cmocka_unit_test(test_hung_guest),
		cmocka_unit_test(test_boot_and_counters),
		cmocka_unit_test(test_paused_guest_stands_still),
		cmocka_unit_test(test_reboot_keeps_the_process),
		cmocka_unit_test(test_host_runs_out),
		cmocka_unit_test(test_other_consumers),
		cmocka_unit_test(test_conservation),
		cmocka_unit_test(test_determinism),
		cmocka_unit_test(test_reading_changes_nothing),
		cmocka_unit_test(test_cost_is_linear),
		cmocka_unit_test(test_memory_is_linear),
		cmocka_unit_test(test_impossible_hosts),
		cmocka_unit_test(test_ids_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
