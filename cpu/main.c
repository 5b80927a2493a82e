/* SPDX-License-Identifier: MIT */
/* vcpu_scheduler: pins vCPUs so that every pCPU carries a similar load. The loop. */
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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whoever ends daemons waits 5 s for them at least; something is left for the end itself. */
#define RESTORE_S 4.0

struct scheduler {
	struct args args;
	struct session session;
	struct host *host;
	struct cpu_state *state;
	struct cpu_sample sample;
	struct cpu_plan plan;
	enum report_outcome *outcomes; /* of the plan's pins */
	struct saved earlier;	       /* what a run before us left */
	char state_path[RUN_PATH_MAX + 64];
	struct report_totals totals;
	struct trouble metrics_trouble, state_trouble, sample_trouble, output_trouble;
	bool empty; /* no guest runs that we manage */
};

/* --- the four words of a tick --- */

static void write_metrics(struct scheduler *s, const struct report *report)
{
	if (!s->args.metrics)
		return;
	if (report_metrics(s->args.metrics, report, &s->totals))
		trouble_begin(&s->metrics_trouble, "%s: %s; going on without metrics",
			      s->args.metrics, strerror(errno));
	else
		trouble_end(&s->metrics_trouble, "%s is written again", s->args.metrics);
}

static int sample(struct scheduler *s)
{
	bool ready = session_ready(&s->session);

	if (ready && host_sample(s->host, s->session.conn, &s->sample) == 0) {
		trouble_end(&s->sample_trouble, "the guests can be read again");
		s->empty = host_is_empty(s->host);
		return 0;
	}
	/* A connection that is just going down fails at each tick. */
	if (ready)
		trouble_begin(&s->sample_trouble, "reading the guests: %s",
			      session_error(&s->session));
	metrics_note_loss(&s->totals.run);
	write_metrics(s, NULL);
	return -1;
}

static int plan(struct scheduler *s)
{
	return cpu_plan(s->state, &s->args.policy, &s->sample, &s->plan);
}

/* What is about to be changed for the first time is written down before. */
static void save(struct scheduler *s)
{
	char error[STATE_ERROR_MAX] = "out of memory";
	struct saved saved;

	for (size_t i = 0; i < s->plan.npins; i++)
		host_announce(s->host, &s->sample, &s->plan.pins[i]);
	if (!host_unsaved(s->host))
		return;
	if (host_save(s->host, &saved) || state_write(s->state_path, s->args.uri, &saved, error)) {
		trouble_begin(&s->state_trouble, "%s; going on without a state file", error);
	} else {
		trouble_end(&s->state_trouble, "%s is written again", s->state_path);
		host_saved(s->host);
	}
	state_free(&saved);
}

static int apply(struct scheduler *s)
{
	enum report_outcome *grown =
		realloc(s->outcomes, (s->plan.npins + 1) * sizeof(*s->outcomes));

	if (!grown)
		return -1;
	s->outcomes = grown;
	if (!s->args.dry_run)
		save(s);
	for (size_t i = 0; i < s->plan.npins; i++) {
		const struct cpu_pin *pin = &s->plan.pins[i];

		s->outcomes[i] = REPORT_DRY;
		if (s->args.dry_run)
			continue;
		s->outcomes[i] = host_pin(s->host, &s->sample, pin) ? REPORT_FAILED : REPORT_MADE;
		s->totals.failed += s->outcomes[i] == REPORT_FAILED;
		s->totals.pins += s->outcomes[i] == REPORT_MADE;
		s->totals.moves += s->outcomes[i] == REPORT_MADE && pin->from != CPU_FLOATING;
	}
	s->totals.undone += s->args.dry_run ? 0 : s->plan.undone;
	return 0;
}

static const char *name_of(const void *opaque, size_t guest)
{
	return host_guest_name(opaque, guest);
}

static void report(struct scheduler *s)
{
	const struct report report = {
		.tick = s->totals.run.ticks,
		.sample = &s->sample,
		.plan = &s->plan,
		.outcomes = s->outcomes,
		.name = name_of,
		.opaque = s->host,
	};

	metrics_note_decision(&s->totals.run);
	if (s->args.json)
		journal_write_tick(stdout, &report);
	else if (s->args.mode != MODE_EXPLAIN)
		report_lines(&report);
	else if (s->plan.verdict != CPU_FIRST)
		report_table(&report);
	trouble_check_output(&s->output_trouble);
	write_metrics(s, &report);
}

static void tick(struct scheduler *s)
{
	if (sample(s))
		return;
	if (plan(s) || apply(s)) {
		log_warn("out of memory; nothing is changed this time");
		return;
	}
	report(s);
}

/* Returns EXIT_LAB if a single moment was asked for and cannot be seen. */
static int run(struct scheduler *s)
{
	struct ticker ticker;

	ticker_start(&ticker, s->args.interval_s);
	while (!tick_quit) {
		tick(s);
		if (s->args.exit_when_empty && s->empty)
			break;
		/* The first tick has nothing to compare with; the second decides. */
		if (s->args.mode != MODE_RUN && s->totals.run.ticks >= 2)
			break;
		if (s->args.mode != MODE_RUN && s->totals.run.lost)
			return EXIT_LAB;
		ticker_advance(&ticker, tick_now_s());
		while (!tick_quit && tick_now_s() < ticker.next_s) {
			session_wait(&s->session, ticker.next_s);
			host_notice(s->host);
		}
	}
	return EXIT_PASS;
}

/* --- before and after --- */

/* What an earlier run left. One instance per host; what only looks may run beside it. */
static void open_state(struct scheduler *s)
{
	char error[STATE_ERROR_MAX];

	statefile_open(PROGRAM, s->args.dry_run, s->state_path);
	if (state_read(s->state_path, &s->earlier, error) && !s->args.dry_run)
		statefile_set_aside(s->state_path, error);
	if (!s->earlier.uri || !strcmp(s->earlier.uri, s->args.uri))
		return;
	/* Whoever only looks at another hypervisor has nothing to do with it. */
	if (s->args.dry_run)
		state_free(&s->earlier);
	else
		die(EXIT_USAGE,
		    "%s has affinities of %s: '" PROGRAM
		    " --connect %s --restore' puts them back, or remove it",
		    s->state_path, s->earlier.uri, s->earlier.uri);
}

/* A file that cannot be written is said at the start, not at the first tick. */
static void open_metrics(const struct scheduler *s)
{
	if (s->args.metrics && file_replace(s->args.metrics, "", 0))
		die(EXIT_USAGE, "--metrics %s: %s", s->args.metrics, strerror(errno));
}

static void open_session(struct scheduler *s)
{
	int pcpus;

	if (session_init(&s->session, s->args.uri))
		die(EXIT_LAB, "libvirt's event loop: %s", session_error(&s->session));
	session_guard(&s->session, s->args.interval_s);
	s->session.on_open = host_opened;
	s->session.on_close = host_closed;
	s->session.opaque = s->host;
	if (session_open(&s->session))
		cli_refuse_connection(&s->session, s->args.uri_given);
	pcpus = host_check(&s->session, &s->args.host);
	if (pcpus > 0)
		die(EXIT_USAGE, "--pcpus %s: this host has pCPUs 0-%d only", s->args.host.pcpus,
		    pcpus - 1);
}

/* Puts back what is saved, and forgets it if nothing is left to be done. */
static struct host_restored restore(struct scheduler *s, const struct saved *saved)
{
	const struct saved nothing = {0};
	char error[STATE_ERROR_MAX];
	struct host_restored restored = host_restore(&s->session, saved);

	if (!restored.failed && state_write(s->state_path, s->args.uri, &nothing, error))
		log_warn("%s", error);
	return restored;
}

static int restore_at_exit(struct scheduler *s)
{
	struct host_restored restored;
	struct saved saved;

	calls_extend(&s->session.wire.calls, tick_now_s() + RESTORE_S);
	s->session.retry_s = 0; /* there is no next time to wait for */
	if (!session_ready(&s->session) || host_save(s->host, &saved)) {
		log_warn("no connection to put affinities back; '" PROGRAM
			 " --restore' does it later");
		return EXIT_FAIL;
	}
	restored = restore(s, &saved);
	state_free(&saved);
	return restored.failed ? EXIT_FAIL : EXIT_PASS;
}

static int restore_now(struct scheduler *s)
{
	struct host_restored restored = restore(s, &s->earlier);

	printf("restored=%zu gone=%zu failed=%zu\n", restored.done, restored.gone, restored.failed);
	return restored.failed ? EXIT_FAIL : EXIT_PASS;
}

static int replay(const char *path)
{
	char error[JOURNAL_ERROR_MAX];
	int result = journal_replay(path, stdout, error);

	if (result < 0)
		die(EXIT_USAGE, "%s", error);
	return result ? EXIT_FAIL : EXIT_PASS;
}

int main(int argc, char **argv)
{
	struct scheduler s = {0};
	int status = EXIT_PASS;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init(PROGRAM, false);
	parse_args(argc, argv, &s.args);
	log_init(PROGRAM, s.args.verbose);
	if (s.args.mode == MODE_REPLAY)
		return replay(s.args.replay);
	open_state(&s);
	open_metrics(&s);
	s.host = host_new(&s.args.host, &s.earlier, &s.session);
	s.state = cpu_state_new();
	if (!s.host || !s.state)
		die(EXIT_FAIL, "out of memory");
	open_session(&s);
	if (s.args.mode == MODE_RESTORE) {
		status = restore_now(&s);
	} else {
		if (s.args.json)
			journal_write_policy(stdout, &s.args.policy);
		status = run(&s);
		if (s.args.restore_on_exit)
			status = restore_at_exit(&s);
	}
	if (!session_close(&s.session)) {
		fflush(NULL);
		_exit(status); /* what the calls on their way use cannot be freed */
	}
	cpu_plan_free(&s.plan);
	cpu_state_free(s.state);
	host_free(s.host);
	state_free(&s.earlier);
	free(s.outcomes);
	return status;
}
