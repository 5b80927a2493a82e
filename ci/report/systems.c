/* SPDX-License-Identifier: MIT */
/* A grade in the forms of systems that keep grades: Gradescope, Autolab, GitHub Classroom,
 * PrairieLearn. In none of them is what was not judged a zero. */
#include "grade_doc.h"
#include "judge/verdict.h"
#include "render.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static bool passed(const json_t *object)
{
	return doc_is(object, "result", "pass");
}

static void put_plain(const char *text, FILE *out)
{
	fputs(text, out);
}

/* Why a scenario got what it got, in lines. */
static json_t *story_of(const json_t *scenario)
{
	char *text = NULL, why[FINDING_TEXT];
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	json_t *story;

	if (!memory)
		return json_string("");
	if (doc_text(scenario, "title")[0])
		fprintf(memory, "%s\n", doc_text(scenario, "title"));
	if (!doc_judged(scenario))
		fprintf(memory, "Not judged, which is no zero: %s\n",
			doc_why(scenario, why, sizeof(why)));
	render_failures(scenario, put_plain, memory);
	fclose(memory);
	story = text_json(text);
	free(text);
	return story;
}

/* "the suite's title: 3 of 10 points" */
static void sum_up(const json_t *grade, char *buf, size_t len)
{
	char points[DOC_POINTS_MAX];

	snprintf(buf, len, "%s: %s%s", doc_text(grade, "suite"), doc_points(grade, points),
		 doc_judged(grade) ? "" : ". Not judged is no zero: it is to be graded again.");
}

/*
 * Moves of all CPU scenarios beyond the fewest that could do it; −1 where one of them did not pass,
 * for whoever moves nothing should not lead.
 */
static double spare_moves(const json_t *grade)
{
	double moves = 0;
	json_t *scenario;
	bool any = false;
	size_t i;

	DOC_EACH(grade, "scenarios", i, scenario)
	{
		const json_t *figures = json_object_get(scenario, "figures");

		if (!doc_is(scenario, "kind", "cpu"))
			continue;
		if (!passed(scenario) || !json_object_get(figures, "moves"))
			return -1;
		moves += doc_number(figures, "moves") - doc_number(figures, "moves_fewest");
		any = true;
	}
	return any ? moves : -1;
}

/* --- Gradescope --- */

/* Where it was not judged there is neither score nor status. */
static json_t *gradescope_test(const json_t *scenario, size_t number)
{
	const char *visibility = doc_text(scenario, "visibility");
	char label[24];
	json_t *test;

	snprintf(label, sizeof(label), "%zu", number);
	test = json_pack("{ss ss sf ss s[s] ss}", "name", doc_text(scenario, "scenario"), "number",
			 label, "max_score", doc_number(scenario, "max_points"), "output_format",
			 "text", "tags", doc_text(scenario, "kind"), "visibility",
			 visibility[0] ? visibility : "visible");
	if (doc_judged(scenario)) {
		json_object_set_new(test, "score", json_real(doc_number(scenario, "points")));
		json_object_set_new(test, "status",
				    json_string(passed(scenario) ? "passed" : "failed"));
	}
	json_object_set_new(test, "output", story_of(scenario));
	return test;
}

/* Without a score, and one test without, Gradescope gives none at all, where a sum of the others
 * would count what was not judged as zero. */
int render_gradescope(const json_t *grade, FILE *out)
{
	json_t *tests = json_array(), *scenario, *doc;
	double moves = spare_moves(grade);
	char output[FINDING_TEXT];
	bool hides = false;
	size_t index;
	int status;

	DOC_EACH(grade, "scenarios", index, scenario)
	{
		hides |= doc_text(scenario, "visibility")[0];
		json_array_append_new(tests, gradescope_test(scenario, index + 1));
	}
	sum_up(grade, output, sizeof(output));
	/* What the grader prints tells of every scenario. */
	doc = json_pack("{so ss so}", "output", text_json(output), "stdout_visibility",
			hides ? "hidden" : "visible", "tests", tests);
	if (doc_judged(grade)) {
		json_object_set_new(doc, "score", json_real(doc_number(grade, "points")));
		json_object_set_new(doc, "leaderboard",
				    json_pack("[{ss sf ss}]", "name", "Points", "value",
					      doc_number(grade, "points"), "order", "desc"));
	}
	if (doc_judged(grade) && moves >= 0)
		json_array_append_new(json_object_get(doc, "leaderboard"),
				      json_pack("{ss sf ss}", "name", "Spare moves", "value", moves,
						"order", "asc"));
	status = json_dumpf(doc, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(doc);
	return status;
}

/* --- Autolab --- */

/* The last line is Autolab's; a problem that it does not name keeps its score empty. */
int render_autolab(const json_t *grade, FILE *out)
{
	json_t *scores = json_object(), *program, *doc;
	char points[DOC_POINTS_MAX];
	size_t index;
	int status;

	json_array_foreach(json_object_get(grade, "programs"), index, program)
	{
		if (doc_judged(program))
			json_object_set(scores, doc_text(program, "name"),
					json_object_get(program, "points"));
		else
			fprintf(out, "%s: %s; it has no score until it is graded again\n",
				doc_text(program, "name"), doc_points(program, points));
	}
	doc = json_pack("{so}", "scores", scores);
	/* In a scoreboard all columns are filled or none: total, and spare moves or a dash. */
	if (doc_judged(grade) && spare_moves(grade) >= 0)
		json_object_set_new(
			doc, "scoreboard",
			json_pack("[ff]", doc_number(grade, "points"), spare_moves(grade)));
	else if (doc_judged(grade))
		json_object_set_new(doc, "scoreboard",
				    json_pack("[fs]", doc_number(grade, "points"), "-"));
	status = json_dumpf(doc, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(doc);
	return status;
}

/* --- GitHub Classroom --- */

static void put_base64(const char *text, FILE *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)text;

	for (size_t len = strlen(text), i = 0; i < len; i += 3) {
		unsigned int n = (unsigned int)in[i] << 16 |
				 (i + 1 < len ? (unsigned int)in[i + 1] << 8 : 0) |
				 (i + 2 < len ? in[i + 2] : 0);

		fputc(digits[n >> 18], out);
		fputc(digits[n >> 12 & 63], out);
		fputc(i + 1 < len ? digits[n >> 6 & 63] : '=', out);
		fputc(i + 2 < len ? digits[n & 63] : '=', out);
	}
}

static json_t *classroom_test(const json_t *scenario)
{
	const char *status = passed(scenario) ? "pass" : doc_judged(scenario) ? "fail" : "error";
	json_t *test = json_pack("{ss ss so ss ss si sf}", "name", doc_text(scenario, "scenario"),
				 "status", status, "message", story_of(scenario), "test_code", "",
				 "filename", "", "line_no", 0, "execution_time",
				 doc_number(scenario, "length_s"));

	if (doc_judged(scenario))
		json_object_set_new(test, "score", json_real(doc_number(scenario, "points")));
	return test;
}

/* A test that was not judged has no score; a grade that was not, no max_score. */
int render_classroom(const json_t *grade, FILE *out)
{
	json_t *tests = json_array(), *seen = grade_for_students(grade), *scenario, *doc;
	char *text;
	size_t index;

	DOC_EACH(seen, "scenarios", index, scenario)
	json_array_append_new(tests, classroom_test(scenario));
	doc = json_pack("{si ss so}", "version", 1, "status",
			passed(grade)	    ? "pass"
			: doc_judged(grade) ? "fail"
					    : "error",
			"tests", tests);
	if (doc_judged(grade))
		json_object_set_new(doc, "max_score", json_real(doc_number(grade, "max_points")));
	text = json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(6));
	if (text) {
		put_base64(text, out);
		fputc('\n', out);
	}
	free(text);
	json_decref(doc);
	json_decref(seen);
	return text ? 0 : -1;
}

/* --- PrairieLearn --- */

static json_t *prairielearn_test(const json_t *scenario)
{
	json_t *test = json_pack("{ss ss sf so}", "name", doc_text(scenario, "scenario"),
				 "description", doc_text(scenario, "title"), "max_points",
				 doc_number(scenario, "max_points"), "output", story_of(scenario));

	json_object_set_new(test, "points", json_real(doc_number(scenario, "points")));
	return test;
}

/* What was not judged is not gradable: PrairieLearn then does not count the attempt. */
int render_prairielearn(const json_t *grade, FILE *out)
{
	json_t *tests = json_array(), *seen = grade_for_students(grade), *scenario, *doc;
	double max_points = doc_number(grade, "max_points");
	char output[FINDING_TEXT];
	size_t index;
	int status;

	sum_up(grade, output, sizeof(output));
	doc = json_pack("{sb so so}", "gradable", doc_judged(grade), "message", text_json(output),
			"tests", tests);
	DOC_EACH(seen, "scenarios", index, scenario)
	if (doc_judged(scenario))
		json_array_append_new(tests, prairielearn_test(scenario));
	if (doc_judged(grade))
		json_object_set_new(
			doc, "score",
			json_real(max_points > 0 ? doc_number(grade, "points") / max_points : 0));
	else
		json_object_set_new(doc, "format_errors", text_json(output));
	status = json_dumpf(doc, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(doc);
	json_decref(seen);
	return status;
}
