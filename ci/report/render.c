/* SPDX-License-Identifier: MIT */
/* Text, TAP and JUnit from a grade. */
#include "render.h"

#include "feedback.h"
#include "grade_doc.h"
#include "judge/verdict.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool passed(const json_t *object)
{
	return doc_is(object, "result", "pass");
}

/* --- text --- */

struct paint {
	const char *good, *bad, *unsure, *strong, *faint, *off;
};

static const struct paint plain = {"", "", "", "", "", ""};
static const struct paint colours = {"\033[32m", "\033[31m", "\033[33m",
				     "\033[1m",	 "\033[2m",  "\033[0m"};

static const char *result_paint(const struct paint *paint, const char *result)
{
	if (!strcmp(result, "pass"))
		return paint->good;
	return strcmp(result, "fail") ? paint->unsure : paint->bad;
}

static const char *result_word(const char *result)
{
	if (!strcmp(result, "pass"))
		return "ok";
	return strcmp(result, "fail") ? "??" : "FAIL";
}

/* How many columns UTF-8 text takes. */
static int columns_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void pad(FILE *out, const char *text, int width)
{
	fprintf(out, "%s%*s", text, width > columns_of(text) ? width - columns_of(text) : 0, "");
}

/* Width of the column of what was measured, over all scenarios, within reason. */
static int measured_width(const json_t *grade)
{
	json_t *scenario, *finding;
	size_t i, k;
	int width = 0;

	DOC_EACH(grade, "scenarios", i, scenario)
	DOC_EACH(scenario, "expectations", k, finding)
	if (!doc_is(finding, "result", "skipped") &&
	    columns_of(doc_text(finding, "measured")) > width)
		width = columns_of(doc_text(finding, "measured"));
	return width < 60 ? width : 60;
}

static void text_scenario(const json_t *scenario, int width, const struct paint *p, FILE *out)
{
	const char *result = doc_text(scenario, "result");
	char points[DOC_POINTS_MAX], feedback[2 * FINDING_TEXT];
	json_t *finding;
	size_t index;

	fprintf(out, "\n%s%-22s%s ", p->strong, doc_text(scenario, "scenario"), p->off);
	pad(out, doc_text(scenario, "title"), width + 2);
	fprintf(out, "  %s%s%s\n", result_paint(p, result), doc_points(scenario, points), p->off);
	if (doc_world(scenario, points)[0])
		fprintf(out, "  %s..    world: %s%s\n", p->faint, points, p->off);
	if (doc_runs(scenario, points)[0])
		fprintf(out, "  ..    %s\n", points);
	if (doc_text(scenario, "reason")[0])
		fprintf(out, "  %s%-4s%s  %s\n", result_paint(p, result), result_word(result),
			p->off, doc_text(scenario, "reason"));
	if (doc_text(scenario, "repeated")[0])
		fprintf(out,
			"  %s..    this is the second run; the first could not be judged: %s%s\n",
			p->faint, doc_text(scenario, "repeated"), p->off);
	if (doc_text(scenario, "note")[0])
		fprintf(out, "  ..    %s\n", doc_text(scenario, "note"));
	DOC_EACH(scenario, "expectations", index, finding)
	{
		const char *found = doc_text(finding, "result");

		if (!strcmp(found, "skipped"))
			continue;
		fprintf(out, "  %s%-4s%s  %-18s ", result_paint(p, found), result_word(found),
			p->off, doc_text(finding, "name"));
		pad(out, doc_text(finding, "measured"), width);
		fprintf(out, "  %sasked: %s", p->faint, doc_text(finding, "asked"));
		if (doc_text(finding, "control")[0] &&
		    strcmp(doc_text(finding, "control"), doc_text(finding, "measured")) != 0)
			fprintf(out, "; without a program: %s", doc_text(finding, "control"));
		fprintf(out, "%s\n", p->off);
		if (feedback_of(finding, feedback, sizeof(feedback))[0])
			fprintf(out, "        %s\n", feedback);
	}
}

int render_text(const json_t *grade, FILE *out)
{
	const struct paint *p = isatty(fileno(out)) && !getenv("NO_COLOR") ? &colours : &plain;
	int width = measured_width(grade);
	char points[DOC_POINTS_MAX];
	json_t *program, *scenario;
	size_t i, k;

	json_array_foreach(json_object_get(grade, "programs"), i, program)
	{
		const char *name = doc_text(program, "name");

		fprintf(out, "\n%s== %s: %s%s\n", p->strong,
			!strcmp(name, "cpu") ? "vcpu_scheduler" : "memory_coordinator",
			doc_points(program, points), p->off);
		if (doc_text(program, "folder")[0])
			fprintf(out, "%sof %s/%s%s%s\n", p->faint, doc_text(program, "folder"),
				doc_text(program, "passed_over")[0] ? "; passed over: " : "",
				doc_text(program, "passed_over"), p->off);
		if (!json_is_true(json_object_get(program, "built")))
			fprintf(out, "\nIt was not built:\n%s\n", doc_text(program, "message"));
		DOC_EACH(grade, "scenarios", k, scenario)
		if (doc_is(scenario, "kind", name))
			text_scenario(scenario, width, p, out);
	}
	fprintf(out, "\n%s%s%s%s\n", p->strong, result_paint(p, doc_text(grade, "result")),
		doc_points(grade, points), p->off);
	return ferror(out) ? -1 : 0;
}

/* --- TAP --- */

static void tap_yaml(const json_t *scenario, FILE *out)
{
	json_t *finding;
	size_t index;

	fprintf(out, "  ---\n");
	if (doc_text(scenario, "reason")[0]) {
		fprintf(out, "  reason: ");
		json_dumpf(json_object_get(scenario, "reason"), out, JSON_ENCODE_ANY);
		fprintf(out, "\n");
	}
	if (doc_judged(scenario))
		fprintf(out, "  points: %g\n", doc_number(scenario, "points"));
	fprintf(out, "  max_points: %g\n", doc_number(scenario, "max_points"));
	DOC_EACH(scenario, "expectations", index, finding)
	{
		if (!doc_is(finding, "result", "fail"))
			continue;
		/* JSON strings are YAML's too. */
		fprintf(out, "  %s:\n    measured: ", doc_text(finding, "name"));
		json_dumpf(json_object_get(finding, "measured"), out, JSON_ENCODE_ANY);
		fprintf(out, "\n    asked: ");
		json_dumpf(json_object_get(finding, "asked"), out, JSON_ENCODE_ANY);
		fprintf(out, "\n");
	}
	fprintf(out, "  ...\n");
}

int render_tap(const json_t *grade, FILE *out)
{
	json_t *scenario;
	size_t index;

	fprintf(out, "TAP version 14\n1..%zu\n",
		json_array_size(json_object_get(grade, "scenarios")));
	DOC_EACH(grade, "scenarios", index, scenario)
	{
		char why[FINDING_TEXT];

		fprintf(out, "%sok %zu - %s",
			passed(scenario) || !doc_judged(scenario) ? "" : "not ", index + 1,
			doc_text(scenario, "scenario"));
		if (!doc_judged(scenario))
			fprintf(out, " # SKIP not judged: %s", doc_why(scenario, why, sizeof(why)));
		fputc('\n', out);
		if (!passed(scenario))
			tap_yaml(scenario, out);
	}
	return ferror(out) ? -1 : 0;
}

/* --- JUnit --- */

void render_escaped(const char *text, FILE *out)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			if ((unsigned char)*text >= ' ' || *text == '\n' || *text == '\t')
				fputc(*text, out);
		}
}

void render_failures(const json_t *scenario, void (*put)(const char *, FILE *), FILE *out)
{
	char feedback[2 * FINDING_TEXT];
	json_t *finding;
	size_t index;

	if (doc_text(scenario, "note")[0]) {
		put(doc_text(scenario, "note"), out);
		put("\n", out);
	}

	if (doc_text(scenario, "reason")[0]) {
		put(doc_text(scenario, "reason"), out);
		put("\n", out);
	}
	DOC_EACH(scenario, "expectations", index, finding)
	{
		const char *result = doc_text(finding, "result");

		if (strcmp(result, "fail") != 0 && strcmp(result, "unjudged") != 0)
			continue;
		put(doc_text(finding, "name"), out);
		put(": ", out);
		put(doc_text(finding, "measured"), out);
		put("; asked: ", out);
		put(doc_text(finding, "asked"), out);
		put("\n", out);
		if (feedback_of(finding, feedback, sizeof(feedback))[0]) {
			put(feedback, out);
			put("\n", out);
		}
	}
}

static void junit_case(const json_t *scenario, FILE *out)
{
	const char *result = doc_text(scenario, "result");
	const char *element = !strcmp(result, "fail") ? "failure" : "error";

	fprintf(out, "    <testcase classname=\"ballast.%s\" name=\"", doc_text(scenario, "kind"));
	render_escaped(doc_text(scenario, "scenario"), out);
	fprintf(out, "\" time=\"%g\">", doc_number(scenario, "length_s"));
	if (!passed(scenario)) {
		fprintf(out, "\n      <%s message=\"%s\">", element, result);
		render_failures(scenario, render_escaped, out);
		fprintf(out, "</%s>\n    ", element);
	}
	fprintf(out, "</testcase>\n");
}

int render_junit(const json_t *grade, FILE *out)
{
	json_t *program, *scenario;
	size_t i, k;

	fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ballast\">\n");
	json_array_foreach(json_object_get(grade, "programs"), i, program)
	{
		int tests = 0, failed = 0, errors = 0;

		DOC_EACH(grade, "scenarios", k, scenario)
		{
			if (strcmp(doc_text(scenario, "kind"), doc_text(program, "name")) != 0)
				continue;
			tests++;
			failed += doc_is(scenario, "result", "fail");
			errors += doc_is(scenario, "result", "unjudged");
		}
		fprintf(out,
			"  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" "
			"timestamp=\"%.19s\">\n",
			doc_text(program, "name"), tests, failed, errors,
			doc_text(grade, "finished"));
		DOC_EACH(grade, "scenarios", k, scenario)
		if (doc_is(scenario, "kind", doc_text(program, "name")))
			junit_case(scenario, out);
		fprintf(out, "  </testsuite>\n");
	}
	fprintf(out, "</testsuites>\n");
	return ferror(out) ? -1 : 0;
}
