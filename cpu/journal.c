/* SPDX-License-Identifier: MIT */
/* The log that can be replayed. */
#include "journal.h"

#include "replay.h"
#include "units.h"
#include "uuid.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL_VERSION 2

/* No host has more; a log that says so is damaged. */
#define PCPU_IDS_MOST 65536
#define COUNTER_MOST  (INT64_C(1) << 62)

/* --- writing --- */

void journal_write_policy(FILE *out, const struct cpu_policy *policy)
{
	journal_write_line(out,
			   json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "type",
				     "policy", "version", JOURNAL_VERSION, "threshold_pct",
				     policy->threshold_pct, "cost_pct", policy->cost_pct,
				     "node_cost_pct", policy->node_cost_pct, "due_most",
				     policy->due_most, "free_least_pct", policy->free_least_pct,
				     "looks_most", (json_int_t)policy->looks_most, "confirm",
				     (json_int_t)policy->confirm, "node_budget",
				     (json_int_t)policy->node_budget));
}

/* A percentage or time with as many digits as mean something. */
static json_t *rounded(double value)
{
	return json_real(round(value * 1000) / 1000);
}

static json_t *pack_pcpus(const struct report *report)
{
	json_t *pcpus = json_array();

	for (size_t p = 0; p < report->sample->npcpus; p++) {
		const struct cpu_pcpu *pcpu = &report->sample->pcpus[p];
		const struct cpu_pcpu_load *load = &report->plan->pcpus[p];
		json_t *object =
			json_pack("{s:i, s:i, s:i, s:i, s:b}", "id", pcpu->id, "core", pcpu->core,
				  "cache", pcpu->cache, "node", pcpu->node, "usable", pcpu->usable);

		if (pcpu->busy_ns != CPU_NOT_KNOWN)
			json_object_set_new(object, "busy_ns",
					    json_integer((json_int_t)pcpu->busy_ns));
		if (load->usage_pct >= 0)
			json_object_set_new(object, "usage_pct", rounded(load->usage_pct));
		json_object_set_new(object, "other_pct", rounded(load->other_pct));
		json_object_set_new(object, "load_pct", rounded(load->load_pct));
		json_object_set_new(object, "plan_pct", rounded(load->plan_pct));
		json_array_append_new(pcpus, object);
	}
	return pcpus;
}

static json_t *pack_guests(const struct report *report)
{
	json_t *guests = json_array();
	char uuid[UUID_TEXT_LEN];

	for (size_t g = 0; g < report->sample->nguests; g++) {
		const struct cpu_guest *guest = &report->sample->guests[g];

		json_array_append_new(guests,
				      json_pack("{s:s, s:s, s:b, s:f, s:f, s:i}", "name",
						report->name(report->opaque, g), "uuid",
						uuid_format(guest->uuid, uuid), "managed",
						guest->managed, "weight", guest->weight, "cap_pct",
						guest->cap_pct, "node", guest->node));
	}
	return guests;
}

static json_t *pack_vcpus(const struct report *report)
{
	json_t *vcpus = json_array();
	char list[CPULIST_MAX];

	for (size_t v = 0; v < report->sample->nvcpus; v++) {
		const struct cpu_vcpu *vcpu = &report->sample->vcpus[v];
		const struct cpu_vcpu_load *load = &report->plan->vcpus[v];
		json_t *object =
			json_pack("{s:I, s:I, s:I}", "guest", (json_int_t)vcpu->guest, "number",
				  (json_int_t)vcpu->number, "run_ns", (json_int_t)vcpu->run_ns);

		if (vcpu->delay_ns != CPU_NOT_KNOWN)
			json_object_set_new(object, "delay_ns",
					    json_integer((json_int_t)vcpu->delay_ns));
		if (vcpu->pcpu != CPU_FLOATING)
			json_object_set_new(object, "pcpu", json_integer(vcpu->pcpu));
		if (vcpu->realtime)
			json_object_set_new(object, "realtime", json_true());
		if (vcpu->allowed)
			json_object_set_new(
				object, "allowed",
				json_string(cpumap_format(vcpu->allowed, vcpu->allowed_len, list,
							  sizeof(list))));
		if (load->known) {
			json_object_set_new(object, "usage_pct", rounded(load->usage_pct));
			json_object_set_new(object, "demand_pct", rounded(load->demand_pct));
		}
		if (load->known && load->delay_pct >= 0)
			json_object_set_new(object, "delay_pct", rounded(load->delay_pct));
		json_array_append_new(vcpus, object);
	}
	return vcpus;
}

static json_t *pack_pins(const struct report *report)
{
	json_t *pins = json_array();

	for (size_t i = 0; i < report->plan->npins; i++) {
		const struct cpu_pin *pin = &report->plan->pins[i];
		json_t *object = json_pack(
			"{s:I, s:i, s:s, s:s, s:s}", "vcpu", (json_int_t)pin->vcpu, "to", pin->to,
			"reason", cpu_reason_name(pin->reason), "outcome",
			report_outcome_name(report->outcomes[i]), "guest",
			report->name(report->opaque, report->sample->vcpus[pin->vcpu].guest));

		if (pin->from != CPU_FLOATING)
			json_object_set_new(object, "from", json_integer(pin->from));
		json_array_append_new(pins, object);
	}
	return pins;
}

void journal_write_tick(FILE *out, const struct report *report)
{
	const struct cpu_plan *plan = report->plan;

	journal_write_line(
		out, json_pack("{s:s, s:I, s:f, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I}",
			       "type", "tick", "tick", (json_int_t)report->tick, "time_s",
			       report->sample->time_s, "verdict", cpu_verdict_name(plan->verdict),
			       "spread_pct", rounded(plan->spread_pct), "plan_spread_pct",
			       rounded(plan->plan_spread_pct), "pcpus", pack_pcpus(report),
			       "guests", pack_guests(report), "vcpus", pack_vcpus(report), "pins",
			       pack_pins(report), "moves", (json_int_t)plan->moves, "bound",
			       (json_int_t)plan->bound, "undone", (json_int_t)plan->undone));
}

/* --- reading --- */

/* A sample with the memory it stands on. */
struct owned_sample {
	struct cpu_sample sample;
	unsigned char *maps; /* [nvcpus] of PCPU_IDS_MOST / 8 bytes, where one is restricted */
};

static void sample_free(struct owned_sample *owned)
{
	free(owned->sample.pcpus);
	free(owned->sample.guests);
	free(owned->sample.vcpus);
	free(owned->maps);
	*owned = (struct owned_sample){0};
}

/*
 * A whole number within its bounds; a missing one is `otherwise`, unless that is outside the
 * bounds.
 */
static bool read_integer(const json_t *object, const char *key, int64_t least, int64_t most,
			 int64_t otherwise, int64_t *out)
{
	const json_t *value = json_object_get(object, key);

	*out = value ? json_integer_value(value) : otherwise;
	if (value && !json_is_integer(value))
		return false;
	return (!value && otherwise == -1) || (*out >= least && *out <= most);
}

static bool read_real(const json_t *object, const char *key, double least, double most, double *out)
{
	const json_t *value = json_object_get(object, key);

	*out = json_number_value(value);
	return json_is_number(value) && *out >= least && *out <= most;
}

static bool read_pcpu(const json_t *object, struct cpu_pcpu *pcpu, int above)
{
	int64_t id, core, cache, node, busy;

	if (!read_integer(object, "id", above + 1, PCPU_IDS_MOST - 1, -2, &id) ||
	    !read_integer(object, "core", -1, INT32_MAX, -1, &core) ||
	    !read_integer(object, "cache", -1, INT32_MAX, -1, &cache) ||
	    !read_integer(object, "node", -1, INT32_MAX, -1, &node) ||
	    !read_integer(object, "busy_ns", 0, COUNTER_MOST, -1, &busy))
		return false;
	*pcpu = (struct cpu_pcpu){
		.id = (int)id,
		.core = (int)core,
		.cache = (int)cache,
		.node = (int)node,
		.usable = json_is_true(json_object_get(object, "usable")),
		.busy_ns = busy < 0 ? CPU_NOT_KNOWN : (uint64_t)busy,
	};
	return true;
}

static bool read_guest(const json_t *object, struct cpu_guest *guest)
{
	const char *uuid = json_string_value(json_object_get(object, "uuid"));
	int64_t node;

	if (!uuid || uuid_parse(uuid, guest->uuid) ||
	    !read_real(object, "weight", 1e-6, 1e6, &guest->weight) ||
	    !read_real(object, "cap_pct", 1e-3, 100, &guest->cap_pct) ||
	    !read_integer(object, "node", -1, INT32_MAX, -1, &node))
		return false;
	guest->node = (int)node;
	guest->managed = json_is_true(json_object_get(object, "managed"));
	return true;
}

static bool read_vcpu(const json_t *object, struct owned_sample *owned, size_t v)
{
	struct cpu_vcpu *vcpu = &owned->sample.vcpus[v];
	const char *allowed = json_string_value(json_object_get(object, "allowed"));
	int64_t guest, number, run, delay, pcpu;

	if (!read_integer(object, "guest", 0, (int64_t)owned->sample.nguests - 1, -2, &guest) ||
	    !read_integer(object, "number", 0, UINT32_MAX, -2, &number) ||
	    !read_integer(object, "run_ns", 0, COUNTER_MOST, -2, &run) ||
	    !read_integer(object, "delay_ns", 0, COUNTER_MOST, -1, &delay) ||
	    !read_integer(object, "pcpu", 0, PCPU_IDS_MOST - 1, -1, &pcpu))
		return false;
	*vcpu = (struct cpu_vcpu){
		.guest = (size_t)guest,
		.number = (unsigned int)number,
		.run_ns = (uint64_t)run,
		.delay_ns = delay < 0 ? CPU_NOT_KNOWN : (uint64_t)delay,
		.pcpu = pcpu < 0 ? CPU_FLOATING : (int)pcpu,
		.realtime = json_is_true(json_object_get(object, "realtime")),
	};
	if (!allowed)
		return true;
	if (!owned->maps)
		owned->maps = calloc(owned->sample.nvcpus, PCPU_IDS_MOST / 8);
	vcpu->allowed_len = PCPU_IDS_MOST / 8;
	vcpu->allowed = owned->maps ? owned->maps + v * vcpu->allowed_len : NULL;
	return vcpu->allowed &&
	       cpumap_parse(allowed, owned->maps + v * vcpu->allowed_len, vcpu->allowed_len) == 0;
}

static bool read_sample(const json_t *line, struct owned_sample *owned)
{
	const json_t *pcpus = json_object_get(line, "pcpus"), *item;
	const json_t *guests = json_object_get(line, "guests");
	const json_t *vcpus = json_object_get(line, "vcpus");
	struct cpu_sample *s = &owned->sample;
	int above = -1;
	size_t i;

	if (!json_is_array(pcpus) || !json_is_array(guests) || !json_is_array(vcpus) ||
	    !read_real(line, "time_s", 0, 1e12, &s->time_s))
		return false;
	s->npcpus = json_array_size(pcpus);
	s->nguests = json_array_size(guests);
	s->nvcpus = json_array_size(vcpus);
	s->pcpus = calloc(s->npcpus + 1, sizeof(*s->pcpus));
	s->guests = calloc(s->nguests + 1, sizeof(*s->guests));
	s->vcpus = calloc(s->nvcpus + 1, sizeof(*s->vcpus));
	if (!s->pcpus || !s->guests || !s->vcpus)
		return false;
	json_array_foreach(pcpus, i, item)
	{
		if (!read_pcpu(item, &s->pcpus[i], above))
			return false;
		above = s->pcpus[i].id;
	}
	json_array_foreach(guests, i, item)
	{
		if (!read_guest(item, &s->guests[i]))
			return false;
	}
	json_array_foreach(vcpus, i, item)
	{
		if (!read_vcpu(item, owned, i))
			return false;
	}
	return true;
}

static bool read_policy(const json_t *line, struct cpu_policy *policy)
{
	int64_t version, looks, confirm, budget;

	if (!read_integer(line, "version", JOURNAL_VERSION, JOURNAL_VERSION, -2, &version) ||
	    !read_real(line, "threshold_pct", 1e-3, 1e4, &policy->threshold_pct) ||
	    !read_real(line, "cost_pct", 0, 1e4, &policy->cost_pct) ||
	    !read_real(line, "node_cost_pct", 0, 1e4, &policy->node_cost_pct) ||
	    !read_real(line, "due_most", 0.1, 1e4, &policy->due_most) ||
	    !read_real(line, "free_least_pct", 0, 100, &policy->free_least_pct) ||
	    !read_integer(line, "looks_most", 0, 1000, -2, &looks) ||
	    !read_integer(line, "confirm", 1, 2, -2, &confirm) ||
	    !read_integer(line, "node_budget", 0, 10000000, -2, &budget))
		return false;
	policy->looks_most = (unsigned int)looks;
	policy->confirm = (unsigned int)confirm;
	policy->node_budget = (unsigned long)budget;
	return true;
}

/* --- replaying --- */

struct replay {
	FILE *out;
	struct cpu_policy policy;
	struct cpu_state *state;
	struct cpu_plan plan;
	bool started; /* the policy was read */
	unsigned long ticks, different;
};

/* Does the line say what the plan says? */
static bool is_same(const struct cpu_plan *plan, const char *verdict, const json_t *line)
{
	const json_t *pins = json_object_get(line, "pins"), *item;
	size_t i;

	if (strcmp(verdict, cpu_verdict_name(plan->verdict)) != 0 ||
	    json_array_size(pins) != plan->npins)
		return false;
	json_array_foreach(pins, i, item)
	{
		if (json_integer_value(json_object_get(item, "vcpu")) !=
			    (json_int_t)plan->pins[i].vcpu ||
		    json_integer_value(json_object_get(item, "to")) != plan->pins[i].to)
			return false;
	}
	return true;
}

/* NULL, or what is wrong with the line. */
static const char *replay_line(void *opaque, const json_t *line, unsigned long number)
{
	struct replay *r = opaque;
	const char *type = json_string_value(json_object_get(line, "type"));
	const char *verdict = json_string_value(json_object_get(line, "verdict"));
	struct owned_sample owned = {0};
	const char *wrong = "a tick without a whole sample";

	if (type && strcmp(type, "policy") == 0) {
		r->started = true;
		return read_policy(line, &r->policy) ? NULL : "a policy of another version";
	}
	if (!type || strcmp(type, "tick") != 0 || !verdict)
		return "neither a policy nor a tick";
	if (!r->started)
		return "a tick before any policy";
	if (read_sample(line, &owned) &&
	    cpu_plan(r->state, &r->policy, &owned.sample, &r->plan) == 0) {
		wrong = NULL;
		r->ticks++;
		if (!is_same(&r->plan, verdict, line)) {
			r->different++;
			fprintf(r->out,
				"different line=%lu verdict=%s pins=%zu recorded_verdict=%s "
				"recorded_pins=%zu\n",
				number, cpu_verdict_name(r->plan.verdict), r->plan.npins, verdict,
				json_array_size(json_object_get(line, "pins")));
		}
	}
	sample_free(&owned);
	return wrong;
}

int journal_replay(const char *path, FILE *out, char error[JOURNAL_ERROR_MAX])
{
	struct replay r = {.out = out, .state = cpu_state_new()};
	int result = -1;

	if (!r.state)
		snprintf(error, JOURNAL_ERROR_MAX, "out of memory");
	else
		result = replay_lines(path, replay_line, &r, error);
	if (result == 0 && !r.ticks) {
		snprintf(error, JOURNAL_ERROR_MAX, "%.200s: no tick to replay", path);
		result = -1;
	}
	if (result == 0) {
		fprintf(out, "replayed=%lu different=%lu\n", r.ticks, r.different);
		result = r.different ? 1 : 0;
	}
	cpu_plan_free(&r.plan);
	cpu_state_free(r.state);
	return result;
}
