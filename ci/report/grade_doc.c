/* SPDX-License-Identifier: MIT */
/* Puts a grade together: verdicts in, points out. */
#include "grade_doc.h"

#include "credit.h"
#include "judge/verdict.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of a compiler's messages: enough to see the first error. */
#define MESSAGE_MAX 4000

const char *doc_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

double doc_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool doc_is(const json_t *object, const char *key, const char *text)
{
	return !strcmp(doc_text(object, key), text);
}

json_t *doc_find(const json_t *list, const char *key, const char *text)
{
	json_t *element;
	size_t i;

	json_array_foreach((json_t *)list, i, element)
	{
		if (doc_is(element, key, text))
			return element;
	}
	return NULL;
}

bool doc_judged(const json_t *object)
{
	const json_t *judged = json_object_get(object, "judged_points");

	return judged ? json_number_value(judged) >= doc_number(object, "max_points")
		      : json_object_get(object, "points") != NULL;
}

const char *doc_points(const json_t *object, char buf[DOC_POINTS_MAX])
{
	double points = doc_number(object, "points"), max_points = doc_number(object, "max_points");
	double judged = doc_number(object, "judged_points");

	if (doc_judged(object))
		snprintf(buf, DOC_POINTS_MAX, "%g of %g points", points, max_points);
	else if (judged > 0)
		snprintf(buf, DOC_POINTS_MAX, "%g of the %g points that were judged, of %g", points,
			 judged, max_points);
	else
		snprintf(buf, DOC_POINTS_MAX, "not judged, of %g points", max_points);
	return buf;
}

const char *doc_runs(const json_t *scenario, char buf[DOC_POINTS_MAX])
{
	const json_t *runs = json_object_get(scenario, "runs");
	int count = (int)doc_number(runs, "count"), judged = (int)doc_number(runs, "judged");

	buf[0] = '\0';
	if (runs && judged)
		snprintf(buf, DOC_POINTS_MAX, "%g to %g over %d runs", doc_number(runs, "least"),
			 doc_number(runs, "most"), judged);
	if (runs && judged < count)
		snprintf(buf + strlen(buf), DOC_POINTS_MAX - strlen(buf), "%s%d not judged",
			 judged ? ", " : "", count - judged);
	return buf;
}

const char *doc_world(const json_t *scenario, char buf[DOC_POINTS_MAX])
{
	const json_t *seed = json_object_get(scenario, "seed");

	snprintf(buf, DOC_POINTS_MAX, "%s", doc_text(scenario, "world"));
	if (buf[0] && json_is_number(seed))
		snprintf(buf + strlen(buf), DOC_POINTS_MAX - strlen(buf), ", seed %.0f",
			 json_number_value(seed));
	return buf;
}

const char *doc_why(const json_t *scenario, char *buf, size_t len)
{
	json_t *finding;
	size_t i;

	buf[0] = '\0';
	if (strcmp(doc_text(scenario, "result"), result_name(RESULT_UNJUDGED)) != 0)
		return buf;
	snprintf(buf, len, "%s", doc_text(scenario, "reason"));
	json_array_foreach(json_object_get(scenario, "expectations"), i,
			   finding) if (!buf[0] && !strcmp(doc_text(finding, "result"),
							   result_name(RESULT_UNJUDGED)))
		snprintf(buf, len, "%s: %s", doc_text(finding, "name"),
			 doc_text(finding, "measured"));
	return buf;
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, text_json(text));
}

/* The beginning of a file, or with tail its last line that is not empty; "" if it cannot be read.
 */
static void read_some(const char *path, bool tail, char *buf, size_t len)
{
	char line[512];
	FILE *file = fopen(path, "re");
	size_t n;

	buf[0] = '\0';
	if (!file)
		return;
	if (tail) {
		while (fgets(line, sizeof(line), file)) {
			line[strcspn(line, "\n")] = '\0';
			if (line[0])
				snprintf(buf, len, "%s", line);
		}
	} else {
		n = fread(buf, 1, len - 1, file);
		buf[n] = '\0';
		text_clean(buf, n);
	}
	fclose(file);
}

/* A scenario nobody judged. */
static json_t *unjudged(const struct suite_entry *entry, const struct grade_program *program,
			const char *dir, const char *stem)
{
	bool built = !program->log;
	char path[4096], reason[FINDING_TEXT] = "";
	json_t *doc = json_pack("{si ss ss ss ss so so}", "version", VERDICT_VERSION, "scenario",
				entry->name, "title", entry->title, "kind",
				entry->kind == SCENARIO_CPU ? "cpu" : "memory", "result",
				result_name(built ? RESULT_UNJUDGED : RESULT_FAIL), "expectations",
				json_array(), "figures", json_object());

	snprintf(path, sizeof(path), "%s/%s.log", dir, stem);
	if (!built)
		snprintf(reason, sizeof(reason), "%s was not built", scenario_program(entry->kind));
	else
		read_some(path, true, reason, sizeof(reason));
	set_text(doc, "reason", reason[0] ? reason : "it was not run");
	return doc;
}

/* What was measured without any program, beside what was measured with it. */
static void add_control(json_t *doc, const json_t *control)
{
	json_t *finding;
	size_t i;

	json_object_set_new(doc, "control", json_string(credit_is_free(control) ? "pass" : "fail"));
	json_array_foreach(json_object_get(doc, "expectations"), i, finding)
	{
		const json_t *other = credit_same_finding(control, finding);

		if (other && !credit_is_condition(finding))
			json_object_set(finding, "control", json_object_get(other, "measured"));
	}
}

/* One run of a scenario: the files of DIR that begin with stem. */
static json_t *run_doc(const struct suite *suite, const struct suite_entry *entry, const char *stem,
		       const struct grade_program *program, const char *dir,
		       char error[SUITE_ERROR_MAX])
{
	char path[4096], again[FINDING_TEXT];
	json_error_t where;
	json_t *doc, *control;

	snprintf(path, sizeof(path), "%s/%s.json", dir, stem);
	if (program->log || access(path, F_OK) != 0) {
		doc = unjudged(entry, program, dir, stem);
	} else {
		doc = json_load_file(path, 0, &where);
		if (!doc || strcmp(doc_text(doc, "scenario"), entry->name) != 0) {
			snprintf(error, SUITE_ERROR_MAX, "%.300s: %s", path,
				 doc ? "not the verdict of that scenario" : where.text);
			json_decref(doc);
			return NULL;
		}
	}
	snprintf(path, sizeof(path), "%s/%s.again", dir, stem);
	read_some(path, true, again, sizeof(again));
	if (again[0] && !program->log)
		set_text(doc, "repeated", again);
	json_object_set_new(doc, "max_points", json_real(entry->points));
	if (entry->visibility && strcmp(entry->visibility, "visible") != 0)
		set_text(doc, "visibility", entry->visibility);
	snprintf(path, sizeof(path), "%s/%s.control.json", dir, stem);
	control = json_load_file(path, 0, NULL);
	/* Not judged is no zero: there are no points then, neither got nor missed. */
	if (strcmp(doc_text(doc, "result"), result_name(RESULT_UNJUDGED)) != 0)
		json_object_set_new(doc, "points",
				    json_real(entry->points * credit_of(suite, doc, control)));
	if (control)
		add_control(doc, control);
	json_decref(control);
	return doc;
}

/* By points, the lowest first; what was not judged last. */
static int by_points(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double left = doc_number(x, "points"), right = doc_number(y, "points");

	if (doc_judged(x) != doc_judged(y))
		return doc_judged(x) ? -1 : 1;
	return left < right ? -1 : left > right;
}

/* The run that stands for all of them, with the points that count and how they are spread. */
static json_t *choose_run(enum suite_counts counts, json_t *runs[], size_t nruns)
{
	size_t njudged = 0;
	double sum = 0;
	json_t *chosen;

	qsort(runs, nruns, sizeof(*runs), by_points);
	for (; njudged < nruns && doc_judged(runs[njudged]); njudged++)
		sum += doc_number(runs[njudged], "points");
	chosen = runs[counts == COUNTS_MEDIAN && njudged ? (njudged - 1) / 2 : 0];
	if (nruns > 1)
		json_object_set_new(
			chosen, "runs",
			json_pack("{si si sf sf}", "count", (int)nruns, "judged", (int)njudged,
				  "least", doc_number(runs[0], "points"), "most",
				  doc_number(runs[njudged ? njudged - 1 : 0], "points")));
	if (counts == COUNTS_MEAN && njudged)
		json_object_set_new(chosen, "points", json_real(sum / (double)njudged));
	return json_incref(chosen);
}

/* The runs of a scenario: NAME, and NAME.2, NAME.3, … where it was repeated. */
static json_t *scenario_doc(const struct suite *suite, const struct suite_entry *entry,
			    const struct grade_program *program, const char *dir,
			    char error[SUITE_ERROR_MAX])
{
	char stem[SCENARIO_NAME_MAX + 16], path[4096];
	json_t *runs[GRADE_RUNS_MAX], *doc = NULL;
	size_t nruns = 0;

	snprintf(stem, sizeof(stem), "%s", entry->name);
	do {
		runs[nruns] = run_doc(suite, entry, stem, program, dir, error);
		if (!runs[nruns])
			goto out;
		nruns++;
		snprintf(stem, sizeof(stem), "%s.%zu", entry->name, nruns + 1);
		snprintf(path, sizeof(path), "%s/%s.log", dir, stem);
	} while (!program->log && nruns < GRADE_RUNS_MAX && access(path, F_OK) == 0);
	doc = choose_run(suite->counts, runs, nruns);
out:
	while (nruns > 0)
		json_decref(runs[--nruns]);
	return doc;
}

/* So much of another scenario's points shows that a program can act; less may be luck. */
#define SHOWN_SHARE 0.1

/*
 * Staying still earns only where the program has shown that it can act: where it got next to
 * nothing in any scenario that asks for more than no program does, it gets nothing for those that
 * do not.
 */
static void take_back_free(json_t *scenarios, const char *kind)
{
	bool asked = false, shown = false;
	json_t *scenario;
	size_t i;

	json_array_foreach(scenarios, i, scenario)
	{
		if (strcmp(doc_text(scenario, "kind"), kind) != 0 ||
		    strcmp(doc_text(scenario, "control"), "fail") != 0)
			continue;
		asked |= doc_judged(scenario);
		shown |= !doc_judged(scenario) ||
			 doc_number(scenario, "points") >=
				 SHOWN_SHARE * doc_number(scenario, "max_points");
	}
	if (!asked || shown)
		return;
	json_array_foreach(scenarios, i, scenario)
	{
		if (strcmp(doc_text(scenario, "kind"), kind) != 0 ||
		    strcmp(doc_text(scenario, "control"), "pass") != 0 ||
		    doc_number(scenario, "points") <= 0)
			continue;
		json_object_set_new(scenario, "points", json_real(0));
		set_text(scenario, "note",
			 "no points for staying still: no other scenario shows that the program "
			 "can act");
	}
}

static json_t *program_doc(const struct grade_program *program, const json_t *scenarios)
{
	double points = 0, max_points = 0, judged = 0;
	char message[MESSAGE_MAX];
	json_t *scenario, *doc;
	int count = 0;
	size_t index;

	json_array_foreach((json_t *)scenarios, index, scenario)
	{
		if (strcmp(doc_text(scenario, "kind"), program->name) != 0)
			continue;
		points += doc_number(scenario, "points");
		max_points += doc_number(scenario, "max_points");
		judged += doc_judged(scenario) ? doc_number(scenario, "max_points") : 0;
		count++;
	}
	doc = json_pack("{ss sb sf sf sf si}", "name", program->name, "built", !program->log,
			"points", points, "max_points", max_points, "judged_points", judged,
			"scenarios", count);
	if (program->folder)
		set_text(doc, "folder", program->folder);
	if (program->others)
		set_text(doc, "passed_over", program->others);
	if (program->log) {
		read_some(program->log, false, message, sizeof(message));
		set_text(doc, "message", message);
	}
	return doc;
}

/* One failure fails the grade; nothing failed but something unjudged leaves it so. */
static enum result overall(const json_t *scenarios)
{
	enum result result = RESULT_PASS;
	json_t *scenario;
	size_t index;

	json_array_foreach((json_t *)scenarios, index, scenario)
	{
		if (!strcmp(doc_text(scenario, "result"), "fail"))
			return RESULT_FAIL;
		if (strcmp(doc_text(scenario, "result"), "pass") != 0)
			result = RESULT_UNJUDGED;
	}
	return result;
}

static void add_totals(json_t *doc, const struct grade_program programs[2], const json_t *scenarios)
{
	json_t *list = json_array();
	double points = 0, max_points = 0, judged = 0;

	for (int i = 0; i < 2; i++) {
		json_t *program = program_doc(&programs[i], scenarios);

		points += doc_number(program, "points");
		max_points += doc_number(program, "max_points");
		judged += doc_number(program, "judged_points");
		if (doc_number(program, "scenarios") > 0) /* the suite asks for it */
			json_array_append(list, program);
		json_decref(program);
	}
	json_object_set_new(doc, "result", json_string(result_name(overall(scenarios))));
	json_object_set_new(doc, "points", json_real(points));
	json_object_set_new(doc, "max_points", json_real(max_points));
	json_object_set_new(doc, "judged_points", json_real(judged));
	json_object_set_new(doc, "programs", list);
}

json_t *grade_merge(const struct suite *suite, const struct grade_submission *submission,
		    const char *dir, char error[SUITE_ERROR_MAX])
{
	json_t *doc = json_object(), *scenarios = json_array();
	char started[32];
	time_t now = time(NULL);
	struct tm tm;

	for (size_t i = 0; i < suite->nentries; i++) {
		const struct suite_entry *entry = &suite->entries[i];
		json_t *scenario = scenario_doc(
			suite, entry, &submission->programs[entry->kind == SCENARIO_MEMORY], dir,
			error);

		if (!scenario) {
			json_decref(scenarios);
			json_decref(doc);
			return NULL;
		}
		json_array_append_new(scenarios, scenario);
	}
	take_back_free(scenarios, "cpu");
	take_back_free(scenarios, "memory");
	strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_object_set_new(doc, "version", json_integer(VERDICT_VERSION));
	set_text(doc, "suite", suite->title);
	set_text(doc, "submission", submission->name);
	if (submission->commit)
		set_text(doc, "commit", submission->commit);
	json_object_set_new(doc, "finished", json_string(started));
	add_totals(doc, submission->programs, scenarios);
	json_object_set_new(doc, "scenarios", scenarios);
	return doc;
}

json_t *grade_read(const char *path, char error[SUITE_ERROR_MAX])
{
	json_error_t where;
	json_t *doc = json_load_file(path, 0, &where);

	if (!doc) {
		snprintf(error, SUITE_ERROR_MAX, "%.300s:%d: %s", path, where.line, where.text);
		return NULL;
	}
	if (json_is_array(json_object_get(doc, "scenarios")) &&
	    json_integer_value(json_object_get(doc, "version")) == VERDICT_VERSION)
		return doc;
	json_decref(doc);
	snprintf(error, SUITE_ERROR_MAX, "%.300s: not a grade of version %d; see ci/verdict.5",
		 path, VERDICT_VERSION);
	return NULL;
}
