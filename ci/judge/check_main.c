/* SPDX-License-Identifier: MIT */
/* check_cpu and check_memory: a trace in, a verdict out. */
#include "check.h"
#include "evidence.h"
#include "log.h"
#include "text.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char *program_name(void)
{
	return check_kind == SCENARIO_CPU ? "check_cpu" : "check_memory";
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: %s [--text] TRACE [SCENARIO] | --expectations | --scenario SCENARIO\n"
		"Judges the trace of a run by what its scenario expects of %s; prints the verdict "
		"as\n"
		"JSON (see ballast-verdict(5)), or with --text a line per expectation. The trace "
		"has "
		"the scenario\n"
		"in it; a SCENARIO that is given must be the same. --expectations lists what a "
		"scenario can ask for; --scenario reads what one asks for, and judges nothing.\n"
		"Exit status: 0 pass, 1 fail, 2 bad input, 3 it cannot be judged.\n",
		program_name(), scenario_program(check_kind));
}

/* What the verdict says besides: where the trace is from. */
static json_t *verdict_header(const struct scenario *s, const struct trace *trace, const char *path)
{
	static const char *const copied[] = {"world",	"seed", "started",
					     "program", "host", "versions"};
	json_t *header = json_pack("{si ss ss ss so sf}", "version", VERDICT_VERSION, "scenario",
				   s->name, "title", s->title ? s->title : "", "kind",
				   s->kind == SCENARIO_CPU ? "cpu" : "memory", "trace",
				   text_json(path), "length_s", s->length_s);

	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		json_t *value = json_object_get(trace->header_json, copied[i]);

		if (value)
			json_object_set(header, copied[i], value);
	}
	return header;
}

static bool is_scenario(const char *path)
{
	char error[SCENARIO_ERROR_MAX];
	struct scenario s;

	if (scenario_read(&s, path, error))
		return false;
	scenario_free(&s);
	return true;
}

static int check(const char *trace_path, const char *scenario_path, bool text)
{
	char error[CHECK_ERROR_MAX > TRACE_ERROR_MAX ? CHECK_ERROR_MAX : TRACE_ERROR_MAX];
	struct scenario s = {0};
	struct trace trace = {0};
	struct verdict v;
	json_t *document;
	int status;

	if (trace_read(&trace, trace_path, error)) {
		if (scenario_path && is_scenario(trace_path))
			die(EXIT_USAGE, "%s is a scenario: it is %s TRACE SCENARIO", trace_path,
			    program_name());
		if (is_scenario(trace_path))
			die(EXIT_USAGE, "%s is a scenario, and a trace is judged: it is %s TRACE",
			    trace_path, program_name());
		die(EXIT_USAGE, "%s", error);
	}
	if (trace.truncated)
		die(EXIT_USAGE, "%s: the last line is cut off: the trace is not whole", trace_path);
	if ((scenario_path && evidence_same(&trace, scenario_path, error)) ||
	    evidence_scenario(&s, &trace, trace_path, error))
		die(EXIT_USAGE, "%s", error);
	if (check_judge(&s, &trace, &v, error))
		die(EXIT_USAGE, "%s", error);
	document = verdict_document(&v, verdict_header(&s, &trace, trace_path));
	if (text)
		verdict_print(document, stdout);
	else
		json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	if (!text)
		putchar('\n');
	status = verdict_status(v.result);
	json_decref(document);
	verdict_free(&v);
	trace_free(&trace);
	scenario_free(&s);
	return fflush(stdout) ? EXIT_LAB : status;
}

/* Reads a scenario and what it expects of the host that it describes, before anybody plays it. */
static int check_scenario(const char *path)
{
	char error[CHECK_ERROR_MAX];
	struct scenario s;
	struct expect_value *values;
	size_t count;
	int *ids;

	if (scenario_read(&s, path, error))
		die(EXIT_USAGE, "%s", error);
	ids = calloc(s.host.pcpus, sizeof(*ids));
	if (!ids)
		die(EXIT_LAB, "out of memory");
	if (scenario_resolve(&s, ids, scenario_host_pcpus(&s, ids), "vm", error))
		die(EXIT_USAGE, "%s", error);
	values = expect_read(&s, check_specs, check_nspecs, &count, error);
	if (!values)
		die(EXIT_USAGE, "%s", error);
	free(values);
	free(ids);
	scenario_free(&s);
	return EXIT_PASS;
}

static void list_expectations(void)
{
	for (size_t i = 0; i < check_nspecs; i++) {
		const struct expect_spec *spec = &check_specs[i];
		const char *fallback = spec->fallback ? spec->fallback : "none";

		printf("%-18s %s: %s; default %s\n", spec->key, spec->meaning,
		       expect_form(spec->type),
		       strcmp(fallback, "auto") != 0 ? fallback : "worked out from the scenario");
	}
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"text", no_argument, NULL, 't'},
		{"expectations", no_argument, NULL, 'e'},
		{"scenario", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	bool text = false;
	int option;

	log_init(program_name(), false);
	while ((option = getopt_long(argc, argv, "t", options, NULL)) != -1)
		switch (option) {
		case 't':
			text = true;
			break;
		case 'e':
			list_expectations();
			return EXIT_PASS;
		case 's':
			return check_scenario(optarg);
		case 'h':
			usage(stdout);
			return EXIT_PASS;
		case 'V':
			printf("%s %s\n", program_name(), BALLAST_VERSION);
			return EXIT_PASS;
		default:
			return EXIT_USAGE; /* getopt has said what is wrong */
		}
	if (argc - optind != 1 && argc - optind != 2)
		die(EXIT_USAGE, "it is %s TRACE [SCENARIO]; see --help", program_name());
	return check(argv[optind], argv[optind + 1], text);
}
