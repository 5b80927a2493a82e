/* SPDX-License-Identifier: MIT */
/* Reads traces back, line by line: of what is kept, texts stand in memory once, figures as numbers.
 */
#include "trace.h"

#include "array.h"
#include "pool.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sample of a thousand guests of a hundred vCPUs is a tenth of it: no trace has longer lines. */
#define WORDS_MAX      160
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

/* --- fields --- */

/* A value as the field's member. −1: it is of another type. */
static int take_number(const struct trace_field *f, const json_t *value, void *member)
{
	double number = json_number_value(value);

	if (!json_is_number(value) || fabs(number) >= 9e18)
		return -1;
	if (f->type == TRACE_NUMBER || f->type == TRACE_FIGURE)
		*(double *)member = number;
	else if (f->type == TRACE_INTEGER)
		*(int64_t *)member = (int64_t)number;
	else if (fabs(number) > INT_MAX)
		return -1;
	else
		*(int *)member = (int)number;
	return 0;
}

static int take_value(struct reader *r, const struct trace_field *f, const json_t *value,
		      void *member)
{
	switch (f->type) {
	case TRACE_TEXT:
		if (!json_is_string(value))
			return -1;
		*(const char **)member = pool_text(r->trace->texts, json_string_value(value));
		return *(const char **)member ? 0 : -1;
	case TRACE_WORD:
		*(int *)member = trace_word(f->words, json_string_value(value));
		return *(int *)member ? 0 : -1;
	case TRACE_FLAG:
		*(int *)member = json_is_true(value);
		return json_is_boolean(value) ? 0 : -1;
	case TRACE_JSON:
		return 0; /* nothing is judged by it */
	case TRACE_INTEGER:
	case TRACE_ID:
	case TRACE_NUMBER:
	case TRACE_FIGURE:
		break;
	}
	return take_number(f, value, member);
}

/* Whether some field, or the start of each line, has that name. */
static bool is_field(const struct trace_field *fields, const char *key)
{
	for (const struct trace_field *f = fields; f->name; f++)
		if (!strcmp(f->name, key))
			return true;
	return false;
}

/* Reads an object's fields; besides them it may have the keys in `others`, and nothing else. */
static int read_fields(struct reader *r, const char *what, const struct trace_field *fields,
		       json_t *object, const char *const *others, void *base)
{
	int either = 0, told = 0;
	const char *key;
	json_t *value;

	trace_forget(fields, base);
	for (const struct trace_field *f = fields; f->name; f++) {
		value = json_object_get(object, f->name);
		either += f->need == TRACE_EITHER;
		told += f->need == TRACE_EITHER && value;
		if (!value && f->need == TRACE_REQUIRED)
			return fail(r, "%s lacks %s", what, f->name);
		if (value && take_value(r, f, value, (char *)base + f->offset))
			return fail(r, "%s: %s is of the wrong type", what, f->name);
	}
	if (either && told != 1)
		return fail(r, "%s should have one of status and signal", what);
	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (others[i] && strcmp(others[i], key) != 0)
			i++;
		if (!others[i] && !is_field(fields, key))
			return fail(r, "%s has no field \"%.40s\"", what, key);
	}
	return 0;
}

static const char *const no_others[] = {NULL};

/* --- samples --- */

/* What a sample points to, in one block: pCPUs, guests and all their vCPUs. */
static int make_room(struct trace_sample *s, const json_t *pcpus, const json_t *guests)
{
	size_t nvcpus = 0, index, most = json_array_size(guests);
	const json_t *guest;
	struct trace_vcpu *vcpus;

	json_array_foreach(guests, index, guest) nvcpus +=
		json_array_size(json_object_get(guest, "vcpus"));
	s->npcpus = json_array_size(pcpus);
	s->guests = calloc(1, most * sizeof(*s->guests) + nvcpus * sizeof(*vcpus) +
				      s->npcpus * sizeof(*s->pcpus) + 1);
	if (!s->guests)
		return -1;
	vcpus = (struct trace_vcpu *)(s->guests + most);
	s->pcpus = (struct trace_pcpu *)(vcpus + nvcpus);
	json_array_foreach(guests, index, guest)
	{
		s->guests[index].vcpus = vcpus;
		s->guests[index].nvcpus = json_array_size(json_object_get(guest, "vcpus"));
		vcpus += s->guests[index].nvcpus;
	}
	return 0;
}

static int read_guest(struct reader *r, struct trace_guest *guest, const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	json_t *vcpus = json_object_get(object, "vcpus");

	if (!name)
		return fail(r, "a guest of the sample has no name");
	guest->name = pool_text(r->trace->texts, name);
	if (!guest->name)
		return fail(r, "out of memory");
	for (size_t i = 0; i < guest->nvcpus; i++)
		if (read_fields(r, "a vCPU", trace_vcpu_fields, json_array_get(vcpus, i), no_others,
				&guest->vcpus[i]))
			return -1;
	return read_fields(r, "a guest's memory", trace_memory_fields,
			   json_object_get(object, "memory"), no_others, &guest->memory);
}

static int read_sample(struct reader *r, struct trace_sample *s, json_t *object)
{
	static const char *const keys[] = {"type",   "t_s",  "elapsed_s", "pcpus",
					   "guests", "host", "program",	  NULL};
	static const struct trace_field none[] = {{0}};
	json_t *pcpus = json_object_get(object, "pcpus");
	json_t *guests = json_object_get(object, "guests");

	if (read_fields(r, "the sample", none, object, keys, s))
		return -1;
	s->t_s = json_number_value(json_object_get(object, "t_s"));
	s->elapsed_s = json_number_value(json_object_get(object, "elapsed_s"));
	if (!json_is_number(json_object_get(object, "t_s")) || s->t_s < 0 || s->elapsed_s <= 0)
		return fail(r, "the sample lacks t_s or elapsed_s");
	if (make_room(s, pcpus, guests))
		return fail(r, "out of memory");
	for (size_t i = 0; i < s->npcpus; i++)
		if (read_fields(r, "a pCPU", trace_pcpu_fields, json_array_get(pcpus, i), no_others,
				&s->pcpus[i]))
			return -1;
	for (s->nguests = 0; s->nguests < json_array_size(guests); s->nguests++)
		if (read_guest(r, &s->guests[s->nguests], json_array_get(guests, s->nguests)))
			return -1;
	if (read_fields(r, "the host", trace_host_fields, json_object_get(object, "host"),
			no_others, s))
		return -1;
	return read_fields(r, "the program", trace_program_fields,
			   json_object_get(object, "program"), no_others, s);
}

static int add_sample(struct reader *r, json_t *object)
{
	struct trace *trace = r->trace;
	struct trace_sample *sample =
		array_add(&trace->samples, &trace->nsamples, &trace->samples_size, sizeof(*sample));

	return sample ? read_sample(r, sample, object) : fail(r, "out of memory");
}

/* --- events --- */

/* Of what the program printed only the last lines of its stderr are kept, and of a long one the
 * beginning. */
static int keep_words(struct reader *r, const json_t *object)
{
	const char *stream = json_string_value(json_object_get(object, "stream"));
	const char *line = json_string_value(json_object_get(object, "line"));
	char **words = r->trace->last_words, *copy;

	if (!stream || !line)
		return fail(r, "the event program_output lacks stream or line");
	if (strcmp(stream, "stderr") != 0 || !line[strspn(line, " \t")])
		return 0;
	copy = strndup(line, WORDS_MAX);
	if (!copy)
		return fail(r, "out of memory");
	free(words[TRACE_LAST_WORDS - 1]);
	memmove(words + 1, words, (TRACE_LAST_WORDS - 1) * sizeof(*words));
	words[0] = copy;
	return 0;
}

static int add_event(struct reader *r, json_t *object)
{
	static const char *const keys[] = {"type", "t_s", "event", NULL};
	struct trace *trace = r->trace;
	const char *name = json_string_value(json_object_get(object, "event"));
	const json_t *t_s = json_object_get(object, "t_s");
	struct trace_event *event;
	unsigned int kind = 0;
	char what[64];

	if (!name || !json_is_number(t_s))
		return fail(r, "the event lacks event or t_s");
	while (kind < TRACE_EVENT_KINDS && strcmp(trace_kinds[kind].name, name) != 0)
		kind++;
	if (kind == TRACE_EVENT_KINDS)
		return fail(r, "unknown event \"%.40s\"", name);
	if (kind == TRACE_PROGRAM_OUTPUT)
		return keep_words(r, object);
	event = array_add(&trace->events, &trace->nevents, &trace->events_size, sizeof(*event));
	if (!event)
		return fail(r, "out of memory");
	event->t_s = json_number_value(t_s);
	event->kind = (enum trace_event_kind)kind;
	snprintf(what, sizeof(what), "the event %s", name);
	return read_fields(r, what, trace_kinds[kind].fields, object, keys, event);
}

/* Room for n elements in a list of the header; *list is freed with the trace. */
static void *list_of(struct reader *r, size_t n, size_t size)
{
	void *list = calloc(n + 1, size);

	if (!list)
		fail(r, "out of memory");
	return list;
}

static int read_program(struct reader *r, struct trace_header *h, const json_t *array)
{
	h->program = list_of(r, json_array_size(array), sizeof(*h->program));
	if (!h->program)
		return -1;
	for (; h->nprogram < json_array_size(array); h->nprogram++) {
		const char *text = json_string_value(json_array_get(array, h->nprogram));

		if (!text)
			return fail(r, "the header's program has what is no text");
		h->program[h->nprogram] = pool_text(r->trace->texts, text);
		if (!h->program[h->nprogram])
			return fail(r, "out of memory");
	}
	return 0;
}

static int read_pcpus(struct reader *r, struct trace_header *h, const json_t *array)
{
	h->pcpus = list_of(r, json_array_size(array), sizeof(*h->pcpus));
	if (!h->pcpus)
		return -1;
	for (; h->npcpus < json_array_size(array); h->npcpus++) {
		const json_t *id = json_array_get(array, h->npcpus);
		json_int_t last = h->npcpus ? h->pcpus[h->npcpus - 1] : -1;

		if (json_integer_value(id) <= last && !(h->npcpus == 0 && json_is_integer(id)))
			return fail(r, "the header's host.pcpus should be numbers, ascending");
		if (json_integer_value(id) < 0 || json_integer_value(id) > INT_MAX)
			return fail(r, "the header's host.pcpus has no pCPU's number");
		h->pcpus[h->npcpus] = (int)json_integer_value(id);
	}
	return h->npcpus ? 0 : fail(r, "the header does not tell host.pcpus");
}

static int read_header_guests(struct reader *r, struct trace_header *h, const json_t *array)
{
	h->guests = list_of(r, json_array_size(array), sizeof(*h->guests));
	if (!h->guests)
		return -1;
	for (; h->nguests < json_array_size(array); h->nguests++)
		if (read_fields(r, "a guest of the header", trace_header_guest_fields,
				json_array_get(array, h->nguests), no_others,
				&h->guests[h->nguests]))
			return -1;
	return 0;
}

static int read_header(struct reader *r, struct trace_header *h, json_t *object)
{
	static const char *const keys[] = {"type",   "version",	 "program", "host",
					   "guests", "versions", NULL};
	static const char *const host_keys[] = {"pcpus", NULL};
	json_t *host = json_object_get(object, "host");

	return read_fields(r, "the header", trace_header_fields, object, keys, h) ||
			       read_program(r, h, json_object_get(object, "program")) ||
			       read_fields(r, "the header's host", trace_header_host_fields, host,
					   host_keys, h) ||
			       read_pcpus(r, h, json_object_get(host, "pcpus")) ||
			       read_header_guests(r, h, json_object_get(object, "guests")) ||
			       read_fields(r, "the header's versions", trace_header_version_fields,
					   json_object_get(object, "versions"), no_others, h)
		       ? -1
		       : 0;
}

static int add_header(struct reader *r, json_t *object)
{
	int version = (int)json_integer_value(json_object_get(object, "version"));

	if (r->trace->header_json)
		return fail(r, "a second header; a trace has one");
	if (version != TRACE_VERSION)
		return fail(
			r,
			"trace version %d; this program reads version %d: run the scenario again",
			version, TRACE_VERSION);
	r->trace->header_json = json_incref(object);
	return read_header(r, &r->trace->header, object);
}

static int add_line(struct reader *r, json_t *object)
{
	const char *type = json_string_value(json_object_get(object, "type"));

	if (!type)
		return fail(r, "the line has no type");
	if (!strcmp(type, "header"))
		return add_header(r, object);
	if (!r->trace->header_json)
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
			r->trace->truncated = true;
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
	trace->texts = pool_new();
	status = trace->texts ? read_lines(&r, file) : fail(&r, "out of memory");
	fclose(file);
	if (!status && !trace->header_json) {
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

void trace_free(struct trace *trace)
{
	for (size_t i = 0; i < trace->nsamples; i++)
		free(trace->samples[i].guests); /* the block of all it has */
	free(trace->samples);
	for (size_t i = 0; i < TRACE_LAST_WORDS; i++)
		free(trace->last_words[i]);
	free(trace->events);
	pool_free(trace->texts);
	free(trace->header.program);
	free(trace->header.pcpus);
	free(trace->header.guests);
	json_decref(trace->header_json);
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

const struct trace_event *trace_find_event(const struct trace *trace, enum trace_event_kind kind)
{
	for (size_t i = 0; i < trace->nevents; i++) {
		if (trace->events[i].kind == kind)
			return &trace->events[i];
	}
	return NULL;
}
