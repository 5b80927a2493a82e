/* SPDX-License-Identifier: MIT */
/* Writes a scenario as a file that says what is played, guest by guest. */
#include "vary.h"

#include "units.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PHASE_TEXT 256
/* Guests named in one line of the timeline; a reader's lines have a limit. */
#define LINE_GUESTS 16

/* To the KiB: what is written is played. */
static const char *size(uint64_t kib)
{
	static char text[32];
	bool whole = kib % KIB_PER_MIB == 0;

	snprintf(text, sizeof(text), "%llu%c",
		 (unsigned long long)(whole ? kib / KIB_PER_MIB : kib), whole ? 'M' : 'K');
	return text;
}

static char *phase_text(const struct phase *phase, char *buf, size_t len)
{
	const char *verb = phase->verb == PHASE_MEMORY	? "memory"
			   : phase->verb == PHASE_CACHE ? "cache"
							: "setmem";

	if (phase->verb != PHASE_MEMORY && phase->verb != PHASE_CACHE &&
	    phase->verb != PHASE_SETMEM)
		return phase_format(phase, buf, len);
	snprintf(buf, len, "%s %s", verb, size(phase->kib));
	if (phase->rate_kib_s)
		snprintf(buf + strlen(buf), len - strlen(buf), " %s/s", size(phase->rate_kib_s));
	return buf;
}

static void write_pins(const struct scenario *s, FILE *out)
{
	fputs("pins = ", out);
	for (size_t i = 0; i < s->nguests; i++)
		for (unsigned int v = 0; v < s->guests[i].vcpus; v++) {
			if (i || v)
				fputc(',', out);
			if (s->guests[i].pins[v] < 0)
				fputc('-', out);
			else
				fprintf(out, "%d", s->guests[i].pins[v]);
		}
	fputc('\n', out);
}

static bool any_pins(const struct scenario *s)
{
	for (size_t i = 0; i < s->nguests; i++)
		for (unsigned int v = 0; v < s->guests[i].vcpus; v++)
			if (s->guests[i].pins[v] >= 0)
				return true;
	return false;
}

/* One moment of one guest: its nth phase at that time, as text. */
static bool phase_at(const struct scenario_guest *guest, double at_s, size_t nth, char *text,
		     size_t len)
{
	for (size_t j = 0; j < guest->nphases; j++)
		if (guest->phases[j].at_s == at_s && nth-- == 0) {
			phase_text(&guest->phases[j], text, len);
			return true;
		}
	return false;
}

/* All guests' nth phases at a time, those that are alike in one line. Returns how many there are.
 */
static size_t write_moment(const struct scenario *s, double at_s, size_t nth, bool *done, FILE *out)
{
	char text[PHASE_TEXT], other[PHASE_TEXT];
	size_t count = 0;

	memset(done, 0, s->nguests * sizeof(*done));
	for (size_t i = 0; i < s->nguests; i++) {
		size_t in_line = 0;

		if (done[i] || !phase_at(&s->guests[i], at_s, nth, text, sizeof(text)))
			continue;
		for (size_t k = i; k < s->nguests; k++) {
			if (done[k] || !phase_at(&s->guests[k], at_s, nth, other, sizeof(other)) ||
			    strcmp(text, other) != 0)
				continue;
			done[k] = true;
			count++;
			fprintf(out, "%s%u", in_line++ ? "+" : "", s->guests[k].number);
			if (in_line == LINE_GUESTS) {
				fprintf(out, " = %gs %s\n", at_s, text);
				in_line = 0;
			}
		}
		if (in_line)
			fprintf(out, " = %gs %s\n", at_s, text);
	}
	return count;
}

/* The first moment after one; INFINITY: there is none. */
static double next_moment(const struct scenario *s, double after_s)
{
	double next_s = INFINITY;

	for (size_t i = 0; i < s->nguests; i++)
		for (size_t j = 0; j < s->guests[i].nphases; j++)
			if (s->guests[i].phases[j].at_s > after_s)
				next_s = fmin(next_s, s->guests[i].phases[j].at_s);
	return next_s;
}

static int write_timeline(const struct scenario *s, FILE *out)
{
	bool *done = calloc(s->nguests + 1, sizeof(*done));

	if (!done)
		return -1;
	fputs("\n[timeline]\n", out);
	for (double at_s = next_moment(s, -1); at_s < INFINITY; at_s = next_moment(s, at_s))
		for (size_t nth = 0; write_moment(s, at_s, nth, done, out); nth++)
			;
	free(done);
	return 0;
}

static void write_settings(const char *section, const struct scenario_setting *list, size_t count,
			   FILE *out)
{
	if (count)
		fprintf(out, "\n[%s]\n", section);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s = %s\n", list[i].key, list[i].value);
}

static void write_host(const struct scenario_host *h, FILE *out)
{
	fprintf(out, "\n[host]\npcpus = %u\nthreads_per_core = %u\nnodes = %u\n", h->pcpus,
		h->threads_per_core, h->nodes);
	if (h->offline)
		fprintf(out, "offline = %s\n", h->offline);
	fprintf(out, "memory = %s\n", size(h->memory_kib));
	fprintf(out, "swap = %s\n", size(h->swap_kib));
	fprintf(out, "used = %s\n", size(h->used_kib));
	fprintf(out, "load = %g%%\ncgroup = %u\n", h->load_pct, h->cgroup);
	fprintf(out, "inflate = %s\n", size(h->inflate_kib_s));
	fprintf(out, "deflate = %s\n", size(h->deflate_kib_s));
}

int vary_write(const struct scenario *s, FILE *out)
{
	fprintf(out, "[scenario]\nkind = %s\n", s->kind == SCENARIO_CPU ? "cpu" : "memory");
	if (s->title)
		fprintf(out, "title = %s\n", s->title);
	fprintf(out, "length = %gs\nsample = %gs\ninterval = %gs\n", s->length_s, s->sample_s,
		s->interval_s);
	fprintf(out, "\n[guests]\ncount = %zu\nvcpus = %u\n", s->nguests, s->guests[0].vcpus);
	fprintf(out, "memory = %s\n", size(s->guests[0].memory_kib));
	fprintf(out, "maximum = %s\n", size(s->guests[0].maximum_kib));
	if (any_pins(s))
		write_pins(s, out);
	if (write_timeline(s, out)) {
		errno = ENOMEM;
		return -1;
	}
	write_settings("expect", s->expect, s->nexpect, out);
	write_host(&s->host, out);
	write_settings("faults", s->faults, s->nfaults, out);
	return ferror(out) || fflush(out) ? -1 : 0;
}
