/* SPDX-License-Identifier: MIT */
/* Medians over windows of samples. */
#include "windows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct window window_between(const struct trace *trace, double from_s, double to_s)
{
	struct window w = {.trace = trace};

	for (size_t i = 0; i < trace->nsamples; i++) {
		const struct trace_sample *sample = &trace->samples[i];

		if (sample->t_s - sample->elapsed_s / 2 < from_s ||
		    sample->t_s > to_s + sample->elapsed_s / 4)
			continue;
		if (!w.count)
			w.first = i;
		w.count++;
	}
	return w;
}

double window_from_s(const struct window *w)
{
	const struct trace_sample *sample = &w->trace->samples[w->first];

	return w->count ? sample->t_s - sample->elapsed_s : NAN;
}

double window_to_s(const struct window *w)
{
	return w->count ? w->trace->samples[w->first + w->count - 1].t_s : NAN;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, size_t n)
{
	if (!n)
		return NAN;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Median of what one sample yields; a sample that yields NAN is left out. */
struct question {
	double (*answer)(const struct trace_sample *sample, struct question *q);
	int pcpu;
	enum pcpu_figure figure;
	const char *guest;
	size_t vcpu;
	size_t hint; /* where the guest stood in the last sample: mostly it stands there again */
};

/* The answers of the window's samples, to be freed, and how many there are. */
static double *window_values(const struct window *w, struct question *q, size_t *n)
{
	double *values = malloc((w->count + 1) * sizeof(*values));

	*n = 0;
	for (size_t i = 0; values && i < w->count; i++) {
		double value = q->answer(&w->trace->samples[w->first + i], q);

		if (!isnan(value))
			values[(*n)++] = value;
	}
	return values;
}

static double window_median(const struct window *w, struct question *q)
{
	size_t n;
	double *values = window_values(w, q, &n), result = values ? median(values, n) : NAN;

	free(values);
	return result;
}

/* Loads wander over a second or two, so that neighbouring samples tell half of what they seem to.
 */
#define TELLING_PART 0.5

/* Of a normal distribution: the standard deviation by the median deviation, and the standard error
 * of a median by that of a mean. */
#define SIGMA_PER_MAD	1.4826
#define MEDIAN_PER_MEAN 1.2533

static double window_error(const struct window *w, struct question *q)
{
	size_t n;
	double *values = window_values(w, q, &n), middle, result = NAN;

	if (values && n) {
		middle = median(values, n);
		for (size_t i = 0; i < n; i++)
			values[i] = fabs(values[i] - middle);
		result = MEDIAN_PER_MEAN * SIGMA_PER_MAD * median(values, n) /
			 sqrt(TELLING_PART * (double)n);
	}
	free(values);
	return result;
}

static double pcpu_of(const struct trace_sample *sample, struct question *q)
{
	for (size_t i = 0; i < sample->npcpus; i++) {
		const struct trace_pcpu *pcpu = &sample->pcpus[i];

		if (pcpu->id != q->pcpu)
			continue;
		/* libvirt did not answer: nothing is known of the guests, they do not stand still.
		 */
		if (pcpu->usage_pct < 0 || (!sample->nguests && q->figure != PCPU_USAGE))
			return NAN;
		if (q->figure == PCPU_USAGE || pcpu->guests_pct < 0)
			return q->figure == PCPU_OWN ? 0 : pcpu->usage_pct;
		if (q->figure == PCPU_GUESTS)
			return pcpu->guests_pct;
		return fmax(0, pcpu->usage_pct - pcpu->guests_pct);
	}
	return NAN;
}

double window_pcpu(const struct window *w, int pcpu, enum pcpu_figure figure)
{
	struct question q = {.answer = pcpu_of, .pcpu = pcpu, .figure = figure};

	return window_median(w, &q);
}

double window_pcpu_error(const struct window *w, int pcpu, enum pcpu_figure figure)
{
	struct question q = {.answer = pcpu_of, .pcpu = pcpu, .figure = figure};

	return window_error(w, &q);
}

static const struct trace_guest *guest_of(const struct trace_sample *sample, struct question *q)
{
	const struct trace_guest *guest;

	if (q->hint < sample->nguests && !strcmp(sample->guests[q->hint].name, q->guest))
		return &sample->guests[q->hint];
	guest = trace_find_guest(sample, q->guest);
	if (guest)
		q->hint = (size_t)(guest - sample->guests);
	return guest;
}

static const struct trace_vcpu *vcpu_of(const struct trace_sample *sample, struct question *q)
{
	const struct trace_guest *guest = guest_of(sample, q);

	return guest && q->vcpu < guest->nvcpus ? &guest->vcpus[q->vcpu] : NULL;
}

static double usage_of(const struct trace_sample *sample, struct question *q)
{
	const struct trace_vcpu *vcpu = vcpu_of(sample, q);

	return vcpu && vcpu->usage_pct >= 0 ? vcpu->usage_pct : NAN;
}

static double delay_of(const struct trace_sample *sample, struct question *q)
{
	const struct trace_vcpu *vcpu = vcpu_of(sample, q);

	return vcpu && vcpu->delay_pct >= 0 ? vcpu->delay_pct : NAN;
}

static double guest_usage_of(const struct trace_sample *sample, struct question *q)
{
	const struct trace_guest *guest = guest_of(sample, q);
	double sum = 0;

	if (!guest)
		return NAN;
	for (size_t i = 0; i < guest->nvcpus; i++) {
		if (guest->vcpus[i].usage_pct < 0)
			return NAN;
		sum += guest->vcpus[i].usage_pct;
	}
	return sum;
}

double window_vcpu_usage(const struct window *w, const char *guest, size_t vcpu)
{
	struct question q = {.answer = usage_of, .guest = guest, .vcpu = vcpu};

	return window_median(w, &q);
}

double window_vcpu_delay(const struct window *w, const char *guest, size_t vcpu)
{
	struct question q = {.answer = delay_of, .guest = guest, .vcpu = vcpu};

	return window_median(w, &q);
}

double window_guest_usage(const struct window *w, const char *guest)
{
	struct question q = {.answer = guest_usage_of, .guest = guest};

	return window_median(w, &q);
}

double window_guest_error(const struct window *w, const char *guest)
{
	struct question q = {.answer = guest_usage_of, .guest = guest};

	return window_error(w, &q);
}

static double program_of(const struct trace_sample *sample, struct question *q)
{
	(void)q;
	return fmax(0, sample->program_cpu_pct);
}

double window_program(const struct window *w)
{
	struct question q = {.answer = program_of};

	return window_median(w, &q);
}

double spread_of(const double *values, size_t n)
{
	double low = n ? values[0] : 0, high = low;

	for (size_t i = 1; i < n; i++) {
		low = fmin(low, values[i]);
		high = fmax(high, values[i]);
	}
	return high - low;
}

double stddev_of(const double *values, size_t n)
{
	double mean = 0, sum = 0;

	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		mean += values[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		sum += (values[i] - mean) * (values[i] - mean);
	return sqrt(sum / (double)n);
}
