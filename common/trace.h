/* SPDX-License-Identifier: MIT */
/*
 * Traces: what was seen while a scenario ran, as JSON Lines. The format is described in trace(5),
 * beside this file. Written by the worlds, read by the checkers. Every line is written with one
 * write(2) to a file opened for appending, so several processes may write one trace.
 */
#ifndef BALLAST_TRACE_H
#define BALLAST_TRACE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_VERSION	1
#define TRACE_ERROR_MAX 256

/* Memory figures of a guest, libvirt's names; −1: not known. */
struct trace_memory {
	int64_t actual_kib;    /* balloon size */
	int64_t unused_kib;    /* guest MemFree */
	int64_t usable_kib;    /* guest MemAvailable */
	int64_t available_kib; /* guest MemTotal */
	int64_t rss_kib;       /* of the guest's process on the host */
	int64_t swap_in_kib;   /* since boot */
	int64_t swap_out_kib;
	int64_t major_faults; /* since boot */
	double age_s;	      /* of the statistics; −1: never made */
};

struct trace_vcpu {
	double usage_pct; /* of one pCPU, over elapsed_s */
	double delay_pct; /* runnable but waiting; −1: not known */
	int pcpu;	  /* where it ran last; −1: not known */
	char *affinity;	  /* CPU list */
};

struct trace_guest {
	char *name;
	size_t nvcpus;
	struct trace_vcpu *vcpus;
	struct trace_memory memory;
};

struct trace_pcpu {
	int id;
	double usage_pct;  /* of everything that ran there */
	double guests_pct; /* of the guests' vCPUs alone, by where they ran; −1: not known */
};

struct trace_sample {
	double t_s;	  /* since the trace's start, at the end of the window */
	double elapsed_s; /* the window's real length */
	size_t npcpus;
	struct trace_pcpu *pcpus;
	size_t nguests; /* running ones */
	struct trace_guest *guests;
	int64_t host_total_kib;
	int64_t host_free_kib;
	int64_t host_available_kib;
	double program_cpu_pct;	 /* CPU time of the program under test and its children; −1: not
				    running */
	int64_t program_rss_kib; /* −1: not running */
};

/* Everything that is not a sample. `event` says what, `data` is the whole object as read. */
struct trace_event {
	double t_s;
	const char *event;
	json_t *data;
};

/* --- writing --- */

struct trace_writer {
	int fd;
	char *line; /* reused buffer */
	size_t len, size;
};

/* Creates (truncating) or, with append, opens a trace. 0, −1 with errno. */
int trace_create(struct trace_writer *w, const char *path);
int trace_append(struct trace_writer *w, const char *path);

/* The header: an object; "type" and "version" are added. Takes over the reference. 0, −1 with
 * errno. */
int trace_write_header(struct trace_writer *w, json_t *header);

int trace_write_sample(struct trace_writer *w, const struct trace_sample *sample);

/* data: an object or NULL; takes over the reference. "type", "t_s" and "event" are added. */
int trace_write_event(struct trace_writer *w, double t_s, const char *event, json_t *data);

int trace_close(struct trace_writer *w);

/* --- reading --- */

struct trace {
	json_t *header;
	struct trace_sample *samples; /* by t_s */
	size_t nsamples;
	struct trace_event *events; /* by t_s, equal times in file order */
	size_t nevents;
	int truncated; /* the last line was cut off and is left out */
};

/* Reads a whole trace. 0; −1 with one line in error naming file, line and what is wrong. */
int trace_read(struct trace *trace, const char *path, char error[TRACE_ERROR_MAX]);

void trace_free(struct trace *trace);

/* The sample's guest of that name, or NULL. */
const struct trace_guest *trace_find_guest(const struct trace_sample *sample, const char *name);

#endif
