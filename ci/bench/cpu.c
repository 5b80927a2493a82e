/* SPDX-License-Identifier: MIT */
/* The scheduler beside the rules of others, on the same simulated hosts: one table. */
#include "cpu_run.h"
#include "cpu_policy.h"
#include "cpu_truth.h"

#include "log.h"
#include "units.h"

#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * No seed below this was used for the table that is published: those are for whoever changes a
 * rule.
 */
#define HELD_OUT_SEED 1000000

/* What the command line says. */
struct settings {
	double scale;	   /* part of the runs to make */
	const char *rule;  /* only rules with that in their name; NULL: all */
	uint64_t seed;	   /* of the first run of each case */
	unsigned int jobs; /* cases at a time */
	bool trace;	   /* prints each of our decisions */
	bool scenario;	   /* prints the first run of each case and makes none */
	const struct bench_policy_calls *older; /* another tree's policy, or NULL */
};

/* --- the table --- */

static void print_heading(FILE *out)
{
	fprintf(out, "  %-27s %7s %9s %7s %8s %6s %6s %7s %7s %6s %8s %8s | %s\n", "", "bal-",
		"intervals", "", "÷ fewest", "after", "", "above", "time", "worst", "plan ms", "",
		"starts: none full     some pCPU full");
	fprintf(out,
		"  %-27s %7s %4s %4s %7s %7s %6s %6s %7s %7s %6s %8s %8s | %7s %6s %8s %6s %6s "
		"%6s\n",
		"rule", "anced", "med", "most", "moves", "moves", "that", "wrong", "best", "within",
		"share", "median", "most", "÷ least", "interv", "÷ least", "interv", "soon",
		"still");
}

static void print_legend(void)
{
	printf("\n"
	       "  balanced    runs (or phases) that came within 10 points of spread, or as near to "
	       "the best there is\n"
	       "              as can be seen: 1 point where loads are known, 2.5 live; of more "
	       "than "
	       "%d vCPUs\n"
	       "              within 10 points of a bound of the best\n"
	       "  intervals   of 2 s, from the first full window of the loads until balanced: "
	       "median and most\n"
	       "  moves       pins that change a pCPU, per run; and divided by the fewest that "
	       "could have\n"
	       "              reached the spread that was reached. ≤: by a lower bound of these\n"
	       "  after that  moves once balanced; wrong: of all moves, those after which the "
	       "spread is no less\n"
	       "  above best  points of spread at the end above the best there is, or above 10\n"
	       "  time within part of all intervals at the end of which it is balanced\n"
	       "  worst share what the worst-off vCPU got, as a part of what is due to it\n"
	       "  plan ms     CPU time of a decision: median of those that move something, most of "
	       "all\n"
	       "  starts      of live cases whose loads stay, by whether a pCPU was full at the "
	       "start "
	       "(%.0f %% and more):\n"
	       "              moves divided by the fewest to within 10 points (of more than %d "
	       "vCPUs "
	       "by a bound of them),\n"
	       "              mean intervals until balanced; and of both kinds those balanced "
	       "within "
	       "%d intervals,\n"
	       "              and those without a move after that. The limit of any rule: what one "
	       "could expect that\n"
	       "              knows which demands are how likely, and looks after each move\n",
	       EXACT_MOST, FULL_PCT, EXACT_MOST, SOON);
}

/* Moves by the fewest to within the target, and intervals, of one kind of starts. */
static void print_kind(FILE *out, const struct starts *s)
{
	char ratio[16] = "-", intervals[16] = "-";

	if (s->fewest > 0)
		snprintf(ratio, sizeof(ratio), "%.3f", s->moves / s->fewest);
	if (s->balanced)
		snprintf(intervals, sizeof(intervals), "%.2f", s->intervals / (double)s->balanced);
	fprintf(out, " %7s %6s", ratio, intervals);
}

static void print_starts(FILE *out, const struct starts starts[2])
{
	double n = (double)(starts[0].runs + starts[1].runs);

	if (n > 0) {
		fprintf(out, " |");
		print_kind(out, &starts[0]);
		fprintf(out, " ");
		print_kind(out, &starts[1]);
		fprintf(out, " %5.1f%% %5.1f%%",
			100 * (double)(starts[0].soon + starts[1].soon) / n,
			100 * (double)(starts[0].still + starts[1].still) / n);
	}
	fprintf(out, "\n");
}

static void print_row(FILE *out, const char *name, struct figures *f)
{
	double n = (double)f->segments;
	char ratio[16] = "-";

	if (f->fewest > 0)
		snprintf(ratio, sizeof(ratio), "%.3f", f->moves / f->fewest);
	fprintf(out, "  %-27s %6.1f%% %4.0f %4.0f %7.2f %s%6s %6.2f %6.2f %7.1f %6.1f%% %6.2f",
		name, 100 * (1 - (double)f->failed / n), series_at(&f->intervals, 0.5),
		series_at(&f->intervals, 1), f->moves / n,
		f->proven < f->segments && f->fewest > 0 ? "≤" : " ", ratio, f->after / n,
		f->wrong / n, f->gap / n, 100 * (double)f->within / (double)f->ticks, f->share / n);
	if (f->plan_s.n)
		fprintf(out, " %8.3f", 1e3 * series_at(&f->plan_s, 0.5));
	else
		fprintf(out, " %8s", "-");
	fprintf(out, " %8.3f", 1e3 * f->plan_most_s);
	print_starts(out, f->starts);
	if (f->bounded)
		fprintf(out, "    %lu runs beside a sharp bound %26.2f ≤ %5.3f\n", f->bounded,
			f->bounded_moves / (double)f->bounded, f->bounded_moves / f->sharp);
}

/* What could be had at best by who does not know what a full pCPU hides. */
static void print_limit(const struct bench_case *c, const struct settings *settings,
			unsigned int seeds, FILE *out)
{
	struct figures figures = {0};
	const struct starts *full = &figures.starts[1];

	for (unsigned int n = 0; n < seeds; n++)
		bench_run_limit(c, settings->seed + n, &figures);
	if (full->limited > 0)
		fprintf(out, "  %-27s %90s | %14s  %7.3f\n", "the limit of any rule", "", "",
			full->limit / full->limited);
}

static void run_case(const struct bench_case *c, const struct settings *settings, FILE *out)
{
	unsigned int seeds = (unsigned int)fmax(1, c->seeds * settings->scale);

	fprintf(out, "%s: %zu x %zu vCPUs on %zu pCPUs, %u run%s%s%s\n", c->name, c->nguests,
		c->vcpus, c->npcpus, seeds, seeds > 1 ? "s" : "", *c->title ? ", " : "", c->title);
	for (size_t i = 0; i < bench_nrules; i++) {
		const struct bench_rule *rule = &bench_rules[i];
		struct figures figures = {0};

		if (settings->rule && !strstr(rule->name, settings->rule))
			continue;
		if (rule->knows && !strstr(c->name, "overcommitted"))
			continue;
		/* An older policy is not told to plan for more than there is. */
		if (rule->older && (!settings->older || c->open_eyes))
			continue;
		for (unsigned int n = 0; n < seeds; n++)
			bench_run(c, rule, settings->seed + n, settings->older, settings->trace,
				  &figures);
		print_row(out, rule->name, &figures);
		free(figures.plan_s.values);
		free(figures.intervals.values);
	}
	if (c->sizes && !settings->rule)
		print_limit(c, settings, seeds, out);
}

/* --- the policy of another tree --- */

static const struct bench_policy_calls *load_policy(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct bench_policy_calls *calls = object ? dlsym(object, BENCH_POLICY_SYMBOL) : NULL;

	if (!calls)
		die(EXIT_USAGE,
		    "-b %s: no policy that can be loaded (make BASELINE=TREE builds one): %s", path,
		    dlerror());
	return calls;
}

/* --- several cases at a time --- */

struct job {
	const struct bench_case *c;
	FILE *out;
	pid_t pid;
};

static void job_begin(struct job *job, const struct settings *settings)
{
	job->out = tmpfile();
	fflush(stdout);
	job->pid = job->out ? fork() : -1;
	if (job->pid < 0)
		die(EXIT_LAB, "%s", strerror(errno));
	if (job->pid)
		return;
	run_case(job->c, settings, job->out);
	if (fclose(job->out))
		_exit(EXIT_LAB);
	fflush(stdout);
	_exit(EXIT_PASS);
}

static void job_end(struct job *job)
{
	int status, byte;

	if (waitpid(job->pid, &status, 0) < 0 || status)
		die(EXIT_LAB, "%s: the run has failed", job->c->name);
	rewind(job->out);
	while ((byte = getc(job->out)) != EOF)
		putchar(byte);
	fflush(stdout);
	fclose(job->out);
}

/*
 * The longest cases stand last: with two at a time both processors are busy until nearly the end.
 */
static void run_jobs(struct job *jobs, size_t n, const struct settings *settings)
{
	size_t begun = 0;

	for (size_t ended = 0; ended < n; ended++) {
		while (begun < n && begun < ended + settings->jobs)
			job_begin(&jobs[begun++], settings);
		job_end(&jobs[ended]);
	}
}

/* --- the command line --- */

static void print_help(void)
{
	printf("Usage: bench_cpu [-ltw] [-s SCALE] [-S SEED] [-r RULE] [-j JOBS] [-b POLICY] "
	       "[CASE...]\n"
	       "Runs the scheduler's policy and the rules of others on a simulated host.\n"
	       "CASE: those with that in their name.\n"
	       "  -s SCALE  part of the runs to make (1)\n"
	       "  -S SEED   of the first run of each case (%d: not used for tuning)\n"
	       "  -r RULE   only rules with that in their name\n"
	       "  -j JOBS   cases at a time (as many as there are processors)\n"
	       "  -b POLICY another tree's policy, to stand beside this one's (a shared object)\n"
	       "  -t        print each of our decisions\n"
	       "  -w        print the first run of each case as a scenario, and make none\n"
	       "  -l        list the cases\n",
	       HELD_OUT_SEED);
}

static double parse_option(int option, const char *text, double least, double most)
{
	double value = 0;

	if (parse_number(text, least, most, &value))
		die(EXIT_USAGE, "-%c %s: must be a number from %g to %g", option, text, least,
		    most);
	return value;
}

static void parse_args(int argc, char **argv, struct settings *settings)
{
	int option;

	while ((option = getopt(argc, argv, "s:S:r:j:b:twlh")) >= 0) {
		switch (option) {
		case 's':
			settings->scale = parse_option('s', optarg, 0, 1000);
			break;
		case 'S':
			settings->seed = (uint64_t)parse_option('S', optarg, 0, 1e15);
			break;
		case 'r':
			settings->rule = optarg;
			break;
		case 'j':
			settings->jobs = (unsigned int)parse_option('j', optarg, 1, 1024);
			break;
		case 'b':
			settings->older = load_policy(optarg);
			break;
		case 't':
			settings->trace = true;
			break;
		case 'w':
			settings->scenario = true;
			break;
		case 'l':
			for (size_t i = 0; i < bench_ncases; i++)
				puts(bench_cases[i].name);
			exit(EXIT_PASS);
		case 'h':
			print_help();
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE);
		}
	}
}

int main(int argc, char **argv)
{
	struct settings settings = {.scale = 1,
				    .seed = HELD_OUT_SEED,
				    .jobs = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN)};
	struct job *jobs = calloc(bench_ncases, sizeof(*jobs));
	size_t n = 0;

	log_init("bench_cpu", false);
	parse_args(argc, argv, &settings);
	for (size_t i = 0; i < bench_ncases; i++) {
		bool wanted = optind == argc;

		for (int a = optind; a < argc; a++)
			wanted |= strstr(bench_cases[i].name, argv[a]) != NULL;
		if (wanted)
			jobs[n++].c = &bench_cases[i];
	}
	if (!n)
		die(EXIT_USAGE, "%s: there is no such case; -l lists them", argv[optind]);
	for (size_t i = 0; settings.scenario && i < n; i++)
		bench_write(jobs[i].c, settings.seed, stdout);
	if (settings.scenario) {
		free(jobs);
		return EXIT_PASS;
	}
	printf("Seeds from %" PRIu64 "%s.\n\n", settings.seed,
	       settings.seed >= HELD_OUT_SEED ? ", none of which was used for tuning" : "");
	print_heading(stdout);
	run_jobs(jobs, n, &settings);
	print_legend();
	free(jobs);
	return EXIT_PASS;
}
