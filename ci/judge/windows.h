/* SPDX-License-Identifier: MIT */
/* Figures over windows of real elapsed time: medians of samples, so that one disturbed sample
 * decides nothing. Pure. */
#ifndef BALLAST_WINDOWS_H
#define BALLAST_WINDOWS_H

#include "trace.h"

#include <stdbool.h>
#include <stddef.h>

/* Samples [first, first + count) of a trace. */
struct window {
	const struct trace *trace;
	size_t first, count;
};

/* The samples that lie within from_s…to_s; one that overlaps the start by under half counts. */
struct window window_between(const struct trace *trace, double from_s, double to_s);

/* When the window really begins and ends; NAN where it is empty. */
double window_from_s(const struct window *w);
double window_to_s(const struct window *w);

/* Median of n values (reordered); NAN for none. */
double median(double *values, size_t n);

enum pcpu_figure {
	PCPU_USAGE,  /* of everything */
	PCPU_GUESTS, /* of guests' vCPUs; of everything where that is not known */
	PCPU_OWN,    /* of everything but guests; 0 where that is not known */
};

/* Median over the window of that figure of the pCPU at that place in the samples; NAN where never
 * seen. */
double window_pcpu(const struct window *w, int pcpu, enum pcpu_figure figure);

/* Medians of a vCPU's usage and delay; NAN where never seen, delay also where not known. */
double window_vcpu_usage(const struct window *w, const char *guest, size_t vcpu);
double window_vcpu_delay(const struct window *w, const char *guest, size_t vcpu);

/* Median of the sum of a guest's vCPUs' usage; NAN where never seen. */
double window_guest_usage(const struct window *w, const char *guest);

/*
 * Standard errors of those medians, by how much the samples vary (1.25 σ ÷ √(n ÷ 2), with σ from
 * the median deviation, where neighbours are alike); NAN where there is no median.
 */
double window_pcpu_error(const struct window *w, int pcpu, enum pcpu_figure figure);
double window_guest_error(const struct window *w, const char *guest);

/* Median of what the program under test used, percent of one pCPU; NAN for no sample. */
double window_program(const struct window *w);

/* max − min, and population standard deviation, of n values; 0 for none. */
double spread_of(const double *values, size_t n);
double stddev_of(const double *values, size_t n);

#endif
