/* SPDX-License-Identifier: MIT */
/* Report lines, the table of --explain, metrics. */
#include "report.h"

#include "logfmt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *report_outcome_name(enum report_outcome outcome)
{
	static const char *const names[] = {
		[REPORT_MADE] = "made",
		[REPORT_FAILED] = "failed",
		[REPORT_DRY] = "dry-run",
	};

	return names[outcome];
}

static const char *guest_name(const struct report *report, size_t vcpu)
{
	return report->name(report->opaque, report->sample->vcpus[vcpu].guest);
}

/* --- lines --- */

static void print_place(const char *key, int id)
{
	if (id == CPU_FLOATING)
		printf(" %s=floating", key);
	else
		printf(" %s=%d", key, id);
}

/* A pCPU's planned load now and after the plan. */
static void print_loads(const struct report *report, const char *key, int id)
{
	ptrdiff_t p = cpu_pcpu_find(report->sample, id);

	if (p >= 0)
		printf(" %s_load_pct=%.1f:%.1f", key, report->plan->pcpus[p].load_pct,
		       report->plan->pcpus[p].plan_pct);
}

static void print_pin(const struct report *report, size_t i)
{
	const struct cpu_pin *pin = &report->plan->pins[i];

	printf("pin guest=");
	logfmt_put(stdout, guest_name(report, pin->vcpu));
	printf(" vcpu=%u", report->sample->vcpus[pin->vcpu].number);
	print_place("from", pin->from);
	print_place("to", pin->to);
	printf(" demand_pct=%.1f", report->plan->vcpus[pin->vcpu].demand_pct);
	print_loads(report, "from", pin->from);
	print_loads(report, "to", pin->to);
	printf(" spread_pct=%.1f:%.1f reason=%s", report->plan->spread_pct,
	       report->plan->plan_spread_pct, cpu_reason_name(pin->reason));
	if (report->outcomes[i] != REPORT_MADE)
		printf(" outcome=%s", report_outcome_name(report->outcomes[i]));
	putchar('\n');
}

static size_t count_failed(const struct report *report)
{
	size_t failed = 0;

	for (size_t i = 0; i < report->plan->npins; i++)
		failed += report->outcomes[i] == REPORT_FAILED;
	return failed;
}

void report_lines(const struct report *report)
{
	const struct cpu_plan *plan = report->plan;
	size_t failed = count_failed(report);

	for (size_t i = 0; i < plan->npins; i++)
		print_pin(report, i);
	printf("tick=%lu verdict=%s guests=%zu vcpus=%zu elapsed_s=%.3f spread_pct=%.1f "
	       "stddev_pct=%.1f",
	       report->tick, cpu_verdict_name(plan->verdict), report->sample->nguests,
	       report->sample->nvcpus, plan->elapsed_s, plan->spread_pct, plan->stddev_pct);
	if (plan->npins)
		printf(" plan_spread_pct=%.1f pins=%zu moves=%zu bound=%zu gap=%zu",
		       plan->plan_spread_pct, plan->npins, plan->moves, plan->bound,
		       plan->moves > plan->bound ? plan->moves - plan->bound : 0);
	if (plan->undone)
		printf(" undone=%zu", plan->undone);
	if (failed)
		printf(" failed=%zu", failed);
	putchar('\n');
}

/* --- the table --- */

static void print_vcpu_row(const struct report *report, size_t v)
{
	const struct cpu_vcpu *vcpu = &report->sample->vcpus[v];
	const struct cpu_vcpu_load *load = &report->plan->vcpus[v];
	char place[16] = "floating";

	if (vcpu->pcpu != CPU_FLOATING)
		snprintf(place, sizeof(place), "%d", vcpu->pcpu);
	printf("%-24s %4u %8s", guest_name(report, v), vcpu->number, place);
	if (!load->known)
		printf(" %7s %7s %7s", "-", "-", "-");
	else if (load->delay_pct < 0)
		printf(" %7.1f %7s %7.1f", load->usage_pct, "-", load->demand_pct);
	else
		printf(" %7.1f %7.1f %7.1f", load->usage_pct, load->delay_pct, load->demand_pct);
	if (!report->sample->guests[vcpu->guest].managed)
		printf("  left alone");
	for (size_t i = 0; i < report->plan->npins; i++) {
		if (report->plan->pins[i].vcpu == v)
			printf("  -> %d (%s)", report->plan->pins[i].to,
			       cpu_reason_name(report->plan->pins[i].reason));
	}
	putchar('\n');
}

void report_table(const struct report *report)
{
	const struct cpu_plan *plan = report->plan;

	printf("%-24s %4s %8s %7s %7s %7s\n", "guest", "vCPU", "pCPU", "usage%", "delay%",
	       "demand%");
	for (size_t v = 0; v < report->sample->nvcpus; v++)
		print_vcpu_row(report, v);
	printf("\n%8s %7s %7s %7s %7s\n", "pCPU", "usage%", "other%", "load%", "plan%");
	for (size_t p = 0; p < plan->npcpus; p++)
		printf("%8d %7.1f %7.1f %7.1f %7.1f%s\n", report->sample->pcpus[p].id,
		       plan->pcpus[p].usage_pct, plan->pcpus[p].other_pct, plan->pcpus[p].load_pct,
		       plan->pcpus[p].plan_pct,
		       report->sample->pcpus[p].usable ? "" : "  not to be used");
	printf("\n%s: spread %.1f points", cpu_verdict_name(plan->verdict), plan->spread_pct);
	if (plan->npins)
		printf(", %.1f after %zu pins, %zu of them moves (no plan as good has fewer than "
		       "%zu)",
		       plan->plan_spread_pct, plan->npins, plan->moves, plan->bound);
	putchar('\n');
}

/* --- metrics --- */

static void put_pcpus(struct metrics *m, const char *name, const char *help,
		      const struct report *report, size_t offset)
{
	metrics_head(m, name, help);
	for (size_t p = 0; p < report->plan->npcpus; p++) {
		const char *at = (const char *)&report->plan->pcpus[p] + offset;
		char id[16];

		snprintf(id, sizeof(id), "%d", report->sample->pcpus[p].id);
		metrics_put_labelled(m, name, "pcpu", id, *(const double *)(const void *)at);
	}
}

static void put_totals(struct metrics *m, const struct report_totals *totals)
{
	metrics_put_run(m, &totals->run);
	metrics_put(m, "pins_total", "counter", "Affinities set.", (double)totals->pins);
	metrics_put(m, "moves_total", "counter", "Affinities set that changed a vCPU's pCPU.",
		    (double)totals->moves);
	metrics_put(m, "pins_failed_total", "counter", "Affinities that could not be set.",
		    (double)totals->failed);
	metrics_put(m, "moves_undone_total", "counter",
		    "Moves back to where a vCPU was a few decisions before.",
		    (double)totals->undone);
}

static void put_moment(struct metrics *m, const struct report *report)
{
	const struct cpu_plan *plan = report->plan;

	metrics_put(m, "guests", "gauge", "Running guests.", (double)report->sample->nguests);
	metrics_put(m, "vcpus", "gauge", "Online vCPUs of running guests.",
		    (double)report->sample->nvcpus);
	metrics_put(m, "spread_percent", "gauge",
		    "Planned load of the busiest pCPU above that of the idlest.", plan->spread_pct);
	metrics_put(m, "stddev_percent", "gauge",
		    "Population standard deviation of the pCPUs' planned load.", plan->stddev_pct);
	metrics_put(m, "balanced", "gauge", "1 if there is nothing to do.",
		    plan->verdict == CPU_BALANCED || plan->verdict == CPU_QUIET ||
			    plan->verdict == CPU_BEST);
	put_pcpus(m, "pcpu_load_percent", "Planned load of a pCPU; may exceed 100.", report,
		  offsetof(struct cpu_pcpu_load, load_pct));
	put_pcpus(m, "pcpu_usage_percent", "Usage of a pCPU; -1 if not known.", report,
		  offsetof(struct cpu_pcpu_load, usage_pct));
}

int report_metrics(const char *path, const struct report *report,
		   const struct report_totals *totals)
{
	struct metrics m;

	if (metrics_begin(&m, "vcpu_scheduler"))
		return -1;
	put_totals(&m, totals);
	if (report)
		put_moment(&m, report);
	return metrics_end(&m, path);
}
