/* SPDX-License-Identifier: MIT */
/*
 * Traces: what was seen while a scenario ran, as JSON Lines. This file is their whole vocabulary: a
 * header (what ran where: a trace is evidence by itself), samples (what the host looked like at a
 * moment) and events (what happened). Both worlds
 * write them with trace.c, everything that judges reads them with trace_read.c; trace_kinds.c lists
 * each event's fields once for both, and for trace(5). Every line is written with one write(2) to a
 * file opened for appending, so several processes may write one trace.
 */
#ifndef BALLAST_TRACE_H
#define BALLAST_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_VERSION	2
#define TRACE_ERROR_MAX 256

/* --- the header: texts and numbers that are not known are left out, see trace_kinds.c --- */

enum trace_kind_of_run { TRACE_KIND_CPU = 1, TRACE_KIND_MEMORY };
enum trace_world { TRACE_WORLD_REAL = 1, TRACE_WORLD_SIM };

struct trace_header_guest {
	const char *name;
	const char *uuid;
	int64_t vcpus, memory_kib, maximum_kib;
};

struct trace_header {
	const char *scenario; /* its name */
	const char *scenario_text;
	const char *prefix; /* of the guests' names */
	enum trace_kind_of_run kind;
	enum trace_world world;
	int64_t seed;	     /* of the simulated world */
	const char *started; /* ISO 8601, UTC */
	int64_t epoch_ns;    /* CLOCK_MONOTONIC at t_s = 0 */
	double sample_s, interval_s, length_s;
	const char **program; /* its arguments */
	size_t nprogram;
	const char *host_name;
	int64_t host_memory_kib;
	const char *host_kernel;
	const char *host_accel; /* kvm, tcg, sim */
	int *pcpus;		/* ids of the online ones, ascending */
	size_t npcpus;
	struct trace_header_guest *guests; /* in the scenario's order */
	size_t nguests;
	const char *version_ballast, *version_libvirt, *version_qemu;
};

/* --- samples: a figure that is not known is −1, and left out of the line --- */

/* Memory figures of a guest, libvirt's names. */
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
	double usage_pct;     /* of one pCPU, over elapsed_s */
	double delay_pct;     /* runnable but waiting; −1: not known */
	int pcpu;	      /* where it ran last; −1: not known */
	const char *affinity; /* CPU list; NULL: not known */
};

struct trace_guest {
	const char *name;
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

/* --- events: what each kind means and which fields it has, see trace_kinds.c --- */

enum trace_event_kind {
	TRACE_PROGRAM_START,
	TRACE_PROGRAM_OUTPUT,
	TRACE_PROGRAM_EXIT,
	TRACE_PIN,
	TRACE_BALLOON,
	TRACE_SETMEM,
	TRACE_LOAD,
	TRACE_LOAD_REPORT,
	TRACE_INSIDE,
	TRACE_OOM,
	TRACE_GUEST,
	TRACE_LIMIT,
	TRACE_CALL,
	TRACE_FAULT,
	TRACE_RECORDER,
	TRACE_WARNING,
	TRACE_UNSIMULATED,
	TRACE_END,
	TRACE_EVENT_KINDS
};

/* Words that an event's field may have; 0 stands for none. */
enum trace_stream { TRACE_STDOUT = 1, TRACE_STDERR };
enum trace_by { TRACE_BY_PROGRAM = 1, TRACE_BY_SCENARIO };
enum trace_life {
	TRACE_STARTED = 1,
	TRACE_STOPPED,
	TRACE_REBOOTED,
	TRACE_PAUSED,
	TRACE_RESUMED,
	TRACE_CRASHED,
};
enum trace_load_state {
	TRACE_LOAD_GROWING = 1,
	TRACE_LOAD_HOLDING,
	TRACE_LOAD_SHRINKING,
	TRACE_LOAD_OOM,
	TRACE_LOAD_KILLED,
	TRACE_LOAD_FAILED,
	TRACE_LOAD_ENDED,
};
enum trace_outcome { TRACE_DONE = 1, TRACE_ERROR, TRACE_REFUSED, TRACE_UNANSWERED };

/*
 * One event: `kind` says which member of the union holds its fields, whose names are those in the
 * file. What is not known of them: text NULL, a word 0, an integer −1, a number NAN, a flag −1.
 */
struct trace_event {
	double t_s; /* since the trace's start */
	enum trace_event_kind kind;
	const char *guest; /* whom it is about; NULL: no guest */
	union {
		struct {
			int64_t pid;
		} program_start;
		struct {
			enum trace_stream stream;
			const char *line;
		} program_output;
		struct {
			int64_t status, signal; /* one of them */
			int asked;
			const char *reason;
		} program_exit;
		struct {
			int64_t vcpu;
			const char *affinity; /* CPU list */
			enum trace_by by;
		} pin;
		struct {
			int64_t actual_kib;
		} balloon;
		struct {
			int64_t kib;
			enum trace_by by;
		} setmem;
		struct {
			int64_t number; /* of the phase among its guest's, from 1 */
			const char *phase;
			double skew_s;
		} load;
		struct {
			int64_t number;
			const char *phase;
			double from_s, to_s;
			double asked_pct, attained_pct, waited_pct, given_up_pct, backlog_s;
			double host_pct;
			int64_t asked_kib, attained_kib, peak_kib;
			double starved_s;
			enum trace_load_state state;
		} load_report;
		struct {
			int64_t free_kib, available_kib, total_kib, load_kib;
			int64_t oom_kill;
		} inside;
		struct {
			int64_t kills, kib;
		} oom;
		struct {
			enum trace_life state;
		} life; /* TRACE_GUEST */
		struct {
			const char *what;
			int64_t value;
		} limit;
		struct {
			const char *function;
			enum trace_outcome outcome;
			double duration_s;
			const char *error;
			int noop;
			const json_t *arguments, *result;
		} call;
		struct {
			const char *what;
			int64_t pcpu;
			int online;
		} fault;
		struct {
			double cpu_pct;
			int64_t rss_kib;
		} recorder;
		struct {
			const char *text;
		} warning, unsimulated;
	};
};

/* An event of that kind of which nothing is known yet: what its writer begins with. guest may be
 * NULL. */
struct trace_event trace_event(enum trace_event_kind kind, const char *guest);

/* program_exit of a program that ended with that status of wait(2). */
struct trace_event trace_exit(int wait_status, bool asked);

/* The member that a field is, and what it is where it is not known. */
enum trace_type {
	TRACE_TEXT,    /* const char *: NULL */
	TRACE_WORD,    /* an enum, one of the field's words: 0 */
	TRACE_INTEGER, /* int64_t: −1 */
	TRACE_ID,      /* int: −1 */
	TRACE_NUMBER,  /* double: NAN */
	TRACE_FIGURE,  /* double, never negative: −1 */
	TRACE_FLAG,    /* int, 0 or 1: −1 */
	TRACE_JSON,    /* const json_t *, anything: NULL */
};

enum trace_need {
	TRACE_OPTIONAL, /* left out where it is not known */
	TRACE_REQUIRED,
	TRACE_EITHER, /* of the event's fields with this need exactly one is there */
};

struct trace_field {
	const char *name; /* with its unit: _pct of one pCPU, _kib, _s */
	enum trace_type type;
	enum trace_need need;
	size_t offset;		  /* in its struct */
	const char *const *words; /* of TRACE_WORD, by value; [0] is NULL, as is the one behind the
				     last */
	const char *meaning;	  /* NULL: the name tells */
};

struct trace_kind {
	const char *name;
	const char *meaning;
	const struct trace_field *fields; /* ends with one without a name */
};

/* By enum trace_event_kind. */
extern const struct trace_kind trace_kinds[TRACE_EVENT_KINDS];

/* Of the parts of a sample. */
extern const struct trace_field trace_pcpu_fields[];
extern const struct trace_field trace_vcpu_fields[];
extern const struct trace_field trace_memory_fields[];
extern const struct trace_field trace_host_fields[];	/* in struct trace_sample */
extern const struct trace_field trace_program_fields[]; /* in struct trace_sample */

/* Of the header and its parts; the latter two's members have host_ and version_ before the name. */
extern const struct trace_field trace_header_fields[];
extern const struct trace_field trace_header_guest_fields[];
extern const struct trace_field trace_header_host_fields[];
extern const struct trace_field trace_header_version_fields[];

/* Makes each field's member one that is not known. */
void trace_forget(const struct trace_field *fields, void *base);

/* The word's value, 0 where the list has no such word or word is NULL. */
int trace_word(const char *const *words, const char *word);
extern const char *const trace_life_words[];
extern const char *const trace_load_state_words[];

/* --- writing --- */

#define TRACE_LAST_WORDS 4

/*
 * A program may print or call without end, and its trace must not: of its output so many bytes are
 * written and after them, before its end, the last lines of its stderr; of its calls so many, and
 * then one a second.
 */
#define TRACE_OUTPUT_MAX (8U << 20)
#define TRACE_CALLS_MAX	 (8U << 20)

struct trace_writer {
	int fd;
	char *line; /* reused buffer */
	size_t len, size;
	size_t printed, called;	      /* bytes of the program's output and of its calls */
	double call_s;		      /* of the last call that was written */
	char *held[TRACE_LAST_WORDS]; /* of output left out the last lines of stderr, the last
					 one first */
};

/* Creates (truncating) or, with append, opens a trace. 0, −1 with errno. */
int trace_create(struct trace_writer *w, const char *path);
int trace_append(struct trace_writer *w, const char *path);

/* The first line. 0; −1 with errno: EINVAL where a required field is not known. */
int trace_write_header(struct trace_writer *w, const struct trace_header *header);

int trace_write_sample(struct trace_writer *w, const struct trace_sample *sample);

/* 0; −1 with errno: EINVAL where a required field is not known. */
int trace_write_event(struct trace_writer *w, const struct trace_event *event);

/* A line that the program printed, of any bytes: what is not UTF-8 becomes question marks. */
int trace_write_output(struct trace_writer *w, double t_s, enum trace_stream stream,
		       const char *line, size_t len);

int trace_close(struct trace_writer *w);

/* --- reading --- */

/* Keeps the texts of what was read, each once. */
struct pool;

struct trace {
	struct trace_header header;
	json_t *header_json;	      /* the same as it was read, for reports */
	struct trace_sample *samples; /* by t_s */
	size_t nsamples, samples_size;
	struct trace_event *events; /* by t_s, equal times in file order */
	size_t nevents, events_size;
	char *last_words[TRACE_LAST_WORDS]; /* the last lines on its stderr, the last one first */
	struct pool *texts;
	bool truncated; /* the last line was cut off and is left out */
};

/*
 * Reads what is judged of a trace: the header, the samples and the events, without the program's
 * output but its last words and without calls' arguments and results. 0; −1 with one line in error
 * that names file, line and what is wrong; a line with a field that no event of its kind has is
 * wrong, too.
 */
int trace_read(struct trace *trace, const char *path, char error[TRACE_ERROR_MAX]);

void trace_free(struct trace *trace);

/* The sample's guest of that name, or NULL. */
const struct trace_guest *trace_find_guest(const struct trace_sample *sample, const char *name);

/* The first event of that kind, or NULL. */
const struct trace_event *trace_find_event(const struct trace *trace, enum trace_event_kind kind);

#endif
