/* SPDX-License-Identifier: MIT */
/* Text to quantities and back: "2.5s", "512M", "45%", "0-3,8". Pure; nothing is logged. */
#ifndef BALLAST_UNITS_H
#define BALLAST_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB_PER_MIB 1024ULL
#define KIB_PER_GIB (1024ULL * 1024ULL)

/*
 * Each parse_… reads the whole of text (no leading or trailing space allowed) and returns 0, or −1
 * with *out untouched where the text is not of the form or out of range.
 */

/* A decimal number, finite, within [min, max]. */
int parse_number(const char *text, double min, double max, double *out);

/* A decimal integer within [min, max]. */
int parse_integer(const char *text, long min, long max, long *out);

/* A duration in seconds: "5", "5s", "2.5s", "250ms", "2m", "1h", "1d". Not negative. */
int parse_seconds(const char *text, double *out_s);

/* A size: a number and one of K, M, G, T (binary, optionally followed by "iB" or "B");
 * a bare number is KiB as in libvirt. Result in KiB, at most 2^53. */
int parse_size(const char *text, uint64_t *out_kib);

/* A size per second, "20M/s", not 0. The "/s" is required, so that a second size is not taken for a
 * rate. */
int parse_rate(const char *text, uint64_t *out_kib_s);

/* "45%" or "45" → 45.0; within [0, max]. */
int parse_percent(const char *text, double max, double *out_pct);

/* A size for people: "512M", "1.5G", "300K". Returns buf. */
char *format_size(uint64_t kib, char *buf, size_t len);

/*
 * CPU sets are libvirt's cpumaps: bit n of byte n / 8 is CPU n.
 * cpumap_parse reads a list as in /sys ("0-3,8", "" is the empty set, "^2" takes 2 away again); −1
 * if malformed or a CPU does not fit len bytes. cpumap_format writes it back, runs joined; buf must
 * hold CPULIST_MAX bytes for any map, else the list is cut at the last whole item.
 */
#define CPULIST_MAX 4096
int cpumap_parse(const char *list, unsigned char *map, size_t len);
char *cpumap_format(const unsigned char *map, size_t len, char *buf, size_t buflen);
static inline bool cpumap_has(const unsigned char *map, size_t len, unsigned int cpu)
{
	return cpu / 8 < len && (map[cpu / 8] >> (cpu % 8) & 1);
}
static inline void cpumap_add(unsigned char *map, unsigned int cpu)
{
	map[cpu / 8] = (unsigned char)(map[cpu / 8] | 1U << (cpu % 8));
}
/* How many CPUs are in the set. */
size_t cpumap_count(const unsigned char *map, size_t len);

#endif
