/* SPDX-License-Identifier: MIT */
/* Prints a scenario as one seed plays it, and for the simulated host of this machine's size. */
#include "vary.h"

#include "log.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMINFO "/proc/meminfo"

static const char usage[] =
	"usage: vary [--seed N] [--pcpus N] [--this-host] [--expect SETTING]… SCENARIO\n"
	"\n"
	"Prints the scenario as the seed changes it: who is heavy, when and "
	"how much, as its [vary]\n"
	"says; without a seed as it is written. --this-host: for a host with "
	"this machine's pCPUs and\n"
	"memory, in place of what its [host] says.\n";

/* A line of /proc/meminfo in KiB; 0: there is none. */
static uint64_t meminfo(const char *key)
{
	FILE *file = fopen(MEMINFO, "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			sscanf(line + strlen(key) + 1, "%llu", &kib);
	if (file)
		fclose(file);
	return kib;
}

static void set_pcpus(struct scenario_host *h, unsigned int n)
{
	free(h->offline);
	h->offline = NULL;
	h->pcpus = n;
	h->threads_per_core = 1;
	h->nodes = 1;
}

static void this_host(struct scenario_host *h)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t total = meminfo("MemTotal"), available = meminfo("MemAvailable");

	set_pcpus(h, online > 0 ? (unsigned int)online : 1);
	if (total > available) {
		h->memory_kib = total;
		h->used_kib = total - available;
		h->swap_kib = meminfo("SwapTotal");
	}
}

/* Positions of pCPUs, which is what a scenario is written in. */
static unsigned int count_pcpus(const struct scenario *s, int *positions)
{
	unsigned int n = (unsigned int)scenario_host_pcpus(s, positions);

	for (unsigned int i = 0; i < n; i++)
		positions[i] = (int)i;
	return n;
}

static void print(struct scenario *s, const char *seed)
{
	int *positions = calloc(s->host.pcpus, sizeof(*positions));
	char error[SCENARIO_ERROR_MAX];
	unsigned int n;

	if (!positions)
		die(3, "out of memory");
	n = count_pcpus(s, positions);
	if (scenario_resolve(s, positions, n, "guest", error))
		die(2, "%s", error);
	free(positions);
	/* ci/grade --judge-only finds the seed in the trace by this line. */
	if (seed)
		printf("# Seed %s: other guests, times and amounts than the file of this name "
		       "has.\n",
		       seed);
	if ((seed && vary(s, strtoull(seed, NULL, 10), n)) || vary_write(s, stdout))
		die(3, "%s: %s", s->path, strerror(errno));
}

static bool is_seed(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 15 && strspn(text, "0123456789") == len;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},	  {"pcpus", required_argument, NULL, 'p'},
		{"expect", required_argument, NULL, 'e'}, {"this-host", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},	  {0}};
	const char *seed = NULL, **expect = calloc((size_t)argc, sizeof(*expect));
	size_t nexpect = 0;
	bool here = false;
	long pcpus = 0;
	struct scenario s;
	char error[SCENARIO_ERROR_MAX];
	int option;

	log_init("vary", false);
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = optarg;
			break;
		case 'p':
			if (parse_integer(optarg, 1, 1024, &pcpus))
				die(2, "--pcpus %s: it is a number from 1 to 1024", optarg);
			break;
		case 'e':
			if (expect)
				expect[nexpect++] = optarg;
			break;
		case 't':
			here = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind != argc - 1)
		die(2, "it is vary [--seed N] [--pcpus N] [--this-host] SCENARIO");
	if (seed && !is_seed(seed))
		die(2, "--seed %s: it is a whole number of at most 15 digits", seed);
	if (scenario_read(&s, argv[optind], error))
		die(2, "%s", error);
	for (size_t i = 0; i < nexpect; i++)
		if (vary_expect(&s, expect[i]))
			die(2, "%s: it is an expectation of common/scenario.5 and a value",
			    expect[i]);
	free(expect);
	if (pcpus)
		set_pcpus(&s.host, (unsigned int)pcpus);
	if (here)
		this_host(&s.host);
	print(&s, seed);
	scenario_free(&s);
	return 0;
}
