/* SPDX-License-Identifier: MIT */
/*
 * The fields of samples and of each kind of event: the one list behind the writer, the reader and
 * trace(5). A field's name and type are those of the struct's member, so what the struct has not
 * does not compile.
 */
#include "trace.h"

#include <math.h>
#include <string.h>
#include <sys/wait.h>

static const char *const kind_words[] = {NULL, "cpu", "memory", NULL};
static const char *const world_words[] = {NULL, "real", "sim", NULL};
static const char *const stream_words[] = {NULL, "stdout", "stderr", NULL};
static const char *const by_words[] = {NULL, "program", "scenario", NULL};
static const char *const outcome_words[] = {NULL, "done", "error", "refused", "unanswered", NULL};
const char *const trace_life_words[] = {NULL,	  "started", "stopped", "rebooted",
					"paused", "resumed", "crashed", NULL};
const char *const trace_load_state_words[] = {NULL,	"growing", "holding", "shrinking", "oom",
					      "killed", "failed",  "ended",   NULL};

/* clang-format off */
#define TYPE_OF(member) _Generic(((const struct trace_event *)0)->member, \
	const char *: TRACE_TEXT, int64_t: TRACE_INTEGER, double: TRACE_NUMBER, int: TRACE_FLAG, \
	const json_t *: TRACE_JSON)

#define FIELD(kind, member, need, meaning) \
	{#member, TYPE_OF(kind.member), TRACE_##need, offsetof(struct trace_event, kind.member), NULL, meaning}
#define WORD(kind, member, need, words, meaning) \
	{#member, TRACE_WORD, TRACE_##need, offsetof(struct trace_event, kind.member), words, meaning}
#define GUEST(need) \
	{"guest", TRACE_TEXT, TRACE_##need, offsetof(struct trace_event, guest), NULL, NULL}
#define FIELDS(...) (const struct trace_field[]){__VA_ARGS__, {0}}

const struct trace_kind trace_kinds[TRACE_EVENT_KINDS] = {
	[TRACE_PROGRAM_START] = {"program_start", "the program under test was started", FIELDS(
		FIELD(program_start, pid, REQUIRED, NULL))},
	[TRACE_PROGRAM_OUTPUT] = {"program_output", "a line that it printed", FIELDS(
		WORD(program_output, stream, REQUIRED, stream_words, NULL),
		FIELD(program_output, line, REQUIRED, "without its end"))},
	[TRACE_PROGRAM_EXIT] = {"program_exit", "it ended", FIELDS(
		FIELD(program_exit, status, EITHER, "what it exited with"),
		FIELD(program_exit, signal, EITHER, "what ended it"),
		FIELD(program_exit, asked, REQUIRED, "true after it was told to end"),
		FIELD(program_exit, reason, OPTIONAL, "why it was ended, where the world did that"))},
	[TRACE_PIN] = {"pin", "a vCPU's affinity changed", FIELDS(
		GUEST(REQUIRED),
		FIELD(pin, vcpu, REQUIRED, "its number in the guest, from 0"),
		FIELD(pin, affinity, REQUIRED, "the pCPUs it may use from now on, a CPU list"),
		WORD(pin, by, REQUIRED, by_words, NULL))},
	[TRACE_BALLOON] = {"balloon", "a balloon's size changed", FIELDS(
		GUEST(REQUIRED),
		FIELD(balloon, actual_kib, REQUIRED, "the new size"))},
	[TRACE_SETMEM] = {"setmem", "a balloon was given a target, where that could be seen", FIELDS(
		GUEST(REQUIRED),
		FIELD(setmem, kib, REQUIRED, "the target"),
		WORD(setmem, by, REQUIRED, by_words, NULL))},
	[TRACE_LOAD] = {"load", "a phase of the scenario began", FIELDS(
		GUEST(REQUIRED),
		FIELD(load, number, REQUIRED, "of the phase among its guest's by time, from 1"),
		FIELD(load, phase, REQUIRED, "as a scenario has it, without its time"),
		FIELD(load, skew_s, REQUIRED, "this long after its time"))},
	[TRACE_LOAD_REPORT] = {"load_report", "a load ended", FIELDS(
		GUEST(REQUIRED),
		FIELD(load_report, number, REQUIRED, "of the phase that began it"),
		FIELD(load_report, phase, REQUIRED, "as a scenario has it, without its time"),
		FIELD(load_report, from_s, REQUIRED, NULL),
		FIELD(load_report, to_s, REQUIRED, NULL),
		FIELD(load_report, asked_pct, OPTIONAL, "of a CPU load, as the next five: a mean per loaded vCPU"),
		FIELD(load_report, attained_pct, OPTIONAL, "CPU time it used, without what the host made it wait"),
		FIELD(load_report, waited_pct, OPTIONAL, "it wanted to run and was kept waiting"),
		FIELD(load_report, given_up_pct, OPTIONAL, "it was asked for it and did not get it"),
		FIELD(load_report, backlog_s, OPTIONAL, "of a load on demand: still to be done"),
		FIELD(load_report, host_pct, OPTIONAL, "the host's figure of the guest's vCPUs: the load and the guest's kernel"),
		FIELD(load_report, asked_kib, OPTIONAL, "of a memory or cache load, as all that follow"),
		FIELD(load_report, attained_kib, OPTIONAL, "what it held at last; at most, where it was killed"),
		FIELD(load_report, peak_kib, OPTIONAL, "the most it held"),
		FIELD(load_report, starved_s, OPTIONAL, "it wanted to grow and could not"),
		WORD(load_report, state, OPTIONAL, trace_load_state_words, NULL))},
	[TRACE_INSIDE] = {"inside", "a guest's own memory figures", FIELDS(
		GUEST(REQUIRED),
		FIELD(inside, free_kib, REQUIRED, "MemFree of its /proc/meminfo"),
		FIELD(inside, available_kib, REQUIRED, "MemAvailable"),
		FIELD(inside, total_kib, REQUIRED, "MemTotal"),
		FIELD(inside, load_kib, REQUIRED, "what its memory load holds"),
		FIELD(inside, oom_kill, OPTIONAL, "processes killed for want of memory since the run's start"))},
	[TRACE_OOM] = {"oom", "a guest killed processes for want of memory", FIELDS(
		GUEST(REQUIRED),
		FIELD(oom, kills, REQUIRED, "how many"),
		FIELD(oom, kib, OPTIONAL, "what they held, in the simulated world"))},
	[TRACE_GUEST] = {"guest", "a guest's life took a turn", FIELDS(
		GUEST(REQUIRED),
		WORD(life, state, REQUIRED, trace_life_words, NULL))},
	[TRACE_LIMIT] = {"limit", "a guest was given a quota of CPU time, or other shares", FIELDS(
		GUEST(REQUIRED),
		FIELD(limit, what, REQUIRED, "libvirt's name of it"),
		FIELD(limit, value, REQUIRED, NULL))},
	[TRACE_CALL] = {"call", "the program called libvirt, at that time", FIELDS(
		GUEST(OPTIONAL),
		FIELD(call, function, REQUIRED, "of the API, the same in both worlds"),
		WORD(call, outcome, REQUIRED, outcome_words, NULL),
		FIELD(call, duration_s, OPTIONAL, "until its answer, where that takes time"),
		FIELD(call, error, OPTIONAL, "libvirt's message, or why it was refused"),
		FIELD(call, noop, OPTIONAL, "whether it changed nothing"),
		FIELD(call, arguments, OPTIONAL, NULL),
		FIELD(call, result, OPTIONAL, NULL))},
	[TRACE_FAULT] = {"fault", "a fault of the simulated world set in or ended", FIELDS(
		FIELD(fault, what, REQUIRED, NULL),
		FIELD(fault, pcpu, OPTIONAL, "that came or went"),
		FIELD(fault, online, OPTIONAL, "whether it came"))},
	[TRACE_RECORDER] = {"recorder", "what the recorder itself used over the run", FIELDS(
		FIELD(recorder, cpu_pct, REQUIRED, NULL),
		FIELD(recorder, rss_kib, REQUIRED, "at most"))},
	[TRACE_WARNING] = {"warning", "something makes the trace less trustworthy, such as a sample that came late", FIELDS(
		GUEST(OPTIONAL),
		FIELD(warning, text, REQUIRED, NULL))},
	[TRACE_UNSIMULATED] = {"unsimulated", "the program did what the simulated world has not, and was ended", FIELDS(
		FIELD(unsimulated, text, REQUIRED, "what that was"))},
	[TRACE_END] = {"end", "the run was complete", (const struct trace_field[]){{0}}},
};

#define FIGURE(type, of, member) {#member, TRACE_##type, TRACE_OPTIONAL, offsetof(struct of, member), NULL, NULL}
/* In a sample, where the member has the object's name before its own. */
#define PART(type, object, member) \
	{#member, TRACE_##type, TRACE_OPTIONAL, offsetof(struct trace_sample, object##_##member), NULL, NULL}

#define HEAD(type, need, member) {#member, TRACE_##type, TRACE_##need, offsetof(struct trace_header, member), NULL, NULL}
#define HEAD_WORD(member, words) \
	{#member, TRACE_WORD, TRACE_REQUIRED, offsetof(struct trace_header, member), words, NULL}
#define HEAD_PART(type, object, member) \
	{#member, TRACE_##type, TRACE_OPTIONAL, offsetof(struct trace_header, object##_##member), NULL, NULL}

const struct trace_field trace_header_fields[] = {
	HEAD(TEXT, REQUIRED, scenario),
	HEAD(TEXT, REQUIRED, scenario_text),
	HEAD(TEXT, REQUIRED, prefix),
	HEAD_WORD(kind, kind_words),
	HEAD_WORD(world, world_words),
	HEAD(INTEGER, OPTIONAL, seed),
	HEAD(TEXT, REQUIRED, started),
	HEAD(INTEGER, REQUIRED, epoch_ns),
	HEAD(NUMBER, REQUIRED, sample_s),
	HEAD(NUMBER, REQUIRED, interval_s),
	HEAD(NUMBER, REQUIRED, length_s),
	{0},
};

const struct trace_field trace_header_guest_fields[] = {
	{"name", TRACE_TEXT, TRACE_REQUIRED, offsetof(struct trace_header_guest, name), NULL, NULL},
	FIGURE(TEXT, trace_header_guest, uuid),
	{"vcpus", TRACE_INTEGER, TRACE_REQUIRED, offsetof(struct trace_header_guest, vcpus), NULL, NULL},
	FIGURE(INTEGER, trace_header_guest, memory_kib),
	FIGURE(INTEGER, trace_header_guest, maximum_kib),
	{0},
};

const struct trace_field trace_header_host_fields[] = {
	HEAD_PART(TEXT, host, name),
	HEAD_PART(INTEGER, host, memory_kib),
	HEAD_PART(TEXT, host, kernel),
	HEAD_PART(TEXT, host, accel),
	{0},
};

const struct trace_field trace_header_version_fields[] = {
	HEAD_PART(TEXT, version, ballast),
	HEAD_PART(TEXT, version, libvirt),
	HEAD_PART(TEXT, version, qemu),
	{0},
};

const struct trace_field trace_pcpu_fields[] = {
	FIGURE(ID, trace_pcpu, id),
	FIGURE(FIGURE, trace_pcpu, usage_pct),
	FIGURE(FIGURE, trace_pcpu, guests_pct),
	{0},
};

const struct trace_field trace_vcpu_fields[] = {
	FIGURE(FIGURE, trace_vcpu, usage_pct),
	FIGURE(FIGURE, trace_vcpu, delay_pct),
	FIGURE(ID, trace_vcpu, pcpu),
	FIGURE(TEXT, trace_vcpu, affinity),
	{0},
};

const struct trace_field trace_memory_fields[] = {
	FIGURE(INTEGER, trace_memory, actual_kib),
	FIGURE(INTEGER, trace_memory, unused_kib),
	FIGURE(INTEGER, trace_memory, usable_kib),
	FIGURE(INTEGER, trace_memory, available_kib),
	FIGURE(INTEGER, trace_memory, rss_kib),
	FIGURE(INTEGER, trace_memory, swap_in_kib),
	FIGURE(INTEGER, trace_memory, swap_out_kib),
	FIGURE(INTEGER, trace_memory, major_faults),
	FIGURE(FIGURE, trace_memory, age_s),
	{0},
};

const struct trace_field trace_host_fields[] = {
	PART(INTEGER, host, total_kib),
	PART(INTEGER, host, free_kib),
	PART(INTEGER, host, available_kib),
	{0},
};

const struct trace_field trace_program_fields[] = {
	PART(FIGURE, program, cpu_pct),
	PART(INTEGER, program, rss_kib),
	{0},
};
/* clang-format on */

int trace_word(const char *const *words, const char *word)
{
	for (int i = 1; word && words[i]; i++)
		if (!strcmp(words[i], word))
			return i;
	return 0;
}

void trace_forget(const struct trace_field *fields, void *base)
{
	for (const struct trace_field *f = fields; f->name; f++) {
		void *member = (char *)base + f->offset;

		switch (f->type) {
		case TRACE_TEXT:
			*(const char **)member = NULL;
			break;
		case TRACE_WORD:
			*(int *)member = 0;
			break;
		case TRACE_INTEGER:
			*(int64_t *)member = -1;
			break;
		case TRACE_ID:
		case TRACE_FLAG:
			*(int *)member = -1;
			break;
		case TRACE_NUMBER:
			*(double *)member = NAN;
			break;
		case TRACE_FIGURE:
			*(double *)member = -1;
			break;
		case TRACE_JSON:
			*(const json_t **)member = NULL;
			break;
		}
	}
}

struct trace_event trace_event(enum trace_event_kind kind, const char *guest)
{
	struct trace_event event = {.kind = kind};

	trace_forget(trace_kinds[kind].fields, &event);
	event.guest = guest;
	return event;
}

struct trace_event trace_exit(int wait_status, bool asked)
{
	struct trace_event event = trace_event(TRACE_PROGRAM_EXIT, NULL);

	if (WIFEXITED(wait_status))
		event.program_exit.status = WEXITSTATUS(wait_status);
	else
		event.program_exit.signal = WTERMSIG(wait_status);
	event.program_exit.asked = asked;
	return event;
}
