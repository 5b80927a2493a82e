/* SPDX-License-Identifier: MIT */
/* The log that can be replayed. */
#include "journal.h"

#include "replay.h"
#include "uuid.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL_VERSION 1

/* Every figure of a guest, once: for writing and for reading. */
static const struct {
	const char *name;
	size_t offset;
} figures[] = {
	{"maximum_kib", offsetof(struct mem_guest, maximum_kib)},
	{"actual_kib", offsetof(struct mem_guest, actual_kib)},
	{"made_s", offsetof(struct mem_guest, made_s)},
	{"unused_kib", offsetof(struct mem_guest, unused_kib)},
	{"usable_kib", offsetof(struct mem_guest, usable_kib)},
	{"total_kib", offsetof(struct mem_guest, total_kib)},
	{"swap_in_kib", offsetof(struct mem_guest, swap_in_kib)},
	{"swap_out_kib", offsetof(struct mem_guest, swap_out_kib)},
	{"major_faults", offsetof(struct mem_guest, major_faults)},
	{"rss_kib", offsetof(struct mem_guest, rss_kib)},
	{"reserve_kib", offsetof(struct mem_guest, reserve_kib)},
	{"floor_kib", offsetof(struct mem_guest, floor_kib)},
};

static const struct {
	const char *name;
	size_t offset;
	bool real;
} settings[] = {
	{"interval_s", offsetof(struct mem_policy, interval_s), true},
	{"period_s", offsetof(struct mem_policy, period_s), true},
	{"reserve_kib", offsetof(struct mem_policy, reserve_kib), false},
	{"floor_kib", offsetof(struct mem_policy, floor_kib), false},
	{"host_reserve_kib", offsetof(struct mem_policy, host_reserve_kib), false},
	{"budget_kib", offsetof(struct mem_policy, budget_kib), false},
	{"release_kib", offsetof(struct mem_policy, release_kib), false},
	{"release_pct", offsetof(struct mem_policy, release_pct), true},
	{"guard_kib_s", offsetof(struct mem_policy, guard_kib_s), false},
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* --- writing --- */

void journal_write_policy(FILE *out, const struct mem_policy *policy)
{
	json_t *object = json_pack("{s:b}", "respect_others", policy->respect_others);

	for (size_t i = 0; i < LENGTH(settings); i++) {
		const char *at = (const char *)policy + settings[i].offset;

		json_object_set_new(object, settings[i].name,
				    settings[i].real
					    ? json_real(*(const double *)(const void *)at)
					    : json_integer(*(const int64_t *)(const void *)at));
	}
	journal_write_line(out, json_pack("{s:s, s:i, s:o}", "type", "policy", "version",
					  JOURNAL_VERSION, "policy", object));
}

static json_t *pack_guest(const struct mem_guest *g, const char *name)
{
	char uuid[UUID_TEXT_LEN];
	json_t *object = json_pack("{s:s?, s:s, s:b, s:b, s:b, s:i}", "name", name, "uuid",
				   uuid_format(g->uuid, uuid), "managed", g->managed, "running",
				   g->running, "balloon", g->balloon, "weight", g->weight);

	for (size_t i = 0; i < LENGTH(figures); i++) {
		const char *at = (const char *)g + figures[i].offset;
		int64_t value = *(const int64_t *)(const void *)at;

		if (value != MEM_NOT_KNOWN)
			json_object_set_new(object, figures[i].name, json_integer(value));
	}
	return object;
}

static json_t *pack_sample(const struct report *t)
{
	const struct mem_sample *s = t->sample;
	json_t *guests = json_array();

	for (size_t g = 0; g < s->nguests; g++)
		json_array_append_new(guests, pack_guest(&s->guests[g], t->name(t->opaque, g)));
	return json_pack("{s:f, s:f, s:I, s:I, s:o}", "time_s", s->time_s, "wall_s", s->wall_s,
			 "host_total_kib", (json_int_t)s->host_total_kib, "host_available_kib",
			 (json_int_t)s->host_available_kib, "guests", guests);
}

static json_t *pack_sets(const struct report *t)
{
	static const char *const outcomes[] = {"made", "failed", "dry-run"};
	json_t *sets = json_array();

	for (size_t i = 0; i < t->plan->nsets; i++) {
		const struct mem_set *set = &t->plan->sets[i];
		const struct mem_view *view = &t->plan->views[set->guest];

		json_array_append_new(
			sets,
			json_pack("{s:I, s:s?, s:I, s:I, s:s, s:I, s:I, s:I, s:s}", "guest",
				  (json_int_t)set->guest, "name", t->name(t->opaque, set->guest),
				  "from_kib", (json_int_t)set->from_kib, "to_kib",
				  (json_int_t)set->to_kib, "reason", mem_reason_name(set->reason),
				  "used_kib", (json_int_t)view->used_kib, "need_kib",
				  (json_int_t)view->need_kib, "want_kib",
				  (json_int_t)view->want_kib, "outcome", outcomes[t->outcomes[i]]));
	}
	return sets;
}

void journal_write_tick(FILE *out, const struct report *t)
{
	const struct mem_plan *p = t->plan;
	json_t *notes = json_array(), *resumes = json_array(), *line;
	char uuid[UUID_TEXT_LEN];

	for (size_t i = 0; i < p->nnotes; i++)
		json_array_append_new(notes,
				      json_pack("{s:s?, s:s, s:s}", "name",
						t->name(t->opaque, p->notes[i].guest), "what",
						mem_happening_name(p->notes[i].what), "condition",
						mem_condition_name(p->notes[i].condition)));
	for (size_t i = 0; i < t->nresumes; i++)
		json_array_append_new(resumes,
				      json_pack("{s:s, s:I}", "uuid",
						uuid_format(t->resumes[i].uuid, uuid), "target_kib",
						(json_int_t)t->resumes[i].target_kib));
	line = json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
			 "type", "tick", "tick", (json_int_t)t->tick, "level",
			 mem_level_name(p->level), "host_reserve_kib",
			 (json_int_t)p->host_reserve_kib, "promised_kib",
			 (json_int_t)p->promised_kib, "room_kib", (json_int_t)p->room_kib,
			 "actual_kib", (json_int_t)p->actual_kib, "need_kib",
			 (json_int_t)p->need_kib, "want_kib", (json_int_t)p->want_kib, "short_kib",
			 (json_int_t)p->short_kib, "held", (json_int_t)p->held, "sets",
			 pack_sets(t), "notes", notes, "sample", pack_sample(t));
	if (line && t->nresumes)
		json_object_set(line, "resumed", resumes);
	json_decref(resumes);
	journal_write_line(out, line);
}

/* --- reading --- */

struct replay {
	FILE *out;
	const char *wrong; /* with the present line */
	unsigned long line;
	bool have_policy;
	struct mem_policy policy;
	struct mem_state *state;
	struct mem_plan plan;
	struct mem_guest *guests;
	unsigned long ticks, differences;
};

static int wrong(struct replay *r, const char *what)
{
	r->wrong = what;
	return -1;
}

static int read_integer(const json_t *object, const char *key, int64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return -1;
	*out = json_integer_value(value);
	return 0;
}

static int read_real(const json_t *object, const char *key, double least, double most, double *out)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_number(value) || !isfinite(json_number_value(value)) ||
	    json_number_value(value) < least || json_number_value(value) > most)
		return -1;
	*out = json_number_value(value);
	return 0;
}

static int read_policy(struct replay *r, const json_t *line)
{
	const json_t *object = json_object_get(line, "policy");
	int64_t version = 0;

	if (read_integer(line, "version", &version) || version != JOURNAL_VERSION)
		return wrong(r, "a log of another version");
	for (size_t i = 0; i < LENGTH(settings); i++) {
		char *at = (char *)&r->policy + settings[i].offset;
		int64_t kib = 0;

		if (settings[i].real) {
			if (read_real(object, settings[i].name, 0.01, 1e6, (double *)(void *)at))
				return wrong(r, settings[i].name);
			continue;
		}
		if (read_integer(object, settings[i].name, &kib) || kib < MEM_NOT_KNOWN ||
		    kib > MEM_KIB_MOST)
			return wrong(r, settings[i].name);
		*(int64_t *)(void *)at = kib;
	}
	r->policy.respect_others = json_is_true(json_object_get(object, "respect_others"));
	r->have_policy = true;
	/* Another run was appended to the same file. */
	mem_state_free(r->state);
	r->state = mem_state_new();
	return r->state ? 0 : wrong(r, "out of memory");
}

static int read_guest(struct replay *r, const json_t *object, struct mem_guest *g)
{
	const char *uuid = json_string_value(json_object_get(object, "uuid"));
	int64_t weight = 0;

	*g = (struct mem_guest){
		.managed = json_is_true(json_object_get(object, "managed")),
		.running = json_is_true(json_object_get(object, "running")),
		.balloon = json_is_true(json_object_get(object, "balloon")),
	};
	if (!uuid || uuid_parse(uuid, g->uuid))
		return wrong(r, "a guest without UUID");
	for (size_t i = 0; i < LENGTH(figures); i++) {
		char *at = (char *)g + figures[i].offset;
		int64_t value = MEM_NOT_KNOWN;

		if (json_object_get(object, figures[i].name) &&
		    read_integer(object, figures[i].name, &value))
			return wrong(r, figures[i].name);
		*(int64_t *)(void *)at = value < MEM_NOT_KNOWN ? MEM_NOT_KNOWN : value;
	}
	if (read_integer(object, "weight", &weight) || weight < 0 || weight > MEM_WEIGHT_MOST)
		return wrong(r, "weight");
	g->weight = (int)weight;
	return 0;
}

static int read_sample(struct replay *r, const json_t *object, struct mem_sample *s)
{
	const json_t *guests = json_object_get(object, "guests"), *item;
	struct mem_guest *grown;
	size_t i;

	if (read_real(object, "time_s", 0, 1e12, &s->time_s) ||
	    read_real(object, "wall_s", -1, 1e12, &s->wall_s) ||
	    read_integer(object, "host_total_kib", &s->host_total_kib) ||
	    read_integer(object, "host_available_kib", &s->host_available_kib) ||
	    !json_is_array(guests))
		return wrong(r, "a tick without a whole sample");
	s->nguests = json_array_size(guests);
	grown = realloc(r->guests, (s->nguests + 1) * sizeof(*grown));
	if (!grown)
		return wrong(r, "out of memory");
	r->guests = s->guests = grown;
	json_array_foreach(guests, i, item)
	{
		if (read_guest(r, item, &s->guests[i]))
			return -1;
	}
	return 0;
}

static int resume_all(struct replay *r, const json_t *line)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(line, "resumed"), i, item)
	{
		const char *text = json_string_value(json_object_get(item, "uuid"));
		unsigned char uuid[MEM_UUID_LEN];
		int64_t kib = 0;

		if (!text || uuid_parse(text, uuid) || read_integer(item, "target_kib", &kib))
			return wrong(r, "resumed");
		if (mem_resume(r->state, uuid, kib))
			return wrong(r, "out of memory");
	}
	return 0;
}

/* Compares one set; tells the policy what became of it. */
static void compare_set(struct replay *r, const json_t *recorded, size_t i)
{
	const struct mem_set *set = &r->plan.sets[i];
	const char *outcome = json_string_value(json_object_get(recorded, "outcome"));
	int64_t guest = -1, to = -1;

	read_integer(recorded, "guest", &guest);
	read_integer(recorded, "to_kib", &to);
	if (guest != (int64_t)set->guest || to != set->to_kib) {
		r->differences++;
		fprintf(r->out,
			"different line=%lu guest=%zu to_mib=%lld reason=%s recorded_guest=%lld "
			"recorded_to_mib=%lld\n",
			r->line, set->guest, (long long)set->to_kib / 1024,
			mem_reason_name(set->reason), (long long)guest, (long long)to / 1024);
	}
	if (outcome && strcmp(outcome, "made") != 0)
		mem_refused(r->state, &r->plan, i, !strcmp(outcome, "failed"));
}

static int read_tick(struct replay *r, const json_t *line)
{
	const json_t *sets = json_object_get(line, "sets");
	struct mem_sample sample = {0};

	if (!r->have_policy)
		return wrong(r, "a tick before any policy");
	if (!json_is_array(sets))
		return wrong(r, "a tick without sets");
	if (read_sample(r, json_object_get(line, "sample"), &sample) || resume_all(r, line))
		return -1;
	if (mem_plan(r->state, &r->policy, &sample, &r->plan))
		return wrong(r, "out of memory");
	r->ticks++;
	if (r->plan.nsets != json_array_size(sets)) {
		r->differences++;
		fprintf(r->out, "different line=%lu sets=%zu recorded_sets=%zu\n", r->line,
			r->plan.nsets, json_array_size(sets));
	}
	for (size_t i = 0; i < r->plan.nsets; i++)
		compare_set(r, json_array_get(sets, i), i);
	return 0;
}

static const char *replay_line(void *opaque, const json_t *line, unsigned long number)
{
	struct replay *r = opaque;
	const char *type = json_string_value(json_object_get(line, "type"));

	r->line = number;
	r->wrong = NULL;
	if (type && !strcmp(type, "policy"))
		read_policy(r, line);
	else if (type && !strcmp(type, "tick"))
		read_tick(r, line);
	else
		wrong(r, "neither a policy nor a tick");
	return r->wrong;
}

int journal_replay(const char *path, FILE *out, char error[JOURNAL_ERROR_MAX])
{
	struct replay r = {.out = out};
	int result = replay_lines(path, replay_line, &r, error);

	if (result == 0 && !r.ticks) {
		snprintf(error, JOURNAL_ERROR_MAX, "%.200s: no tick to replay", path);
		result = -1;
	}
	if (result == 0) {
		fprintf(out, "replayed=%lu different=%lu\n", r.ticks, r.differences);
		result = r.differences > 0;
	}
	free(r.guests);
	mem_plan_free(&r.plan);
	mem_state_free(r.state);
	return result;
}
