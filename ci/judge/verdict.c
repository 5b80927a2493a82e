/* SPDX-License-Identifier: MIT */
/* Collects findings into a verdict document and writes it out for people. */
#include "verdict.h"

#include "log.h"
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static const char *const result_names[] = {
	[RESULT_PASS] = "pass",
	[RESULT_FAIL] = "fail",
	[RESULT_UNJUDGED] = "unjudged",
	[RESULT_SKIPPED] = "skipped",
};

const char *result_name(enum result result)
{
	return result_names[result];
}

void verdict_init(struct verdict *v)
{
	*v = (struct verdict){.expectations = json_array(), .figures = json_object()};
}

static void set_number(json_t *object, const char *key, double value)
{
	if (isfinite(value))
		json_object_set_new(object, key, json_real(value));
}

void verdict_add(struct verdict *v, const struct finding *f)
{
	json_t *object =
		json_pack("{ss ss so so}", "name", f->name, "result", result_name(f->result),
			  "asked", text_json(f->asked), "measured", text_json(f->measured));

	set_number(object, "value", f->value);
	set_number(object, "limit", f->limit);
	set_number(object, "error", f->error);
	if (isfinite(f->limit))
		json_object_set_new(object, "bound", json_string(f->least ? "least" : "most"));
	set_number(object, "from_s", f->from_s);
	set_number(object, "to_s", f->to_s);
	if (f->because && f->result == RESULT_FAIL)
		json_object_set_new(object, "because", json_string(f->because));
	json_array_append_new(v->expectations, object);

	v->failed |= f->result == RESULT_FAIL;
	v->fatal |= f->result == RESULT_FAIL && f->fatal;
	v->unjudged |= f->result == RESULT_UNJUDGED;
}

static json_t *find_failure(const struct verdict *v, const char *name)
{
	json_t *finding;
	size_t index;

	json_array_foreach(v->expectations, index, finding)
	{
		const char *is = json_string_value(json_object_get(finding, "name"));
		const char *result = json_string_value(json_object_get(finding, "result"));

		if (!strcmp(is, name) && !strcmp(result, result_name(RESULT_FAIL)))
			return finding;
	}
	return NULL;
}

void verdict_follows(struct verdict *v, const char *name, const char *from)
{
	json_t *finding = find_failure(v, name);

	if (finding && !json_object_get(finding, "because") && find_failure(v, from))
		json_object_set_new(finding, "because", json_string(from));
}

void verdict_figure(struct verdict *v, const char *name, double value)
{
	set_number(v->figures, name, value);
}

void verdict_cannot_judge(struct verdict *v, const char *format, ...)
{
	va_list args;

	if (v->reason[0])
		return;
	va_start(args, format);
	vsnprintf(v->reason, sizeof(v->reason), format, args);
	va_end(args);
}

void verdict_settle(struct verdict *v)
{
	if (v->fatal)
		v->result = RESULT_FAIL;
	else if (v->reason[0])
		v->result = RESULT_UNJUDGED;
	else if (v->failed)
		v->result = RESULT_FAIL;
	else
		v->result = v->unjudged ? RESULT_UNJUDGED : RESULT_PASS;
}

json_t *verdict_document(const struct verdict *v, json_t *header)
{
	json_object_set_new(header, "result", json_string(result_name(v->result)));
	if (v->reason[0] && v->result == RESULT_UNJUDGED)
		json_object_set_new(header, "reason", text_json(v->reason));
	json_object_set(header, "expectations", v->expectations);
	json_object_set(header, "figures", v->figures);
	return header;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

void verdict_print(const json_t *document, FILE *out)
{
	size_t index;
	json_t *finding;

	fprintf(out, "%s: %s\n", text_of(document, "scenario"), text_of(document, "result"));
	if (text_of(document, "reason")[0])
		fprintf(out, "  cannot judge: %s\n", text_of(document, "reason"));
	json_array_foreach(json_object_get(document, "expectations"), index, finding) fprintf(
		out, "  %-8s  %-18s  %s; asked: %s\n", text_of(finding, "result"),
		text_of(finding, "name"), text_of(finding, "measured"), text_of(finding, "asked"));
}

int verdict_status(enum result result)
{
	switch (result) {
	case RESULT_PASS:
		return EXIT_PASS;
	case RESULT_FAIL:
		return EXIT_FAIL;
	default:
		return EXIT_LAB;
	}
}

void verdict_free(struct verdict *v)
{
	json_decref(v->expectations);
	json_decref(v->figures);
}
