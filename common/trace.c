/* SPDX-License-Identifier: MIT */
/* Writes traces. Samples are formatted by hand: a run of 1,000 guests writes a million of them. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
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

static int put_string(struct trace_writer *w, const char *text)
{
	json_t *string = json_string(text);
	char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	int status = put(w, quoted ? quoted : "\"\"");

	free(quoted);
	json_decref(string);
	return status;
}

/* `,"key":value`; where nothing stands before it, without the comma. Negative figures are unknown
 * and left out. */
static int put_key(struct trace_writer *w, const char *key)
{
	char before = w->len ? w->line[w->len - 1] : '{';

	if (before != '{' && before != '[' && put(w, ","))
		return -1;
	return put(w, "\"") || put(w, key) || put(w, "\":") ? -1 : 0;
}

static int put_known(struct trace_writer *w, const char *key, double value)
{
	return value < 0 ? 0 : put_key(w, key) || put_decimal(w, value) ? -1 : 0;
}

static int put_known_integer(struct trace_writer *w, const char *key, int64_t value)
{
	return value < 0 ? 0 : put_key(w, key) || put_integer(w, value) ? -1 : 0;
}

/* --- samples --- */

static int put_pcpu(struct trace_writer *w, const struct trace_pcpu *pcpu)
{
	return put(w, "{") || put_known_integer(w, "id", pcpu->id) ||
			       put_known(w, "usage_pct", pcpu->usage_pct) ||
			       put_known(w, "guests_pct", pcpu->guests_pct) || put(w, "}")
		       ? -1
		       : 0;
}

static int put_vcpu(struct trace_writer *w, const struct trace_vcpu *vcpu)
{
	if (put(w, "{") || put_known(w, "usage_pct", vcpu->usage_pct) ||
	    put_known(w, "delay_pct", vcpu->delay_pct) || put_known_integer(w, "pcpu", vcpu->pcpu))
		return -1;
	if (vcpu->affinity && (put_key(w, "affinity") || put_string(w, vcpu->affinity)))
		return -1;
	return put(w, "}");
}

static int put_memory(struct trace_writer *w, const struct trace_memory *m)
{
	return put(w, "{") || put_known_integer(w, "actual_kib", m->actual_kib) ||
			       put_known_integer(w, "unused_kib", m->unused_kib) ||
			       put_known_integer(w, "usable_kib", m->usable_kib) ||
			       put_known_integer(w, "available_kib", m->available_kib) ||
			       put_known_integer(w, "rss_kib", m->rss_kib) ||
			       put_known_integer(w, "swap_in_kib", m->swap_in_kib) ||
			       put_known_integer(w, "swap_out_kib", m->swap_out_kib) ||
			       put_known_integer(w, "major_faults", m->major_faults) ||
			       put_known(w, "age_s", m->age_s) || put(w, "}")
		       ? -1
		       : 0;
}

static int put_guest(struct trace_writer *w, const struct trace_guest *guest)
{
	if (put(w, "{\"name\":") || put_string(w, guest->name) || put(w, ",\"vcpus\":["))
		return -1;
	for (size_t i = 0; i < guest->nvcpus; i++) {
		if ((i && put(w, ",")) || put_vcpu(w, &guest->vcpus[i]))
			return -1;
	}
	return put(w, "],\"memory\":") || put_memory(w, &guest->memory) || put(w, "}") ? -1 : 0;
}

static int put_sample(struct trace_writer *w, const struct trace_sample *s)
{
	if (put(w, "{\"type\":\"sample\"") || put_key(w, "t_s") || put_decimal(w, s->t_s) ||
	    put_known(w, "elapsed_s", s->elapsed_s) || put(w, ",\"pcpus\":["))
		return -1;
	for (size_t i = 0; i < s->npcpus; i++) {
		if ((i && put(w, ",")) || put_pcpu(w, &s->pcpus[i]))
			return -1;
	}
	if (put(w, "],\"guests\":["))
		return -1;
	for (size_t i = 0; i < s->nguests; i++) {
		if ((i && put(w, ",")) || put_guest(w, &s->guests[i]))
			return -1;
	}
	if (put(w, "],\"host\":{") || put_known_integer(w, "total_kib", s->host_total_kib) ||
	    put_known_integer(w, "free_kib", s->host_free_kib) ||
	    put_known_integer(w, "available_kib", s->host_available_kib) || put(w, "}"))
		return -1;
	if (s->program_cpu_pct >= 0 &&
	    (put(w, ",\"program\":{") || put_known(w, "cpu_pct", s->program_cpu_pct) ||
	     put_known_integer(w, "rss_kib", s->program_rss_kib) || put(w, "}")))
		return -1;
	return put(w, "}");
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

static int write_json(struct trace_writer *w, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
	int status;

	w->len = 0;
	status = !text || put(w, text) || write_line(w) ? -1 : 0;
	free(text);
	json_decref(object);
	return status;
}

/* The keys every line begins with, then those of data; takes over the reference. */
static json_t *with_data(json_t *line, json_t *data)
{
	if (data && line)
		json_object_update_missing(line, data);
	json_decref(data);
	return line;
}

int trace_write_header(struct trace_writer *w, json_t *header)
{
	json_t *line = with_data(
		json_pack("{s:s, s:i}", "type", "header", "version", TRACE_VERSION), header);

	return line ? write_json(w, line) : -1;
}

int trace_write_sample(struct trace_writer *w, const struct trace_sample *sample)
{
	w->len = 0;
	return put_sample(w, sample) || write_line(w) ? -1 : 0;
}

int trace_write_event(struct trace_writer *w, double t_s, const char *event, json_t *data)
{
	double rounded_s = (double)llround(t_s * 1000) / 1000;
	json_t *line =
		json_pack("{s:s, s:f, s:s}", "type", "event", "t_s", rounded_s, "event", event);

	line = with_data(line, data);
	return line ? write_json(w, line) : -1;
}

int trace_close(struct trace_writer *w)
{
	int status = w->fd < 0 ? 0 : close(w->fd);

	free(w->line);
	memset(w, 0, sizeof(*w));
	w->fd = -1;
	return status;
}
