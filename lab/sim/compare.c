/* SPDX-License-Identifier: MIT */
/*
 * How near two traces of the same scenario are, one of real guests and one of the simulated host:
 * pCPU usage and guests' memory, aligned by time. Prints one line of figures, and with --data FILE
 * both courses for plots.
 */
#include "array.h"
#include "log.h"
#include "trace.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a model of the host must meet; the loads' own noise on a real host is about half of it. */
#define USAGE_POINTS_MAX 5.0
#define ACTUAL_PCT_MAX	 5.0

struct differences {
	double *values;
	size_t n, size;
};

static void add(struct differences *d, double value)
{
	double *last = array_add(&d->values, &d->n, &d->size, sizeof(*last));

	if (!last)
		die(EXIT_LAB, "out of memory");
	*last = fabs(value);
}

static int by_value(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

/* −1: there is nothing to compare. */
static double quantile(struct differences *d, double share)
{
	if (!d->n)
		return -1;
	qsort(d->values, d->n, sizeof(*d->values), by_value);
	return d->values[(size_t)(share * (double)(d->n - 1))];
}

/* The sample whose window is the nearest in time. */
static const struct trace_sample *nearest(const struct trace *trace, double t_s)
{
	const struct trace_sample *best = NULL;

	for (size_t i = 0; i < trace->nsamples; i++) {
		if (!best || fabs(trace->samples[i].t_s - t_s) < fabs(best->t_s - t_s))
			best = &trace->samples[i];
	}
	return best;
}

/* The pCPUs' usage, sorted: which of two equal pCPUs carries what is chance in both worlds. */
static size_t sorted_usage(const struct trace_sample *sample, double *usage, size_t most)
{
	size_t n = sample->npcpus < most ? sample->npcpus : most;

	for (size_t i = 0; i < n; i++)
		usage[i] = sample->pcpus[i].usage_pct;
	qsort(usage, n, sizeof(*usage), by_value);
	return n;
}

#define PCPUS_MAX 1024

static void compare_usage(const struct trace_sample *real, const struct trace_sample *sim,
			  struct differences *d, FILE *data)
{
	static double a[PCPUS_MAX], b[PCPUS_MAX];
	size_t n = sorted_usage(real, a, PCPUS_MAX);

	if (sorted_usage(sim, b, PCPUS_MAX) != n)
		die(EXIT_USAGE, "the traces are of hosts with different numbers of pCPUs");
	for (size_t i = 0; i < n; i++)
		add(d, a[i] - b[i]);
	if (data)
		fprintf(data, "usage %.3f %.3f %.3f %.3f %.3f\n", real->t_s, a[0], a[n - 1], b[0],
			b[n - 1]);
}

/* What the guest's vCPUs used together. */
static double guest_usage(const struct trace_guest *guest)
{
	double sum = 0;

	for (size_t i = 0; guest && i < guest->nvcpus; i++)
		sum += fmax(guest->vcpus[i].usage_pct, 0);
	return sum;
}

static void compare_memory(const struct trace_sample *real, const struct trace_sample *sim,
			   struct differences *d, FILE *data)
{
	for (size_t i = 0; i < real->nguests; i++) {
		const struct trace_guest *guest = &real->guests[i];
		const struct trace_guest *other = trace_find_guest(sim, guest->name);
		double a = (double)guest->memory.actual_kib;
		double b = other ? (double)other->memory.actual_kib : -1;

		if (a <= 0 || b <= 0)
			continue;
		add(d, 100 * (a - b) / a);
		if (data)
			fprintf(data, "memory-%s %.3f %.0f %.0f\ncpu-%s %.3f %.3f %.3f\n",
				guest->name, real->t_s, a / 1024, b / 1024, guest->name, real->t_s,
				guest_usage(guest), guest_usage(other));
	}
}

static void read_trace(struct trace *trace, const char *path)
{
	char error[TRACE_ERROR_MAX];

	if (trace_read(trace, path, error))
		die(EXIT_USAGE, "%s", error);
	if (!trace->nsamples)
		die(EXIT_USAGE, "%s: has no samples", path);
}

/* What a guest's vCPU used on the pCPU it is pinned to; of one that may run on several only the
 * last is known, so its time may have been anywhere. */
static double pinned_pct(const struct trace_sample *sample, int pcpu)
{
	double pct = 0;

	for (size_t i = 0; i < sample->nguests; i++) {
		for (size_t j = 0; j < sample->guests[i].nvcpus; j++) {
			const struct trace_vcpu *vcpu = &sample->guests[i].vcpus[j];
			char *end;

			if (vcpu->affinity && strtol(vcpu->affinity, &end, 10) == pcpu && !*end)
				pct += fmax(vcpu->usage_pct, 0);
		}
	}
	return pct;
}

/* What the host itself and other processes used of each pCPU from from_s on; guests are the model's
 * business. Floating guests are taken to have run where there was room beside the pinned. */
static void print_other_load(const struct trace_sample *sample, double from_s)
{
	double room_pct = 0, guests_pct = 0, share;

	for (size_t i = 0; i < sample->npcpus; i++) {
		const struct trace_pcpu *pcpu = &sample->pcpus[i];
		double pinned = pinned_pct(sample, pcpu->id);

		if (pcpu->guests_pct < 0)
			return;
		room_pct += fmax(pcpu->usage_pct - pinned, 0);
		guests_pct += pcpu->guests_pct - pinned;
	}
	share = room_pct > 0 ? fmin(fmax(1 - guests_pct / room_pct, 0), 1) : 0;
	for (size_t i = 0; i < sample->npcpus; i++) {
		const struct trace_pcpu *pcpu = &sample->pcpus[i];
		double room = fmax(pcpu->usage_pct - pinned_pct(sample, pcpu->id), 0);

		printf("host_load = %d %.1f%% %.3fs-%.3fs\n", pcpu->id, fmin(share * room, 99),
		       from_s, sample->t_s);
	}
}

static void print_host(const char *path)
{
	const struct trace_sample *first;
	struct trace trace;
	int64_t used_kib;
	int last = 0;

	read_trace(&trace, path);
	first = &trace.samples[0];
	used_kib = first->host_total_kib - first->host_available_kib;
	for (size_t i = 0; i < first->nguests; i++)
		used_kib -= first->guests[i].memory.rss_kib;
	for (size_t i = 0; i < first->npcpus; i++)
		last = first->pcpus[i].id > last ? first->pcpus[i].id : last;
	printf("[host]\npcpus = %d\nmemory = %" PRId64 "K\nused = %" PRId64
	       "K\nload = 0\n[faults]\n",
	       last + 1, first->host_total_kib, used_kib > 0 ? used_kib : 0);
	for (size_t i = 0; i < trace.nsamples; i++)
		print_other_load(&trace.samples[i], i ? trace.samples[i - 1].t_s : 0);
	trace_free(&trace);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"data", required_argument, NULL, 'd'},
						{"host", required_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct differences usage = {0}, actual = {0};
	struct trace real, sim;
	FILE *data = NULL;
	double usage_points, actual_pct;
	int option;

	log_init("compare", false);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			print_host(optarg);
			return EXIT_PASS;
		}
		if (option != 'd')
			return EXIT_USAGE;
		data = fopen(optarg, "w");
		if (!data)
			die(EXIT_USAGE, "%s: cannot be written", optarg);
	}
	if (argc - optind != 2)
		die(EXIT_USAGE, "usage: compare [--data FILE] REAL-TRACE SIM-TRACE");
	read_trace(&real, argv[optind]);
	read_trace(&sim, argv[optind + 1]);
	for (size_t i = 0; i < real.nsamples; i++) {
		const struct trace_sample *other = nearest(&sim, real.samples[i].t_s);

		compare_usage(&real.samples[i], other, &usage, data);
		compare_memory(&real.samples[i], other, &actual, data);
	}
	if (data)
		fclose(data);
	if (!actual.n)
		die(EXIT_USAGE, "%s and %s have no guest in common", argv[optind],
		    argv[optind + 1]);
	usage_points = quantile(&usage, 0.5);
	actual_pct = quantile(&actual, 0.5);
	printf("usage_median=%.1f usage_p90=%.1f actual_median=%.1f actual_p90=%.1f samples=%zu\n",
	       usage_points, quantile(&usage, 0.9), actual_pct, quantile(&actual, 0.9),
	       real.nsamples);
	free(usage.values);
	free(actual.values);
	trace_free(&real);
	trace_free(&sim);
	return usage_points <= USAGE_POINTS_MAX && actual_pct <= ACTUAL_PCT_MAX ? EXIT_PASS
										: EXIT_FAIL;
}
