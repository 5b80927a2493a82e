/* SPDX-License-Identifier: MIT */
/* Report lines. */
#include "report.h"

#include "demand.h"

#include <stdio.h>
#include <string.h>

static void print_place(const char *key, int id)
{
	if (id == CPU_FLOATING)
		printf(" %s=floating", key);
	else
		printf(" %s=%d", key, id);
}

/* The planned loads of a pCPU: now and after the plan. */
static void print_loads(const char *key, const struct cpu_sample *sample,
			const struct cpu_plan *plan, int id)
{
	ptrdiff_t p = cpu_pcpu_find(sample, id);

	if (p >= 0)
		printf(" %s_load_pct=%.1f:%.1f", key, plan->pcpus[p].load_pct,
		       plan->pcpus[p].plan_pct);
}

void report_pin(const char *guest, const struct cpu_sample *sample, const struct cpu_plan *plan,
		const struct cpu_pin *pin)
{
	printf("pin guest=%s vcpu=%u", guest, sample->vcpus[pin->vcpu].number);
	print_place("from", pin->from);
	print_place("to", pin->to);
	printf(" demand_pct=%.1f", plan->vcpus[pin->vcpu].demand_pct);
	print_loads("from", sample, plan, pin->from);
	print_loads("to", sample, plan, pin->to);
	printf(" reason=%s\n", cpu_reason_name(pin->reason));
}

void report_tick(unsigned long tick, const struct cpu_sample *sample, const struct cpu_plan *plan,
		 size_t failed)
{
	printf("tick=%lu verdict=%s guests=%zu vcpus=%zu elapsed_s=%.3f spread_pct=%.1f stddev_pct=%.1f",
	       tick, cpu_verdict_name(plan->verdict), sample->nguests, sample->nvcpus,
	       plan->elapsed_s, plan->spread_pct, plan->stddev_pct);
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
