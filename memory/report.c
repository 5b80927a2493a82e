/* SPDX-License-Identifier: MIT */
/* Report lines. */
#include "report.h"

#include "runfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	case MEM_GIVEN_UP:
		printf(" what=given-up now=the-host-has-no-more-for-it runs_out_in_s=%.0f\n",
		       note->left_s);
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
	if (plan->covered_pct < 100)
		printf(" covered_pct=%.0f", plan->covered_pct);
	if (plan->short_kib)
		printf(" short_mib=%ld", mib(plan->short_kib));
	if (plan->left_s >= 0)
		printf(" left_s=%.0f", plan->left_s);
	if (failed)
		printf(" failed=%zu", failed);
	putchar('\n');
}

/* --- for people --- */

static const struct mem_set *find_set(const struct mem_plan *plan, size_t guest)
{
	for (size_t i = 0; i < plan->nsets; i++) {
		if (plan->sets[i].guest == guest)
			return &plan->sets[i];
	}
	return NULL;
}

void report_table(const struct mem_sample *sample, const struct mem_plan *plan, report_name_fn name,
		  const void *opaque)
{
	printf("host: %ld MiB available, level %s; reserve %ld, promised to guests %ld, room %ld\n",
	       mib(sample->host_available_kib), mem_level_name(plan->level),
	       mib(plan->host_reserve_kib), mib(plan->promised_kib), mib(plan->room_kib));
	printf("%-24s %8s %8s %8s %8s %8s %8s  %s\n", "guest (MiB)", "size", "used", "need", "want",
	       "share", "set to", "why");
	for (size_t g = 0; g < plan->nguests; g++) {
		const struct mem_view *view = &plan->views[g];
		const struct mem_set *set = find_set(plan, g);

		printf("%-24s %8ld", name(opaque, g), mib(sample->guests[g].actual_kib));
		if (view->condition != MEM_STEERED) {
			printf("%47s %s\n", "", mem_condition_name(view->condition));
			continue;
		}
		printf(" %8ld %8ld %8ld %8ld", mib(view->used_kib), mib(view->need_kib),
		       mib(view->want_kib), mib(view->share_kib));
		if (set)
			printf(" %8ld  %s\n", mib(set->to_kib), mem_reason_name(set->reason));
		else
			printf(" %8s  %s\n", "-", view->short_kib ? "short" : "as it should be");
	}
}

/* --- for Prometheus --- */

static void metric(FILE *out, const char *name, const char *type, const char *help, double value)
{
	fprintf(out,
		"# HELP ballast_memory_%s %s\n# TYPE ballast_memory_%s %s\nballast_memory_%s "
		"%.0f\n",
		name, help, name, type, name, value);
}

/* A label's value: backslash, quote and newline are escaped. */
static void put_label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			putc(*text, out);
	}
}

static int64_t size_of(const struct mem_sample *s, const struct mem_plan *p, size_t g)
{
	(void)p;
	return s->guests[g].actual_kib;
}

static int64_t used_of(const struct mem_sample *s, const struct mem_plan *p, size_t g)
{
	(void)s;
	return p->views[g].used_kib;
}

static int64_t need_of(const struct mem_sample *s, const struct mem_plan *p, size_t g)
{
	(void)s;
	return p->views[g].need_kib;
}

static int64_t target_of(const struct mem_sample *s, const struct mem_plan *p, size_t g)
{
	(void)s;
	return p->views[g].target_kib;
}

static int64_t short_of(const struct mem_sample *s, const struct mem_plan *p, size_t g)
{
	(void)s;
	return p->views[g].short_kib;
}

static const struct {
	const char *name, *help;
	int64_t (*value)(const struct mem_sample *s, const struct mem_plan *p, size_t g);
} guest_metrics[] = {
	{"guest_size_bytes", "Size of the guest's balloon.", size_of},
	{"guest_used_bytes", "What the guest uses and cannot give back.", used_of},
	{"guest_need_bytes", "What it needs: used, reserve and growth.", need_of},
	{"guest_target_bytes", "What its balloon is set to.", target_of},
	{"guest_short_bytes", "What it lacks of its need.", short_of},
};

static void put_metrics(FILE *out, const struct mem_sample *sample, const struct mem_plan *plan,
			const struct report_totals *totals, report_name_fn name, const void *opaque)
{
	metric(out, "ticks_total", "counter", "Decisions made.", (double)totals->ticks);
	metric(out, "sets_total", "counter", "Balloons set.", (double)totals->sets);
	metric(out, "failed_total", "counter", "Balloons that could not be set.",
	       (double)totals->failed);
	metric(out, "granted_bytes_total", "counter", "Memory given to guests.",
	       (double)totals->granted_kib * 1024);
	metric(out, "released_bytes_total", "counter", "Memory taken back from guests.",
	       (double)totals->released_kib * 1024);
	metric(out, "host_available_bytes", "gauge", "Memory the host could give out.",
	       (double)sample->host_available_kib * 1024);
	metric(out, "room_bytes", "gauge", "What may be given out now.",
	       (double)plan->room_kib * 1024);
	metric(out, "promised_bytes", "gauge", "What guests may still take of what they have.",
	       (double)plan->promised_kib * 1024);
	metric(out, "covered_percent", "gauge",
	       "Of the promised, by what the host has above its reserve.", plan->covered_pct);
	metric(out, "left_seconds", "gauge",
	       "Until the host is at its reserve, as fast as guests grow; -1: they do not.",
	       plan->left_s);
	metric(out, "level", "gauge", "0 clear, 1 soft, 2 hard, 3 low.", plan->level);
	metric(out, "guests", "gauge", "Running guests.", (double)plan->nguests);
	metric(out, "guests_held", "gauge", "Those that are not steered.", (double)plan->held);
	for (size_t i = 0; i < sizeof(guest_metrics) / sizeof(*guest_metrics); i++) {
		const char *what = guest_metrics[i].name;

		fprintf(out, "# HELP ballast_memory_%s %s\n# TYPE ballast_memory_%s gauge\n", what,
			guest_metrics[i].help, what);
		for (size_t g = 0; g < plan->nguests; g++) {
			int64_t kib = guest_metrics[i].value(sample, plan, g);

			if (kib < 0)
				continue;
			fprintf(out, "ballast_memory_%s{guest=\"", what);
			put_label(out, name(opaque, g));
			fprintf(out, "\"} %.0f\n", (double)kib * 1024);
		}
	}
}

int report_metrics(const char *path, const struct mem_sample *sample, const struct mem_plan *plan,
		   const struct report_totals *totals, report_name_fn name, const void *opaque)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int result;

	if (!out)
		return -1;
	put_metrics(out, sample, plan, totals, name, opaque);
	if (fclose(out)) {
		free(text);
		errno = ENOMEM;
		return -1;
	}
	result = file_replace(path, text, len);
	free(text);
	return result;
}
