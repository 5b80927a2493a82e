/* SPDX-License-Identifier: MIT */
/* Traces: what is written is read back; what is not a trace is said to be none. */
#include "trace.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/ballast-test-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_text(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static struct trace_sample some_sample(double t_s)
{
	static struct trace_pcpu pcpus[] = {{0, 99.5, 97.25}, {3, 0.001, -1}};
	static char two[] = "0-1,3", name[] = "vm \"1\"";
	static struct trace_vcpu vcpus[] = {{50.125, 12.5, 3, two}, {0, -1, -1, NULL}};
	static struct trace_guest guests[] = {
		{name, 2, vcpus, {524288, 100, 200, 300, 400, 0, 0, 7, 1.5}}};

	return (struct trace_sample){t_s,      1.002,	2,	 pcpus, 1,   guests,
				     16000000, 8000000, 9000000, 0.25,	4096};
}

static void test_round_trip(void **state)
{
	struct trace_sample sample = some_sample(2.001), earlier = some_sample(1);
	char error[TRACE_ERROR_MAX];
	struct trace_writer w;
	struct trace trace;
	const struct trace_guest *guest;

	(void)state;
	assert_int_equal(trace_create(&w, path), 0);
	assert_int_equal(trace_write_header(&w, json_pack("{s:s}", "world", "sim")), 0);
	assert_int_equal(trace_write_sample(&w, &sample), 0);
	assert_int_equal(trace_write_event(&w, 1.5, "pin", json_pack("{s:s}", "guest", "vm1")), 0);
	assert_int_equal(trace_write_sample(&w, &earlier), 0);
	assert_int_equal(trace_write_event(&w, 0.5, "end", NULL), 0);
	assert_int_equal(trace_close(&w), 0);

	if (trace_read(&trace, path, error))
		fail_msg("%s", error);
	assert_string_equal(json_string_value(json_object_get(trace.header, "world")), "sim");
	assert_int_equal(trace.nsamples, 2);
	assert_int_equal(trace.nevents, 2);
	assert_true(trace.samples[0].t_s == 1 && trace.samples[1].t_s == 2.001);
	assert_true(trace.samples[1].elapsed_s == 1.002);
	assert_string_equal(trace.events[0].event, "end");
	assert_true(trace.samples[1].pcpus[0].usage_pct == 99.5 &&
		    trace.samples[1].pcpus[1].guests_pct == -1);
	guest = trace_find_guest(&trace.samples[1], "vm \"1\"");
	assert_non_null(guest);
	assert_int_equal(guest->nvcpus, 2);
	assert_string_equal(guest->vcpus[0].affinity, "0-1,3");
	assert_true(guest->vcpus[0].usage_pct == 50.125 && guest->vcpus[1].delay_pct == -1);
	assert_int_equal(guest->memory.major_faults, 7);
	assert_true(guest->memory.age_s == 1.5);
	assert_int_equal(trace.samples[1].host_available_kib, 9000000);
	assert_int_equal(trace.samples[1].program_rss_kib, 4096);
	assert_false(trace.truncated);
	trace_free(&trace);
}

/* Each decimal is written to its nearest thousandth. */
static void test_decimals(void **state)
{
	static const double values[] = {0,	0.0004,	 0.0006, 0.1,	      1.05,
					12.345, 99.9999, 100,	 123456789.25};
	char error[TRACE_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct trace_sample sample = some_sample(values[i]);
		struct trace_writer w;
		struct trace trace;
		double off;

		assert_int_equal(trace_create(&w, path), 0);
		assert_int_equal(trace_write_header(&w, NULL), 0);
		assert_int_equal(trace_write_sample(&w, &sample), 0);
		trace_close(&w);
		assert_int_equal(trace_read(&trace, path, error), 0);
		off = trace.samples[0].t_s - values[i];
		assert_true(off <= 0.00051 && off >= -0.00051);
		trace_free(&trace);
	}
}

/* A crash in the middle of a line costs that line only. */
static void test_truncated(void **state)
{
	char error[TRACE_ERROR_MAX];
	struct trace trace;

	(void)state;
	write_text("{\"type\":\"header\",\"version\":1}\n"
		   "{\"type\":\"event\",\"t_s\":1,\"event\":\"x\"}\n{\"type\":\"event\",\"t_s\":2,"
		   "\"ev");
	assert_int_equal(trace_read(&trace, path, error), 0);
	assert_true(trace.truncated);
	assert_int_equal(trace.nevents, 1);
	trace_free(&trace);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *named;
	} rows[] = {
		{"", "has no header"},
		{"hello\n", ":1: not JSON"},
		{"{\"type\":\"event\",\"t_s\":1,\"event\":\"x\"}\n", ":1: not a trace"},
		{"{\"type\":\"header\",\"version\":9}\n", ":1: trace version 9"},
		{"{\"type\":\"header\",\"version\":1}\n{}\n", ":2: the line has no type"},
		{"{\"type\":\"header\",\"version\":1}\n{\"type\":\"song\"}\n",
		 ":2: unknown type \"song\""},
		{"{\"type\":\"header\",\"version\":1}\n{\"type\":\"sample\"}\n",
		 ":2: the sample lacks"},
		{"{\"type\":\"header\",\"version\":1}\n{\"type\":\"event\"}\n",
		 ":2: the event lacks"},
		{"{\"type\":\"header\",\"version\":1}\n{\"type\":\"header\",\"version\":1}\n",
		 ":2: a second header"},
		{"{\"type\":\"header\",\"version\":1}\n"
		 "{\"type\":\"sample\",\"t_s\":1,\"elapsed_s\":1,\"guests\":[{}]}\n",
		 ":2: a guest"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[TRACE_ERROR_MAX] = "";
		struct trace trace;

		write_text(rows[i].text);
		assert_int_equal(trace_read(&trace, path, error), -1);
		if (!strstr(error, rows[i].named))
			fail_msg("\"%s\" does not name \"%s\"", error, rows[i].named);
	}
}

/* Whatever a file holds, the line about it can be shown on a terminal. */
static void test_garbage(void **state)
{
	char error[TRACE_ERROR_MAX];
	struct trace trace;

	(void)state;
	write_text("{\"type\":\"header\",\"version\":1}\n\033[2J\007\n");
	assert_int_equal(trace_read(&trace, path, error), -1);
	for (const char *c = error; *c; c++)
		assert_false(iscntrl((unsigned char)*c));
}

/* A file that has no lines is refused before it fills the memory. */
static void test_endless_line(void **state)
{
	char error[TRACE_ERROR_MAX];
	struct trace trace;

	(void)state;
	write_text("");
	assert_int_equal(truncate(path, 1 << 30), 0);
	assert_int_equal(trace_read(&trace, path, error), -1);
	assert_non_null(strstr(error, ":1: longer than any line of a trace"));
}

/* Several processes write one trace: no line is torn. */
static void test_many_writers(void **state)
{
	enum { writers = 4, lines = 200 };
	char error[TRACE_ERROR_MAX];
	struct trace_writer w;
	struct trace trace;

	(void)state;
	assert_int_equal(trace_create(&w, path), 0);
	assert_int_equal(trace_write_header(&w, NULL), 0);
	trace_close(&w);
	for (int i = 0; i < writers; i++) {
		if (fork())
			continue;
		if (trace_append(&w, path))
			_exit(1);
		for (int j = 0; j < lines; j++)
			trace_write_event(&w, j, "x", json_pack("{s:i}", "writer", i));
		_exit(0);
	}
	for (int i = 0; i < writers; i++) {
		int status;

		wait(&status);
		assert_int_equal(status, 0);
	}
	assert_int_equal(trace_read(&trace, path, error), 0);
	assert_int_equal(trace.nevents, writers * lines);
	trace_free(&trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_truncated),    cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_garbage),	     cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_many_writers),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
