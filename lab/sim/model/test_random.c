/* SPDX-License-Identifier: MIT */
/* The model of a host: what must hold in every run, and what runs cost. */
#include "made_host.h"
#include "rng.h"
#include "units.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 60 /* random runs of each property */

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
		struct model_memory g = made_memory(m, i);

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
		made_guest(m, 1 + rng_below(&rng, 4));
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
		model_set_cpu_load(m, made_guest(m, 2), 10 * i, i % 3 == 0, 0);
		model_set_memory_load(m, i, 100 * i * MIB, 10 * MIB);
	}
	for (unsigned int i = 1; i <= 300; i++) {
		model_advance(m, i * S / 10 + 12345);
		if (i == 100)
			made_pin(m, 3, 0, 1);
		for (unsigned int j = 0; (look || i == 300) && j < 10; j++) {
			struct model_vcpu vcpu;
			struct model_memory memory = made_memory(m, j);

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
		struct model *m = made_host(2, 0.02);

		for (unsigned int i = 0; i < 5; i++)
			model_set_cpu_load(m, made_guest(m, 1), 60, i % 2, 0);
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
		struct model *m = made_host(sizes[i], 0.02);

		for (unsigned int j = 0; j < sizes[i] * 8; j++)
			model_set_cpu_load(m, made_guest(m, 1), j % 100, false, 0);
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
		struct model *m = made_host(128, 0.02);
		double each;

		for (unsigned int j = 0; j < sizes[i]; j++)
			model_set_cpu_load(m, made_guest(m, 1), j % 100, false, 0);
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
	m = made_host(1, 0);
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
	struct model *m = made_host(1, 0);
	struct model_vcpu vcpu;
	unsigned int a = made_guest(m, 1), b = made_guest(m, 1);

	(void)state;
	model_set_cpu_load(m, a, 100, false, 0);
	model_advance(m, S);
	model_guest_remove(m, a);
	model_advance(m, 2 * S);
	assert_int_equal(made_guest(m, 1), a);
	model_vcpu_read(m, a, 0, &vcpu);
	assert_int_equal(vcpu.run_ns, 0);
	model_guest_remove(m, b);
	model_advance(m, 3 * S);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
