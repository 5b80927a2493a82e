/* SPDX-License-Identifier: MIT */
/* Traces: what is written is read back; what is not a trace is said to be none. */
#include "trace.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/stat.h>
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

#define HEADER                                                                                     \
	"{\"type\":\"header\",\"version\":2,\"scenario\":\"s\",\"scenario_text\":\"\",\"prefix\":" \
	"\"vm\","                                                                                  \
	"\"kind\":\"cpu\",\"world\":\"sim\",\"started\":\"now\",\"epoch_ns\":0,\"sample_s\":1,"    \
	"\"interval_s\":2,\"length_s\":30,\"host\":{\"pcpus\":[0,3]}}\n"

static const struct trace_header *some_header(void)
{
	static const char *program[] = {"./p", "2\n"};
	static int pcpus[] = {0, 3, 7};
	static struct trace_header_guest guests[] = {{"vm1", "u", 2, 512, 2048},
						     {"vm2", NULL, 2, -1, -1}};
	static const struct trace_header header = {
		.scenario = "some",
		.scenario_text = "[scenario]\nkind = cpu\n",
		.prefix = "vm",
		.kind = TRACE_KIND_CPU,
		.world = TRACE_WORLD_SIM,
		.seed = 7,
		.started = "2026-01-01T00:00:00Z",
		.epoch_ns = 86400000000000,
		.sample_s = 0.5,
		.interval_s = 2,
		.length_s = 30,
		.program = program,
		.nprogram = 2,
		.host_name = "host",
		.host_memory_kib = -1,
		.pcpus = pcpus,
		.npcpus = 3,
		.guests = guests,
		.nguests = 2,
		.version_ballast = "0",
	};

	return &header;
}

static struct trace_sample some_sample(double t_s)
{
	static struct trace_pcpu pcpus[] = {{0, 99.5, 97.25}, {3, 0.001, -1}};
	static const char two[] = "0-1,3", name[] = "vm \"1\"";
	static struct trace_vcpu vcpus[] = {{50.125, 12.5, 3, two}, {0, -1, -1, NULL}};
	static struct trace_guest guests[] = {
		{name, 2, vcpus, {524288, 100, 200, 300, 400, 0, 0, 7, 1.5}}};

	return (struct trace_sample){t_s,      1.002,	2,	 pcpus, 1,   guests,
				     16000000, 8000000, 9000000, 0.25,	4096};
}

static void write_event(struct trace_writer *w, double t_s, struct trace_event event)
{
	event.t_s = t_s;
	assert_int_equal(trace_write_event(w, &event), 0);
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
	assert_int_equal(trace_write_header(&w, some_header()), 0);
	assert_int_equal(trace_write_sample(&w, &sample), 0);
	write_event(&w, 1.5,
		    (struct trace_event){.kind = TRACE_PIN,
					 .guest = "vm1",
					 .pin = {3, "0-1", TRACE_BY_SCENARIO}});
	assert_int_equal(trace_write_sample(&w, &earlier), 0);
	write_event(&w, 0.5, (struct trace_event){.kind = TRACE_END});
	assert_int_equal(trace_close(&w), 0);

	if (trace_read(&trace, path, error))
		fail_msg("%s", error);
	assert_string_equal(trace.header.scenario_text, "[scenario]\nkind = cpu\n");
	assert_int_equal(trace.header.kind, TRACE_KIND_CPU);
	assert_int_equal(trace.header.world, TRACE_WORLD_SIM);
	assert_int_equal(trace.header.epoch_ns, 86400000000000);
	assert_true(trace.header.sample_s == 0.5);
	assert_int_equal(trace.header.nprogram, 2);
	assert_string_equal(trace.header.program[1], "2\n");
	assert_int_equal(trace.header.npcpus, 3);
	assert_int_equal(trace.header.pcpus[2], 7);
	assert_int_equal(trace.header.host_memory_kib, -1);
	assert_null(trace.header.version_qemu);
	assert_int_equal(trace.header.nguests, 2);
	assert_int_equal(trace.header.guests[0].maximum_kib, 2048);
	assert_null(trace.header.guests[1].uuid);
	assert_int_equal(trace.nsamples, 2);
	assert_int_equal(trace.nevents, 2);
	assert_true(trace.samples[0].t_s == 1 && trace.samples[1].t_s == 2.001);
	assert_true(trace.samples[1].elapsed_s == 1.002);
	assert_int_equal(trace.events[0].kind, TRACE_END);
	assert_string_equal(trace.events[1].guest, "vm1");
	assert_int_equal(trace.events[1].pin.vcpu, 3);
	assert_int_equal(trace.events[1].pin.by, TRACE_BY_SCENARIO);
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
		assert_int_equal(trace_write_header(&w, some_header()), 0);
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
	write_text(
		HEADER
		"{\"type\":\"event\",\"t_s\":1,\"event\":\"end\"}\n{\"type\":\"event\",\"t_s\":2,"
		"\"ev");
	assert_int_equal(trace_read(&trace, path, error), 0);
	assert_true(trace.truncated);
	assert_int_equal(trace.nevents, 1);
	trace_free(&trace);
}

#define EVENT(rest) HEADER "{\"type\":\"event\"" rest "}\n"

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *named;
	} rows[] = {
		{"", "has no header"},
		{"hello\n", ":1: not JSON"},
		{"{\"type\":\"event\",\"t_s\":1,\"event\":\"end\"}\n", ":1: not a trace"},
		{"{\"type\":\"header\",\"version\":1}\n",
		 ":1: trace version 1; this program reads version 2"},
		{"{\"type\":\"header\",\"version\":2}\n", ":1: the header lacks scenario"},
		{HEADER "{}\n", ":2: the line has no type"},
		{HEADER "{\"type\":\"song\"}\n", ":2: unknown type \"song\""},
		{HEADER "{\"type\":\"sample\"}\n", ":2: the sample lacks"},
		{EVENT(""), ":2: the event lacks"},
		{EVENT(",\"t_s\":1,\"event\":\"song\""), ":2: unknown event \"song\""},
		{EVENT(",\"t_s\":1,\"event\":\"balloon\",\"guest\":\"a\""),
		 ":2: the event balloon lacks actual_kib"},
		{EVENT(",\"t_s\":1,\"event\":\"balloon\",\"guest\":\"a\",\"actual_kib\":\"1\""),
		 ":2: the event balloon: actual_kib is of the wrong type"},
		{EVENT(",\"t_s\":1,\"event\":\"guest\",\"guest\":\"a\",\"state\":\"asleep\""),
		 ":2: the event guest: state is of the wrong type"},
		{EVENT(",\"t_s\":1,\"event\":\"end\",\"actual\":1"),
		 ":2: the event end has no field \"actual\""},
		{EVENT(",\"t_s\":1,\"event\":\"program_exit\",\"asked\":true"),
		 ":2: the event program_exit should have one of status and signal"},
		{HEADER HEADER, ":2: a second header"},
		{HEADER "{\"type\":\"sample\",\"t_s\":1,\"elapsed_s\":1,\"guests\":[{}]}\n",
		 ":2: a guest"},
		{HEADER
		 "{\"type\":\"sample\",\"t_s\":1,\"elapsed_s\":1,\"pcpus\":[{\"usage\":1}]}\n",
		 ":2: a pCPU has no field \"usage\""},
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
	write_text(HEADER "\033[2J\007\n");
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
/* However much a program prints and calls, its trace is no larger, and the end of it is told. */
static void test_bounds(void **state)
{
	enum { LINES = 20000, CALLS = 400000 };
	char error[TRACE_ERROR_MAX], line[1000];
	struct trace_event call = trace_event(TRACE_CALL, NULL);
	struct trace_writer w;
	struct trace trace;
	struct stat st;
	struct trace_event exit = trace_exit(0, false);

	(void)state;
	memset(line, 'x', sizeof(line));
	call.call.function = "virNodeGetInfo";
	call.call.outcome = TRACE_DONE;
	assert_int_equal(trace_create(&w, path), 0);
	assert_int_equal(trace_write_header(&w, some_header()), 0);
	for (int i = 0; i < LINES; i++) {
		int digits = snprintf(line, sizeof(line), "line %d", i);

		line[digits] = ' ';
		assert_int_equal(trace_write_output(&w, i / 1000.0, TRACE_STDERR, line, 900), 0);
	}
	for (int i = 0; i < CALLS; i++) {
		call.t_s = 100.0 * i / CALLS;
		assert_int_equal(trace_write_event(&w, &call), 0);
	}
	exit.t_s = 101;
	assert_int_equal(trace_write_event(&w, &exit), 0);
	assert_int_equal(trace_close(&w), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, TRACE_OUTPUT_MAX, TRACE_OUTPUT_MAX + TRACE_CALLS_MAX + 65536);
	assert_int_equal(trace_read(&trace, path, error), 0);
	assert_memory_equal(trace.last_words[0], "line 19999 ", 11);
	assert_true(trace.events[trace.nevents - 2].kind == TRACE_CALL &&
		    trace.events[trace.nevents - 2].t_s > 98);
	trace_free(&trace);
}

static void test_many_writers(void **state)
{
	enum { writers = 4, lines = 200 };
	char error[TRACE_ERROR_MAX];
	struct trace_writer w;
	struct trace trace;

	(void)state;
	assert_int_equal(trace_create(&w, path), 0);
	assert_int_equal(trace_write_header(&w, some_header()), 0);
	trace_close(&w);
	for (int i = 0; i < writers; i++) {
		if (fork())
			continue;
		if (trace_append(&w, path))
			_exit(1);
		for (int j = 0; j < lines; j++)
			trace_write_event(&w, &(struct trace_event){.t_s = j,
								    .kind = TRACE_PROGRAM_START,
								    .program_start = {i}});
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

/* Every field of every kind: what is known comes back, what is not stays unknown. */
static void test_fields(void **state)
{
	static const char *const text = "caf\303\251 \"1\"";
	char error[TRACE_ERROR_MAX];
	struct trace_event written[TRACE_EVENT_KINDS];
	struct trace_writer w;
	struct trace trace;
	size_t at = 0;

	(void)state;
	assert_int_equal(trace_create(&w, path), 0);
	assert_int_equal(trace_write_header(&w, some_header()), 0);
	for (unsigned int kind = 0; kind < TRACE_EVENT_KINDS; kind++) {
		const struct trace_field *fields = trace_kinds[kind].fields;
		bool either = false;

		written[kind] = trace_event((enum trace_event_kind)kind, NULL);
		written[kind].t_s = kind;
		for (const struct trace_field *f = fields; f->name; f++) {
			void *member = (char *)&written[kind] + f->offset;
			int64_t number = f - fields + 7;

			if (f->need == TRACE_EITHER && either)
				continue;
			either = either || f->need == TRACE_EITHER;
			if (f->type == TRACE_TEXT)
				*(const char **)member = text;
			else if (f->type == TRACE_INTEGER)
				*(int64_t *)member = number;
			else if (f->type == TRACE_NUMBER)
				*(double *)member = (double)number + 0.5;
			else if (f->type == TRACE_FLAG || f->type == TRACE_WORD)
				*(int *)member = 1;
		}
		assert_int_equal(trace_write_event(&w, &written[kind]), 0);
	}
	trace_close(&w);
	if (trace_read(&trace, path, error))
		fail_msg("%s", error);
	assert_int_equal(trace.nevents, TRACE_EVENT_KINDS - 1); /* output is not kept */
	for (unsigned int kind = 0; kind < TRACE_EVENT_KINDS; kind++) {
		const struct trace_event *read = &trace.events[at];

		if (kind == TRACE_PROGRAM_OUTPUT)
			continue;
		at++;
		assert_int_equal(read->kind, kind);
		for (const struct trace_field *f = trace_kinds[kind].fields; f->name; f++) {
			const void *a = (const char *)&written[kind] + f->offset;
			const void *b = (const char *)read + f->offset;

			if (f->type == TRACE_TEXT)
				assert_string_equal(*(const char *const *)b, text);
			else if (f->type == TRACE_INTEGER || f->type == TRACE_NUMBER)
				assert_memory_equal(a, b, 8);
			else if (f->type != TRACE_JSON)
				assert_memory_equal(a, b, sizeof(int));
		}
	}
	trace_free(&trace);
}

/* An event that lacks what its kind must have is never written. */
static void test_refused(void **state)
{
	struct trace_writer w;

	(void)state;
	assert_int_equal(trace_create(&w, path), 0);
	for (unsigned int kind = 0; kind < TRACE_EVENT_KINDS; kind++) {
		struct trace_event event = trace_event((enum trace_event_kind)kind, NULL);

		errno = 0;
		assert_int_equal(trace_write_event(&w, &event), kind == TRACE_END ? 0 : -1);
		assert_int_equal(errno, kind == TRACE_END ? 0 : EINVAL);
	}
	trace_close(&w);
}

/* Whatever a program prints is a line of a trace that can be read. */
static void test_output(void **state)
{
	static const char line[] = "a\0b\377\"\n\033";
	char error[TRACE_ERROR_MAX], text[1024];
	struct trace_writer w;
	struct trace trace;
	FILE *file;

	(void)state;
	assert_int_equal(trace_create(&w, path), 0);
	assert_int_equal(trace_write_header(&w, some_header()), 0);
	assert_int_equal(trace_write_output(&w, 1, TRACE_STDERR, line, sizeof(line) - 1), 0);
	trace_close(&w);
	assert_int_equal(trace_read(&trace, path, error), 0);
	trace_free(&trace);
	file = fopen(path, "re");
	assert_non_null(fgets(text, sizeof(text), file));
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_string_equal(text, "{\"type\":\"event\",\"t_s\":1,\"event\":\"program_output\","
				  "\"stream\":\"stderr\",\"line\":\"a?b?\\\"\\n?\"}\n");
}

/* --- trace(5) --- */

static const char *const type_names[] = {
	[TRACE_TEXT] = "text",	   [TRACE_WORD] = "a word", [TRACE_INTEGER] = "integer",
	[TRACE_NUMBER] = "number", [TRACE_FLAG] = "flag",   [TRACE_JSON] = "any JSON",
};

static void put_words(FILE *out, const struct trace_field *f)
{
	const char *before = " (";

	for (int i = 1; f->type == TRACE_WORD && f->words[i]; i++) {
		fprintf(out, "%s%s", before, f->words[i]);
		before = ", ";
	}
	fputs(f->type == TRACE_WORD ? ")" : "", out);
}

/* The part of trace(5) that lists the events, in mdoc. */
static void put_events(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (unsigned int kind = 0; kind < TRACE_EVENT_KINDS; kind++) {
		const struct trace_kind *k = &trace_kinds[kind];

		fprintf(out, ".It Cm %s\n%c%s.\n", k->name, toupper(k->meaning[0]), k->meaning + 1);
		if (!k->fields->name)
			continue;
		fputs(".Bl -tag -width available_kib -compact\n", out);
		for (const struct trace_field *f = k->fields; f->name; f++) {
			fprintf(out, ".It Cm %s\n", f->name);
			fprintf(out, "%s%s", type_names[f->type],
				f->need == TRACE_OPTIONAL ? ", where known"
				: f->need == TRACE_EITHER ? ", or the other"
							  : "");
			put_words(out, f);
			fprintf(out, "%s%s\n", f->meaning ? ": " : "",
				f->meaning ? f->meaning : "");
		}
		fputs(".El\n", out);
	}
	fputs(".El\n", out);
}

/* The manual names every field of the header and of samples. */
static void test_manual_names(void **state)
{
	static const struct trace_field *const tables[] = {
		trace_header_fields,	     trace_header_guest_fields, trace_header_host_fields,
		trace_header_version_fields, trace_pcpu_fields,		trace_vcpu_fields,
		trace_memory_fields,	     trace_host_fields,		trace_program_fields,
	};
	FILE *file = fopen("trace.5", "re");
	char *manual = NULL;
	size_t size = 0;

	(void)state;
	assert_non_null(file);
	assert_true(getdelim(&manual, &size, '\0', file) > 0);
	fclose(file);
	*strstr(manual, ".Ss event") = '\0';
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct trace_field *f = tables[i]; f->name; f++)
			if (!strstr(manual, f->name))
				fail_msg("trace.5 does not tell %s", f->name);
	free(manual);
}

/* The manual has the table's kinds, fields, types and words, to the letter. */
static void test_manual(void **state)
{
	char *manual = NULL, *list = NULL;
	size_t len = 0, size = 0;
	FILE *file = fopen("trace.5", "re"), *out = open_memstream(&list, &len);

	(void)state;
	assert_non_null(file);
	assert_true(getdelim(&manual, &size, '\0', file) > 0);
	fclose(file);
	put_events(out);
	fclose(out);
	if (!strstr(manual, list))
		fail_msg("trace.5 lacks what build/test_trace --manual prints");
	free(manual);
	free(list);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_truncated),    cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_garbage),	     cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_bounds),	     cmocka_unit_test(test_many_writers),
		cmocka_unit_test(test_fields),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_output),	     cmocka_unit_test(test_manual),
		cmocka_unit_test(test_manual_names),
	};

	if (argc == 2 && !strcmp(argv[1], "--manual")) {
		put_events(stdout);
		return 0;
	}
	/* The manual lies in the folder above build/. */
	if (chdir(dirname(argv[0])) || chdir("..")) {
		perror("test_trace: chdir");
		return 1;
	}
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
