/* SPDX-License-Identifier: MIT */
/* Quantities and the ticker: a row per form, a row per way of getting it wrong. */
#include "array.h"
#include "pool.h"
#include "procstat.h"
#include "text.h"
#include "tick.h"
#include "units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Well-formed text stays, each other byte is a question mark. */
static void test_text(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"plain\tand\n", "plain\tand\n"},
		{"\xc3\xbc\xc3\x9f \xe2\x80\xa6 \xf0\x9f\x98\x80",
		 "\xc3\xbc\xc3\x9f \xe2\x80\xa6 \xf0\x9f\x98\x80"},
		{"Latin-1: gr\xfc\xdf", "Latin-1: gr??"},
		{"cut \xe2\x80", "cut ??"},
		{"cut \xc3", "cut ?"},
		{"alone \x80", "alone ?"},
		{"too long \xc0\xaf \xe0\x80\xaf", "too long ?? ???"},
		{"half a pair \xed\xa0\x80", "half a pair ???"},
		{"beyond \xf4\x90\x80\x80", "beyond ????"},
		{"bell \a escape \x1b[0m delete \x7f", "bell ? escape ?[0m delete ?"},
	};
	char nul[] = "a\0b";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[64];
		json_t *json = text_json(rows[i].from);

		snprintf(text, sizeof(text), "%s", rows[i].from);
		text_clean(text, strlen(text));
		assert_string_equal(text, rows[i].to);
		assert_string_equal(json_string_value(json), rows[i].to);
		json_decref(json);
	}
	text_clean(nul, 3);
	assert_string_equal(nul, "a?b");
}

static void test_numbers(void **state)
{
	static const char *const wrong[] = {"",	     " 1", "1 ", "1x",	"0x10", "inf", "nan",
					    "1e999", "-",  ".",	 "--1", "11",	"-1"};
	double value = 7;

	(void)state;
	assert_int_equal(parse_number("2.5", 0, 10, &value), 0);
	assert_true(value == 2.5);
	assert_int_equal(parse_number(".5", 0, 10, &value), 0);
	assert_true(value == .5);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse_number(wrong[i], 0, 10, &value), -1);
		assert_true(value == .5);
	}
}

static void test_integers(void **state)
{
	static const char *const wrong[] = {"",	  "1.5", " 1", "1 ",
					    "+1", "-6",	 "11", "99999999999999999999"};
	long value;

	(void)state;
	assert_int_equal(parse_integer("-5", -5, 10, &value), 0);
	assert_int_equal(value, -5);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(parse_integer(wrong[i], -5, 10, &value), -1);
}

static void test_seconds(void **state)
{
	static const struct {
		const char *text;
		double s;
	} rows[] = {{"5", 5},	 {"5s", 5},    {"2.5s", 2.5}, {"250ms", .25},
		    {"2m", 120}, {"1h", 3600}, {"1d", 86400}};
	double s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse_seconds(rows[i].text, &s), 0);
		assert_true(fabs(s - rows[i].s) < 1e-9);
	}
	assert_int_equal(parse_seconds("-1s", &s), -1);
	assert_int_equal(parse_seconds("5 s", &s), -1);
	assert_int_equal(parse_seconds("5y", &s), -1);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t kib;
		const char *written;
	} rows[] = {
		{"512M", 512 << 10, "512M"}, {"2048M", 2 << 20, "2G"}, {"1.5G", 3 << 19, "1.5G"},
		{"1MiB", 1024, "1M"},	     {"300", 300, "300K"},     {"0M", 0, "0K"},
		{"1T", 1ULL << 30, "1T"},
	};
	uint64_t kib;
	char buf[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse_size(rows[i].text, &kib), 0);
		assert_int_equal(kib, rows[i].kib);
		assert_string_equal(format_size(kib, buf, sizeof(buf)), rows[i].written);
	}
	assert_int_equal(parse_size("-1M", &kib), -1);
	assert_int_equal(parse_size("1Q", &kib), -1);
	assert_int_equal(parse_size("99999999999T", &kib), -1);
}

static void test_rates(void **state)
{
	uint64_t kib_s = 7;

	(void)state;
	for (const char *const *bad = (const char *const[]){"", "/s", "20M", "0M/s", "20M/m",
							    "-1M/s", "20M /s", NULL};
	     *bad; bad++)
		assert_int_equal(parse_rate(*bad, &kib_s), -1);
	assert_int_equal(kib_s, 7);
	assert_int_equal(parse_rate("20M/s", &kib_s), 0);
	assert_int_equal(kib_s, 20 * KIB_PER_MIB);
}

static void test_percents(void **state)
{
	double pct;

	(void)state;
	assert_int_equal(parse_percent("45%", 100, &pct), 0);
	assert_true(pct == 45);
	assert_int_equal(parse_percent("101", 100, &pct), -1);
	assert_int_equal(parse_percent("%", 100, &pct), -1);
}

static void test_cpumaps(void **state)
{
	static const char *const lists[] = {"", "0", "0-3", "0-3,8", "1,3,5", "0,2-9,15"};
	static const char *const wrong[] = {
		"a", "1-", "-1", "3-1", "1,,2", "1,", "16", " 1", "0-99999999999999999999"};
	unsigned char map[2];
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		assert_int_equal(cpumap_parse(lists[i], map, sizeof(map)), 0);
		assert_string_equal(cpumap_format(map, sizeof(map), buf, sizeof(buf)), lists[i]);
	}
	assert_int_equal(cpumap_parse("0-7,^3", map, sizeof(map)), 0);
	assert_string_equal(cpumap_format(map, sizeof(map), buf, sizeof(buf)), "0-2,4-7");
	assert_int_equal(cpumap_count(map, sizeof(map)), 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(cpumap_parse(wrong[i], map, sizeof(map)), -1);
	assert_int_equal(cpumap_parse("1,3,5", map, sizeof(map)), 0);
	assert_string_equal(cpumap_format(map, sizeof(map), buf, 4), "1,3");
}

static void test_ticker_keeps_its_phase(void **state)
{
	struct ticker ticker = {.interval_s = 2, .next_s = 100};

	(void)state;
	assert_int_equal(ticker_advance(&ticker, 100.4), 0);
	assert_true(ticker.next_s == 102);
	assert_int_equal(ticker_advance(&ticker, 109.9), 3); /* 104, 106 and 108 are past */
	assert_true(ticker.next_s == 110);
}

static void test_array(void **state)
{
	struct {
		char *name;
		int n;
	} *list = NULL, *last;
	size_t count = 0, size = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		last = array_add(&list, &count, &size, sizeof(*last));
		assert_non_null(last);
		assert_ptr_equal(last, &list[i]);
		assert_null(last->name);
		last->n = i;
	}
	assert_int_equal(count, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(list[i].n, i);
	free(list);
}

static void test_pool(void **state)
{
	struct pool *pool = pool_new();
	const char *kept[1000];
	char text[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		kept[i] = pool_text(pool, text);
		assert_string_equal(kept[i], text);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		assert_ptr_equal(pool_text(pool, text), kept[i]);
	}
	pool_free(pool);
}

static void test_procstat(void **state)
{
	struct procstat_pcpu *pcpus = NULL;
	size_t size = 0;
	ssize_t n = procstat_read(&pcpus, &size);
	uint64_t busy, total;

	(void)state;
	assert_int_equal(n, sysconf(_SC_NPROCESSORS_ONLN));
	for (ssize_t i = 0; i < n; i++) {
		assert_true(i == 0 ? pcpus[i].id >= 0 : pcpus[i].id > pcpus[i - 1].id);
		assert_true(pcpus[i].busy <= pcpus[i].total);
	}
	/* Counters only grow, and the array is used again. */
	busy = pcpus[0].busy;
	total = pcpus[0].total;
	assert_int_equal(procstat_read(&pcpus, &size), n);
	assert_true(pcpus[0].busy >= busy && pcpus[0].total >= total);
	free(pcpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_array),	 cmocka_unit_test(test_pool),
		cmocka_unit_test(test_procstat), cmocka_unit_test(test_text),
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_integers),
		cmocka_unit_test(test_seconds),	 cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_rates),	 cmocka_unit_test(test_percents),
		cmocka_unit_test(test_cpumaps),	 cmocka_unit_test(test_ticker_keeps_its_phase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
