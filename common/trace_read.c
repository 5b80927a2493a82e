/* SPDX-License-Identifier: MIT */
/* Reads traces back, all of it into memory. */
#include "trace.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sample of a thousand guests of a hundred vCPUs is a tenth of it: no trace has longer lines. */
#define LINE_MAX_BYTES (64 * 1024 * 1024)

struct reader {
	struct trace *trace;
	const char *path;
	unsigned int line;
	char *error;
};

static int fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct reader *r, const char *format, ...)
{
	char message[TRACE_ERROR_MAX - 128]; /* room for path and line */
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* What is quoted of a file that is no trace may be anything. */
	for (char *c = message; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	if (r->line)
		snprintf(r->error, TRACE_ERROR_MAX, "%.100s:%u: %s", r->path, r->line, message);
	else
		snprintf(r->error, TRACE_ERROR_MAX, "%.100s: %s", r->path, message);
	return -1;
}

static double get_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

static int64_t get_integer(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	/* What no integer holds is not known, as what is no number. */
	return json_is_number(value) && fabs(json_number_value(value)) < 9e18
		       ? (int64_t)json_number_value(value)
		       : -1;
}

/* --- one sample --- */

static void read_pcpu(struct trace_pcpu *pcpu, const json_t *object)
{
	pcpu->id = (int)get_integer(object, "id");
	pcpu->usage_pct = get_number(object, "usage_pct");
	pcpu->guests_pct = get_number(object, "guests_pct");
}

static void read_vcpu(struct trace_vcpu *vcpu, const json_t *object)
{
	const char *affinity = json_string_value(json_object_get(object, "affinity"));

	vcpu->usage_pct = get_number(object, "usage_pct");
	vcpu->delay_pct = get_number(object, "delay_pct");
	vcpu->pcpu = (int)get_integer(object, "pcpu");
	vcpu->affinity = affinity ? strdup(affinity) : NULL;
}

static void read_memory(struct trace_memory *m, const json_t *object)
{
	m->actual_kib = get_integer(object, "actual_kib");
	m->unused_kib = get_integer(object, "unused_kib");
	m->usable_kib = get_integer(object, "usable_kib");
	m->available_kib = get_integer(object, "available_kib");
	m->rss_kib = get_integer(object, "rss_kib");
	m->swap_in_kib = get_integer(object, "swap_in_kib");
	m->swap_out_kib = get_integer(object, "swap_out_kib");
	m->major_faults = get_integer(object, "major_faults");
	m->age_s = get_number(object, "age_s");
}

static int read_guest(struct reader *r, struct trace_guest *guest, const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const json_t *vcpus = json_object_get(object, "vcpus");

	if (!name)
		return fail(r, "a guest of the sample has no name");
	guest->name = strdup(name);
	read_memory(&guest->memory, json_object_get(object, "memory"));
	guest->vcpus = calloc(json_array_size(vcpus) + 1, sizeof(*guest->vcpus));
	if (!guest->name || !guest->vcpus)
		return fail(r, "out of memory");
	guest->nvcpus = json_array_size(vcpus);
	for (size_t i = 0; i < guest->nvcpus; i++)
		read_vcpu(&guest->vcpus[i], json_array_get(vcpus, i));
	return 0;
}

static int read_sample(struct reader *r, struct trace_sample *s, const json_t *object)
{
	const json_t *pcpus = json_object_get(object, "pcpus");
	const json_t *guests = json_object_get(object, "guests");
	const json_t *host = json_object_get(object, "host");
	const json_t *program = json_object_get(object, "program");

	s->t_s = get_number(object, "t_s");
	s->elapsed_s = get_number(object, "elapsed_s");
	if (s->t_s < 0 || s->elapsed_s <= 0)
		return fail(r, "the sample lacks t_s or elapsed_s");
	s->host_total_kib = get_integer(host, "total_kib");
	s->host_free_kib = get_integer(host, "free_kib");
	s->host_available_kib = get_integer(host, "available_kib");
	s->program_cpu_pct = get_number(program, "cpu_pct");
	s->program_rss_kib = get_integer(program, "rss_kib");
	s->pcpus = calloc(json_array_size(pcpus) + 1, sizeof(*s->pcpus));
	s->guests = calloc(json_array_size(guests) + 1, sizeof(*s->guests));
	if (!s->pcpus || !s->guests)
		return fail(r, "out of memory");
	s->npcpus = json_array_size(pcpus);
	for (size_t i = 0; i < s->npcpus; i++)
		read_pcpu(&s->pcpus[i], json_array_get(pcpus, i));
	for (size_t i = 0; i < json_array_size(guests); i++) {
		s->nguests++; /* counted first, so that what a failure leaves is freed */
		if (read_guest(r, &s->guests[i], json_array_get(guests, i)))
			return -1;
	}
	return 0;
}

/* --- lines --- */

/* Room for one more element behind count of them. */
static void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? count * 2 : 1) * size);
}

static int add_sample(struct reader *r, const json_t *object)
{
	struct trace *trace = r->trace;
	struct trace_sample *bigger = grow(trace->samples, trace->nsamples, sizeof(*bigger));

	if (!bigger)
		return fail(r, "out of memory");
	trace->samples = bigger;
	memset(&bigger[trace->nsamples], 0, sizeof(*bigger));
	return read_sample(r, &bigger[trace->nsamples++], object);
}

static int add_event(struct reader *r, json_t *object)
{
	struct trace *trace = r->trace;
	struct trace_event *bigger = grow(trace->events, trace->nevents, sizeof(*bigger));
	const char *event = json_string_value(json_object_get(object, "event"));
	const json_t *t_s = json_object_get(object, "t_s");

	if (!bigger)
		return fail(r, "out of memory");
	trace->events = bigger;
	if (!event || !json_is_number(t_s))
		return fail(r, "the event lacks event or t_s");
	bigger[trace->nevents++] =
		(struct trace_event){json_number_value(t_s), event, json_incref(object)};
	return 0;
}

static int add_header(struct reader *r, json_t *object)
{
	int version = (int)json_integer_value(json_object_get(object, "version"));

	if (r->trace->header)
		return fail(r, "a second header; a trace has one");
	if (version != TRACE_VERSION)
		return fail(r, "trace version %d; this program reads version %d", version,
			    TRACE_VERSION);
	r->trace->header = json_incref(object);
	return 0;
}

static int add_line(struct reader *r, json_t *object)
{
	const char *type = json_string_value(json_object_get(object, "type"));

	if (!type)
		return fail(r, "the line has no type");
	if (!strcmp(type, "header"))
		return add_header(r, object);
	if (!r->trace->header)
		return fail(r, "not a trace: the first line is no header");
	if (!strcmp(type, "sample"))
		return add_sample(r, object);
	if (!strcmp(type, "event"))
		return add_event(r, object);
	return fail(r, "unknown type \"%.40s\"; there are header, sample, event", type);
}

/* The next line into *line, grown as needed, with its newline if it has one. Its length; 0 at the
 * end; LINE_MAX_BYTES where it is no shorter; −1 out of memory. */
static ssize_t next_line(char **line, size_t *size, FILE *file)
{
	size_t len = 0;
	int c;

	while (len < LINE_MAX_BYTES && (c = getc_unlocked(file)) != EOF) {
		if (len == *size) {
			char *bigger = realloc(*line, *size ? 2 * *size : 4096);

			if (!bigger)
				return -1;
			*line = bigger;
			*size = *size ? 2 * *size : 4096;
		}
		(*line)[len++] = (char)c;
		if (c == '\n')
			break;
	}
	return (ssize_t)len;
}

static int read_lines(struct reader *r, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int status = 0;

	while (!status && (len = next_line(&line, &size, file)) != 0) {
		json_error_t why;
		json_t *object;

		r->line++;
		if (len < 0 || len == LINE_MAX_BYTES) {
			status =
				fail(r, "%s",
				     len < 0 ? "out of memory" : "longer than any line of a trace");
			break;
		}
		/* Only what ends in a newline was written whole. */
		if (line[len - 1] != '\n') {
			r->trace->truncated = 1;
			break;
		}
		object = json_loadb(line, (size_t)len, 0, &why);
		status = object ? add_line(r, object) : fail(r, "not JSON: %s", why.text);
		json_decref(object);
	}
	free(line);
	if (!status && ferror(file)) {
		r->line = 0;
		status = fail(r, "%s", strerror(errno));
	}
	return status;
}

/* --- order --- */

static int compare_samples(const void *a, const void *b)
{
	const struct trace_sample *x = a, *y = b;

	return (x->t_s > y->t_s) - (x->t_s < y->t_s);
}

/* Several processes write events, so they come a little out of order: insertion keeps equal times
 * as they were and is linear where they are in order. */
static void sort_events(struct trace_event *events, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct trace_event event = events[i];
		size_t at = i;

		while (at > 0 && events[at - 1].t_s > event.t_s) {
			events[at] = events[at - 1];
			at--;
		}
		events[at] = event;
	}
}

int trace_read(struct trace *trace, const char *path, char error[TRACE_ERROR_MAX])
{
	struct reader r = {trace, path, 0, error};
	FILE *file = fopen(path, "re");
	int status;

	memset(trace, 0, sizeof(*trace));
	error[0] = '\0';
	if (!file)
		return fail(&r, "%s", strerror(errno));
	status = read_lines(&r, file);
	fclose(file);
	if (!status && !trace->header) {
		r.line = 0;
		status = fail(&r, "not a trace: it has no header");
	}
	if (status) {
		trace_free(trace);
		return -1;
	}
	if (trace->nsamples)
		qsort(trace->samples, trace->nsamples, sizeof(*trace->samples), compare_samples);
	sort_events(trace->events, trace->nevents);
	return 0;
}

static void free_sample(struct trace_sample *s)
{
	for (size_t i = 0; i < s->nguests; i++) {
		for (size_t j = 0; j < s->guests[i].nvcpus; j++)
			free(s->guests[i].vcpus[j].affinity);
		free(s->guests[i].vcpus);
		free(s->guests[i].name);
	}
	free(s->guests);
	free(s->pcpus);
}

void trace_free(struct trace *trace)
{
	for (size_t i = 0; i < trace->nsamples; i++)
		free_sample(&trace->samples[i]);
	for (size_t i = 0; i < trace->nevents; i++)
		json_decref(trace->events[i].data);
	free(trace->samples);
	free(trace->events);
	json_decref(trace->header);
	memset(trace, 0, sizeof(*trace));
}

const struct trace_guest *trace_find_guest(const struct trace_sample *sample, const char *name)
{
	for (size_t i = 0; i < sample->nguests; i++) {
		if (!strcmp(sample->guests[i].name, name))
			return &sample->guests[i];
	}
	return NULL;
}
