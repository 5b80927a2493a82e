/* SPDX-License-Identifier: MIT */
/* What must hold whatever comes in: random guests and hosts up to terabytes, nonsense, damaged logs
 * and state files. BALLAST_SEED and BALLAST_RUNS choose others than the default. */
#include "journal.h"
#include "kib.h"
#include "plan.h"
#include "share.h"
#include "state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define GUESTS 12
#define TICKS  20

static uint64_t seed = 1;
static unsigned long runs = 2000;

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static int64_t range(int64_t least, int64_t most)
{
	return least + (int64_t)(next() % (uint64_t)(most - least + 1));
}

/* --- sane guests of any size --- */

static struct mem_guest sane_guest(unsigned char number, int64_t made_s)
{
	/* From 256 MiB to 16 TiB. */
	int64_t maximum = (256 * MIB) << range(0, 16);
	int64_t actual = range(maximum / 4, maximum);
	int64_t used = range(0, actual);
	struct mem_guest g = {
		.managed = range(0, 9) > 0,
		.running = range(0, 9) > 0,
		.balloon = range(0, 9) > 0,
		.maximum_kib = maximum,
		.actual_kib = actual,
		.made_s = range(0, 4) ? made_s : 0,
		.usable_kib = actual - used,
		.unused_kib = range(0, actual - used),
		.total_kib = actual - range(0, actual / 16),
		.rss_kib = range(used, actual),
		.swap_in_kib = range(0, 3) ? 0 : range(0, 1000000),
		.swap_out_kib = -1,
		.major_faults = -1,
		.weight = (int)range(0, 3),
		.reserve_kib = range(0, 3) ? 0 : range(1, 500) * MIB,
		.floor_kib = range(0, 3) ? 0 : range(1, 500) * MIB,
	};

	memset(g.uuid, number, MEM_UUID_LEN);
	return g;
}

/* The guests at the next tick: some have moved, some have followed, some are gone. */
static size_t sane_guests(struct mem_guest *guests, int64_t made_s)
{
	size_t n = 0;

	for (unsigned char i = 0; i < GUESTS; i++) {
		if (range(0, 9))
			guests[n++] = sane_guest((unsigned char)(i + 1), made_s);
	}
	return n;
}

#define GROWING_KIB_S (2 * MIB)

/* before: the targets that stood. */
static void check_plan(const struct mem_sample *s, const struct mem_policy *policy,
		       const struct mem_plan *plan, const int64_t *before)
{
	int64_t granted = 0;
	bool seen[GUESTS] = {false};

	for (size_t i = 0; i < plan->nsets; i++) {
		const struct mem_set *set = &plan->sets[i];
		const struct mem_guest *g = &s->guests[set->guest];
		const struct mem_view *v = &plan->views[set->guest];
		int64_t floor = g->floor_kib ? g->floor_kib : policy->floor_kib;
		int64_t reserve = g->reserve_kib ? g->reserve_kib : policy->reserve_kib;

		assert_false(seen[set->guest]); /* one set a guest */
		seen[set->guest] = true;
		assert_true(g->managed && g->running && g->balloon);
		assert_int_equal(set->from_kib, g->actual_kib);
		assert_true(set->to_kib > 0 && set->to_kib <= g->maximum_kib);
		if (set->to_kib < g->actual_kib) {
			/* Never below the floor, nor below what it uses, and its reserve is only
			 * taken for one that needs it more. */
			assert_true(set->to_kib >= floor);
			assert_true(set->to_kib >= v->used_kib + (plan->scarce ? 0 : reserve));
			if (set->reason == MEM_RELEASE) {
				int64_t step = g->actual_kib - set->to_kib;

				assert_true(step <= policy->release_kib);
				assert_true(step * 4 <= g->actual_kib - v->used_kib);
			}
		} else if (set->reason != MEM_CANCEL && set->reason != MEM_AGAIN &&
			   v->growth_kib_s < GROWING_KIB_S) {
			/* What was on its way already is not in the room. What grows is not held up
			 * by what others might take. */
			granted += set->to_kib - max64(g->actual_kib, before[set->guest]);
		}
		/* What gives goes before what takes. */
		if (i > 0 && set->to_kib < set->from_kib)
			assert_true(plan->sets[i - 1].to_kib <= plan->sets[i - 1].from_kib ||
				    plan->sets[i - 1].reason == MEM_CANCEL);
	}
	assert_true(granted <= max64(plan->room_kib, 0));
}

static void plans_keep_their_promises(void **unused)
{
	(void)unused;
	for (unsigned long run = 0; run < runs; run++) {
		struct mem_guest guests[GUESTS];
		struct mem_state *state = mem_state_new();
		struct mem_plan plan = {0};
		struct mem_policy policy;
		struct mem_sample s = {.guests = guests, .time_s = 100, .wall_s = 1000000};
		int64_t before[GUESTS];

		mem_policy_init(&policy);
		policy.budget_kib = range(0, 3) ? 0 : range(1, 4096) * 1024 * MIB;
		policy.respect_others = range(0, 4) == 0;
		for (int tick = 0; tick < TICKS; tick++) {
			s.nguests = sane_guests(guests, (int64_t)s.wall_s);
			s.host_total_kib = (8 * 1024 * MIB) << range(0, 12);
			s.host_available_kib = range(0, s.host_total_kib);
			for (size_t i = 0; i < s.nguests; i++)
				before[i] = mem_target(state, guests[i].uuid);
			assert_int_equal(mem_plan(state, &policy, &s, &plan), 0);
			check_plan(&s, &policy, &plan, before);
			for (size_t i = 0; i < plan.nsets; i++) {
				if (range(0, 5) == 0)
					mem_refused(state, &plan, i, range(0, 1));
			}
			s.time_s += 2;
			s.wall_s += 2;
		}
		mem_plan_free(&plan);
		mem_state_free(state);
	}
}

/* --- order --- */

static int64_t target_of(const struct mem_sample *s, const struct mem_plan *plan,
			 unsigned char number)
{
	for (size_t i = 0; i < plan->nsets; i++) {
		if (s->guests[plan->sets[i].guest].uuid[0] == number)
			return plan->sets[i].to_kib;
	}
	return 0;
}

static void the_order_of_guests_does_not_matter(void **unused)
{
	(void)unused;
	for (unsigned long run = 0; run < runs / 4; run++) {
		struct mem_guest guests[GUESTS], mixed[GUESTS];
		struct mem_state *a = mem_state_new(), *b = mem_state_new();
		struct mem_plan plan_a = {0}, plan_b = {0};
		struct mem_policy policy;
		struct mem_sample s = {.guests = guests, .time_s = 100, .wall_s = 1000000}, t;

		mem_policy_init(&policy);
		for (int tick = 0; tick < 6; tick++) {
			s.nguests = sane_guests(guests, (int64_t)s.wall_s);
			s.host_total_kib = (8 * 1024 * MIB) << range(0, 8);
			s.host_available_kib = range(0, s.host_total_kib);
			t = s;
			t.guests = mixed;
			memcpy(mixed, guests, sizeof(guests));
			for (size_t i = s.nguests; i > 1; i--) {
				size_t k = (size_t)range(0, (int64_t)i - 1);
				struct mem_guest swap = mixed[k];

				mixed[k] = mixed[i - 1];
				mixed[i - 1] = swap;
			}
			assert_int_equal(mem_plan(a, &policy, &s, &plan_a), 0);
			assert_int_equal(mem_plan(b, &policy, &t, &plan_b), 0);
			assert_int_equal(plan_a.nsets, plan_b.nsets);
			for (unsigned char i = 1; i <= GUESTS; i++)
				assert_int_equal(target_of(&s, &plan_a, i),
						 target_of(&t, &plan_b, i));
			s.time_s += 2;
			s.wall_s += 2;
		}
		mem_plan_free(&plan_a);
		mem_plan_free(&plan_b);
		mem_state_free(a);
		mem_state_free(b);
	}
}

/* --- shares --- */

static void shares_stay_within_totals_and_limits(void **unused)
{
	(void)unused;
	for (unsigned long run = 0; run < runs; run++) {
		struct share shares[GUESTS];
		int64_t total[SHARE_LAYERS], least = 0, sum = 0;
		size_t n = (size_t)range(0, GUESTS);

		for (size_t i = 0; i < n; i++) {
			int64_t size = range(1, (int64_t)1 << range(10, 44));

			shares[i] = (struct share){.weight = (int)range(1, MEM_WEIGHT_MOST)};
			shares[i].least_kib = range(0, size);
			shares[i].most_kib = range(shares[i].least_kib, 2 * size);
			for (int k = 0; k < SHARE_LAYERS; k++)
				shares[i].layer_kib[k] = size += range(0, size);
			least += shares[i].least_kib;
		}
		total[0] = range(0, (int64_t)1 << range(10, 48));
		for (int k = 1; k < SHARE_LAYERS; k++)
			total[k] = total[k - 1] - range(0, 1000000);
		share_out(shares, n, total);
		for (size_t i = 0; i < n; i++) {
			assert_true(shares[i].share_kib >= shares[i].least_kib);
			assert_true(shares[i].share_kib <= shares[i].most_kib);
			sum += shares[i].share_kib;
		}
		assert_true(sum <= max64(least, total[0]));
	}
}

/* --- nonsense --- */

static int64_t nonsense(void)
{
	static const int64_t values[] = {
		0, -1, 1, INT64_MIN, INT64_MAX, MEM_KIB_MOST, -MEM_KIB_MOST};

	switch (range(0, 2)) {
	case 0:
		return values[range(0, 6)];
	case 1:
		return (int64_t)next();
	default:
		return range(0, 4096) * MIB;
	}
}

static void nonsense_is_survived(void **unused)
{
	struct mem_state *state = mem_state_new();
	struct mem_plan plan = {0};
	struct mem_policy policy;

	(void)unused;
	mem_policy_init(&policy);
	for (unsigned long run = 0; run < 10 * runs; run++) {
		struct mem_guest guests[GUESTS];
		struct mem_sample s = {.guests = guests, .nguests = (size_t)range(0, GUESTS)};

		s.time_s = (double)range(-1000, 100000);
		s.wall_s = (double)range(-1000, 100000);
		s.host_total_kib = nonsense();
		s.host_available_kib = nonsense();
		for (size_t i = 0; i < s.nguests; i++) {
			guests[i] = (struct mem_guest){
				.managed = range(0, 5) > 0,
				.running = range(0, 5) > 0,
				.balloon = range(0, 5) > 0,
				.maximum_kib = nonsense(),
				.actual_kib = nonsense(),
				.made_s = range(-5, 100000),
				.unused_kib = nonsense(),
				.usable_kib = nonsense(),
				.total_kib = nonsense(),
				.swap_in_kib = nonsense(),
				.swap_out_kib = nonsense(),
				.major_faults = nonsense(),
				.rss_kib = nonsense(),
				.reserve_kib = nonsense(),
				.floor_kib = nonsense(),
				.weight = (int)range(-5, 2000),
			};
			guests[i].uuid[0] = (unsigned char)range(0, 5); /* twice, too */
		}
		assert_int_equal(mem_plan(state, &policy, &s, &plan), 0);
		for (size_t i = 0; i < plan.nsets; i++)
			assert_true(plan.sets[i].to_kib >= 0 &&
				    plan.sets[i].to_kib <= MEM_KIB_MOST);
	}
	mem_plan_free(&plan);
	mem_state_free(state);
}

/* --- damaged files --- */

static const char *name_none(const void *opaque, size_t guest)
{
	(void)opaque;
	(void)guest;
	return "guest";
}

/* Bytes lost, changed, doubled. */
static size_t damage(char *text, size_t len)
{
	for (int64_t n = range(1, 8); n > 0 && len > 2; n--) {
		size_t at = (size_t)range(0, (int64_t)len - 2);

		switch (range(0, 3)) {
		case 0:
			text[at] = (char)next();
			break;
		case 1:
			text[at] = "{}[]\",:-0129eE\n"[range(0, 15)];
			break;
		case 2:
			memmove(text + at, text + at + 1, len - at - 1);
			len--;
			break;
		default:
			len = at + 1;
		}
	}
	return len;
}

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void damaged_logs_are_refused_or_replayed(void **unused)
{
	char path[] = "/tmp/test_random.XXXXXX", error[JOURNAL_ERROR_MAX], *text = NULL, *copy;
	int fd = mkstemp(path);
	size_t len = 0;
	FILE *log = open_memstream(&text, &len), *nowhere = fopen("/dev/null", "w");
	struct mem_guest guests[GUESTS];
	struct mem_state *state = mem_state_new();
	struct mem_plan plan = {0};
	struct mem_policy policy;
	struct mem_sample s = {.guests = guests,
			       .time_s = 100,
			       .wall_s = 1000000,
			       .host_total_kib = 16 * 1024 * MIB,
			       .host_available_kib = 8 * 1024 * MIB};
	enum report_outcome outcomes[GUESTS] = {0};

	(void)unused;
	assert_true(fd >= 0 && log && nowhere);
	mem_policy_init(&policy);
	journal_write_policy(log, &policy);
	for (unsigned long tick = 0; tick < 3; tick++) {
		struct report t = {.tick = tick,
				   .sample = &s,
				   .name = name_none,
				   .plan = &plan,
				   .outcomes = outcomes};

		s.nguests = sane_guests(guests, (int64_t)s.wall_s);
		assert_int_equal(mem_plan(state, &policy, &s, &plan), 0);
		journal_write_tick(log, &t);
		s.time_s += 2;
		s.wall_s += 2;
	}
	fclose(log);
	write_file(path, text, len);
	assert_int_equal(journal_replay(path, nowhere, error), 0);
	copy = malloc(len);
	for (unsigned long run = 0; run < runs / 4; run++) {
		int result;

		memcpy(copy, text, len);
		write_file(path, copy, damage(copy, len));
		error[0] = '\0';
		result = journal_replay(path, nowhere, error);
		assert_true(result >= -1 && result <= 1);
		assert_true((result < 0) == (error[0] != '\0'));
	}
	unlink(path);
	close(fd);
	fclose(nowhere);
	free(text);
	free(copy);
	mem_plan_free(&plan);
	mem_state_free(state);
}

static void damaged_state_files_are_refused_or_read(void **unused)
{
	char path[] = "/tmp/test_random.XXXXXX", error[STATE_ERROR_MAX], copy[2048], text[2048];
	int fd = mkstemp(path);
	struct saved_guest guests[2] = {
		{.uuid = {1},
		 .id = 7,
		 .actual_kib = 5,
		 .target_kib = 6,
		 .original_kib = 7,
		 .period_s = -1},
		{.uuid = {2},
		 .id = 9,
		 .actual_kib = 1,
		 .target_kib = 0,
		 .original_kib = 1,
		 .period_s = 10},
	};
	struct saved saved = {.n = 2, .guests = guests}, read;
	FILE *file;
	size_t len;

	(void)unused;
	assert_int_equal(state_write(path, "qemu:///system", &saved, error), 0);
	assert_int_equal(state_read(path, &read, error), 0);
	assert_int_equal(read.n, 2);
	assert_memory_equal(read.guests, guests, sizeof(guests));
	assert_ptr_equal(state_find(&read, guests[1].uuid, 9), &read.guests[1]);
	assert_null(state_find(&read, guests[1].uuid, 7)); /* another life */
	state_free(&read);
	file = fopen(path, "r");
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	for (unsigned long run = 0; run < runs; run++) {
		memcpy(copy, text, len);
		write_file(path, copy, damage(copy, len));
		if (state_read(path, &read, error) == 0)
			state_free(&read);
		else
			assert_null(read.guests);
	}
	unlink(path);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_keep_their_promises),
		cmocka_unit_test(the_order_of_guests_does_not_matter),
		cmocka_unit_test(shares_stay_within_totals_and_limits),
		cmocka_unit_test(nonsense_is_survived),
		cmocka_unit_test(damaged_logs_are_refused_or_replayed),
		cmocka_unit_test(damaged_state_files_are_refused_or_read),
	};

	if (getenv("BALLAST_SEED"))
		seed = strtoull(getenv("BALLAST_SEED"), NULL, 10);
	if (getenv("BALLAST_RUNS"))
		runs = strtoul(getenv("BALLAST_RUNS"), NULL, 10);
	printf("# BALLAST_SEED=%llu BALLAST_RUNS=%lu\n", (unsigned long long)seed, runs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
