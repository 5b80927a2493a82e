/* SPDX-License-Identifier: MIT */
/* Writes traces, formatted by hand: a run of 1,000 guests has a million figures. */
#include "trace.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Figures are written in thousandths: a microsecond of CPU in a second's window is noise. */
#define DECIMALS 3

/* --- the line --- */

static int reserve(struct trace_writer *w, size_t more)
{
	size_t size = w->size ? w->size : 4096;
	char *bigger;

	while (size - w->len < more)
		size *= 2;
	if (size == w->size)
		return 0;
	bigger = realloc(w->line, size);
	if (!bigger)
		return -1;
	w->line = bigger;
	w->size = size;
	return 0;
}

static int put(struct trace_writer *w, const char *text)
{
	size_t len = strlen(text);

	if (reserve(w, len))
		return -1;
	memcpy(w->line + w->len, text, len);
	w->len += len;
	return 0;
}

static int put_integer(struct trace_writer *w, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	digits[--at] = '\0';
	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		digits[--at] = '-';
	return put(w, digits + at);
}

/* A decimal with DECIMALS places, trailing zeros left out; JSON has no word for what is not finite.
 */
static int put_decimal(struct trace_writer *w, double value)
{
	char fraction[DECIMALS + 2];
	int64_t thousandths, whole;
	size_t len = DECIMALS + 1;

	if (!isfinite(value) || fabs(value) > 1e15)
		return put(w, "null");
	thousandths = llround(value * 1000);
	whole = thousandths / 1000;
	thousandths = thousandths < 0 ? -(thousandths % 1000) : thousandths % 1000;
	if (whole == 0 && value < 0 && thousandths && put(w, "-"))
		return -1;
	if (put_integer(w, whole))
		return -1;
	if (!thousandths)
		return 0;
	fraction[0] = '.';
	fraction[1] = (char)('0' + thousandths / 100);
	fraction[2] = (char)('0' + thousandths / 10 % 10);
	fraction[3] = (char)('0' + thousandths % 10);
	while (fraction[len - 1] == '0')
		len--;
	fraction[len] = '\0';
	return put(w, fraction);
}

/* Names and CPU lists, most of what is written, need no care. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f || *text == '"' ||
		    *text == '\\')
			return false;
	return true;
}

static int put_string(struct trace_writer *w, const char *text)
{
	json_t *string;
	char *quoted;
	int status;

	if (is_plain(text))
		return put(w, "\"") || put(w, text) || put(w, "\"") ? -1 : 0;
	string = json_string(text);
	if (!string) /* no UTF-8, and JSON has nothing else */
		string = text_json(text);
	quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	status = quoted ? put(w, quoted) : -1;
	free(quoted);
	json_decref(string);
	return status;
}

/* `,"key":`; where nothing stands before it, without the comma. */
static int put_key(struct trace_writer *w, const char *key)
{
	char before = w->len ? w->line[w->len - 1] : '{';

	if (before != '{' && before != '[' && put(w, ","))
		return -1;
	return put(w, "\"") || put(w, key) || put(w, "\":") ? -1 : 0;
}

/* --- fields --- */

static int put_json(struct trace_writer *w, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
	int status = text ? put(w, text) : -1;

	free(text);
	return status;
}

/* Whether the field is told. */
static bool is_known(const struct trace_field *f, const void *member)
{
	switch (f->type) {
	case TRACE_TEXT:
		return *(const char *const *)member;
	case TRACE_WORD:
		return *(const int *)member > 0;
	case TRACE_INTEGER:
		return *(const int64_t *)member >= 0;
	case TRACE_ID:
	case TRACE_FLAG:
		return *(const int *)member >= 0;
	case TRACE_NUMBER:
		return isfinite(*(const double *)member);
	case TRACE_FIGURE:
		return *(const double *)member >= 0;
	case TRACE_JSON:
		break;
	}
	return *(const json_t *const *)member;
}

static int put_member(struct trace_writer *w, const struct trace_field *f, const void *member)
{
	switch (f->type) {
	case TRACE_TEXT:
		return put_string(w, *(const char *const *)member);
	case TRACE_WORD:
		return put_string(w, f->words[*(const int *)member]);
	case TRACE_INTEGER:
		return put_integer(w, *(const int64_t *)member);
	case TRACE_ID:
		return put_integer(w, *(const int *)member);
	case TRACE_NUMBER:
	case TRACE_FIGURE:
		return put_decimal(w, *(const double *)member);
	case TRACE_FLAG:
		return put(w, *(const int *)member ? "true" : "false");
	case TRACE_JSON:
		break;
	}
	return put_json(w, *(const json_t *const *)member);
}

/* The fields that are known. −1 with EINVAL where one that must be is not. */
static int put_fields(struct trace_writer *w, const struct trace_field *fields, const void *base)
{
	int either = 0, told = 0;

	for (const struct trace_field *f = fields; f->name; f++) {
		const void *member = (const char *)base + f->offset;
		bool known = is_known(f, member);

		either += f->need == TRACE_EITHER;
		told += f->need == TRACE_EITHER && known;
		if (!known && f->need == TRACE_REQUIRED) {
			errno = EINVAL;
			return -1;
		}
		if (known && (put_key(w, f->name) || put_member(w, f, member)))
			return -1;
	}
	if (either && told != 1) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* `{…}` */
static int put_object(struct trace_writer *w, const struct trace_field *fields, const void *base)
{
	return put(w, "{") || put_fields(w, fields, base) || put(w, "}") ? -1 : 0;
}

/* --- lines --- */

static int put_header(struct trace_writer *w, const struct trace_header *h)
{
	if (put(w, "{\"type\":\"header\",\"version\":") || put_integer(w, TRACE_VERSION) ||
	    put_fields(w, trace_header_fields, h) || put(w, ",\"program\":["))
		return -1;
	for (size_t i = 0; i < h->nprogram; i++)
		if ((i && put(w, ",")) || put_string(w, h->program[i]))
			return -1;
	if (put(w, "],\"host\":{\"pcpus\":["))
		return -1;
	for (size_t i = 0; i < h->npcpus; i++)
		if ((i && put(w, ",")) || put_integer(w, h->pcpus[i]))
			return -1;
	if (put(w, "]") || put_fields(w, trace_header_host_fields, h) || put(w, "},\"guests\":["))
		return -1;
	for (size_t i = 0; i < h->nguests; i++)
		if ((i && put(w, ",")) || put_object(w, trace_header_guest_fields, &h->guests[i]))
			return -1;
	return put(w, "],\"versions\":") || put_object(w, trace_header_version_fields, h) ||
			       put(w, "}")
		       ? -1
		       : 0;
}

static int put_guest(struct trace_writer *w, const struct trace_guest *guest)
{
	if (put(w, "{\"name\":") || put_string(w, guest->name) || put(w, ",\"vcpus\":["))
		return -1;
	for (size_t i = 0; i < guest->nvcpus; i++) {
		if ((i && put(w, ",")) || put_object(w, trace_vcpu_fields, &guest->vcpus[i]))
			return -1;
	}
	return put(w, "],\"memory\":") || put_object(w, trace_memory_fields, &guest->memory) ||
			       put(w, "}")
		       ? -1
		       : 0;
}

static int put_sample(struct trace_writer *w, const struct trace_sample *s)
{
	if (put(w, "{\"type\":\"sample\"") || put_key(w, "t_s") || put_decimal(w, s->t_s) ||
	    put_key(w, "elapsed_s") || put_decimal(w, s->elapsed_s) || put(w, ",\"pcpus\":["))
		return -1;
	for (size_t i = 0; i < s->npcpus; i++) {
		if ((i && put(w, ",")) || put_object(w, trace_pcpu_fields, &s->pcpus[i]))
			return -1;
	}
	if (put(w, "],\"guests\":["))
		return -1;
	for (size_t i = 0; i < s->nguests; i++) {
		if ((i && put(w, ",")) || put_guest(w, &s->guests[i]))
			return -1;
	}
	if (put(w, "],\"host\":") || put_object(w, trace_host_fields, s))
		return -1;
	if (s->program_cpu_pct >= 0 &&
	    (put(w, ",\"program\":") || put_object(w, trace_program_fields, s)))
		return -1;
	return put(w, "}");
}

static int put_event(struct trace_writer *w, const struct trace_event *event)
{
	const struct trace_kind *kind = &trace_kinds[event->kind];

	return put(w, "{\"type\":\"event\",\"t_s\":") || put_decimal(w, event->t_s) ||
			       put_key(w, "event") || put_string(w, kind->name) ||
			       put_fields(w, kind->fields, event) || put(w, "}")
		       ? -1
		       : 0;
}

/* --- files --- */

static int open_for_append(struct trace_writer *w, const char *path, int flags)
{
	memset(w, 0, sizeof(*w));
	w->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
	return w->fd < 0 ? -1 : 0;
}

int trace_create(struct trace_writer *w, const char *path)
{
	return open_for_append(w, path, O_CREAT | O_TRUNC);
}

int trace_append(struct trace_writer *w, const char *path)
{
	return open_for_append(w, path, 0);
}

/* Ends the line and hands it over whole, so that lines of several writers do not mix. */
static int write_line(struct trace_writer *w)
{
	ssize_t written;

	if (put(w, "\n"))
		return -1;
	do {
		written = write(w->fd, w->line, w->len);
	} while (written < 0 && errno == EINTR);
	if (written >= 0 && (size_t)written < w->len) {
		errno = ENOSPC;
		written = -1;
	}
	w->len = 0;
	return written < 0 ? -1 : 0;
}

int trace_write_header(struct trace_writer *w, const struct trace_header *header)
{
	w->len = 0;
	return put_header(w, header) || write_line(w) ? -1 : 0;
}

int trace_write_sample(struct trace_writer *w, const struct trace_sample *sample)
{
	w->len = 0;
	return put_sample(w, sample) || write_line(w) ? -1 : 0;
}

static int write_event(struct trace_writer *w, const struct trace_event *event)
{
	size_t len;

	w->len = 0;
	if (put_event(w, event))
		return -1;
	len = w->len + 1; /* its end */
	if (write_line(w))
		return -1;
	if (event->kind == TRACE_PROGRAM_OUTPUT)
		w->printed += len;
	if (event->kind == TRACE_CALL) {
		w->called += len;
		w->call_s = event->t_s;
	}
	return 0;
}

/* --- what a program may make of a trace --- */

static int hold_back(struct trace_writer *w, const struct trace_event *event)
{
	char *copy;

	if (event->program_output.stream != TRACE_STDERR)
		return 0;
	copy = strdup(event->program_output.line);
	if (!copy)
		return -1;
	free(w->held[TRACE_LAST_WORDS - 1]);
	memmove(w->held + 1, w->held, (TRACE_LAST_WORDS - 1) * sizeof(*w->held));
	w->held[0] = copy;
	return 0;
}

static int write_held(struct trace_writer *w, double t_s)
{
	struct trace_event event = {.t_s = t_s, .kind = TRACE_PROGRAM_OUTPUT};

	for (size_t i = TRACE_LAST_WORDS; i-- > 0;) {
		event.program_output.stream = TRACE_STDERR;
		event.program_output.line = w->held[i];
		if (w->held[i] && write_event(w, &event))
			return -1;
		free(w->held[i]);
		w->held[i] = NULL;
	}
	return 0;
}

static int warn_of_output(struct trace_writer *w, double t_s)
{
	struct trace_event warning = trace_event(TRACE_WARNING, NULL);

	w->printed = SIZE_MAX; /* said once */
	warning.t_s = t_s;
	warning.warning.text = "it printed so much that the rest is left out";
	return write_event(w, &warning);
}

int trace_write_event(struct trace_writer *w, const struct trace_event *event)
{
	if (event->kind == TRACE_PROGRAM_OUTPUT && w->printed > TRACE_OUTPUT_MAX) {
		if (w->printed != SIZE_MAX && warn_of_output(w, event->t_s))
			return -1;
		return hold_back(w, event);
	}
	if (event->kind == TRACE_CALL && w->called > TRACE_CALLS_MAX && event->t_s < w->call_s + 1)
		return 0;
	if (event->kind == TRACE_PROGRAM_EXIT && write_held(w, event->t_s))
		return -1;
	return write_event(w, event);
}

int trace_write_output(struct trace_writer *w, double t_s, enum trace_stream stream,
		       const char *line, size_t len)
{
	struct trace_event event = {.t_s = t_s, .kind = TRACE_PROGRAM_OUTPUT};
	char *text = malloc(len + 1);
	int status;

	if (!text)
		return -1;
	for (size_t i = 0; i < len; i++)
		text[i] = line[i] ? line[i] : '?';
	text[len] = '\0';
	event.program_output.stream = stream;
	event.program_output.line = text;
	status = trace_write_event(w, &event);
	free(text);
	return status;
}

int trace_close(struct trace_writer *w)
{
	int status = w->fd < 0 ? 0 : close(w->fd);

	free(w->line);
	for (size_t i = 0; i < TRACE_LAST_WORDS; i++)
		free(w->held[i]);
	memset(w, 0, sizeof(*w));
	w->fd = -1;
	return status;
}
