/* SPDX-License-Identifier: MIT */
/* memory_coordinator: moves memory between guests with their balloons. The loop. */
#include "host.h"
#include "cli.h"
#include "journal.h"
#include "log.h"
#include "options.h"
#include "plan.h"
#include "report.h"
#include "runfile.h"
#include "session.h"
#include "state.h"
#include "tick.h"
#include "trouble.h"
#include "units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Somebody else's change is looked at this soon after it is told, together with those beside it. */
#define LOOK_S 0.2

/* Whoever ends daemons waits 5 s for them at least; something is left for the end itself. */
#define RESTORE_S 4.0

struct coordinator {
	struct args args;
	struct session session;
	struct host *host;
	struct mem_state *state;
	struct mem_plan plan;
	struct mem_sample sample;
	enum report_outcome *outcomes; /* of the plan's sets */
	struct report_resume *resumes; /* targets that this tick began with */
	size_t nresumes;
	struct saved saved;		    /* of an earlier life */
	struct saved written;		    /* what the state file holds now */
	char state_path[RUN_PATH_MAX + 64]; /* empty: none is kept */
	struct report_totals totals;
	struct trouble metrics_trouble, state_trouble, sample_trouble, output_trouble;
	bool empty; /* no guest runs that is ours to steer */
};

/* A guest's name, for the reports. */
static const char *name_of(const void *opaque, size_t guest)
{
	return host_guest_name(opaque, guest);
}

/* Makes the plan's sets. 0, or −1 when out of memory and none was made. */
static int apply(struct coordinator *c)
{
	enum report_outcome *grown =
		realloc(c->outcomes, (c->plan.nsets + 1) * sizeof(*c->outcomes));

	if (!grown)
		return -1;
	c->outcomes = grown;
	for (size_t i = 0; i < c->plan.nsets; i++) {
		const struct mem_set *set = &c->plan.sets[i];

		c->outcomes[i] = REPORT_DRY;
		if (!c->args.dry_run)
			c->outcomes[i] = host_set(c->host, set) ? REPORT_FAILED : REPORT_MADE;
		if (c->outcomes[i] != REPORT_MADE) {
			mem_refused(c->state, &c->plan, i, c->outcomes[i] == REPORT_FAILED);
			c->totals.failed += c->outcomes[i] == REPORT_FAILED;
			continue;
		}
		c->totals.sets++;
		if (set->to_kib > set->from_kib)
			c->totals.granted_kib += (unsigned long)(set->to_kib - set->from_kib);
		else
			c->totals.released_kib += (unsigned long)(set->from_kib - set->to_kib);
	}
	return 0;
}

/* While nothing is on its way, a guest's size is its target: then sizes that wander do not matter.
 */
static bool same_guest(const struct saved_guest *a, const struct saved_guest *b)
{
	return !memcmp(a->uuid, b->uuid, MEM_UUID_LEN) && a->id == b->id &&
	       a->target_kib == b->target_kib && a->original_kib == b->original_kib &&
	       a->period_s == b->period_s;
}

static void save(struct coordinator *c)
{
	struct saved now = {.guests = calloc(c->sample.nguests + 1, sizeof(*now.guests))};
	char error[STATE_ERROR_MAX];
	bool changed = c->sample.nguests != c->written.n;

	if (!now.guests)
		return;
	for (; now.n < c->sample.nguests; now.n++) {
		struct saved_guest *guest = &now.guests[now.n];

		*guest = host_save(c->host, now.n);
		guest->target_kib = mem_target(c->state, guest->uuid);
		changed = changed || !same_guest(guest, &c->written.guests[now.n]);
	}
	if (!changed) {
		state_free(&now);
		return;
	}
	if (state_write(c->state_path, c->args.uri, &now, error)) {
		trouble_begin(&c->state_trouble, "%s; going on without a state file", error);
		state_free(&now);
		return;
	}
	trouble_end(&c->state_trouble, "%s is written again", c->state_path);
	state_free(&c->written);
	c->written = now;
}

static void write_metrics(struct coordinator *c, const struct report *report)
{
	if (!c->args.metrics)
		return;
	if (report_metrics(c->args.metrics, report, &c->totals))
		trouble_begin(&c->metrics_trouble, "%s: %s; going on without metrics",
			      c->args.metrics, strerror(errno));
	else
		trouble_end(&c->metrics_trouble, "%s is written again", c->args.metrics);
}

static void report(struct coordinator *c)
{
	const struct report report = {
		.tick = c->totals.run.ticks,
		.dry_run = c->args.dry_run,
		.sample = &c->sample,
		.name = name_of,
		.opaque = c->host,
		.plan = &c->plan,
		.outcomes = c->outcomes,
		.resumes = c->resumes,
		.nresumes = c->nresumes,
	};

	metrics_note_decision(&c->totals.run);
	if (c->args.explain)
		report_table(&report);
	else if (c->args.json)
		journal_write_tick(stdout, &report);
	else
		report_lines(&report);
	trouble_check_output(&c->output_trouble);
	write_metrics(c, &report);
	if (c->state_path[0])
		save(c);
}

/* --- what outlives a run --- */

/* The target that an earlier life left on its way; where the guest is neither between the size it
 * had then and its target, somebody else has set it since, and the target is history. 0: none. */
static int64_t target_then(const struct coordinator *c, const struct saved_guest *now)
{
	const struct saved_guest *then = state_find(&c->saved, now->uuid, now->id);

	if (!then || !then->target_kib ||
	    now->actual_kib < (int64_t)fmin((double)then->actual_kib, (double)then->target_kib) ||
	    now->actual_kib > (int64_t)fmax((double)then->actual_kib, (double)then->target_kib))
		return 0;
	return then->target_kib;
}

/* Takes on targets of an earlier life, and those of sets that were given up and have gone well
 * since. */
static int resume(struct coordinator *c)
{
	struct report_resume *grown =
		realloc(c->resumes, (c->sample.nguests + 1) * sizeof(*c->resumes));

	c->nresumes = 0;
	if (!grown)
		return -1;
	c->resumes = grown;
	for (size_t g = 0; g < c->sample.nguests; g++) {
		const struct saved_guest now = host_save(c->host, g);
		int64_t kib = host_set_late(c->host, g);

		if (!kib && c->totals.run.ticks == 0)
			kib = target_then(c, &now);
		if (!kib)
			continue;
		memcpy(c->resumes[c->nresumes].uuid, now.uuid, MEM_UUID_LEN);
		c->resumes[c->nresumes++].target_kib = kib;
		if (mem_resume(c->state, now.uuid, kib))
			return -1;
	}
	return 0;
}

/* One instance per host; what looks but does not touch may run beside it. */
static void open_state(struct coordinator *c)
{
	char error[STATE_ERROR_MAX];

	if (c->args.dry_run)
		return;
	statefile_open(PROGRAM, false, c->state_path);
	if (state_read(c->state_path, &c->saved, error)) {
		statefile_set_aside(c->state_path, error);
	} else if (c->saved.uri && strcmp(c->saved.uri, c->args.uri) != 0) {
		snprintf(error, sizeof(error), "%.200s: of another hypervisor, %.200s",
			 c->state_path, c->saved.uri);
		statefile_set_aside(c->state_path, error);
		state_free(&c->saved);
	}
	host_remember(c->host, &c->saved);
}

/* --- what cannot be --- */

static void check_guest(const struct coordinator *c, size_t g, const char *what, int64_t own_kib,
			int64_t policy_kib)
{
	int64_t kib = own_kib > 0 ? own_kib : policy_kib;
	int64_t maximum = c->sample.guests[g].maximum_kib;
	char size[32], most[32];

	if (kib <= maximum || maximum <= 0)
		return;
	log_warn("guest %s: its %s of %s is more than its maximum of %s, which it gets",
		 host_guest_name(c->host, g), what, format_size((uint64_t)kib, size, sizeof(size)),
		 format_size((uint64_t)maximum, most, sizeof(most)));
}

/* Settings that no guest or host of this size can follow. */
static void check_sizes(const struct coordinator *c)
{
	const struct mem_policy *policy = &c->args.policy;
	char size[32], total[32];

	if (c->totals.run.ticks == 0 && policy->host_reserve_kib >= c->sample.host_total_kib)
		die(EXIT_USAGE, "--host-reserve %s: the host has %s",
		    format_size((uint64_t)policy->host_reserve_kib, size, sizeof(size)),
		    format_size((uint64_t)c->sample.host_total_kib, total, sizeof(total)));
	if (c->totals.run.ticks == 0 && policy->reserve_kib >= c->sample.host_total_kib)
		die(EXIT_USAGE, "--reserve %s: the host has %s for all guests",
		    format_size((uint64_t)policy->reserve_kib, size, sizeof(size)),
		    format_size((uint64_t)c->sample.host_total_kib, total, sizeof(total)));
	for (size_t g = 0; g < c->sample.nguests; g++) {
		const struct mem_guest *guest = &c->sample.guests[g];

		if (!guest->managed || !host_guest_new(c->host, g))
			continue;
		check_guest(c, g, "reserve", guest->reserve_kib, policy->reserve_kib);
		check_guest(c, g, "floor", guest->floor_kib, policy->floor_kib);
	}
}

/* --- the loop --- */

static bool any_managed(const struct mem_sample *sample)
{
	for (size_t g = 0; g < sample->nguests; g++) {
		if (sample->guests[g].managed)
			return true;
	}
	return false;
}

static int sample(struct coordinator *c)
{
	bool ready = session_ready(&c->session);

	if (ready && host_sample(c->host, c->session.conn, &c->sample) == 0) {
		trouble_end(&c->sample_trouble, "the guests can be read again");
		check_sizes(c);
		c->empty = !any_managed(&c->sample);
		return resume(c);
	}
	/* A connection that is just going down fails at each tick. */
	if (ready)
		trouble_begin(&c->sample_trouble, "reading the guests: %s",
			      session_error(&c->session));
	metrics_note_loss(&c->totals.run);
	write_metrics(c, NULL);
	return -1;
}

static int plan(struct coordinator *c)
{
	return mem_plan(c->state, &c->args.policy, &c->sample, &c->plan);
}

static void tick(struct coordinator *c)
{
	if (sample(c))
		return;
	if (plan(c) || apply(c)) {
		log_warn("out of memory; nothing is changed this time");
		return;
	}
	report(c);
}

/* Until the next tick is due, or a look out of turn at what somebody else did. */
static void wait(struct coordinator *c, double deadline_s)
{
	const double look_s = tick_now_s() + LOOK_S;

	while (!tick_quit && tick_now_s() < deadline_s) {
		session_wait(&c->session, deadline_s);
		if (host_changed(c->host))
			deadline_s = fmin(deadline_s, look_s);
	}
}

/* How soon the policy wants to decide again. */
static double look_s(const struct coordinator *c)
{
	return c->plan.look_s > 0 ? c->plan.look_s : c->args.interval_s;
}

/* Returns EXIT_LAB if a single moment was asked for and cannot be seen. */
static int run(struct coordinator *c)
{
	struct ticker ticker;

	ticker_start(&ticker, c->args.interval_s);
	while (!tick_quit) {
		tick(c);
		if (c->args.exit_when_empty && c->empty)
			break;
		if (c->args.once && c->totals.run.ticks >= 1)
			break;
		if (c->args.once && c->totals.run.lost)
			return EXIT_LAB;
		if (tick_now_s() >= ticker.next_s)
			ticker_advance(&ticker, tick_now_s());
		wait(c, fmin(ticker.next_s, tick_now_s() + look_s(c)));
	}
	return EXIT_PASS;
}

/* Puts a log through the policy, without any hypervisor. */
static int replay(const char *path)
{
	char error[JOURNAL_ERROR_MAX];
	int result = journal_replay(path, stdout, error);

	if (result < 0)
		die(EXIT_USAGE, "%s", error);
	return result ? EXIT_FAIL : EXIT_PASS;
}

static void start(struct coordinator *c)
{
	c->host = host_new(&c->args.host, &c->session);
	c->state = mem_state_new();
	if (!c->host || !c->state)
		die(EXIT_FAIL, "out of memory");
	if (c->args.metrics && file_replace(c->args.metrics, "", 0))
		die(EXIT_USAGE, "--metrics %s: %s", c->args.metrics, strerror(errno));
	if (session_init(&c->session, c->args.uri))
		die(EXIT_LAB, "libvirt's event loop: %s", session_error(&c->session));
	session_guard(&c->session, c->args.interval_s);
	c->session.on_open = host_opened;
	c->session.on_close = host_closed;
	c->session.opaque = c->host;
	if (session_open(&c->session))
		cli_refuse_connection(&c->session, c->args.uri_given);
	open_state(c);
	if (c->args.json)
		journal_write_policy(stdout, &c->args.policy);
}

/* Leaves guests as they were found, as far as asked; then there is no state to take on. */
static int put_back(struct coordinator *c)
{
	size_t others;

	if (c->args.dry_run)
		return EXIT_PASS;
	if (!session_ready(&c->session)) {
		log_warn("no connection to leave guests as they were found; the next run takes on "
			 "what was");
		return c->args.restore_on_exit ? EXIT_FAIL : EXIT_PASS;
	}
	calls_extend(&c->session.wire.calls, tick_now_s() + RESTORE_S);
	for (size_t g = 0; g < c->sample.nguests; g++)
		host_keep(c->host, g, mem_least(c->state, &c->args.policy, &c->sample.guests[g]));
	others = host_restore(c->host, c->session.conn, c->args.restore_on_exit);
	unlink(c->state_path);
	return others ? EXIT_FAIL : EXIT_PASS;
}

/* Ends the process where a call is still on its way: what it uses cannot be freed. */
static void stop(struct coordinator *c, int status)
{
	if (!session_close(&c->session)) {
		fflush(NULL);
		_exit(status);
	}
	mem_plan_free(&c->plan);
	mem_state_free(c->state);
	host_free(c->host);
	state_free(&c->saved);
	state_free(&c->written);
	free(c->outcomes);
	free(c->resumes);
	free(c->args.host.weights);
}

int main(int argc, char **argv)
{
	struct coordinator c = {0};
	int status, restored;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init(PROGRAM, false);
	c.args = parse_args(argc, argv);
	log_init(PROGRAM, c.args.verbose);
	if (c.args.replay)
		return replay(c.args.replay);
	start(&c);
	status = run(&c);
	restored = put_back(&c);
	status = status ? status : restored;
	stop(&c, status);
	return status;
}
