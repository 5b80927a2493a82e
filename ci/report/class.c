/* SPDX-License-Identifier: MIT */
/* Puts a class together: a roll and grades in, one document out, which is the same however often
 * and in whatever order the grades were made. */
#include "class.h"

#include "grade_doc.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS_VERSION 1

/* --- what failed, in words --- */

/* Of a compiler's messages the line that tells most. */
static void telling_line(const char *message, char *buf, size_t len)
{
	static const char *const signs[] = {"error:",	   "no folder",		  "make made no",
					    "took longer", "undefined reference", "***"};
	const char *line = NULL;

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs) && !line; i++)
		line = strstr(message, signs[i]);
	if (!line)
		line = message;
	while (line > message && line[-1] != '\n')
		line--;
	snprintf(buf, len, "%.*s", (int)strcspn(line, "\n"), line);
}

/* The first finding that failed of itself, else the first that failed at all. */
static const json_t *failed_finding(const json_t *scenario)
{
	const json_t *found = NULL;
	json_t *finding;
	size_t i;

	DOC_EACH(scenario, "expectations", i, finding)
	{
		if (!doc_is(finding, "result", "fail"))
			continue;
		if (!doc_text(finding, "because")[0])
			return finding;
		found = found ? found : finding;
	}
	return found;
}

static void describe(const json_t *grade, const json_t *scenario, char buf[CLASS_FAILURE_MAX])
{
	const json_t *program =
		doc_find(json_object_get(grade, "programs"), "name", doc_text(scenario, "kind"));
	const json_t *finding = failed_finding(scenario);
	char line[300];

	if (program && !json_is_true(json_object_get(program, "built"))) {
		telling_line(doc_text(program, "message"), line, sizeof(line));
		snprintf(buf, CLASS_FAILURE_MAX, "%s was not built: %s", doc_text(program, "name"),
			 line);
	} else if (doc_is(scenario, "result", "unjudged")) {
		snprintf(buf, CLASS_FAILURE_MAX, "%s was not judged: %s",
			 doc_text(scenario, "scenario"), doc_why(scenario, line, sizeof(line)));
	} else if (finding) {
		snprintf(buf, CLASS_FAILURE_MAX, "%s: %s: %.180s; asked: %.180s",
			 doc_text(scenario, "scenario"), doc_text(finding, "name"),
			 doc_text(finding, "measured"), doc_text(finding, "asked"));
	} else {
		snprintf(buf, CLASS_FAILURE_MAX, "%s: %.200s", doc_text(scenario, "scenario"),
			 doc_text(scenario, "reason"));
	}
}

const char *class_first_failure(const json_t *grade, char buf[CLASS_FAILURE_MAX])
{
	json_t *scenario;
	size_t i;

	buf[0] = '\0';
	DOC_EACH(grade, "scenarios", i, scenario)
	if (!doc_is(scenario, "result", "pass")) {
		describe(grade, scenario, buf);
		return buf;
	}
	/* All passed, but some of it for nothing. */
	DOC_EACH(grade, "scenarios", i, scenario)
	if (!buf[0] && doc_text(scenario, "note")[0])
		snprintf(buf, CLASS_FAILURE_MAX, "%s: %.200s", doc_text(scenario, "scenario"),
			 doc_text(scenario, "note"));
	return buf;
}

/* --- one student --- */

static json_t *scenario_row(const json_t *scenario)
{
	const json_t *runs = json_object_get(scenario, "runs");
	json_t *row, *failed = json_array(), *finding;
	size_t i;

	/* What follows from another failure is not counted. */
	DOC_EACH(scenario, "expectations", i, finding)
	if (doc_is(finding, "result", "fail") && !doc_text(finding, "because")[0])
		json_array_append(failed, json_object_get(finding, "name"));
	row = json_pack("{sO sO sO so}", "scenario", json_object_get(scenario, "scenario"),
			"result", json_object_get(scenario, "result"), "max_points",
			json_object_get(scenario, "max_points"), "failed", failed);
	if (json_object_get(scenario, "points"))
		json_object_set(row, "points", json_object_get(scenario, "points"));
	if (runs && doc_number(runs, "judged") > 0) {
		json_object_set(row, "least", json_object_get(runs, "least"));
		json_object_set(row, "most", json_object_get(runs, "most"));
	}
	return row;
}

static void add_grade(json_t *row, const json_t *grade)
{
	static const char *const same[] = {"result", "points", "max_points", "judged_points",
					   "commit"};
	json_t *scenarios = json_array(), *not_built = json_array(), *part;
	char failure[CLASS_FAILURE_MAX], report[128];
	size_t i;

	json_object_set_new(row, "state", json_string("graded"));
	for (i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (json_object_get(grade, same[i]))
			json_object_set(row, same[i], json_object_get(grade, same[i]));
	DOC_EACH(grade, "programs", i, part)
	if (!json_is_true(json_object_get(part, "built")))
		json_array_append(not_built, json_object_get(part, "name"));
	DOC_EACH(grade, "scenarios", i, part)
	json_array_append_new(scenarios, scenario_row(part));
	json_object_set_new(row, "not_built", not_built);
	json_object_set_new(row, "scenarios", scenarios);
	class_first_failure(grade, failure);
	if (failure[0])
		json_object_set_new(row, "first_failure", text_json(failure));
	snprintf(report, sizeof(report), "grades/%s/report.html", doc_text(row, "id"));
	json_object_set_new(row, "report", json_string(report));
}

/* Why there is no grade; false where nobody has said so. */
static bool read_refusal(const char *path, json_t *row)
{
	char line[CLASS_FAILURE_MAX] = "";
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = '\0';
	fclose(file);
	json_object_set_new(row, "state", json_string("refused"));
	json_object_set_new(row, "first_failure", text_json(line));
	return true;
}

/* The student's row; *first becomes the first grade there is, which tells what was asked. */
static json_t *student_row(const json_t *student, const char *grades, json_t **first,
			   char error[SUITE_ERROR_MAX])
{
	json_t *row = json_pack("{ss ss}", "id", doc_text(student, "id"), "name",
				doc_text(student, "name"));
	char path[4096];
	json_t *grade;

	snprintf(path, sizeof(path), "%s/%s/refused", grades, doc_text(student, "id"));
	if (read_refusal(path, row))
		return row;
	snprintf(path, sizeof(path), "%s/%s/verdict.json", grades, doc_text(student, "id"));
	if (access(path, F_OK)) {
		json_object_set_new(row, "state", json_string("missing"));
		json_object_set_new(row, "first_failure", json_string("not graded yet"));
		return row;
	}
	grade = grade_read(path, error);
	if (!grade) {
		json_decref(row);
		return NULL;
	}
	add_grade(row, grade);
	if (*first)
		json_decref(grade);
	else
		*first = grade;
	return row;
}

/* --- the class --- */

static void count_up(json_t *object, const char *key)
{
	json_object_set_new(object, key,
			    json_integer(json_integer_value(json_object_get(object, key)) + 1));
}

static int by_failures(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double more = doc_number(y, "submissions") - doc_number(x, "submissions");

	return more != 0 ? (more > 0 ? 1 : -1) : strcmp(doc_text(x, "name"), doc_text(y, "name"));
}

/* Puts the expectations that failed in a student's scenarios into names, each once. */
static void gather_failed(const json_t *student, json_t *names)
{
	json_t *scenario, *name;
	size_t i, k;

	DOC_EACH(student, "scenarios", i, scenario)
	DOC_EACH(scenario, "failed", k, name)
	json_object_set_new(names, json_string_value(name), json_true());
}

/* How many submissions fail an expectation, in any scenario; most first. */
static json_t *expectations_of(const json_t *students)
{
	json_t *list = json_array(), *sorted = json_array(), *student, *one, **order;
	size_t i, count;

	json_array_foreach((json_t *)students, i, student)
	{
		json_t *names = json_object(), *unused;
		const char *name;

		gather_failed(student, names);
		json_object_foreach(names, name, unused)
		{
			one = doc_find(list, "name", name);
			if (!one) {
				one = json_pack("{ss si}", "name", name, "submissions", 0);
				json_array_append_new(list, one);
			}
			count_up(one, "submissions");
		}
		json_decref(names);
	}
	count = json_array_size(list);
	order = calloc(count + 1, sizeof(json_t *));
	for (i = 0; order && i < count; i++)
		order[i] = json_array_get(list, i);
	if (order)
		qsort(order, count, sizeof(json_t *), by_failures);
	for (i = 0; order && i < count; i++)
		json_array_append(sorted, order[i]);
	free(order);
	json_decref(list);
	return sorted;
}

/* What was asked, and how many passed and failed it. */
static json_t *scenarios_of(const json_t *grade, const json_t *students)
{
	json_t *list = json_array(), *scenario, *student;
	size_t i, k;

	DOC_EACH(grade, "scenarios", i, scenario)
	json_array_append_new(list, json_pack("{ss ss ss sf si si si}", "scenario",
					      doc_text(scenario, "scenario"), "kind",
					      doc_text(scenario, "kind"), "title",
					      doc_text(scenario, "title"), "max_points",
					      doc_number(scenario, "max_points"), "pass", 0, "fail",
					      0, "unjudged", 0));
	json_array_foreach((json_t *)students, i, student)
	{
		DOC_EACH(student, "scenarios", k, scenario)
		{
			json_t *column = doc_find(list, "scenario", doc_text(scenario, "scenario"));

			if (column)
				count_up(column, doc_text(scenario, "result"));
		}
	}
	return list;
}

json_t *class_doc(const char *roll_path, const char *grades, char error[SUITE_ERROR_MAX])
{
	json_t *students = json_array(), *doc = NULL, *first = NULL, *student;
	json_error_t where;
	json_t *roll = json_load_file(roll_path, 0, &where);
	size_t i;

	if (!json_is_array(json_object_get(roll, "students"))) {
		snprintf(error, SUITE_ERROR_MAX, "%.300s: no roll of a class", roll_path);
		goto out;
	}
	DOC_EACH(roll, "students", i, student)
	{
		json_t *row = student_row(student, grades, &first, error);

		if (!row)
			goto out;
		json_array_append_new(students, row);
	}
	doc = json_pack("{si ss sf so so sO}", "version", CLASS_VERSION, "suite",
			first ? doc_text(first, "suite") : "", "max_points",
			doc_number(first, "max_points"), "scenarios", scenarios_of(first, students),
			"expectations", expectations_of(students), "students", students);
	json_object_set(doc, "passed_over", json_object_get(roll, "passed_over"));
out:
	json_decref(first);
	json_decref(students);
	json_decref(roll);
	return doc;
}

json_t *class_read(const char *path, char error[SUITE_ERROR_MAX])
{
	json_error_t where;
	json_t *doc = json_load_file(path, 0, &where);

	if (json_is_array(json_object_get(doc, "students")) &&
	    json_is_array(json_object_get(doc, "expectations")))
		return doc;
	snprintf(error, SUITE_ERROR_MAX, "%.300s: %s", path, doc ? "no class" : where.text);
	json_decref(doc);
	return NULL;
}

/* --- CSV, RFC 4180 --- */

/* What begins so, a spreadsheet would run as a formula. */
static void csv_text(const char *text, FILE *out)
{
	fputs(text[0] && strchr("=+-@\t", text[0]) ? "\"'" : "\"", out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
	fputc('"', out);
}

static void csv_number(const json_t *object, const char *key, FILE *out)
{
	fputc(',', out);
	if (json_object_get(object, key))
		fprintf(out, "%g", doc_number(object, key));
}

static bool repeated(const json_t *class)
{
	json_t *student, *scenario;
	size_t i, k;

	DOC_EACH(class, "students", i, student)
	DOC_EACH(student, "scenarios", k, scenario)
	if (json_object_get(scenario, "least"))
		return true;
	return false;
}

static void csv_head(const json_t *class, bool spread, FILE *out)
{
	json_t *scenario;
	size_t i;

	fputs("name,id,result,points,max_points,judged_points", out);
	DOC_EACH(class, "scenarios", i, scenario)
	{
		fprintf(out, ",%s", doc_text(scenario, "scenario"));
		if (spread)
			fprintf(out, ",%s least,%s most", doc_text(scenario, "scenario"),
				doc_text(scenario, "scenario"));
	}
	fputs(",first_failure\r\n", out);
}

int class_csv(const json_t *class, FILE *out)
{
	bool spread = repeated(class);
	json_t *student, *column;
	size_t i, k;

	csv_head(class, spread, out);
	DOC_EACH(class, "students", i, student)
	{
		csv_text(doc_text(student, "name"), out);
		fprintf(out, ",%s,%s", doc_text(student, "id"),
			doc_is(student, "state", "graded") ? doc_text(student, "result")
							   : doc_text(student, "state"));
		csv_number(student, "points", out);
		csv_number(student, "max_points", out);
		csv_number(student, "judged_points", out);
		DOC_EACH(class, "scenarios", k, column)
		{
			const json_t *scenario = doc_find(json_object_get(student, "scenarios"),
							  "scenario", doc_text(column, "scenario"));

			csv_number(scenario, "points", out);
			if (spread) {
				csv_number(scenario, "least", out);
				csv_number(scenario, "most", out);
			}
		}
		fputc(',', out);
		csv_text(doc_text(student, "first_failure"), out);
		fputs("\r\n", out);
	}
	return ferror(out) ? -1 : 0;
}
