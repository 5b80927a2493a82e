/* SPDX-License-Identifier: MIT */
/* Looks become a model, and the model rows of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "screen.h"

#include <stdio.h>
#include <string.h>

#define GUESTS 4

/* A host of two pCPUs with guests that tests change. */
struct host {
	struct trace_pcpu pcpus[2];
	struct trace_vcpu vcpus[GUESTS][2];
	struct trace_guest guests[GUESTS];
	struct top_about about[GUESTS];
	struct top_look look;
	struct top_model model;
	struct top_view view;
	struct top_screen screen;
	char row[TOP_WIDTH_MAX + 1];
};

static const char *const names[GUESTS] = {"vm1", "vm2", "vm3", "vm10"};

static int setup(void **state)
{
	static struct host h;

	memset(&h, 0, sizeof(h));
	for (int i = 0; i < 2; i++)
		h.pcpus[i] = (struct trace_pcpu){i, 0, -1};
	for (int i = 0; i < GUESTS; i++) {
		h.vcpus[i][0] = (struct trace_vcpu){10, 0, -1, i % 2 ? "1" : "0"};
		h.guests[i] = (struct trace_guest){
			names[i], 1, h.vcpus[i], {512 << 10, 300 << 10, -1, -1, -1, -1, -1, -1, 0}};
		h.about[i] =
			(struct top_about){.agent = 1, .target_kib = -1, .maximum_kib = 2 << 20};
	}
	h.look = (struct top_look){{.t_s = 1,
				    .elapsed_s = 1,
				    .npcpus = 2,
				    .pcpus = h.pcpus,
				    .nguests = GUESTS,
				    .guests = h.guests,
				    .host_total_kib = 4 << 20,
				    .host_available_kib = 1 << 20},
				   h.about};
	h.view = (struct top_view){
		.width = 80, .height = 24, .reserve_kib = 100 << 10, .host_reserve_kib = 200 << 10};
	*state = &h;
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	top_model_clear(&h->model);
	top_screen_free(&h->screen);
	return 0;
}

static void look(struct host *h)
{
	assert_int_equal(top_model_look(&h->model, &h->look), 0);
}

static void draw(struct host *h)
{
	assert_int_equal(top_draw(&h->screen, &h->model, &h->view), 0);
}

/* The first row with that in it; NULL: none. */
static const char *row_with(struct host *h, const char *text)
{
	for (int i = 0; i < h->screen.rows; i++) {
		if (strstr(top_row(&h->screen, i, h->row), text))
			return h->row;
	}
	return NULL;
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void test_demand(void **state)
{
	static const struct {
		double usage_pct, delay_pct, demand_pct;
		bool open;
	} rows[] = {
		{50, 0, 50, false},    /* it slept */
		{50, 40, 50, false},   /* it slept, too */
		{12.5, 87, 100, true}, /* it did not */
		{99, 0.5, 99, false},  /* nor did it wait */
		{60, -1, 60, false},   /* waiting is not known */
	};
	struct host *h = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		h->vcpus[0][0].usage_pct = rows[i].usage_pct;
		h->vcpus[0][0].delay_pct = rows[i].delay_pct;
		look(h);
		assert_float_equal(h->model.guests[0].demand_pct, rows[i].demand_pct, 1e-9);
		assert_int_equal(h->model.guests[0].demand_open, rows[i].open);
	}
}

static void test_spread(void **state)
{
	struct host *h = *state;

	h->pcpus[0].usage_pct = 80;
	h->pcpus[1].usage_pct = 69.5;
	look(h);
	assert_float_equal(h->model.spread, 10.5, 1e-9);
	draw(h);
	assert_non_null(row_with(h, "spread 10.5 > 10"));
	h->pcpus[1].usage_pct = 70;
	look(h);
	draw(h);
	assert_non_null(row_with(h, "spread 10.0 <= 10"));
	/* Where the host's own figures are not known the guests' are what there is. */
	h->pcpus[0].usage_pct = h->pcpus[1].usage_pct = -1;
	h->vcpus[1][0].usage_pct = 50;
	look(h);
	assert_float_equal(h->model.spread, 40, 1e-9);
}

static void test_bars(void **state)
{
	struct host *h = *state;
	const char *row;

	h->pcpus[0].usage_pct = 70;
	h->vcpus[0][0].usage_pct = 40;
	h->vcpus[2][0].usage_pct = 20;
	look(h);
	h->view.width = 131; /* a bar of 100 */
	draw(h);
	row = row_with(h, "pCPU   0");
	assert_non_null(row);
	assert_int_equal(count(strchr(row, '['), '1'), 40);
	assert_int_equal(count(strchr(row, '['), '3'), 20);
	assert_int_equal(count(row, '='), 10);
	assert_null(strstr(row, "wants"));
	/* Two that wait and never sleep. */
	h->pcpus[0].usage_pct = 100;
	h->vcpus[0][0] = (struct trace_vcpu){50, 50, -1, "0"};
	h->vcpus[2][0] = (struct trace_vcpu){50, 50, -1, "0"};
	look(h);
	draw(h);
	row = row_with(h, "pCPU   0");
	assert_non_null(strstr(row, ">] 100.0% wants <200"));
}

/* A vCPU that may go anywhere counts where it was seen, and a bar never says more than ran there.
 */
static void test_unpinned(void **state)
{
	struct host *h = *state;
	const char *row;

	h->pcpus[1].usage_pct = 30;
	h->vcpus[0][0] = (struct trace_vcpu){60, 0, 1, "0-1"};
	h->vcpus[1][0].usage_pct = 0;
	h->vcpus[3][0].usage_pct = 0;
	h->vcpus[2][0] = (struct trace_vcpu){5, 0, -1, "0-1"};
	look(h);
	assert_float_equal(h->model.pcpus[1].guests_pct, 60, 1e-9);
	assert_float_equal(h->model.unplaced_pct, 5, 1e-9);
	h->view.width = 131;
	draw(h);
	row = row_with(h, "pCPU   1");
	assert_int_equal(count(strchr(row, '['), '1'), 30);
}

static void test_moves(void **state)
{
	struct host *h = *state;

	look(h);
	top_model_pin(&h->model, 1.5, "vm1", 0, "0"); /* it was there */
	top_model_pin(&h->model, 1.5, "nobody", 0, "1");
	top_model_pin(&h->model, 1.5, "vm1", 7, "1");
	assert_int_equal(h->model.nmoves, 0);
	top_model_pin(&h->model, 1.5, "vm1", 0, "1");
	assert_int_equal(h->model.nmoves, 1);
	assert_string_equal(h->model.moves[0].from, "0");
	assert_string_equal(h->model.moves[0].to, "1");
	h->vcpus[0][0].affinity = "1";
	h->look.sample.t_s = 2;
	look(h);
	assert_int_equal(h->model.nmoves, 1);
	draw(h);
	assert_non_null(row_with(h, "moves 1: vm1 0>1"));
	for (int i = 0; i < 2 * TOP_MOVES; i++)
		top_model_pin(&h->model, 3, "vm1", 0, i % 2 ? "1" : "0");
	assert_int_equal(h->model.nmoves, 1 + 2 * TOP_MOVES);
}

/* A guest keeps its sign whatever the order of looks; one that is gone leaves it to the next. */
static void test_signs(void **state)
{
	struct host *h = *state;
	struct trace_guest first;

	first = h->guests[3];
	h->guests[3] = h->guests[0];
	h->guests[0] = first;
	look(h);
	assert_string_equal(h->model.guests[0].name, "vm1");
	assert_int_equal(h->model.guests[0].symbol, '1');
	assert_string_equal(h->model.guests[3].name, "vm10");
	h->look.sample.nguests = 3; /* vm1 is gone */
	look(h);
	draw(h);
	assert_null(row_with(h, "1 vm1 "));
	assert_non_null(row_with(h, "4 vm10"));
	h->guests[3].name = "new";
	h->look.sample.nguests = 4;
	look(h);
	draw(h);
	assert_non_null(row_with(h, "1 new"));
	assert_int_equal(h->model.nguests, 4);
}

static void test_order_and_filter(void **state)
{
	static const struct {
		enum top_sort sort;
		bool reverse;
		const char *first;
	} rows[] = {
		{TOP_BY_NAME, false, "vm1"},   {TOP_BY_NAME, true, "vm10"},
		{TOP_BY_USAGE, false, "vm2"},  {TOP_BY_USAGE, true, "vm3"},
		{TOP_BY_WAIT, false, "vm3"},   {TOP_BY_MEMORY, false, "vm10"},
		{TOP_BY_UNUSED, false, "vm2"}, /* least first */
	};
	struct host *h = *state;

	h->vcpus[1][0].usage_pct = 90;
	h->vcpus[2][0].usage_pct = 5;
	h->vcpus[2][0].delay_pct = 30;
	h->guests[3].memory.actual_kib = 900 << 10;
	h->guests[1].memory.unused_kib = 50 << 10;
	look(h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		h->view.sort = rows[i].sort;
		h->view.reverse = rows[i].reverse;
		draw(h);
		assert_string_equal(h->model.guests[h->screen.order[0]].name, rows[i].first);
	}
	strcpy(h->view.filter, "VM1");
	draw(h);
	assert_int_equal(h->screen.norder, 2);
	strcpy(h->view.filter, "x");
	draw(h);
	assert_non_null(row_with(h, "no guest's name has x in it"));
	assert_null(top_step(&h->screen, &h->model, "vm1", 1));
}

static void test_memory(void **state)
{
	struct host *h = *state;
	const char *row;

	h->guests[0].memory.unused_kib = 99 << 10;
	h->about[0].target_kib = 600 << 10;
	h->look.sample.host_available_kib = 100 << 10;
	look(h);
	draw(h);
	row = row_with(h, "vm1 ");
	assert_non_null(strstr(row, "512M  413M   99M!   600M 2048M up"));
	assert_non_null(row_with(h, "100M free of 4096M, reserve 200M!"));
	h->guests[0].memory.unused_kib = 100 << 10;
	h->look.sample.host_available_kib = 200 << 10;
	h->guests[1].memory.unused_kib = -1;
	h->about[1].foreign = true;
	look(h);
	draw(h);
	assert_null(strchr(row_with(h, "vm1 "), '!'));
	row = row_with(h, "vm2 ");
	assert_non_null(row);
	assert_int_equal(row[1], '~');
	assert_non_null(strstr(row, "512M     -     -"));
}

/* As many rows as the screen has, none wider, and the selected guest is among them. */
static void test_sizes(void **state)
{
	static const int sizes[][2] = {{80, 24}, {20, 5}, {200, 60}, {80, 1}, {80, 10}, {1, 1}};
	struct host *h = *state;

	look(h);
	strcpy(h->view.selected, "vm10");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		h->view.width = sizes[i][0];
		h->view.height = sizes[i][1];
		draw(h);
		for (int r = 0; r < h->screen.rows; r++)
			assert_true((int)strlen(top_row(&h->screen, r, h->row)) <= h->screen.width);
		if (h->view.height >= 10) {
			assert_int_equal(h->screen.rows, h->view.height);
			assert_non_null(row_with(h, "vm10"));
		}
	}
	h->view.width = 80;
	h->view.height = 0;
	draw(h);
	assert_non_null(row_with(h, "vm1 "));
	assert_non_null(row_with(h, "vm10"));
}

/* Bytes that a terminal would obey stay out of it. */
static void test_odd_names(void **state)
{
	struct host *h = *state;

	h->guests[0].name = "a\033[2Jb\xc3\xa4";
	look(h);
	draw(h);
	assert_non_null(row_with(h, "a?[2Jb??"));
}

static void test_selecting(void **state)
{
	struct host *h = *state;

	look(h);
	draw(h);
	assert_string_equal(top_step(&h->screen, &h->model, "", 1), "vm1");
	assert_string_equal(top_step(&h->screen, &h->model, "vm1", 1), "vm2");
	assert_string_equal(top_step(&h->screen, &h->model, "vm1", -1), "vm1");
	assert_string_equal(top_step(&h->screen, &h->model, "vm2", 99), "vm10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_demand),	     TEST(test_spread),	   TEST(test_bars),
		TEST(test_unpinned),	     TEST(test_moves),	   TEST(test_signs),
		TEST(test_order_and_filter), TEST(test_memory),	   TEST(test_sizes),
		TEST(test_odd_names),	     TEST(test_selecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
