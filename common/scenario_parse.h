/* SPDX-License-Identifier: MIT */
/* What scenario.c leaves for scenario_resolve.c: the file as it was written. Private to the two. */
#ifndef BALLAST_SCENARIO_PARSE_H
#define BALLAST_SCENARIO_PARSE_H

#include "inifile.h"
#include "scenario.h"

#define GUESTS_MAX 10000
#define VCPUS_MAX  512
#define PCPUS_MAX  1024

/* A number that may be written relative to the pCPUs: "4", "2/pcpu". */
struct quantity {
	double value;
	bool per_pcpu;
	unsigned int line;
};

struct timeline_entry {
	char *who;
	struct phase phase;
};

struct scenario_parse {
	struct quantity count, vcpus;
	uint64_t memory_kib, maximum_kib;
	unsigned int memory_line;
	char *pins;
	unsigned int pins_line;
	bool kind_given;
	struct timeline_entry *entries;
	size_t nentries;

	/* While reading. */
	struct scenario *scenario;
	struct inifile ini;
	char *error;
};

/*
 * Puts "file:line: message" (line 0: "file: message") into p->error; the first error only, for what
 * follows is often its consequence. Returns −1.
 */
int scenario_fail(const struct scenario_parse *p, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* array, with room for one more element behind count of them; NULL when out of memory. */
void *scenario_grow(void *array, size_t count, size_t size);

/* Frees what scenario_resolve() made. */
void scenario_free_guests(struct scenario *s);

#endif
