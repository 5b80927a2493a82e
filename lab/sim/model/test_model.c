/* SPDX-License-Identifier: MIT */
/* The model of a host: guests' lives, and the host's own memory. */
#include "made_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

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
	struct model *m = made_host(2, 0);
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
	assert_int_equal(made_memory(m, id).actual_kib, 2048 * MIB);
	model_vcpu_read(m, id, 0, &vcpu);
	assert_near((double)vcpu.run_ns, 1e9, 1e6);
	model_advance(m, 10 * S);
	assert_true(model_guest_ready(m, id));
	assert_int_equal(made_memory(m, id).actual_kib, 512 * MIB);
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
	struct model *m = made_host(1, 0.02);
	unsigned int id = made_guest(m, 1);
	struct model_vcpu before, after;
	uint64_t held;

	(void)state;
	model_set_cpu_load(m, id, 50, true, 0);
	model_set_memory_load(m, id, 200 * MIB, 10 * MIB);
	model_advance(m, 5 * S);
	model_guest_pause(m, id);
	model_set_balloon(m, id, 1024 * MIB);
	model_vcpu_read(m, id, 0, &before);
	held = made_memory(m, id).load_kib;
	model_advance(m, 15 * S);
	model_vcpu_read(m, id, 0, &after);
	assert_int_equal(after.run_ns, before.run_ns);
	assert_int_equal(after.delay_ns, before.delay_ns);
	assert_int_equal(after.backlog_ns, before.backlog_ns);
	assert_false(after.running);
	assert_int_equal(made_memory(m, id).load_kib, held);
	assert_int_equal(made_memory(m, id).actual_kib, 512 * MIB);
	model_guest_resume(m, id);
	model_advance(m, 40 * S);
	assert_int_equal(made_memory(m, id).load_kib, 200 * MIB);
	assert_int_equal(made_memory(m, id).actual_kib, 1024 * MIB);
	model_free(m);
}

static void test_reboot_keeps_the_process(void **state)
{
	struct model *m = made_host(2, 0);
	unsigned int id = made_guest(m, 1);
	struct model_vcpu before, after;

	(void)state;
	made_pin(m, id, 0, 1);
	model_set_stats_period(m, id, 2);
	model_set_cpu_load(m, id, 50, false, 0);
	model_set_memory_load(m, id, 100 * MIB, 0);
	model_set_balloon(m, id, 600 * MIB);
	model_advance(m, 5 * S);
	model_vcpu_read(m, id, 0, &before);
	model_guest_reboot(m, id);
	assert_false(model_guest_ready(m, id));
	assert_int_equal(made_memory(m, id).load_kib, 0);
	model_advance(m, 20 * S);
	model_vcpu_read(m, id, 0, &after);
	assert_true(after.run_ns > before.run_ns);
	assert_int_equal(after.pcpu, 1);
	assert_int_equal(model_stats_period(m, id), 2);
	assert_int_equal(made_memory(m, id).actual_kib, 600 * MIB);
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
			made_guest(m, 1);
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
	struct model *m = made_host(1, 0);
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

/* --- the time before the model --- */

static void test_past(void **state)
{
	const uint64_t day = 86400 * S;
	struct model_config config;
	struct model_vcpu vcpu;
	struct model *m;
	double load[3];

	(void)state;
	model_config_default(&config);
	config.uptime_ns = day;
	m = model_new(&config);
	for (unsigned int i = 0; i < 4; i++)
		made_guest(m, 2);
	for (uint64_t t = 0; t <= 10 * S; t += 10 * S) {
		model_advance(m, t);
		for (unsigned int i = 0; i < config.pcpus; i++) {
			struct model_pcpu pcpu;

			/* In step with the uptime; a day of idle and some use. */
			model_pcpu_read(m, i, &pcpu);
			assert_near((double)(pcpu.busy_ns + pcpu.idle_ns), (double)(day + t), 10);
			assert_true(pcpu.idle_ns > day / 10 * 8);
			assert_true(pcpu.guests_ns > day / 200);
			assert_true(pcpu.busy_ns > pcpu.guests_ns + day / 200);
		}
		for (unsigned int i = 0; i < 4; i++) {
			struct model_process process;
			struct model_vcpu boot, other;

			/* Seconds of boot, of the first vCPU for the most part. */
			model_vcpu_read(m, i, 0, &boot);
			model_vcpu_read(m, i, 1, &other);
			assert_in_range(boot.run_ns, 4 * S, 8 * S);
			assert_in_range(other.run_ns, S / 10, S);
			model_process_read(m, i, &process);
			assert_in_range(process.time_ns - boot.run_ns - other.run_ns, S / 2, 2 * S);
			assert_int_equal(process.user_ns + process.system_ns, process.time_ns);
			assert_true(process.system_ns > S / 10);
		}
	}
	model_load_average(m, load);
	assert_true(load[0] > 0.05 && load[0] < 1);
	/* A new process has no past. */
	model_guest_stop(m, 0);
	model_guest_start(m, 0, false);
	model_advance(m, 11 * S);
	model_vcpu_read(m, 0, 0, &vcpu);
	assert_true(vcpu.run_ns <= S);
	model_free(m);
}

/* Four tasks for a minute: 1 − 1/e of them in the first average. */
static void test_load_average(void **state)
{
	struct model *m = made_host(2, 0);
	double load[3];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		model_set_cpu_load(m, made_guest(m, 1), 100, false, 0);
	model_advance(m, 60 * S);
	model_load_average(m, load);
	assert_near(load[0], 4 * 0.632, 0.05);
	assert_near(load[1], 4 * 0.181, 0.05);
	assert_near(load[2], 4 * 0.065, 0.05);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_and_counters),
		cmocka_unit_test(test_paused_guest_stands_still),
		cmocka_unit_test(test_reboot_keeps_the_process),
		cmocka_unit_test(test_host_runs_out),
		cmocka_unit_test(test_other_consumers),
		cmocka_unit_test(test_past),
		cmocka_unit_test(test_load_average),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
