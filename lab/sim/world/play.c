/* SPDX-License-Identifier: MIT */
/* One run of a scenario in the simulated world: time, samples, the trace. */
#include "play.h"

#include "evidence.h"
#include "log.h"
#include "uuid.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static double now_s(const struct play *p)
{
	return (double)world_now(p->world) / MODEL_NS_PER_S;
}

static void note_failure(struct play *p, int status)
{
	if (status && !p->trace_errno)
		p->trace_errno = errno;
}

void play_event(struct play *p, struct trace_event event)
{
	event.t_s = now_s(p);
	if (p->tracing)
		note_failure(p, trace_write_event(&p->trace, &event));
}

void play_output(struct play *p, enum trace_stream stream, const char *line, size_t len)
{
	if (p->tracing)
		note_failure(p, trace_write_output(&p->trace, now_s(p), stream, line, len));
}

static void on_world_event(const struct world_event *event, void *opaque)
{
	struct play *p = opaque;

	if (p->tracing)
		note_failure(p, world_event_write(p->world, event, &p->trace));
	if (p->on_event)
		p->on_event(event, p->opaque);
}

/* --- the header --- */

/* Of a JSON array of texts, which must outlive it. NULL: out of memory. */
static const char **list_of(const json_t *array)
{
	const char **list = calloc(json_array_size(array) + 1, sizeof(*list));

	for (size_t i = 0; list && i < json_array_size(array); i++)
		list[i] = json_string_value(json_array_get(array, i));
	return list;
}

static int describe(struct play *p, const struct play_config *config, struct trace_header *h)
{
	const struct scenario *s = &p->scenario;
	int *ids = calloc(s->host.pcpus, sizeof(*ids));
	int status = ids ? evidence_header(h, s, ids, scenario_host_pcpus(s, ids)) : -1;

	free(ids);
	if (status)
		return -1;
	h->world = TRACE_WORLD_SIM;
	h->seed = (int64_t)config->seed;
	h->started = "2026-01-01T00:00:00Z";
	h->epoch_ns = (int64_t)(PLAY_UPTIME_S * MODEL_NS_PER_S);
	h->host_name = PLAY_HOST_NAME;
	h->host_memory_kib = (int64_t)s->host.memory_kib;
	h->host_accel = "sim";
	return 0;
}

static void write_header(struct play *p, const struct play_config *config)
{
	json_t *program = config->program ? json_loads(config->program, 0, NULL) : NULL;
	char(*uuids)[UUID_TEXT_LEN] = calloc(world_guests(p->world) + 1, sizeof(*uuids));
	struct trace_header header = {0};
	const char **list = list_of(program);

	errno = ENOMEM;
	if (!uuids || !list || describe(p, config, &header)) {
		note_failure(p, -1);
	} else {
		header.program = list;
		header.nprogram = json_array_size(program);
		for (size_t i = 0; i < world_guests(p->world); i++)
			header.guests[i].uuid =
				uuid_format(world_guest(p->world, i)->uuid, uuids[i]);
		note_failure(p, trace_write_header(&p->trace, &header));
		evidence_free(&header);
	}
	free(list);
	free(uuids);
	json_decref(program);
}

/* --- opening --- */

/* Reads the scenario and fills in its guests for its own host. */
static int read_scenario(struct play *p, const struct play_config *config,
			 char error[PLAY_ERROR_MAX])
{
	int *ids;
	size_t n;
	int status;

	if (scenario_read(&p->scenario, config->scenario, error))
		return -1;
	ids = calloc(p->scenario.host.pcpus, sizeof(*ids));
	if (!ids) {
		snprintf(error, PLAY_ERROR_MAX, "%s: out of memory", config->scenario);
		return -1;
	}
	n = scenario_host_pcpus(&p->scenario, ids);
	status = scenario_resolve(&p->scenario, ids, n, config->prefix, error);
	free(ids);
	return status;
}

static int build_world(struct play *p, const struct play_config *config, char error[PLAY_ERROR_MAX])
{
	char reason[WORLD_ERROR_MAX];

	if (faults_read(&p->faults, &p->scenario, config->seed, error))
		return -1;
	p->world = world_new(&p->scenario, config->seed, reason);
	if (!p->world) {
		snprintf(error, PLAY_ERROR_MAX, "%s", reason);
		return -1;
	}
	world_on_event(p->world, on_world_event, p);
	p->length_ns = (uint64_t)llround(p->scenario.length_s * MODEL_NS_PER_S);
	p->sample_ns = (uint64_t)llround(p->scenario.sample_s * MODEL_NS_PER_S);
	p->next_sample_ns = p->sample_ns <= p->length_ns ? p->sample_ns : MODEL_NEVER;
	return 0;
}

int play_open(struct play *p, const struct play_config *config, char error[PLAY_ERROR_MAX],
	      int *status)
{
	memset(p, 0, sizeof(*p));
	p->trace.fd = -1;
	*status = EXIT_USAGE;
	if (read_scenario(p, config, error) || build_world(p, config, error)) {
		play_free(p);
		return -1;
	}
	if (!config->trace)
		return 0;
	if (trace_create(&p->trace, config->trace)) {
		snprintf(error, PLAY_ERROR_MAX, "%s: %s", config->trace, strerror(errno));
		play_free(p);
		return -1;
	}
	p->tracing = true;
	write_header(p, config);
	return 0;
}

/* --- running --- */

static void take_sample(struct play *p)
{
	struct trace_sample *sample = world_sample(p->world);

	if (p->program_runs && sample->elapsed_s > 0)
		sample->program_cpu_pct = 100 * p->program_cpu_s / sample->elapsed_s;
	p->program_cpu_s = 0;
	if (p->tracing)
		note_failure(p, trace_write_sample(&p->trace, sample));
	p->next_sample_ns += p->sample_ns;
	if (p->next_sample_ns > p->length_ns)
		p->next_sample_ns = MODEL_NEVER;
}

uint64_t play_advance(struct play *p, uint64_t until_ns)
{
	uint64_t now = world_now(p->world);

	p->interrupted = false;
	while (now < until_ns && !p->interrupted) {
		now = world_advance(p->world,
				    until_ns < p->next_sample_ns ? until_ns : p->next_sample_ns);
		if (now >= p->next_sample_ns)
			take_sample(p);
	}
	return now;
}

void play_interrupt(struct play *p)
{
	p->interrupted = true;
	world_interrupt(p->world);
}

void play_finish(struct play *p)
{
	p->on_event = NULL;
	while (play_advance(p, p->length_ns) < p->length_ns)
		;
	play_event(p, (struct trace_event){.kind = TRACE_END});
	play_cut(p);
}

void play_cut(struct play *p)
{
	if (p->tracing)
		note_failure(p, trace_close(&p->trace));
	p->tracing = false;
}

struct trace_event play_end_event(enum play_end end, const char *text)
{
	struct trace_event event = trace_event(TRACE_WARNING, NULL);

	if (end == PLAY_FAULT) {
		event = trace_exit(W_EXITCODE(0, SIGKILL), false);
		event.program_exit.reason = text;
	} else if (end == PLAY_REFUSAL) {
		event = trace_event(TRACE_UNSIMULATED, NULL);
		event.unsimulated.text = text;
	} else {
		event.warning.text = text;
	}
	return event;
}

void play_free(struct play *p)
{
	play_cut(p);
	world_free(p->world);
	faults_free(&p->faults);
	scenario_free(&p->scenario);
	memset(p, 0, sizeof(*p));
}
