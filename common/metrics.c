/* SPDX-License-Identifier: MIT */
/* A daemon's figures in Prometheus' text format. */
#include "metrics.h"

#include "runfile.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

int metrics_begin(struct metrics *m, const char *program)
{
	*m = (struct metrics){.program = program};
	m->out = open_memstream(&m->text, &m->len);
	return m->out ? 0 : -1;
}

static void put_head(struct metrics *m, const char *name, const char *type, const char *help)
{
	fprintf(m->out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", m->program, name, help, m->program,
		name, type);
}

/* Whole numbers to the last digit, as bytes are; others as far as they mean something. */
static void put_value(struct metrics *m, double value)
{
	fprintf(m->out, " %.15g\n", value);
}

void metrics_put(struct metrics *m, const char *name, const char *type, const char *help,
		 double value)
{
	put_head(m, name, type, help);
	fprintf(m->out, "%s_%s", m->program, name);
	put_value(m, value);
}

void metrics_head(struct metrics *m, const char *name, const char *help)
{
	put_head(m, name, "gauge", help);
}

void metrics_put_labelled(struct metrics *m, const char *name, const char *label, const char *of,
			  double value)
{
	fprintf(m->out, "%s_%s{%s=\"", m->program, name, label);
	for (; *of; of++) {
		if (*of == '\n')
			fputs("\\n", m->out);
		else if (*of == '"' || *of == '\\')
			fprintf(m->out, "\\%c", *of);
		else
			putc(*of, m->out);
	}
	fputs("\"}", m->out);
	put_value(m, value);
}

void metrics_put_run(struct metrics *m, const struct metrics_run *run)
{
	struct rusage used = {0};

	getrusage(RUSAGE_SELF, &used);
	metrics_put(m, "ticks_total", "counter", "Decisions made.", (double)run->ticks);
	metrics_put(m, "ticks_lost_total", "counter",
		    "Decisions missed because the guests could not be read.", (double)run->lost);
	metrics_put(m, "connected", "gauge", "1 if the guests could be read.", run->connected);
	if (run->last_s > 0)
		metrics_put(m, "last_decision_timestamp_seconds", "gauge",
			    "Unix time of the last decision.", run->last_s);
	metrics_put(m, "cpu_seconds_total", "counter", "CPU time this program has used.",
		    (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	metrics_put(m, "resident_bytes_most", "gauge", "Most memory it has had resident.",
		    (double)used.ru_maxrss * 1024);
}

int metrics_end(struct metrics *m, const char *path)
{
	int result = -1;

	if (fclose(m->out) == 0)
		result = file_replace(path, m->text, m->len);
	else
		errno = ENOMEM;
	free(m->text);
	return result;
}

void metrics_note_decision(struct metrics_run *run)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	run->ticks++;
	run->last_s = (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1000;
	run->connected = true;
}

void metrics_note_loss(struct metrics_run *run)
{
	run->lost++;
	run->connected = false;
}
