/* SPDX-License-Identifier: MIT */
/* Report lines. */
#include "report.h"

#include <stdio.h>

static long mib(int64_t kib)
{
	return (long)(kib / 1024);
}

void report_set(const char *guest, const struct mem_plan *plan, const struct mem_set *set)
{
	const struct mem_view *view = &plan->views[set->guest];

	printf("set guest=%s from_mib=%ld to_mib=%ld reason=%s", guest, mib(set->from_kib),
	       mib(set->to_kib), mem_reason_name(set->reason));
	if (view->used_kib >= 0)
		printf(" used_mib=%ld growth_mib_s=%.1f need_mib=%ld want_mib=%ld",
		       mib(view->used_kib), (double)view->growth_kib_s / 1024, mib(view->need_kib),
		       mib(view->want_kib));
	if (view->short_kib)
		printf(" short_mib=%ld", mib(view->short_kib));
	putchar('\n');
}

void report_note(const char *guest, const struct mem_note *note)
{
	printf("note guest=%s size_mib=%ld", guest, mib(note->kib));
	switch (note->what) {
	case MEM_SET_BY_OTHERS:
		printf(" what=set-by-others now=%s\n",
		       note->condition == MEM_LEFT ? "left-alone" : "going-on-from-there");
		break;
	case MEM_NOW_HELD:
		printf(" what=%s now=held\n", mem_condition_name(note->condition));
		break;
	case MEM_NOW_STEERED:
		printf(" what=no-longer-%s now=steered\n", mem_condition_name(note->condition));
		break;
	}
}

void report_tick(unsigned long tick, const struct mem_sample *sample, const struct mem_plan *plan,
		 size_t failed)
{
	printf("tick=%lu level=%s guests=%zu held=%zu host_available_mib=%ld room_mib=%ld "
	       "promised_mib=%ld actual_mib=%ld need_mib=%ld want_mib=%ld sets=%zu",
	       tick, mem_level_name(plan->level), sample->nguests, plan->held,
	       mib(sample->host_available_kib), mib(plan->room_kib), mib(plan->promised_kib),
	       mib(plan->actual_kib), mib(plan->need_kib), mib(plan->want_kib), plan->nsets);
	if (plan->short_kib)
		printf(" short_mib=%ld", mib(plan->short_kib));
	if (failed)
		printf(" failed=%zu", failed);
	putchar('\n');
}
