/* SPDX-License-Identifier: MIT */
/* Reads and checks scenario files, with inih. */
#include "scenario_parse.h"

#include "expectations.h"
#include "text.h"
#include "timeline.h"
#include "units.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A timeline of ten thousand guests is a tenth of it. */
#define FILE_MAX (16 << 20)

#define SUFFIX	   ".scenario"
#define PATH_SHOWN 100

/* --- errors and growing arrays --- */

int scenario_fail(const struct scenario_parse *p, unsigned int line, const char *format, ...)
{
	char message[SCENARIO_ERROR_MAX - 128]; /* room for path and line */
	const char *path = p->scenario->path;
	size_t len = strlen(path);
	va_list args;

	if (p->error[0])
		return -1;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* Of a long path the end, where the file's name is. */
	path += len > PATH_SHOWN ? len - PATH_SHOWN : 0;
	if (line)
		snprintf(p->error, SCENARIO_ERROR_MAX, "%s:%u: %s", path, line, message);
	else
		snprintf(p->error, SCENARIO_ERROR_MAX, "%s: %s", path, message);
	return -1;
}

void *scenario_grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1)) /* doubles at 1, 2, 4, 8, … */
		return array;
	return realloc(array, (count ? count * 2 : 1) * size);
}

/* --- the sections --- */

static int read_quantity(struct scenario_parse *p, const char *value, double min, double max,
			 struct quantity *out)
{
	static const char suffix[] = "/pcpu";
	char number[32];
	size_t len = strlen(value);

	out->line = p->ini.line;
	out->per_pcpu = len > strlen(suffix) && !strcmp(value + len - strlen(suffix), suffix);
	if (out->per_pcpu)
		len -= strlen(suffix);
	if (len >= sizeof(number))
		return -1;
	memcpy(number, value, len);
	number[len] = '\0';
	if (parse_number(number, out->per_pcpu ? 0.001 : min, max, &out->value))
		return -1;
	return out->per_pcpu || out->value == floor(out->value) ? 0 : -1;
}

static int read_text(char **out, const char *value)
{
	free(*out);
	*out = strdup(value);
	if (!*out)
		return -1;
	text_clean(*out, strlen(*out));
	return 0;
}

static int read_duration(const char *value, double min_s, double max_s, double *out_s)
{
	double seconds;

	if (parse_seconds(value, &seconds) || seconds < min_s || seconds > max_s)
		return -1;
	*out_s = seconds;
	return 0;
}

static int read_count(const char *value, long min, long max, unsigned int *out)
{
	long number;

	if (parse_integer(value, min, max, &number))
		return -1;
	*out = (unsigned int)number;
	return 0;
}

static int read_positive_size(const char *value, uint64_t *out_kib)
{
	uint64_t kib;

	if (parse_size(value, &kib) || kib == 0)
		return -1;
	*out_kib = kib;
	return 0;
}

static int read_kind(struct scenario_parse *p, const char *value)
{
	if (!strcmp(value, "cpu"))
		p->scenario->kind = SCENARIO_CPU;
	else if (!strcmp(value, "memory"))
		p->scenario->kind = SCENARIO_MEMORY;
	else
		return scenario_fail(p, p->ini.line, "kind = %.40s: it is cpu or memory", value);
	p->kind_given = true;
	return 0;
}

static int bad_value(struct scenario_parse *p, const char *key, const char *value,
		     const char *right)
{
	return scenario_fail(p, p->ini.line, "%.40s = %.60s: it is %s", key, value, right);
}

static int unknown_key(struct scenario_parse *p, const char *section, const char *key,
		       const char *known)
{
	return scenario_fail(p, p->ini.line, "[%s] has no key \"%.40s\"; there are %s", section,
			     key, known);
}

static int read_scenario_key(struct scenario_parse *p, const char *key, const char *value)
{
	struct scenario *s = p->scenario;

	if (!strcmp(key, "kind"))
		return read_kind(p, value);
	if (!strcmp(key, "title"))
		return read_text(&s->title, value);
	if (!strcmp(key, "length"))
		return read_duration(value, 1, 30 * 86400.0, &s->length_s)
			       ? bad_value(p, key, value, "a duration from 1s to 30d")
			       : 0;
	if (!strcmp(key, "sample"))
		return read_duration(value, 0.5, 5, &s->sample_s)
			       ? bad_value(p, key, value, "a duration from 0.5s to 5s")
			       : 0;
	if (!strcmp(key, "interval"))
		return read_duration(value, 0.1, 3600, &s->interval_s)
			       ? bad_value(p, key, value, "a duration from 100ms to 1h")
			       : 0;
	return unknown_key(p, "scenario", key, "kind, title, length, sample, interval");
}

static int read_guests_key(struct scenario_parse *p, const char *key, const char *value)
{
	if (!strcmp(key, "count"))
		return read_quantity(p, value, 1, GUESTS_MAX, &p->count)
			       ? bad_value(p, key, value, "a number of guests like 4 or 2/pcpu")
			       : 0;
	if (!strcmp(key, "vcpus"))
		return read_quantity(p, value, 1, VCPUS_MAX, &p->vcpus)
			       ? bad_value(p, key, value, "a number of vCPUs like 1 or 2/pcpu")
			       : 0;
	if (!strcmp(key, "memory")) {
		p->memory_line = p->ini.line;
		return read_positive_size(value, &p->memory_kib)
			       ? bad_value(p, key, value, "a size like 512M")
			       : 0;
	}
	if (!strcmp(key, "maximum")) {
		p->memory_line = p->ini.line;
		return read_positive_size(value, &p->maximum_kib)
			       ? bad_value(p, key, value, "a size like 2048M")
			       : 0;
	}
	if (!strcmp(key, "pins")) {
		p->pins_line = p->ini.line;
		return read_text(&p->pins, value);
	}
	return unknown_key(p, "guests", key, "count, vcpus, memory, maximum, pins");
}

static int read_host_key(struct scenario_parse *p, const char *key, const char *value)
{
	struct scenario_host *h = &p->scenario->host;
	unsigned char map[PCPUS_MAX / 8];

	if (!strcmp(key, "pcpus"))
		return read_count(value, 1, PCPUS_MAX, &h->pcpus)
			       ? bad_value(p, key, value, "a number from 1 to 1024")
			       : 0;
	if (!strcmp(key, "threads_per_core"))
		return read_count(value, 1, 8, &h->threads_per_core)
			       ? bad_value(p, key, value, "a number from 1 to 8")
			       : 0;
	if (!strcmp(key, "nodes"))
		return read_count(value, 1, 64, &h->nodes)
			       ? bad_value(p, key, value, "a number from 1 to 64")
			       : 0;
	if (!strcmp(key, "offline"))
		return cpumap_parse(value, map, sizeof(map)) || read_text(&h->offline, value)
			       ? bad_value(p, key, value, "a CPU list like 2-3,6")
			       : 0;
	if (!strcmp(key, "memory"))
		return read_positive_size(value, &h->memory_kib)
			       ? bad_value(p, key, value, "a size like 16G")
			       : 0;
	if (!strcmp(key, "swap"))
		return parse_size(value, &h->swap_kib) ? bad_value(p, key, value, "a size like 2G")
						       : 0;
	if (!strcmp(key, "used"))
		return parse_size(value, &h->used_kib) ? bad_value(p, key, value, "a size like 1G")
						       : 0;
	if (!strcmp(key, "load"))
		return parse_percent(value, 100, &h->load_pct)
			       ? bad_value(p, key, value, "a percentage from 0 to 100")
			       : 0;
	if (!strcmp(key, "cgroup"))
		return read_count(value, 1, 2, &h->cgroup) ? bad_value(p, key, value, "1 or 2") : 0;
	if (!strcmp(key, "inflate"))
		return read_positive_size(value, &h->inflate_kib_s)
			       ? bad_value(p, key, value, "a size per second like 900M")
			       : 0;
	if (!strcmp(key, "deflate"))
		return read_positive_size(value, &h->deflate_kib_s)
			       ? bad_value(p, key, value, "a size per second like 2G")
			       : 0;
	return unknown_key(p, "host", key,
			   "pcpus, threads_per_core, nodes, offline, memory, swap, used, "
			   "load, cgroup, inflate, deflate");
}

static int read_vary_key(struct scenario_parse *p, const char *key, const char *value)
{
	struct scenario_vary *v = &p->scenario->vary;

	if (!strcmp(key, "places")) {
		v->places = !strcmp(value, "yes");
		return v->places || !strcmp(value, "no") ? 0
							 : bad_value(p, key, value, "yes or no");
	}
	if (!strcmp(key, "delay"))
		return read_duration(value, 0, 3600, &v->delay_s)
			       ? bad_value(p, key, value, "a duration up to 1h")
			       : 0;
	if (!strcmp(key, "amount"))
		return parse_percent(value, 90, &v->amount_pct)
			       ? bad_value(p, key, value, "a percentage from 0 to 90")
			       : 0;
	if (!strcmp(key, "apart"))
		return parse_percent(value, 100, &v->apart_pct)
			       ? bad_value(p, key, value, "points of CPU load from 0 to 100")
			       : 0;
	return unknown_key(p, "vary", key, "places, delay, amount, apart");
}

static int add_setting(struct scenario_setting **list, size_t *count, const char *key,
		       const char *value, unsigned int line)
{
	struct scenario_setting *bigger = scenario_grow(*list, *count, sizeof(**list));

	if (!bigger)
		return -1;
	*list = bigger;
	bigger[*count] = (struct scenario_setting){strdup(key), strdup(value), line};
	(*count)++;
	return 0;
}

static int read_expect_key(struct scenario_parse *p, const char *key, const char *value)
{
#define KEY(key, form, fallback, meaning) #key,
	static const char *const known[] = {EXPECTATIONS_OF_BOTH(KEY) EXPECTATIONS_OF_CPU(KEY)
						    EXPECTATIONS_OF_MEMORY(KEY) NULL};
#undef KEY
	size_t i = 0;

	while (known[i] && strcmp(known[i], key) != 0)
		i++;
	if (!known[i])
		return scenario_fail(p, p->ini.line,
				     "[expect] has no key \"%.40s\"; see common/scenario.5", key);
	return add_setting(&p->scenario->expect, &p->scenario->nexpect, key, value, p->ini.line);
}

static int add_phase(struct scenario_parse *p, const char *who, const char *text)
{
	struct timeline_entry *bigger = scenario_grow(p->entries, p->nentries, sizeof(*bigger));
	char error[SCENARIO_ERROR_MAX];
	struct timeline_entry entry;

	if (!bigger)
		return -1;
	p->entries = bigger;
	if (phase_parse(text, &entry.phase, error))
		return scenario_fail(p, p->ini.line, "%s", error);
	entry.phase.line = p->ini.line;
	entry.who = strdup(who);
	p->entries[p->nentries++] = entry;
	return 0;
}

static int read_timeline_key(struct scenario_parse *p, const char *key, const char *value)
{
	char *copy, *save = NULL;
	int status = 0;

	if (!guests_valid(key))
		return scenario_fail(p, p->ini.line,
				     "\"%.40s\" names no guests; all, odd, even, first-half, "
				     "second-half, 1, 2-4 and such joined by + do",
				     key);
	copy = strdup(value);
	if (!copy)
		return -1;
	for (char *text = strtok_r(copy, ",", &save); text && !status;
	     text = strtok_r(NULL, ",", &save)) {
		text += strspn(text, " \t");
		if (*text)
			status = add_phase(p, key, text);
	}
	free(copy);
	return status;
}

/* inih's handler: 1 goes on, 0 is an error. */
static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct scenario_parse *p = user;
	int status;

	if (p->error[0])
		return 0;
	if (!strcmp(section, "scenario"))
		status = read_scenario_key(p, key, value);
	else if (!strcmp(section, "guests"))
		status = read_guests_key(p, key, value);
	else if (!strcmp(section, "timeline"))
		status = read_timeline_key(p, key, value);
	else if (!strcmp(section, "expect"))
		status = read_expect_key(p, key, value);
	else if (!strcmp(section, "host"))
		status = read_host_key(p, key, value);
	else if (!strcmp(section, "vary"))
		status = read_vary_key(p, key, value);
	else if (!strcmp(section, "faults"))
		status = add_setting(&p->scenario->faults, &p->scenario->nfaults, key, value,
				     p->ini.line);
	else
		status = scenario_fail(p, p->ini.line,
				       "unknown section [%.40s]; there are scenario, guests, "
				       "timeline, expect, host, vary, faults",
				       section);
	return status == 0;
}

/* --- checks over the whole file --- */

static int check_phases(struct scenario_parse *p)
{
	for (size_t i = 0; i < p->nentries; i++) {
		const struct phase *phase = &p->entries[i].phase;

		if (phase->at_s >= p->scenario->length_s)
			return scenario_fail(p, phase->line,
					     "%gs is not before the scenario's end at %gs",
					     phase->at_s, p->scenario->length_s);
		if ((phase->verb == PHASE_MEMORY || phase->verb == PHASE_CACHE ||
		     phase->verb == PHASE_SETMEM) &&
		    phase->kib > p->maximum_kib) {
			char size[32], maximum[32];

			return scenario_fail(p, phase->line,
					     "%s is more than the guest's maximum of %s",
					     format_size(phase->kib, size, sizeof(size)),
					     format_size(p->maximum_kib, maximum, sizeof(maximum)));
		}
	}
	return 0;
}

static int check_whole(struct scenario_parse *p)
{
	char memory[32], maximum[32];

	if (!p->kind_given)
		return scenario_fail(p, 0, "[scenario] lacks kind = cpu or kind = memory");
	if (p->memory_kib > p->maximum_kib)
		return scenario_fail(p, p->memory_line, "memory %s is more than maximum %s",
				     format_size(p->memory_kib, memory, sizeof(memory)),
				     format_size(p->maximum_kib, maximum, sizeof(maximum)));
	return check_phases(p);
}

/* What is not known before the kind is. */
static void set_late_defaults(struct scenario_parse *p)
{
	struct scenario *s = p->scenario;
	bool cpu = s->kind == SCENARIO_CPU;

	if (s->length_s == 0)
		s->length_s = cpu ? 30 : 180;
	if (s->sample_s == 0)
		s->sample_s = cpu ? 1 : 2;
	if (p->count.value == 0)
		p->count = (struct quantity){cpu ? 2 : 4, cpu, 0};
}

static void set_name(struct scenario *s)
{
	const char *base = strrchr(s->path, '/');
	size_t len;

	base = base ? base + 1 : s->path;
	len = strlen(base);
	if (len > strlen(SUFFIX) && !strcmp(base + len - strlen(SUFFIX), SUFFIX))
		len -= strlen(SUFFIX);
	snprintf(s->name, sizeof(s->name), "%.*s", (int)len, base);
	text_clean(s->name, strlen(s->name));
}

/* Everything as it is before the first line is read. */
static int begin(struct scenario *s, const char *path, char error[SCENARIO_ERROR_MAX])
{
	static const struct scenario_host host = {
		.pcpus = 4,
		.threads_per_core = 1,
		.nodes = 1,
		.memory_kib = 16 * KIB_PER_GIB,
		.used_kib = KIB_PER_GIB,
		.load_pct = 1,
		.cgroup = 2,
		.inflate_kib_s = 9 * KIB_PER_GIB / 10,
		.deflate_kib_s = 21 * KIB_PER_GIB / 10,
	};
	struct scenario_parse *p = calloc(1, sizeof(*p));

	memset(s, 0, sizeof(*s));
	error[0] = '\0';
	s->path = strdup(path);
	s->parse = p;
	if (!p || !s->path) {
		snprintf(error, SCENARIO_ERROR_MAX, "%.100s: out of memory", path);
		return -1;
	}
	s->interval_s = 2;
	s->host = host;
	s->vary = (struct scenario_vary){.places = true, .delay_s = 6, .amount_pct = 10};
	p->scenario = s;
	p->error = error;
	p->vcpus.value = 1;
	p->memory_kib = 512 * KIB_PER_MIB;
	p->maximum_kib = 2048 * KIB_PER_MIB;
	return 0;
}

/* Carriage returns before a line's end go, and what is no text becomes question marks. */
static void clean(char *text, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] != '\r' || (i + 1 < len && text[i + 1] != '\n'))
			text[kept++] = text[i];
	text[kept] = '\0';
	text_clean(text, kept);
}

static int read_file(struct scenario_parse *p, FILE *file)
{
	char *text = malloc(FILE_MAX + 1);
	size_t len = text ? fread(text, 1, FILE_MAX + 1, file) : 0;

	if (!text)
		return scenario_fail(p, 0, "out of memory");
	p->scenario->text = text;
	if (ferror(file))
		return scenario_fail(p, 0, "%s", strerror(errno));
	if (len > FILE_MAX)
		return scenario_fail(p, 0, "longer than any scenario (%d MiB)", FILE_MAX >> 20);
	clean(text, len);
	p->scenario->text = realloc(text, strlen(text) + 1);
	return p->scenario->text ? 0 : scenario_fail(p, 0, "out of memory");
}

static int parse(struct scenario *s, char error[SCENARIO_ERROR_MAX])
{
	struct scenario_parse *p = s->parse;
	size_t len = strlen(s->text);
	int bad_line;

	/* An empty buffer cannot be opened. */
	p->ini.file = fmemopen(len ? s->text : (char[]){"\n"}, len ? len : 1, "r");
	if (!p->ini.file)
		return scenario_fail(p, 0, "%s", strerror(errno));
	bad_line = ini_parse_stream(inifile_line, &p->ini, on_key, p);
	if (bad_line)
		scenario_fail(p, (unsigned int)bad_line, "neither [section] nor key = value");
	else if (p->ini.cut)
		scenario_fail(
			p, p->ini.line,
			"the line is too long; a timeline may go on in the next line, indented");
	fclose(p->ini.file);
	p->ini.file = NULL;
	if (error[0])
		return -1;
	set_late_defaults(p);
	return check_whole(p);
}

static int done(struct scenario *s, int status)
{
	if (status)
		scenario_free(s);
	else
		s->parse->error = NULL;
	return status;
}

int scenario_read(struct scenario *s, const char *path, char error[SCENARIO_ERROR_MAX])
{
	int status = begin(s, path, error);
	FILE *file;

	if (status)
		return done(s, status);
	set_name(s);
	file = fopen(path, "re");
	status = file ? read_file(s->parse, file)
		      : scenario_fail(s->parse, 0, "%s", strerror(errno));
	if (file)
		fclose(file);
	return done(s, status ? status : parse(s, error));
}

int scenario_read_text(struct scenario *s, const char *name, const char *text, const char *origin,
		       char error[SCENARIO_ERROR_MAX])
{
	int status = begin(s, origin, error);

	if (status)
		return done(s, status);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->text = strdup(text);
	status = s->text ? parse(s, error) : scenario_fail(s->parse, 0, "out of memory");
	return done(s, status);
}

const char *scenario_program(enum scenario_kind kind)
{
	return kind == SCENARIO_CPU ? "vcpu_scheduler" : "memory_coordinator";
}

static void free_settings(struct scenario_setting *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].key);
		free(list[i].value);
	}
	free(list);
}

void scenario_free(struct scenario *s)
{
	struct scenario_parse *p = s->parse;

	scenario_free_guests(s);
	free_settings(s->expect, s->nexpect);
	free_settings(s->faults, s->nfaults);
	if (p) {
		for (size_t i = 0; i < p->nentries; i++) {
			free(p->entries[i].who);
			free(p->entries[i].phase.text);
		}
		free(p->entries);
		free(p->pins);
		if (p->ini.file)
			fclose(p->ini.file);
		free(p);
	}
	free(s->host.offline);
	free(s->title);
	free(s->path);
	free(s->text);
	memset(s, 0, sizeof(*s));
}
