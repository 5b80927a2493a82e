/* SPDX-License-Identifier: MIT */
/* The world: a scenario's timeline and faults on the model, and what a recorder sees of them. */
#include "units.h"
#include "world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define S      MODEL_NS_PER_S
#define CPU    "[scenario]\nkind = cpu\n"
#define MEMORY "[scenario]\nkind = memory\n"

struct run {
	struct scenario scenario;
	struct world *world;
	char error[SCENARIO_ERROR_MAX];
	struct trace_writer trace;
	char path[64]; /* of the trace */
	struct world_event events[256];
	size_t nevents;
	enum world_event_kind stop_at; /* interrupts there */
	bool stops;
};

static void note(const struct world_event *event, void *opaque)
{
	struct run *r = opaque;

	if (event->kind != WORLD_INSIDE && r->nevents < 256)
		r->events[r->nevents++] = *event;
	if (r->trace.fd > 0)
		assert_int_equal(world_event_write(r->world, event, &r->trace), 0);
	if (r->stops && event->kind == r->stop_at)
		world_interrupt(r->world);
}

/* Builds the world of a scenario. NULL where it cannot be, with the reason in r->error. */
static struct world *begin(struct run *r, const char *text, uint64_t seed)
{
	char path[] = "/tmp/ballast-test-XXXXXX.scenario";
	int fd = mkstemps(path, 9), *ids;
	size_t n;

	memset(r, 0, sizeof(*r));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	if (scenario_read(&r->scenario, path, r->error))
		fail_msg("%s", r->error);
	unlink(path);
	ids = calloc(r->scenario.host.pcpus, sizeof(*ids));
	n = scenario_host_pcpus(&r->scenario, ids);
	if (scenario_resolve(&r->scenario, ids, n, "vm", r->error))
		fail_msg("%s", r->error);
	free(ids);
	r->world = world_new(&r->scenario, seed, r->error);
	if (r->world)
		world_on_event(r->world, note, r);
	return r->world;
}

static void end(struct run *r)
{
	world_free(r->world);
	scenario_free(&r->scenario);
}

static size_t count(const struct run *r, enum world_event_kind kind, int guest)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nevents; i++)
		n += r->events[i].kind == kind && r->events[i].guest == guest;
	return n;
}

static const struct world_event *first(const struct run *r, enum world_event_kind kind, int guest)
{
	for (size_t i = 0; i < r->nevents; i++)
		if (r->events[i].kind == kind && r->events[i].guest == guest)
			return &r->events[i];
	fail_msg("no event %d of guest %d", (int)kind, guest);
	return NULL;
}

static const struct world_event *last(const struct run *r, enum world_event_kind kind, int guest)
{
	const struct world_event *found = first(r, kind, guest);

	for (const struct world_event *e = found; e < r->events + r->nevents; e++)
		if (e->kind == kind && e->guest == guest)
			found = e;
	return found;
}

static struct model_memory memory(const struct run *r, size_t i)
{
	struct model_memory memory;

	model_memory_read(world_model(r->world), world_guest(r->world, i)->id, &memory);
	return memory;
}

static bool running(const struct run *r, size_t i)
{
	return model_guest_state(world_model(r->world), world_guest(r->world, i)->id) ==
	       MODEL_GUEST_RUNNING;
}

/* --- the beginning --- */

static void test_initial_state(void **state)
{
	struct run r;
	const struct world_guest *g;

	(void)state;
	begin(&r,
	      CPU "[guests]\ncount = 3\nvcpus = 2\npins = 0,-\nmemory = 700M\n"
		  "[timeline]\n3 = 10s start\n[host]\npcpus = 4\noffline = 1-2\n",
	      1);
	assert_non_null(r.world);
	assert_int_equal(world_guests(r.world), 3);
	g = world_guest(r.world, 1);
	assert_string_equal(g->config->name, "vm2");
	assert_int_equal(model_affinity(world_model(r.world), g->id, 0)[0], 0x01);
	assert_int_equal(model_affinity(world_model(r.world), g->id, 1)[0] & 0x09, 0x09);
	assert_int_equal(memory(&r, 1).actual_kib, 700 * KIB_PER_MIB);
	assert_int_equal(g->starts, 1);
	assert_int_equal(g->uuid[6] >> 4, 4);
	assert_int_equal(g->uuid[8] >> 6, 2);
	assert_memory_not_equal(g->uuid, world_guest(r.world, 0)->uuid, 16);
	assert_false(running(&r, 2));
	assert_int_equal(world_sample(r.world)->nguests, 2);
	assert_int_equal(world_sample(r.world)->npcpus, 2);
	assert_int_equal(world_sample(r.world)->pcpus[1].id, 3);
	world_advance(r.world, 11 * S);
	assert_true(running(&r, 2));
	/* It boots with all it may have. */
	assert_int_equal(memory(&r, 2).actual_kib, 2048 * KIB_PER_MIB);
	world_advance(r.world, 20 * S);
	assert_int_equal(memory(&r, 2).actual_kib, 700 * KIB_PER_MIB);
	end(&r);
}

static void test_host_too_small(void **state)
{
	struct run r;

	(void)state;
	assert_null(begin(&r, CPU "[guests]\nmemory = 1024M\n[host]\nmemory = 8G\n", 1));
	assert_non_null(strstr(r.error, "memory = 8G"));
	assert_non_null(strstr(r.error, ".scenario"));
	end(&r);
	/* Swap counts. */
	assert_non_null(
		begin(&r, CPU "[guests]\nmemory = 1024M\n[host]\nmemory = 8G\nswap = 2G\n", 1));
	end(&r);
}

/* --- the timeline --- */

static void test_loads_and_reports(void **state)
{
	struct run r;
	const struct world_event *report;

	(void)state;
	begin(&r,
	      CPU "[guests]\ncount = 2\npins = 0\n[timeline]\n1 = 2s cpu 60%, 12s idle\n"
		  "2 = 5s cpu 100%, 8s memory 100M 20M/s\n[host]\npcpus = 1\nload = 0\n",
	      1);
	world_advance(r.world, 4 * S);
	assert_int_equal(first(&r, WORLD_LOAD, 0)->t_ns, 2 * S);
	assert_true(first(&r, WORLD_LOAD, 0)->skew_s == 0);
	assert_int_equal(count(&r, WORLD_LOAD, 1), 0);
	world_advance(r.world, 20 * S);
	report = first(&r, WORLD_REPORT, 0);
	assert_int_equal(report->t_ns, 12 * S);
	assert_true(report->report.asked_pct == 60 && report->report.from_s == 2 &&
		    report->report.to_s == 12);
	/* 3 s alone at 60 %, 7 s with half of the pCPU. */
	assert_true(report->report.attained_pct > 50 && report->report.attained_pct < 54);
	assert_true(fabs(report->report.attained_pct + report->report.given_up_pct - 60) < 0.1);
	assert_true(report->report.waited_pct > 25 && report->report.backlog_s == 0);
	assert_int_equal(count(&r, WORLD_REPORT, 1), 0);
	assert_int_equal(memory(&r, 1).load_kib, 100 * KIB_PER_MIB);
	world_end(r.world);
	assert_int_equal(count(&r, WORLD_REPORT, 1), 2);
	world_end(r.world);
	assert_int_equal(count(&r, WORLD_REPORT, 1), 2);
	end(&r);
}

static void test_oom_ends_the_load(void **state)
{
	struct run r;

	(void)state;
	begin(&r, MEMORY "[timeline]\n1 = 5s memory 1700M 20M/s\n", 1);
	world_advance(r.world, 60 * S);
	assert_int_equal(count(&r, WORLD_OOM, 0), 1);
	assert_true(first(&r, WORLD_REPORT, 0)->report.attained_kib > 200 * KIB_PER_MIB);
	assert_true(first(&r, WORLD_REPORT, 0)->report.attained_kib < 500 * KIB_PER_MIB);
	assert_true(first(&r, WORLD_REPORT, 0)->report.starved_s > 0);
	assert_int_equal(first(&r, WORLD_REPORT, 0)->report.state, TRACE_LOAD_OOM);
	assert_int_equal(memory(&r, 0).load_kib, 0);
	end(&r);
}

static void test_guest_changes(void **state)
{
	struct run r;
	const struct world_guest *g;

	(void)state;
	begin(&r,
	      CPU "[guests]\ncount = 1\n[timeline]\n1 = 1s pause, 2s resume, 3s reboot, 4s cpu "
		  "50%, 10s stop, 11s "
		  "cpu 10%, 12s start, 20s pin 0, 21s setmem 800M\n[host]\npcpus = 2\n",
	      1);
	g = world_guest(r.world, 0);
	world_advance(r.world, 3 * S + S / 2);
	/* The load waits for the guest, which boots until 6 s. */
	world_advance(r.world, 9 * S);
	assert_true(fabs(last(&r, WORLD_LOAD, 0)->skew_s - 2) < 0.2);
	world_advance(r.world, 15 * S);
	assert_int_equal(count(&r, WORLD_WARNING, 0), 1);
	assert_int_equal(first(&r, WORLD_WARNING, 0)->t_ns, 11 * S);
	assert_int_equal(g->starts, 2);
	assert_int_equal(g->incarnation, 0);
	world_advance(r.world, 30 * S);
	assert_int_equal(first(&r, WORLD_PIN, 0)->t_ns, 20 * S);
	assert_int_equal(model_affinity(world_model(r.world), g->id, 0)[0], 0x01);
	assert_int_equal(first(&r, WORLD_SETMEM, 0)->kib, 800 * KIB_PER_MIB);
	assert_int_equal(memory(&r, 0).actual_kib, 800 * KIB_PER_MIB);
	assert_int_equal(count(&r, WORLD_GUEST, 0), 5);
	assert_int_equal(count(&r, WORLD_LOAD, 0), 8);
	end(&r);
}

static void test_stress_profiles(void **state)
{
	struct run r;
	struct trace_sample *sample;

	(void)state;
	begin(&r,
	      CPU "[guests]\ncount = 3\npins = 0,0,1\n[timeline]\n1 = 0s stress cpu-heavy\n2 = 0s "
		  "stress cpu-light\n"
		  "3 = 0s stress nonsense\n[host]\npcpus = 2\nload = 0\n",
	      1);
	world_advance(r.world, 10 * S);
	sample = world_sample(r.world);
	assert_true(sample->guests[0].vcpus[0].usage_pct > 60);
	assert_true(sample->guests[1].vcpus[0].usage_pct > 20 &&
		    sample->guests[1].vcpus[0].usage_pct < 40);
	assert_true(sample->guests[2].vcpus[0].usage_pct < 5);
	assert_int_equal(count(&r, WORLD_WARNING, 2), 1);
	end(&r);
}

static void test_interruption(void **state)
{
	struct run r;

	(void)state;
	begin(&r, MEMORY "[timeline]\n1 = 5.25s cpu 10%\n2 = 7s setmem 1024M\n", 1);
	r.stops = true;
	r.stop_at = WORLD_LOAD;
	assert_int_equal(world_advance(r.world, 60 * S), 5 * S + S / 4);
	/* The balloon's news comes from within the model. */
	r.stop_at = WORLD_BALLOON;
	assert_int_equal(world_advance(r.world, 60 * S), 7 * S + S / 10);
	r.stops = false;
	assert_int_equal(world_advance(r.world, 60 * S), 60 * S);
	assert_int_equal(world_now(r.world), 60 * S);
	end(&r);
}

/* --- faults --- */

static void test_balloon_faults(void **state)
{
	static const char *const faults[] = {"no_driver = 1", "balloon_stuck = 1 0s-20s",
					     "balloon_slow = 1 1M/s 0s-20s",
					     "balloon_partial = 1 50% 0s-20s", "no_balloon = 1"};
	static const uint64_t at_15s[] = {2048, 512, 522, 768, 2048};
	static const uint64_t at_30s[] = {2048, 1024, 1024, 1024, 2048};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		char text[256];
		struct run r;

		print_message("# %s\n", faults[i]);
		snprintf(text, sizeof(text),
			 MEMORY "[timeline]\nall = 5s setmem 1024M\n[faults]\n%s\n", faults[i]);
		assert_non_null(begin(&r, text, 1));
		world_advance(r.world, 15 * S);
		assert_in_range(memory(&r, 0).actual_kib / KIB_PER_MIB, at_15s[i] - 1,
				at_15s[i] + 1);
		assert_int_equal(memory(&r, 1).actual_kib / KIB_PER_MIB, 1024);
		world_advance(r.world, 40 * S);
		assert_int_equal(memory(&r, 0).actual_kib / KIB_PER_MIB, at_30s[i]);
		end(&r);
	}
}

static void test_flaky_balloon(void **state)
{
	unsigned int moved = 0, stood = 0;
	struct run r;

	(void)state;
	begin(&r,
	      MEMORY
	      "[guests]\ncount = 1\n[faults]\nballoon_flaky = 1 10s 10s\nballoon_slow = 1 2M/s\n",
	      1);
	world_advance(r.world, 0);
	model_set_balloon(world_model(r.world), 0, 2048 * KIB_PER_MIB);
	for (unsigned int i = 1; i < 200; i++) {
		uint64_t before = memory(&r, 0).actual_kib;

		world_advance(r.world, i * S);
		if (memory(&r, 0).actual_kib > before)
			moved++;
		else
			stood++;
	}
	assert_in_range(moved, 60, 140);
	assert_in_range(stood, 60, 140);
	end(&r);
}

static void test_statistics_faults(void **state)
{
	struct run r;
	struct trace_sample *sample;

	(void)state;
	begin(&r,
	      MEMORY "[faults]\nstats_frozen = 1 10s-20s\nhang = 2 10s-20s\npause = 3 "
		     "10s-20s\nno_driver = 4\n",
	      1);
	world_advance(r.world, 20 * S - 1);
	sample = world_sample(r.world);
	assert_int_equal(sample->nguests, 4);
	for (size_t i = 0; i < 3; i++)
		assert_true(sample->guests[i].memory.age_s > 8.9);
	assert_true(sample->guests[3].memory.age_s == -1 &&
		    sample->guests[3].memory.unused_kib == -1);
	assert_true(sample->guests[1].vcpus[0].usage_pct > 45);
	assert_true(sample->guests[2].vcpus[0].usage_pct < 3);
	world_advance(r.world, 25 * S);
	sample = world_sample(r.world);
	for (size_t i = 0; i < 3; i++)
		assert_true(sample->guests[i].memory.age_s <= 1);
	end(&r);
}

static void test_lives(void **state)
{
	struct run r;
	unsigned char uuid[2][16];
	struct model_vcpu vcpu;

	(void)state;
	begin(&r, CPU "[guests]\ncount = 2\n[faults]\nrespawn = 1 10s\nreplace = 2 10s 5s\n", 1);
	for (size_t i = 0; i < 2; i++)
		memcpy(uuid[i], world_guest(r.world, i)->uuid, 16);
	world_advance(r.world, 10 * S);
	assert_true(running(&r, 0));
	assert_int_equal(world_guest(r.world, 0)->starts, 2);
	assert_memory_equal(world_guest(r.world, 0)->uuid, uuid[0], 16);
	model_vcpu_read(world_model(r.world), world_guest(r.world, 0)->id, 0, &vcpu);
	assert_int_equal(vcpu.run_ns, 0);
	assert_false(running(&r, 1));
	assert_memory_not_equal(world_guest(r.world, 1)->uuid, uuid[1], 16);
	assert_memory_equal(first(&r, WORLD_REPLACED, 1)->old_uuid, uuid[1], 16);
	assert_int_equal(first(&r, WORLD_GUEST, 1)->state, MODEL_STOPPED);
	world_advance(r.world, 15 * S);
	assert_true(running(&r, 1));
	assert_int_equal(world_guest(r.world, 1)->incarnation, 1);
	end(&r);
}

static void test_somebody_else(void **state)
{
	struct run r;

	(void)state;
	begin(&r,
	      CPU "[guests]\ncount = 2\nvcpus = 2\n[host]\npcpus = 4\noffline = 0\n[faults]\nrepin "
		  "= 1 10s 0 5s\n"
		  "setmem = 2 10s 600M\nrepin = 2 12s all\n",
	      1);
	world_advance(r.world, 21 * S);
	/* Two vCPUs at 10, 15 and 20 s; position 0 is the first online pCPU. */
	assert_int_equal(count(&r, WORLD_PIN, 0), 6);
	assert_false(first(&r, WORLD_PIN, 0)->noop);
	assert_true(last(&r, WORLD_PIN, 0)->noop);
	assert_int_equal(model_affinity(world_model(r.world), 0, 1)[0], 0x02);
	assert_int_equal(count(&r, WORLD_PIN, 1), 2);
	assert_int_equal(count(&r, WORLD_SETMEM, 1), 1);
	assert_int_equal(memory(&r, 1).actual_kib, 600 * KIB_PER_MIB);
	end(&r);
}

static void test_host_faults(void **state)
{
	struct run r;
	struct trace_sample *sample;
	int64_t available_kib;

	(void)state;
	begin(&r,
	      CPU "[faults]\noffline = 3 10s-20s\nhost_load = 1 60% 10s-20s\nhost_used = 4G "
		  "10s\nquota = 1 50%\n",
	      1);
	world_advance(r.world, 10 * S);
	sample = world_sample(r.world);
	assert_int_equal(sample->npcpus, 3);
	available_kib = sample->host_available_kib;
	world_advance(r.world, 19 * S);
	sample = world_sample(r.world);
	assert_int_equal(sample->npcpus, 3);
	assert_true(sample->pcpus[1].usage_pct - sample->pcpus[1].guests_pct > 40);
	assert_true(sample->host_available_kib < available_kib - 2 * (int64_t)KIB_PER_GIB);
	world_advance(r.world, 30 * S);
	world_sample(r.world);
	world_advance(r.world, 40 * S);
	sample = world_sample(r.world);
	assert_int_equal(sample->npcpus, 4);
	assert_true(sample->pcpus[1].usage_pct < 20);
	assert_int_equal(count(&r, WORLD_PCPU, -1), 2);
	end(&r);
}

static void test_bad_faults(void **state)
{
	static const char *const bad[] = {
		"no_driver =",
		"no_driver = 9",
		"no_driver = 1 2",
		"balloon_stuck = 1 20s-10s",
		"balloon_stuck = 1 x",
		"balloon_slow = 1 20M",
		"balloon_slow = 1",
		"balloon_partial = 1 120%",
		"balloon_flaky = 1 5s",
		"balloon_flaky = 1 0s 5s",
		"hang = 1",
		"respawn = 1",
		"repin = 1 10s 7",
		"repin = 1 10s 0 0s",
		"setmem = 1 10s much",
		"offline = 9 10s-20s",
		"offline = 10s",
		"host_load = 0 1000%",
		"host_used = 4G",
		"host_used = 4G 10s 5M",
		"shares = 1 0",
		"quota = all",
		"guest_swap = 1 -5M",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[256], key[32];
		struct run r;

		sscanf(bad[i], "%31s", key);
		snprintf(text, sizeof(text), CPU "[guests]\ncount = 4\n[faults]\n%s\n", bad[i]);
		if (begin(&r, text, 1))
			fail_msg("%s was accepted", bad[i]);
		if (!strstr(r.error, ".scenario:6: ") || !strstr(r.error, key) ||
		    !strstr(r.error, "it should be"))
			fail_msg("%s: %s", bad[i], r.error);
		assert_true(world_fault_known(key));
		end(&r);
	}
	assert_false(world_fault_known("fail"));
}

/* --- what a recorder sees --- */

static void test_samples(void **state)
{
	struct run r;
	double guests, vcpus;

	(void)state;
	begin(&r,
	      CPU "[guests]\npins = spread\n[timeline]\nodd = 0s cpu 100%\neven = 0s cpu "
		  "45%\n[faults]\n"
		  "respawn = 1 10s\n",
	      1);
	for (unsigned int i = 1; i <= 20; i++) {
		struct trace_sample *sample;

		world_advance(r.world, i * S);
		sample = world_sample(r.world);
		assert_true(sample->t_s == i && sample->elapsed_s == 1);
		guests = vcpus = 0;
		for (size_t p = 0; p < sample->npcpus; p++) {
			assert_true(sample->pcpus[p].usage_pct <= 100.001);
			assert_true(sample->pcpus[p].guests_pct <=
				    sample->pcpus[p].usage_pct + 0.001);
			guests += sample->pcpus[p].guests_pct;
		}
		for (size_t g = 0; g < sample->nguests; g++) {
			const struct trace_vcpu *vcpu = &sample->guests[g].vcpus[0];

			assert_true(vcpu->usage_pct >= 0 &&
				    vcpu->usage_pct + vcpu->delay_pct <= 100.001);
			assert_int_equal(vcpu->pcpu, (int)(g % 4));
			assert_int_equal(vcpu->affinity[0] - '0', (int)(g % 4));
			vcpus += vcpu->usage_pct;
		}
		/* The old process' share of the second in which it went is in nobody's account. */
		if (i != 10)
			assert_true(fabs(guests - vcpus) < 0.01);
		assert_int_equal(sample->host_total_kib, 16 * KIB_PER_GIB);
		assert_true(sample->program_cpu_pct == -1);
	}
	end(&r);
}

/* Everything that happens in a rich scenario, as a trace. */
static char *play(uint64_t seed)
{
	static const char text[] = MEMORY "[guests]\ncount = 6\nvcpus = 2\n[timeline]\nodd = 2s "
					  "cpu 70% demand, 10s idle\neven = 3s "
					  "memory 900M 30M/s\n1 = 8s stop, 10s start, 20s cpu "
					  "30%\n2 = 12s pin 1\n3 = 4s cache 200M 50M/s\n"
					  "[faults]\nreplace = 4 9s 1s\nballoon_flaky = all 3s "
					  "2s\noffline = 2 5s-15s\nsetmem = all 5s 700M "
					  "6s\n[host]\nthreads_per_core = 2\n";
	char *content = calloc(1, 1 << 20);
	struct run r;
	FILE *file;

	begin(&r, text, seed);
	strcpy(r.path, "/tmp/ballast-test-XXXXXX");
	close(mkstemp(r.path));
	assert_int_equal(trace_create(&r.trace, r.path), 0);
	for (unsigned int i = 1; i <= 15; i++) {
		world_advance(r.world, 2 * i * S);
		assert_int_equal(trace_write_sample(&r.trace, world_sample(r.world)), 0);
	}
	world_end(r.world);
	trace_close(&r.trace);
	file = fopen(r.path, "r");
	assert_true(fread(content, 1, (1 << 20) - 1, file) > 10000);
	fclose(file);
	unlink(r.path);
	end(&r);
	return content;
}

static void test_same_seed_same_trace(void **state)
{
	char *one = play(42), *same = play(42), *other = play(43);

	(void)state;
	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	for (const char *event =
		     "load\0load_report\0inside\0oom\0pin\0setmem\0balloon\0guest\0fault\0";
	     *event; event += strlen(event) + 1) {
		char wanted[64];

		snprintf(wanted, sizeof(wanted), "\"event\":\"%s\"", event);
		if (!strstr(one, wanted))
			fail_msg("no %s in the trace", event);
	}
	free(one);
	free(same);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initial_state),
		cmocka_unit_test(test_host_too_small),
		cmocka_unit_test(test_loads_and_reports),
		cmocka_unit_test(test_oom_ends_the_load),
		cmocka_unit_test(test_guest_changes),
		cmocka_unit_test(test_stress_profiles),
		cmocka_unit_test(test_interruption),
		cmocka_unit_test(test_balloon_faults),
		cmocka_unit_test(test_flaky_balloon),
		cmocka_unit_test(test_statistics_faults),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_somebody_else),
		cmocka_unit_test(test_host_faults),
		cmocka_unit_test(test_bad_faults),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_same_seed_same_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
