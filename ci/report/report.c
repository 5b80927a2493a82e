/* SPDX-License-Identifier: MIT */
/* report: reads a suite for ci/grade, puts a grade together, and shows it in the form asked for. */
#include "class.h"
#include "grade_doc.h"
#include "judge/verdict.h"
#include "log.h"
#include "render.h"
#include "suite_check.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct format {
	const char *name;
	int (*render)(const json_t *grade, FILE *out);
} formats[] = {
	{"text", render_text},
	{"html", render_html},
	{"tap", render_tap},
	{"junit", render_junit},
	{"gradescope", render_gradescope},
	{"autolab", render_autolab},
	{"classroom", render_classroom},
	{"prairielearn", render_prairielearn},
};

static void usage(void)
{
	fputs("usage: report plan SUITE\n"
	      "       report merge [--submission NAME] [--commit ID] [--not-built KIND=LOG]\n"
	      "                    [--folder KIND=DIR] [--passed-over KIND=DIRS] SUITE DIR\n"
	      "       report reason VERDICT\n"
	      "       report status GRADE\n"
	      "       report check N_IDLE GRADE...\n"
	      "       report class ROLL GRADES\n"
	      "       report csv|page CLASS\n"
	      "       report line GRADE\n"
	      "       report text|html|tap|junit|gradescope|autolab|classroom|prairielearn "
	      "[--student] GRADE\n"
	      "plan prints \"kind name points length interval file\" per scenario of a suite, "
	      "after a first line\n"
	      "with its world; merge puts the verdicts DIR/NAME.json together into a grade, as "
	      "JSON; reason\n"
	      "prints why a scenario could not be judged, status exits as the grade is worth; "
	      "check says of the\n"
	      "suite of these grades, the first N_IDLE of which are of programs that do nothing, "
	      "whether every\n"
	      "point can be reached and none is free; class puts the grades GRADES/ID/verdict.json "
	      "of a class\n"
	      "together, as JSON, and csv and page show it; line is the points and what failed "
	      "first; the others\n"
	      "show a grade, with --student only what the suite lets students see.\n",
	      stdout);
}

static int plan(const char *path)
{
	char error[SUITE_ERROR_MAX];
	struct suite suite;

	if (suite_read(&suite, path, error))
		die(EXIT_USAGE, "%s", error);
	printf("%s\n", suite.world);
	for (size_t i = 0; i < suite.nentries; i++) {
		const struct suite_entry *entry = &suite.entries[i];

		printf("%s %s %g %g %g %s\n", entry->kind == SCENARIO_CPU ? "cpu" : "memory",
		       entry->name, entry->points, entry->length_s, entry->interval_s, entry->path);
	}
	suite_free(&suite);
	return EXIT_PASS;
}

/* Takes "cpu=TEXT" or "memory=TEXT" apart: the program, and TEXT behind it. */
static struct grade_program *program_of(struct grade_program programs[2], const char *option,
					const char **text)
{
	for (int i = 0; i < 2; i++) {
		size_t len = strlen(programs[i].name);

		if (!strncmp(*text, programs[i].name, len) && (*text)[len] == '=') {
			*text += len + 1;
			return &programs[i];
		}
	}
	die(EXIT_USAGE, "--%s %s: it is cpu=… or memory=…", option, *text);
}

static int read_facts(int argc, char *argv[], struct grade_submission *submission)
{
	static const struct option options[] = {
		{"submission", required_argument, NULL, 's'},
		{"commit", required_argument, NULL, 'c'},
		{"not-built", required_argument, NULL, 'n'},
		{"folder", required_argument, NULL, 'f'},
		{"passed-over", required_argument, NULL, 'o'},
		{0},
	};
	struct grade_program *programs = submission->programs;
	int option, which = 0;

	while ((option = getopt_long(argc, argv, "", options, &which)) != -1) {
		const char *text = optarg;

		if (option == 's')
			submission->name = text;
		else if (option == 'c')
			submission->commit = text;
		else if (option == 'n')
			program_of(programs, options[which].name, &text)->log = text;
		else if (option == 'f')
			program_of(programs, options[which].name, &text)->folder = text;
		else if (option == 'o')
			program_of(programs, options[which].name, &text)->others = text;
		else
			return -1;
	}
	return 0;
}

static int merge(int argc, char *argv[])
{
	struct grade_submission submission = {.name = ".",
					      .programs = {{.name = "cpu"}, {.name = "memory"}}};
	char error[SUITE_ERROR_MAX];
	struct suite suite;
	json_t *grade;

	if (read_facts(argc, argv, &submission))
		return EXIT_USAGE;
	if (argc - optind != 2)
		die(EXIT_USAGE, "it is report merge SUITE DIR; see --help");
	if (suite_read(&suite, argv[optind], error))
		die(EXIT_USAGE, "%s", error);
	grade = grade_merge(&suite, &submission, argv[optind + 1], error);
	if (!grade)
		die(EXIT_USAGE, "%s", error);
	json_dumpf(grade, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(grade);
	suite_free(&suite);
	return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

static int show(const struct format *format, bool student, const char *path)
{
	char error[SUITE_ERROR_MAX];
	json_t *grade = grade_read(path, error);
	const char *slash = strrchr(path, '/');
	int status;

	if (!grade)
		die(EXIT_USAGE, "%s", error);
	/* Traces lie beside the grade. */
	if (slash && chdir(strndupa(path, (size_t)(slash - path) + 1)))
		die(EXIT_USAGE, "%s: its folder cannot be entered", path);
	if (student) {
		json_t *seen = grade_for_students(grade);

		json_decref(grade);
		grade = seen;
	}
	status = format->render(grade, stdout);
	json_decref(grade);
	return status || fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

/* Why a scenario could not be judged, by its verdict: one line. */
static int reason(const char *path)
{
	json_t *verdict = json_load_file(path, 0, NULL);
	char why[FINDING_TEXT];

	if (!verdict)
		die(EXIT_USAGE, "%s: no verdict", path);
	if (doc_why(verdict, why, sizeof(why))[0])
		puts(why);
	json_decref(verdict);
	return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

static int put_class(const char *roll, const char *grades)
{
	char error[SUITE_ERROR_MAX];
	json_t *class = class_doc(roll, grades, error);

	if (!class)
		die(EXIT_USAGE, "%s", error);
	json_dumpf(class, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(class);
	return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

static int show_class(const char *path, int (*render)(const json_t *class, FILE *out))
{
	char error[SUITE_ERROR_MAX];
	json_t *class = class_read(path, error);
	int status;

	if (!class)
		die(EXIT_USAGE, "%s", error);
	status = render(class, stdout);
	json_decref(class);
	return status || fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

/* A grade in one line: its points, and what failed first. */
static int put_line(const char *path)
{
	char error[SUITE_ERROR_MAX], points[DOC_POINTS_MAX], failure[CLASS_FAILURE_MAX];
	json_t *grade = grade_read(path, error);

	if (!grade)
		die(EXIT_USAGE, "%s", error);
	printf("%s%s%s\n", doc_points(grade, points),
	       class_first_failure(grade, failure)[0] ? "; " : "", failure);
	json_decref(grade);
	return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

/* The exit status that a grade is worth. */
static int worth_of(const char *path)
{
	char error[SUITE_ERROR_MAX];
	json_t *grade = grade_read(path, error);
	const char *result;
	int worth;

	if (!grade)
		die(EXIT_USAGE, "%s", error);
	result = doc_text(grade, "result");
	worth = !strcmp(result, "pass")	  ? EXIT_PASS
		: !strcmp(result, "fail") ? EXIT_FAIL
					  : EXIT_LAB;
	json_decref(grade);
	return worth;
}

/* Is the suite of these grades in order? */
static int check(const char *n_idle, char *paths[], size_t n)
{
	json_t **grades = calloc(n, sizeof(*grades));
	char error[SUITE_ERROR_MAX], *end;
	unsigned long idle = strtoul(n_idle, &end, 10);
	int status;

	if (!grades)
		die(EXIT_LAB, "out of memory");
	if (*end || end == n_idle || idle >= n)
		die(EXIT_USAGE, "N_IDLE %s: a number below that of the grades", n_idle);
	for (size_t i = 0; i < n; i++) {
		grades[i] = grade_read(paths[i], error);
		if (!grades[i])
			die(EXIT_USAGE, "%s", error);
	}
	status = suite_check(grades, n, idle, stdout);
	for (size_t i = 0; i < n; i++)
		json_decref(grades[i]);
	free(grades);
	return fflush(stdout) ? EXIT_LAB : status;
}

int main(int argc, char *argv[])
{
	log_init("report", false);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage();
		return EXIT_PASS;
	}
	if (argc == 3 && !strcmp(argv[1], "plan"))
		return plan(argv[2]);
	if (argc >= 2 && !strcmp(argv[1], "merge"))
		return merge(argc - 1, argv + 1);
	if (argc == 3 && !strcmp(argv[1], "reason"))
		return reason(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "class"))
		return put_class(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "csv"))
		return show_class(argv[2], class_csv);
	if (argc == 3 && !strcmp(argv[1], "page"))
		return show_class(argv[2], class_page);
	if (argc == 3 && !strcmp(argv[1], "line"))
		return put_line(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "status"))
		return worth_of(argv[2]);
	if (argc >= 4 && !strcmp(argv[1], "check"))
		return check(argv[2], argv + 3, (size_t)argc - 3);
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		bool student = argc == 4 && !strcmp(argv[2], "--student");

		if ((argc == 3 || student) && !strcmp(argv[1], formats[i].name))
			return show(&formats[i], student, argv[argc - 1]);
	}
	die(EXIT_USAGE,
	    "it is report plan SUITE, report merge SUITE DIR, report class ROLL GRADES, report "
	    "csv|page CLASS, report reason VERDICT, report status|line GRADE, report check "
	    "N_IDLE GRADE... or report FORMAT GRADE; see --help");
}
