/* SPDX-License-Identifier: MIT */
/* A class as one HTML file that needs nothing beside it but the reports it links to. */
#include "class.h"

#include "grade_doc.h"
#include "render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bars of the distribution; what is beyond the last is in it. */
#define BARS	      10
#define BAR_HEIGHT    120
#define EXPECTED_MOST 12

static const char style[] =
	":root{color-scheme:light dark;--text:#1c1e21;--soft:#5a6169;--page:#fff;--line:#d9dde2;"
	"--head:#f3f5f7;--pass:#e3f3e6;--part:#fdf2d4;--fail:#fbe0e0;--unjudged:#e8eaed;"
	"--bar:#3b6ea8;--link:#0b57a4}"
	"@media(prefers-color-scheme:dark){:root{--text:#e6e8ea;--soft:#9aa3ad;--page:#15181b;"
	"--line:#343a41;--head:#1f2428;--pass:#173a22;--part:#453a12;--fail:#4c1d1f;"
	"--unjudged:#2b3036;--bar:#6ea3dc;--link:#8ebdf2}}"
	"*{box-sizing:border-box}"
	"body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;padding:1.2em;max-width:90em;"
	"color:var(--text);background:var(--page)}"
	"h1{font-size:1.5em;margin:.2em 0}h2{font-size:1.1em;margin:1.6em 0 .5em}"
	"p{margin:.3em 0}.soft{color:var(--soft)}a{color:var(--link)}"
	".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20em,100%),1fr));"
	"gap:0 3em}"
	"svg{width:100%;height:auto;max-width:34em;display:block}svg text{fill:var(--soft);"
	"font:11px system-ui,sans-serif}svg rect{fill:var(--bar)}svg line{stroke:var(--line)}"
	".often{border-collapse:collapse;width:100%;max-width:34em}.often td{padding:.15em .5em "
	".15em 0}.often .n{text-align:right;white-space:nowrap}.often .b{width:45%}"
	".often i{display:block;height:.7em;border-radius:2px;background:var(--bar)}"
	".wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px}"
	"#class{border-collapse:separate;border-spacing:0;width:100%;font-variant-numeric:"
	"tabular-nums}"
	"#class th,#class td{padding:.35em .6em;border-bottom:1px solid var(--line);"
	"text-align:left;vertical-align:top}"
	"#class tbody tr:last-child>*{border-bottom:0}"
	"#class thead th{background:var(--head);vertical-align:bottom;position:sticky;top:0}"
	"#class th:first-child{position:sticky;left:0;background:var(--page);font-weight:400;"
	"min-width:8em;max-width:16em;overflow-wrap:anywhere;z-index:1}"
	"#class thead th:first-child{background:var(--head);z-index:2}"
	"#class button{all:unset;cursor:pointer;font-weight:600}"
	"#class button:focus-visible{outline:2px solid var(--link);outline-offset:2px}"
	"#class th[aria-sort] button:after{content:'\\a0\\2195';color:var(--soft)}"
	"#class th[aria-sort=ascending] button:after{content:'\\a0\\2191'}"
	"#class th[aria-sort=descending] button:after{content:'\\a0\\2193'}"
	"#class td.p{text-align:right;white-space:nowrap}#class td.p a{color:inherit;display:block}"
	"td.pass{background:var(--pass)}td.part{background:var(--part)}"
	"td.fail{background:var(--fail)}td.unjudged{background:var(--unjudged)}"
	"#class td.why{min-width:24em;max-width:40em;overflow-wrap:anywhere;font-size:90%}"
	"small{color:var(--soft);font-weight:400;white-space:nowrap}"
	"@media(max-width:600px){body{padding:.7em;font-size:14px}#class th:first-child{"
	"min-width:8em;max-width:9em}}"
	"@media print{@page{size:A4 landscape;margin:12mm}:root{--text:#000;--soft:#444;"
	"--page:#fff;--line:#bbb;--head:#eee;--pass:#e3f3e6;--part:#fdf2d4;--fail:#fbe0e0;"
	"--unjudged:#e8eaed;--bar:#3b6ea8;--link:#000;color-scheme:light}"
	"body{font-size:9pt;padding:0;max-width:none;-webkit-print-color-adjust:exact;"
	"print-color-adjust:exact}a{text-decoration:none}.wide{overflow:visible;border:0}"
	"#class thead th,#class th:first-child{position:static}#class tr{break-inside:avoid}"
	"#class td.why{min-width:0}#class th[aria-sort] button:after{content:''}}";

/* Sorts by the column whose heading is clicked; what has no value stays last. */
static const char script[] =
	"const table=document.getElementById('class'),body=table.tBodies[0];"
	"for(const button of table.tHead.querySelectorAll('button'))button.onclick=()=>{"
	"const th=button.parentElement,i=th.cellIndex,text=i==0||th.dataset.text!==undefined,"
	"up=th.ariaSort=='none'?text:th.ariaSort!='ascending';"
	"for(const other of table.tHead.rows[0].cells)other.ariaSort='none';"
	"th.ariaSort=up?'ascending':'descending';"
	"const of=row=>row.cells[i].dataset.v;"
	"const compare=(a,b)=>{const x=of(a),y=of(b);"
	"if(x===undefined||y===undefined)return(x===undefined)-(y===undefined);"
	"const d=text?x.localeCompare(y):x-y;return up?d:-d};"
	"body.append(...[...body.rows].sort(compare))};";

static void put(const char *before, const char *text, const char *after, FILE *out)
{
	fputs(before, out);
	render_escaped(text, out);
	fputs(after, out);
}

/* --- the class in numbers --- */

struct numbers {
	size_t students, graded, refused, missing, not_built, judged;
	double *points; /* of those that were judged, the lowest first */
	double mean;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct numbers count(const json_t *class)
{
	const json_t *students = json_object_get(class, "students");
	struct numbers n = {.students = json_array_size(students)};
	double sum = 0;
	json_t *student;
	size_t i;

	n.points = calloc(n.students + 1, sizeof(*n.points));
	json_array_foreach((json_t *)students, i, student)
	{
		n.graded += doc_is(student, "state", "graded");
		n.refused += doc_is(student, "state", "refused");
		n.missing += doc_is(student, "state", "missing");
		n.not_built += json_array_size(json_object_get(student, "not_built")) > 0;
		if (!doc_is(student, "state", "graded") || !doc_judged(student) || !n.points)
			continue;
		n.points[n.judged++] = doc_number(student, "points");
		sum += doc_number(student, "points");
	}
	if (n.judged)
		qsort(n.points, n.judged, sizeof(*n.points), by_value);
	n.mean = n.judged ? sum / (double)n.judged : 0;
	return n;
}

static void put_some(size_t n, const char *what, FILE *out)
{
	if (n)
		fprintf(out, "; <b>%zu</b> %s", n, what);
}

static void put_numbers(const json_t *class, const struct numbers *n, FILE *out)
{
	fprintf(out, "<p><b>%zu</b> submission%s", n->students, n->students == 1 ? "" : "s");
	if (n->judged)
		fprintf(out, ", of %g points: mean <b>%.3g</b>, median <b>%.3g</b>",
			doc_number(class, "max_points"), n->mean,
			(n->points[(n->judged - 1) / 2] + n->points[n->judged / 2]) / 2);
	put_some(n->not_built, "where a program was not built", out);
	put_some(n->graded - n->judged, "not judged in full", out);
	put_some(n->refused, "refused", out);
	put_some(n->missing, "not graded yet", out);
	fputs("</p>\n", out);
}

static void put_distribution(const json_t *class, const struct numbers *n, FILE *out)
{
	double most = doc_number(class, "max_points"), step = most / BARS;
	size_t bars[BARS + 1] = {0}, highest = 1;

	/* Full points stand alone. */
	for (size_t i = 0; i < n->judged; i++) {
		size_t bar = n->points[i] >= most
				     ? BARS
				     : (size_t)fmax(0, floor(n->points[i] / step + 1e-9));

		bars[bar < BARS ? bar : n->points[i] >= most ? BARS : BARS - 1]++;
	}
	for (size_t i = 0; i <= BARS; i++)
		highest = bars[i] > highest ? bars[i] : highest;
	fprintf(out,
		"<svg viewBox=\"0 0 480 %d\" role=\"img\" aria-label=\"how many submissions have "
		"how many points\">",
		BAR_HEIGHT + 40);
	for (size_t i = 0; i <= BARS; i++) {
		double height = BAR_HEIGHT * (double)bars[i] / (double)highest;
		size_t x = 6 + i * 43;

		fprintf(out, "<rect x=\"%zu\" y=\"%.1f\" width=\"36\" height=\"%.1f\"/>", x,
			18 + BAR_HEIGHT - height, height);
		if (bars[i])
			fprintf(out, "<text x=\"%zu\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>",
				x + 18, 13 + BAR_HEIGHT - height, bars[i]);
		if (i < BARS)
			fprintf(out, "<text x=\"%zu\" y=\"%d\" text-anchor=\"middle\">%.3g–</text>",
				x + 18, BAR_HEIGHT + 33, step * (double)i);
		else
			fprintf(out, "<text x=\"%zu\" y=\"%d\" text-anchor=\"middle\">%g</text>",
				x + 18, BAR_HEIGHT + 33, most);
	}
	fprintf(out, "<line x1=\"0\" y1=\"%d\" x2=\"480\" y2=\"%d\"/></svg>\n", BAR_HEIGHT + 18,
		BAR_HEIGHT + 18);
}

static void put_expectations(const json_t *class, const struct numbers *n, FILE *out)
{
	json_t *expectation;
	size_t i;

	if (!json_array_size(json_object_get(class, "expectations")))
		fputs("<p>None.</p>", out);
	fputs("<table class=\"often\">", out);
	DOC_EACH(class, "expectations", i, expectation)
	{
		if (i == EXPECTED_MOST)
			break;
		put("<tr><td>", doc_text(expectation, "name"), "", out);
		fprintf(out,
			"<td class=\"n\">%g of %zu<td class=\"b\"><i "
			"style=\"width:%.1f%%\"></i></tr>\n",
			doc_number(expectation, "submissions"), n->graded,
			100 * doc_number(expectation, "submissions") / (double)n->graded);
	}
	fputs("</table>\n", out);
}

/* --- the table --- */

static void put_heading(const char *label, const char *under, bool text, bool sorted, FILE *out)
{
	fprintf(out, "<th scope=\"col\" aria-sort=\"%s\"%s>", sorted ? "ascending" : "none",
		text ? " data-text" : "");
	put("<button>", label, "</button>", out);
	if (under[0])
		fprintf(out, "<br><small>%s</small>", under);
}

static void put_head(const json_t *class, FILE *out)
{
	char under[64];
	json_t *scenario;
	size_t i;

	fputs("<thead><tr>", out);
	put_heading("name", "", true, false, out);
	snprintf(under, sizeof(under), "of %g", doc_number(class, "max_points"));
	put_heading("points", under, false, false, out);
	DOC_EACH(class, "scenarios", i, scenario)
	{
		double asked = doc_number(scenario, "pass") + doc_number(scenario, "fail");

		snprintf(under, sizeof(under), "of %g<br>%.0f %% pass",
			 doc_number(scenario, "max_points"),
			 asked > 0 ? 100 * doc_number(scenario, "pass") / asked : 0);
		put_heading(doc_text(scenario, "scenario"), under, false, false, out);
	}
	put_heading("first failure", "", true, false, out);
	fputs("</tr></thead>\n", out);
}

/* Points as people read them. */
static double rounded(const json_t *object, const char *key)
{
	return round(100 * doc_number(object, key)) / 100;
}

static const char *cell_class(const json_t *scenario)
{
	if (!json_object_get(scenario, "points"))
		return "unjudged";
	if (doc_number(scenario, "points") >= doc_number(scenario, "max_points"))
		return "pass";
	return doc_number(scenario, "points") > 0 ? "part" : "fail";
}

static void put_cell(const json_t *student, const json_t *scenario, FILE *out)
{
	const char *name = doc_text(scenario, "scenario");
	bool judged = json_object_get(scenario, "points") != NULL;

	if (!scenario) {
		fputs("<td class=\"p unjudged\">–", out);
		return;
	}
	fprintf(out, "<td class=\"p %s\"", cell_class(scenario));
	if (judged)
		fprintf(out, " data-v=\"%g\"", doc_number(scenario, "points"));
	put("><a href=\"", doc_text(student, "report"), "#", out);
	put("", name, "\">", out);
	if (judged)
		fprintf(out, "%g", rounded(scenario, "points"));
	else
		fputs("not judged", out);
	if (json_object_get(scenario, "least") &&
	    doc_number(scenario, "least") < doc_number(scenario, "most"))
		fprintf(out, "<br><small>%g to %g</small>", rounded(scenario, "least"),
			rounded(scenario, "most"));
	fputs("</a>", out);
}

static void put_total(const json_t *student, FILE *out)
{
	if (!doc_is(student, "state", "graded")) {
		fputs("<td class=\"p unjudged\">–", out);
		return;
	}
	fputs("<td class=\"p\"", out);
	if (doc_judged(student))
		fprintf(out, " data-v=\"%g\"", doc_number(student, "points"));
	put("><a href=\"", doc_text(student, "report"), "\"><b>", out);
	fprintf(out, "%g</b>", rounded(student, "points"));
	if (!doc_judged(student))
		fprintf(out, "<br><small>of %g judged</small>",
			doc_number(student, "judged_points"));
	fputs("</a>", out);
}

static void put_student(const json_t *class, const json_t *student, FILE *out)
{
	const char *name = doc_text(student, "name"), *why = doc_text(student, "first_failure");
	json_t *column;
	size_t i;

	put("<tr><th scope=\"row\" data-v=\"", name, "\">", out);
	if (doc_is(student, "state", "graded"))
		put("<a href=\"", doc_text(student, "report"), "\">", out);
	put("", name, doc_is(student, "state", "graded") ? "</a>" : "", out);
	put_total(student, out);
	DOC_EACH(class, "scenarios", i, column)
	put_cell(student,
		 doc_find(json_object_get(student, "scenarios"), "scenario",
			  doc_text(column, "scenario")),
		 out);
	fputs("<td class=\"why\"", out);
	if (why[0])
		put(" data-v=\"", why, "\"", out);
	fprintf(out, ">%s", doc_is(student, "state", "refused") ? "<b>refused:</b> " : "");
	put("", why, "</tr>\n", out);
}

int class_page(const json_t *class, FILE *out)
{
	struct numbers n = count(class);
	json_t *student, *name;
	size_t i;

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
	      "<title>Ballast: a class</title><style>",
	      out);
	fputs(style, out);
	fputs("</style></head><body>\n", out);
	put("<h1>", doc_text(class, "suite"), "</h1>\n", out);
	put_numbers(class, &n, out);
	fputs("<div class=\"two\"><section><h2>How the points are spread</h2>\n", out);
	put_distribution(class, &n, out);
	fputs("</section><section><h2>What fails most</h2>\n", out);
	put_expectations(class, &n, out);
	fputs("</section></div>\n<h2>Submissions</h2>\n<div class=\"wide\" tabindex=\"0\">"
	      "<table id=\"class\">\n",
	      out);
	put_head(class, out);
	fputs("<tbody>\n", out);
	DOC_EACH(class, "students", i, student)
	put_student(class, student, out);
	fputs("</tbody></table></div>\n", out);
	DOC_EACH(class, "passed_over", i, name)
	put(i ? ", " : "<p class=\"soft\">No submissions, passed over: ", json_string_value(name),
	    "", out);
	fputs("<script>", out);
	fputs(script, out);
	fputs("</script></body></html>\n", out);
	free(n.points);
	return ferror(out) ? -1 : 0;
}
