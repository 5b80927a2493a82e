/* SPDX-License-Identifier: MIT */
/* Text to quantities and back. */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number text begins with, plain decimal only (strtod would take "inf", "0x1p3" and leading
 * space). */
static int leading_number(const char *text, double *out, const char **rest)
{
	const char *p = text;
	char *end;
	double value;

	if (*p == '-' || *p == '+')
		p++;
	if (!isdigit((unsigned char)*p) && !(*p == '.' && isdigit((unsigned char)p[1])))
		return -1;
	if (*p == '0' && (p[1] == 'x' || p[1] == 'X'))
		return -1;
	errno = 0;
	value = strtod(text, &end);
	if (errno == ERANGE || !isfinite(value))
		return -1;
	*out = value;
	*rest = end;
	return 0;
}

int parse_number(const char *text, double min, double max, double *out)
{
	const char *rest;
	double value;

	if (leading_number(text, &value, &rest) || *rest || value < min || value > max)
		return -1;
	*out = value;
	return 0;
}

int parse_integer(const char *text, long min, long max, long *out)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)*text) && !(*text == '-' && isdigit((unsigned char)text[1])))
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return -1;
	*out = value;
	return 0;
}

/* A number followed by one of the suffixes; its factor is applied. */
struct suffix {
	const char *text;
	double factor;
};

static int parse_scaled(const char *text, const struct suffix *suffixes, double *out)
{
	const char *rest;
	double value;

	if (leading_number(text, &value, &rest) || value < 0)
		return -1;
	for (; suffixes->text; suffixes++) {
		if (!strcmp(rest, suffixes->text)) {
			*out = value * suffixes->factor;
			return 0;
		}
	}
	return -1;
}

int parse_seconds(const char *text, double *out_s)
{
	static const struct suffix suffixes[] = {
		{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0},
	};

	return parse_scaled(text, suffixes, out_s);
}

int parse_size(const char *text, uint64_t *out_kib)
{
	static const double mib = 1024.0, gib = 1024.0 * 1024, tib = 1024.0 * 1024 * 1024;
	const struct suffix suffixes[] = {
		{"", 1},      {"K", 1},	    {"KiB", 1},	 {"KB", 1},    {"M", mib},
		{"MiB", mib}, {"MB", mib},  {"G", gib},	 {"GiB", gib}, {"GB", gib},
		{"T", tib},   {"TiB", tib}, {"TB", tib}, {NULL, 0},
	};
	double kib;

	if (parse_scaled(text, suffixes, &kib) || kib > 0x1p53)
		return -1;
	*out_kib = (uint64_t)llround(kib);
	return 0;
}

int parse_rate(const char *text, uint64_t *out_kib_s)
{
	char size[32];
	size_t len = strlen(text);
	uint64_t kib;

	if (len < 3 || len - 2 >= sizeof(size) || strcmp(text + len - 2, "/s"))
		return -1;
	memcpy(size, text, len - 2);
	size[len - 2] = '\0';
	if (parse_size(size, &kib) || kib == 0)
		return -1;
	*out_kib_s = kib;
	return 0;
}

int parse_percent(const char *text, double max, double *out_pct)
{
	static const struct suffix suffixes[] = {{"", 1}, {"%", 1}, {NULL, 0}};
	double value;

	if (parse_scaled(text, suffixes, &value) || value > max)
		return -1;
	*out_pct = value;
	return 0;
}

char *format_size(uint64_t kib, char *buf, size_t len)
{
	static const char letters[] = "KMGT";
	double value = (double)kib;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(letters) - 1) {
		value /= 1024;
		unit++;
	}
	/* Whole numbers without a fraction; 2047.9M would round to 2048M, which is the value people
	 * know. */
	if (fabs(value - nearbyint(value)) < 0.05)
		snprintf(buf, len, "%.0f%c", value, letters[unit]);
	else
		snprintf(buf, len, "%.1f%c", value, letters[unit]);
	return buf;
}

/* Reads "N" or "N-M" and moves *p behind it. */
static int parse_range(const char **p, unsigned long *first, unsigned long *last)
{
	char *end;

	if (!isdigit((unsigned char)**p))
		return -1;
	*first = *last = strtoul(*p, &end, 10);
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return -1;
		*last = strtoul(end + 1, &end, 10);
	}
	*p = end;
	return *first <= *last ? 0 : -1;
}

int cpumap_parse(const char *list, unsigned char *map, size_t len)
{
	const char *p = list;
	unsigned long first, last;

	memset(map, 0, len);
	if (!*p)
		return 0;
	for (;;) {
		bool without = *p == '^';

		if (without)
			p++;
		if (parse_range(&p, &first, &last) || last / 8 >= len)
			return -1;
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			if (without)
				map[cpu / 8] = (unsigned char)(map[cpu / 8] & ~(1U << (cpu % 8)));
			else
				cpumap_add(map, (unsigned int)cpu);
		}
		if (!*p)
			return 0;
		if (*p++ != ',')
			return -1;
	}
}

char *cpumap_format(const unsigned char *map, size_t len, char *buf, size_t buflen)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int cpu = 0; cpu < len * 8; cpu++) {
		unsigned int last = cpu;
		char item[32];
		int n;

		if (!cpumap_has(map, len, cpu))
			continue;
		while (cpumap_has(map, len, last + 1))
			last++;
		if (last > cpu)
			n = snprintf(item, sizeof(item), "%s%u-%u", used ? "," : "", cpu, last);
		else
			n = snprintf(item, sizeof(item), "%s%u", used ? "," : "", cpu);
		if (used + (size_t)n >= buflen)
			break;
		memcpy(buf + used, item, (size_t)n + 1);
		used += (size_t)n;
		cpu = last;
	}
	return buf;
}

size_t cpumap_count(const unsigned char *map, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += (size_t)__builtin_popcount(map[i]);
	return count;
}
