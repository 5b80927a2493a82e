/* SPDX-License-Identifier: MIT */
/* A grade as one HTML file that needs nothing beside it. */
#include "render.h"

#include "feedback.h"
#include "grade_doc.h"
#include "judge/verdict.h"

#include <math.h>
#include <stdbool.h>
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
	".skipped{color:#888}svg{max-width:100%;height:auto}.small{color:#666;font-size:90%}"
	".plot{position:relative}.plot svg{display:block;width:100%}"
	".band{position:absolute;top:0;bottom:0;display:none;background:#b0002020;border:solid "
	"#b00020;border-width:0 1px}"
	".band:target{display:block}"
	"@media(max-width:600px){body{margin:1em "
	"auto;font-size:14px}table{display:block;overflow-x:auto}"
	"td,th{min-width:4em}h2 .points{float:none;display:block}}"
	"@media(prefers-color-scheme:dark){:root{color-scheme:dark}body{color:#e6e8ea;"
	"background:#15181b}tr,h2{border-color:#343a41}pre{background:#1f2428}"
	".pass{color:#7fce93}.fail{color:#ff8a8f}.unjudged{color:#e5b567}.small{color:#9aa3ad}"
	"a{color:#8ebdf2}svg{border-radius:4px}}"
	"@media print{body{margin:0;max-width:none;font-size:10pt}svg,tr{break-inside:avoid}h2{"
	"break-after:avoid}}";

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

/* The name of a finding's place in the plot. */
static void put_place(const json_t *scenario, size_t index, FILE *out)
{
	render_escaped(doc_text(scenario, "scenario"), out);
	fprintf(out, ".%zu", index + 1);
}

/* A band over the plot for each failed finding, seen when a link leads there: when it was measured,
 * or the whole run. */
static void put_bands(const json_t *scenario, double length_s, FILE *out)
{
	json_t *finding;
	size_t index;

	json_array_foreach(json_object_get(scenario, "expectations"), index, finding)
	{
		const json_t *from = json_object_get(finding, "from_s"),
			     *to = json_object_get(finding, "to_s");
		double from_s = from ? json_number_value(from) : 0;
		double to_s = to ? json_number_value(to) : from ? from_s : length_s;
		double scale = 100 * (PLOT_RIGHT - PLOT_LEFT) / length_s;

		if (strcmp(doc_text(finding, "result"), result_name(RESULT_FAIL)) != 0)
			continue;
		fputs("<span class=\"band\" id=\"", out);
		put_place(scenario, index, out);
		fprintf(out, "\" style=\"left:%.2f%%;width:%.2f%%\"></span>\n",
			100 * PLOT_LEFT + scale * fmin(from_s, length_s),
			scale * fmax(0, fmin(to_s, length_s) - from_s));
	}
}

static void put_findings(const json_t *scenario, bool plotted, FILE *out)
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
		if (feedback_of(finding, feedback, sizeof(feedback))[0]) {
			put("<p class=\"small\">", feedback, "", out);
			if (plotted) {
				fputs(" <a href=\"#", out);
				put_place(scenario, index, out);
				fputs("\">Where in the plot?</a>", out);
			}
			fputs("</p>", out);
		}
		put("<td class=\"skipped\">", doc_text(finding, "control"), "", out);
		put("<td>", doc_text(finding, "asked"), "", out);
		fprintf(out, "<td class=\"%s\">%s</tr>\n", result, result);
	}
	fputs("</table>\n", out);
}

static void put_scenario(const json_t *scenario, struct plotter *plotter, FILE *out)
{
	const char *result = doc_text(scenario, "result"), *trace = doc_text(scenario, "trace");
	char why[256] = "", points[DOC_POINTS_MAX];
	double length_s = 0;
	bool plotted = false;

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
	if (trace[0]) {
		fputs("<div class=\"plot\">", out);
		plotted = !plot_trace(plotter, trace, doc_text(scenario, "kind"), out, &length_s,
				      why);
		if (plotted && length_s > 0)
			put_bands(scenario, length_s, out);
		fputs("</div>\n", out);
		if (!plotted)
			put("<p class=\"small\">No plot: ", why, "</p>\n", out);
	}
	if (json_array_size(json_object_get(scenario, "expectations")))
		put_findings(scenario, plotted, out);
}

int render_html(const json_t *grade, FILE *out)
{
	struct plotter *plotter = plotter_start();
	char points[DOC_POINTS_MAX];
	json_t *scenario;
	size_t index;

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
	      "name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Ballast: a "
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
		put_scenario(scenario, plotter, out);
	plotter_end(plotter);
	fputs("</body></html>\n", out);
	return ferror(out) ? -1 : 0;
}
