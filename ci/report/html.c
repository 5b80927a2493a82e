/* SPDX-License-Identifier: MIT */
/* A grade as one HTML file that needs nothing beside it. */
#include "render.h"

#include "feedback.h"
#include "grade_doc.h"
#include "judge/verdict.h"

#include <string.h>

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 "
	"1em;color:#222}"
	"h1{margin-bottom:.2em}h2{margin-top:2.2em;border-bottom:1px solid #ccc}"
	"table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25em "
	".6em;vertical-align:top}"
	"tr{border-bottom:1px solid "
	"#eee}.points{float:right}pre{background:#f6f6f6;padding:1em;overflow:auto}"
	".pass{color:#176b2c}.fail{color:#b00020;font-weight:600}.unjudged{color:#8a5a00;font-"
	"weight:600}"
	".skipped{color:#888}svg{max-width:100%;height:auto}.small{color:#666;font-size:90%}";

static void put(const char *before, const char *text, const char *after, FILE *out)
{
	fputs(before, out);
	render_escaped(text, out);
	fputs(after, out);
}

static void put_summary(const json_t *grade, FILE *out)
{
	char points[DOC_POINTS_MAX];
	json_t *scenario, *program;
	size_t index;

	put("<table><tr><th>scenario<th>what it is about<th>result<th>points</tr>", "", "", out);
	json_array_foreach(json_object_get(grade, "scenarios"), index, scenario)
	{
		const char *result = doc_text(scenario, "result"),
			   *name = doc_text(scenario, "scenario");

		put("<tr><td><a href=\"#", name, "\">", out);
		put("", name, "</a>", out);
		put("<td>", doc_text(scenario, "title"), "", out);
		fprintf(out, "<td class=\"%s\">%s<td>%s</tr>\n", result, result,
			doc_points(scenario, points));
	}
	fputs("</table>\n", out);
	json_array_foreach(json_object_get(grade, "programs"), index, program)
	{
		if (doc_text(program, "folder")[0]) {
			put("<p class=\"small\">", doc_text(program, "name"), " is of ", out);
			put("", doc_text(program, "folder"), "/", out);
			if (doc_text(program, "passed_over")[0])
				put("; passed over: ", doc_text(program, "passed_over"), "", out);
			fputs("</p>\n", out);
		}
		if (json_is_true(json_object_get(program, "built")))
			continue;
		put("<p class=\"fail\">", doc_text(program, "name"), " was not built:</p>", out);
		put("<pre>", doc_text(program, "message"), "</pre>\n", out);
	}
}

static void put_findings(const json_t *scenario, FILE *out)
{
	char feedback[2 * FINDING_TEXT];
	json_t *finding;
	size_t index;

	fputs("<table><tr><th>expectation<th>measured<th>without a program<th>asked<th></tr>\n",
	      out);
	json_array_foreach(json_object_get(scenario, "expectations"), index, finding)
	{
		const char *result = doc_text(finding, "result");

		put("<tr><td>", doc_text(finding, "name"), "", out);
		put("<td>", doc_text(finding, "measured"), "", out);
		if (feedback_of(finding, feedback, sizeof(feedback))[0])
			put("<p class=\"small\">", feedback, "</p>", out);
		put("<td class=\"skipped\">", doc_text(finding, "control"), "", out);
		put("<td>", doc_text(finding, "asked"), "", out);
		fprintf(out, "<td class=\"%s\">%s</tr>\n", result, result);
	}
	fputs("</table>\n", out);
}

static void put_scenario(const json_t *scenario, FILE *out)
{
	const char *result = doc_text(scenario, "result"), *trace = doc_text(scenario, "trace");
	char why[256] = "", points[DOC_POINTS_MAX];

	put("<h2 id=\"", doc_text(scenario, "scenario"), "\">", out);
	put("", doc_text(scenario, "scenario"), "", out);
	fprintf(out, " <span class=\"points %s\">%s</span></h2>\n", result,
		doc_points(scenario, points));
	put("<p>", doc_text(scenario, "title"), "</p>\n", out);
	if (doc_text(scenario, "reason")[0])
		put("<p class=\"unjudged\">", doc_text(scenario, "reason"), "</p>\n", out);
	if (doc_world(scenario, points)[0])
		put("<p class=\"small\">World: ", points, "</p>\n", out);
	if (doc_runs(scenario, points)[0])
		put("<p class=\"small\">Points: ", points, "</p>\n", out);
	if (doc_text(scenario, "note")[0])
		put("<p class=\"fail\">", doc_text(scenario, "note"), "</p>\n", out);
	if (doc_text(scenario, "repeated")[0])
		put("<p class=\"small\">The second run; the first could not be judged: ",
		    doc_text(scenario, "repeated"), "</p>\n", out);
	if (trace[0] && plot_trace(trace, doc_text(scenario, "kind"), out, why))
		put("<p class=\"small\">No plot: ", why, "</p>\n", out);
	if (json_array_size(json_object_get(scenario, "expectations")))
		put_findings(scenario, out);
}

int render_html(const json_t *grade, FILE *out)
{
	char points[DOC_POINTS_MAX];
	json_t *scenario;
	size_t index;

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Ballast: a "
	      "grade</title>"
	      "<style>",
	      out);
	fputs(style, out);
	fputs("</style></head><body>\n", out);
	fprintf(out, "<h1>%s</h1>\n", doc_points(grade, points));
	put("<p class=\"small\">", doc_text(grade, "submission"), "; ", out);
	put("", doc_text(grade, "suite"), "; ", out);
	if (doc_text(grade, "commit")[0])
		put("commit ", doc_text(grade, "commit"), "; ", out);
	put("finished ", doc_text(grade, "finished"), "</p>\n", out);
	put_summary(grade, out);
	json_array_foreach(json_object_get(grade, "scenarios"), index, scenario)
		put_scenario(scenario, out);
	fputs("</body></html>\n", out);
	return ferror(out) ? -1 : 0;
}
