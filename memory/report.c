/* SPDX-License-Identifier: MIT */
/* Report lines, the table of --explain, metrics. */
#include "report.h"

#include "logfmt.h"

#include <stdio.h>

/* Statistics that come at all come each second or few. */
#define OLD_S 10.0

static long mib(int64_t kib)
{
	return (long)(kib / 1024);
}

static void print_set(const char *guest, const struct mem_plan *plan, const struct mem_set *set,
		      bool dry_run)
{
	const struct mem_view *view = &plan->views[set->guest];

	printf("set guest=");
	logfmt_put(stdout, guest);
	printf(" from_mib=%ld to_mib=%ld reason=%s", mib(set->from_kib), mib(set->to_kib),
	       mem_reason_name(set->reason));
	if (view->used_kib >= 0)
		printf(" used_mib=%ld growth_mib_s=%.1f need_mib=%ld want_mib=%ld",
		       mib(view->used_kib), (double)view->growth_kib_s / 1024, mib(view->need_kib),
		       mib(view->want_kib));
	if (view->short_kib)
		printf(" short_mib=%ld", mib(view->short_kib));
	if (dry_run)
		printf(" made=no");
	putchar('\n');
}

static void print_note(const char *guest, const struct mem_note *note)
{
	printf("note guest=");
	logfmt_put(stdout, guest);
	printf(" size_mib=%ld", mib(note->kib));
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

static size_t count_failed(const struct report *report)
{
	size_t failed = 0;

	for (size_t i = 0; i < report->plan->nsets; i++)
		failed += report->outcomes[i] == REPORT_FAILED;
	return failed;
}

/* Age of the statistics in seconds; negative: not known. */
static double age_of(const struct mem_sample *s, size_t g)
{
	return s->wall_s > 0 && s->guests[g].made_s > 0 ? s->wall_s - (double)s->guests[g].made_s
							: -1;
}

/* Where nothing may be touched, nobody sees to it that statistics come: those that are older than
 * their next ones would be, or never came, are told of at the first look. */
static void print_old(const struct report *report)
{
	const struct mem_sample *sample = report->sample;

	if (!report->dry_run || report->tick > 0)
		return;
	for (size_t g = 0; g < sample->nguests; g++) {
		double age_s = age_of(sample, g);

		if (!sample->guests[g].managed || !sample->guests[g].balloon ||
		    (age_s >= 0 && age_s < OLD_S))
			continue;
		printf("note guest=");
		logfmt_put(stdout, report->name(report->opaque, g));
		printf(" size_mib=%ld what=statistics-old", mib(sample->guests[g].actual_kib));
		if (age_s >= 0)
			printf(" age_s=%.0f\n", age_s);
		else
			printf(" age_s=never\n");
	}
}

void report_lines(const struct report *report)
{
	const struct mem_sample *sample = report->sample;
	const struct mem_plan *plan = report->plan;
	size_t failed = count_failed(report);

	print_old(report);
	for (size_t i = 0; i < plan->nnotes; i++)
		print_note(report->name(report->opaque, plan->notes[i].guest), &plan->notes[i]);
	for (size_t i = 0; i < plan->nsets; i++)
		print_set(report->name(report->opaque, plan->sets[i].guest), plan, &plan->sets[i],
			  report->dry_run);
	printf("tick=%lu level=%s guests=%zu held=%zu host_available_mib=%ld room_mib=%ld "
	       "promised_mib=%ld actual_mib=%ld need_mib=%ld want_mib=%ld sets=%zu",
	       report->tick, mem_level_name(plan->level), sample->nguests, plan->held,
	       mib(sample->host_available_kib), mib(plan->room_kib), mib(plan->promised_kib),
	       mib(plan->actual_kib), mib(plan->need_kib), mib(plan->want_kib), plan->nsets);
	if (plan->covered_pct < 100)
		printf(" covered_pct=%.0f", plan->covered_pct);
	if (plan->short_kib)
		printf(" short_mib=%ld", mib(plan->short_kib));
	if (plan->left_s >= 0)
		printf(" left_s=%.0f", plan->left_s);
	if (plan->given_up)
		printf(" given_up=%zu", plan->given_up);
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

void report_table(const struct report *report)
{
	const struct mem_sample *sample = report->sample;
	const struct mem_plan *plan = report->plan;

	printf("host: %ld MiB available, level %s; reserve %ld, promised to guests %ld, room %ld\n",
	       mib(sample->host_available_kib), mem_level_name(plan->level),
	       mib(plan->host_reserve_kib), mib(plan->promised_kib), mib(plan->room_kib));
	printf("%-24s %8s %8s %8s %8s %8s %8s  %s\n", "guest (MiB)", "size", "used", "need", "want",
	       "share", "set to", "why");
	for (size_t g = 0; g < plan->nguests; g++) {
		const struct mem_view *view = &plan->views[g];
		const struct mem_set *set = find_set(plan, g);

		printf("%-24s %8ld", report->name(report->opaque, g),
		       mib(sample->guests[g].actual_kib));
		if (view->condition != MEM_STEERED) {
			printf("%47s %s\n", "", mem_condition_name(view->condition));
			continue;
		}
		printf(" %8ld %8ld %8ld %8ld", mib(view->used_kib), mib(view->need_kib),
		       mib(view->want_kib), mib(view->share_kib));
		if (set)
			printf(" %8ld  %s\n", mib(set->to_kib), mem_reason_name(set->reason));
		else
			printf(" %8s  %s\n", "-",
			       view->given_up	 ? "given-up"
			       : view->short_kib ? "short"
						 : "as it should be");
	}
}

/* --- for Prometheus --- */

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

static void put_guests(struct metrics *m, const struct report *report)
{
	const struct mem_plan *plan = report->plan;

	for (size_t i = 0; i < sizeof(guest_metrics) / sizeof(*guest_metrics); i++) {
		metrics_head(m, guest_metrics[i].name, guest_metrics[i].help);
		for (size_t g = 0; g < plan->nguests; g++) {
			int64_t kib = guest_metrics[i].value(report->sample, plan, g);

			if (kib >= 0)
				metrics_put_labelled(m, guest_metrics[i].name, "guest",
						     report->name(report->opaque, g),
						     (double)kib * 1024);
		}
	}
	metrics_head(m, "guest_statistics_age_seconds", "Since the guest's statistics were made.");
	for (size_t g = 0; g < plan->nguests; g++) {
		double age_s = age_of(report->sample, g);

		if (age_s >= 0)
			metrics_put_labelled(m, "guest_statistics_age_seconds", "guest",
					     report->name(report->opaque, g), age_s);
	}
}

static void put_totals(struct metrics *m, const struct report_totals *totals)
{
	metrics_put_run(m, &totals->run);
	metrics_put(m, "sets_total", "counter", "Balloons set.", (double)totals->sets);
	metrics_put(m, "sets_failed_total", "counter", "Balloons that could not be set.",
		    (double)totals->failed);
	metrics_put(m, "granted_bytes_total", "counter", "Memory given to guests.",
		    (double)totals->granted_kib * 1024);
	metrics_put(m, "released_bytes_total", "counter", "Memory taken back from guests.",
		    (double)totals->released_kib * 1024);
}

static void put_moment(struct metrics *m, const struct report *report)
{
	const struct mem_plan *plan = report->plan;

	metrics_put(m, "host_available_bytes", "gauge", "Memory the host could give out.",
		    (double)report->sample->host_available_kib * 1024);
	metrics_put(m, "room_bytes", "gauge", "What may be given out now.",
		    (double)plan->room_kib * 1024);
	metrics_put(m, "promised_bytes", "gauge", "What guests may still take of what they have.",
		    (double)plan->promised_kib * 1024);
	metrics_put(m, "covered_percent", "gauge",
		    "Of the promised, by what the host has above its reserve.", plan->covered_pct);
	metrics_put(m, "left_seconds", "gauge",
		    "Until the host is at its reserve, as fast as guests grow; -1: they do not.",
		    plan->left_s);
	metrics_put(m, "level", "gauge", "0 clear, 1 soft, 2 hard, 3 low.", plan->level);
	metrics_put(m, "guests", "gauge", "Running guests.", (double)plan->nguests);
	metrics_put(m, "guests_held", "gauge", "Those that are not steered.", (double)plan->held);
	metrics_put(m, "guests_given_up", "gauge", "Those for which the host has no more.",
		    (double)plan->given_up);
	put_guests(m, report);
}

int report_metrics(const char *path, const struct report *report,
		   const struct report_totals *totals)
{
	struct metrics m;

	if (metrics_begin(&m, "memory_coordinator"))
		return -1;
	put_totals(&m, totals);
	if (report)
		put_moment(&m, report);
	return metrics_end(&m, path);
}
