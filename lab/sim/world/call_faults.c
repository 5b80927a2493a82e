/* SPDX-License-Identifier: MIT */
/* What goes wrong between a program and libvirt, as the scenario says and the seed decides. */
#include "call_faults.h"

#include "array.h"
#include "timeline.h"
#include "units.h"
#include "world.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 6

const char *const fault_error_names[] = {
	"internal_error",
	"operation_failed",
	"operation_invalid",
	"operation_timeout",
	"agent_unresponsive",
	"no_domain",
	"no_memory",
	"system_error",
	"access_denied",
	"invalid_arg",
	NULL,
};

/* --- reading --- */

struct reader {
	const struct scenario *scenario;
	const struct scenario_setting *setting;
	char *error;
	char *text; /* the value, cut in words */
	char *words[WORDS_MAX + 1];
	size_t nwords;
};

static int complain(const struct reader *r, const char *right)
{
	snprintf(r->error, SCENARIO_ERROR_MAX, "%.200s:%u: %s = %.100s: should be %s",
		 r->scenario->path, r->setting->line, r->setting->key, r->setting->value, right);
	return -1;
}

static int split(struct reader *r)
{
	char *rest = NULL;

	r->nwords = 0;
	r->text = strdup(r->setting->value);
	if (!r->text)
		return -1;
	for (char *word = strtok_r(r->text, " \t", &rest); word;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (r->nwords == WORDS_MAX)
			return -1;
		r->words[r->nwords++] = word;
	}
	r->words[r->nwords] = NULL;
	return 0;
}

static int read_ns(const char *text, uint64_t *out)
{
	double seconds;

	if (parse_seconds(text, &seconds))
		return -1;
	*out = (uint64_t)llround(seconds * MODEL_NS_PER_S);
	return 0;
}

/* FROM[-TO]; without a word: always. */
static int read_window(const char *word, struct fault_window *out)
{
	char from[32];
	const char *dash = word ? strchr(word, '-') : NULL;
	size_t len = dash ? (size_t)(dash - word) : word ? strlen(word) : 0;

	out->from_ns = 0;
	out->to_ns = UINT64_MAX;
	if (!word)
		return 0;
	if (len >= sizeof(from))
		return -1;
	memcpy(from, word, len);
	from[len] = '\0';
	if (read_ns(from, &out->from_ns) || (dash && read_ns(dash + 1, &out->to_ns)))
		return -1;
	return out->from_ns < out->to_ns ? 0 : -1;
}

static int read_when(struct reader *r, size_t *at, struct fault_call *call)
{
	const char *word = r->words[*at];
	long n;

	if (!word)
		return -1;
	(*at)++;
	if (strchr(word, '%')) {
		if (parse_percent(word, 100, &call->rate))
			return -1;
		call->rate /= 100;
		return 0;
	}
	if (strcmp(word, "call") && strcmp(word, "every"))
		return -1;
	if (!r->words[*at] || parse_integer(r->words[(*at)++], 1, 1000000000, &n))
		return -1;
	*(word[0] == 'c' ? &call->nth : &call->every) = (unsigned int)n;
	return 0;
}

static int read_fail(struct reader *r, struct faults *f)
{
	static const char right[] = "FUNCTION call N|every N|PERCENT [ERROR] [FROM[-TO]], such as "
				    "\"virDomainPinVcpu every 3 operation_failed 10s-20s\"";
	struct fault_call *call = array_add(&f->calls, &f->ncalls, &f->calls_size, sizeof(*call));
	size_t at = 1;

	if (!call)
		return complain(r, "less: out of memory");
	call->error = fault_error_names[0];
	if (!r->nwords || strncmp(r->words[0], "vir", 3) || read_when(r, &at, call))
		return complain(r, right);
	call->function = strdup(r->words[0]);
	for (size_t i = 0; r->words[at] && fault_error_names[i]; i++) {
		if (strcmp(r->words[at], fault_error_names[i]))
			continue;
		call->error = fault_error_names[i];
		at++;
		break;
	}
	if (!call->function || read_window(r->words[at], &call->window) ||
	    (r->words[at] && r->words[at + 1]))
		return complain(r, right);
	return 0;
}

/* cut = FUNCTION WHEN [FROM[-TO]] */
static int read_cut(struct reader *r, struct faults *f)
{
	static const char right[] = "FUNCTION call N|every N|PERCENT [FROM[-TO]], such as "
				    "\"virConnectGetAllDomainStats call 3\"";
	struct fault_call *cut = array_add(&f->cuts, &f->ncuts, &f->cuts_size, sizeof(*cut));
	size_t at = 1;

	if (!cut)
		return complain(r, "less: out of memory");
	if (!r->nwords || strncmp(r->words[0], "vir", 3) || read_when(r, &at, cut) ||
	    read_window(r->words[at], &cut->window) || (r->words[at] && r->words[at + 1]))
		return complain(r, right);
	cut->function = strdup(r->words[0]);
	return cut->function ? 0 : complain(r, "less: out of memory");
}

/* link = RATE [FROM[-TO]] */
static int read_link(struct reader *r, struct faults *f)
{
	struct fault_link *link = array_add(&f->links, &f->nlinks, &f->links_size, sizeof(*link));

	if (!link)
		return complain(r, "less: out of memory");
	if (r->nwords < 1 || r->nwords > 2 || parse_rate(r->words[0], &link->kib_s) ||
	    read_window(r->words[1], &link->window))
		return complain(r, "RATE [FROM[-TO]], such as \"100K/s 10s-20s\"");
	return 0;
}

/* libvirtd_restart = AT [DOWN] */
static int read_restart(struct reader *r, struct faults *f)
{
	struct fault_window *window =
		array_add(&f->restarts, &f->nrestarts, &f->restarts_size, sizeof(*window));
	uint64_t down_ns = MODEL_NS_PER_S;

	if (!window)
		return complain(r, "less: out of memory");
	if (r->nwords < 1 || r->nwords > 2 || read_ns(r->words[0], &window->from_ns) ||
	    (r->words[1] && read_ns(r->words[1], &down_ns)) || !down_ns)
		return complain(r, "AT [DOWN], such as \"10s 2s\"");
	window->to_ns = window->from_ns + down_ns;
	return 0;
}

static int read_delay(struct reader *r, struct fault_late **delays, size_t *n, size_t *size)
{
	struct fault_late *delay = array_add(delays, n, size, sizeof(*delay));

	if (!delay)
		return complain(r, "less: out of memory");
	if (r->nwords < 2 || r->nwords > 3 || parse_percent(r->words[0], 100, &delay->rate) ||
	    read_ns(r->words[1], &delay->most_ns) || read_window(r->words[2], &delay->window))
		return complain(r, "PERCENT DURATION [FROM[-TO]], such as \"10% 500ms\"");
	delay->rate /= 100;
	return 0;
}

static int read_late(struct reader *r, struct faults *f)
{
	return read_delay(r, &f->lates, &f->nlates, &f->lates_size);
}

static int read_slow(struct reader *r, struct faults *f)
{
	return read_delay(r, &f->slows, &f->nslows, &f->slows_size);
}

static int read_busy(struct reader *r, struct faults *f)
{
	struct fault_busy *busy =
		array_add(&f->busies, &f->nbusies, &f->busies_size, sizeof(*busy));

	if (!busy)
		return complain(r, "less: out of memory");
	if (r->nwords < 1 || r->nwords > 2 || parse_percent(r->words[0], 100, &busy->rate) ||
	    read_window(r->words[1], &busy->window))
		return complain(r, "PERCENT [FROM[-TO]], such as \"20%\"");
	busy->rate /= 100;
	return 0;
}

static int read_hold(struct reader *r, struct faults *f, bool stopped)
{
	struct fault_hold *hold = array_add(&f->holds, &f->nholds, &f->holds_size, sizeof(*hold));

	if (!hold)
		return complain(r, "less: out of memory");
	hold->stopped = stopped;
	if (r->nwords != 2 || !guests_valid(r->words[0]) || read_window(r->words[1], &hold->window))
		return complain(r, "GUESTS FROM[-TO], such as \"1 10s-30s\"");
	hold->guests = strdup(r->words[0]);
	return hold->guests ? 0 : complain(r, "less: out of memory");
}

static int read_held(struct reader *r, struct faults *f)
{
	return read_hold(r, f, false);
}

static int read_stopped(struct reader *r, struct faults *f)
{
	return read_hold(r, f, true);
}

static int read_stall(struct reader *r, struct faults *f)
{
	struct fault_window *stall =
		array_add(&f->stalls, &f->nstalls, &f->stalls_size, sizeof(*stall));

	if (!stall)
		return complain(r, "less: out of memory");
	if (r->nwords != 1 || read_window(r->words[0], stall))
		return complain(r, "FROM[-TO], such as \"10s-15s\"");
	return 0;
}

static int read_missing(struct reader *r, struct faults *f)
{
	bool some = r->nwords > 1 && guests_valid(r->words[r->nwords - 1]);
	size_t nfields = some ? r->nwords - 1 : r->nwords;

	for (size_t i = 0; i < nfields; i++) {
		struct fault_missing *m =
			array_add(&f->missing, &f->nmissing, &f->missing_size, sizeof(*m));

		if (!m || !(m->field = strdup(r->words[i])) ||
		    (some && !(m->guests = strdup(r->words[nfields]))))
			return complain(r, "less: out of memory");
	}
	return nfields ? 0
		       : complain(r, "fields of the bulk statistics, such as vcpu.*.delay, and "
				     "perhaps GUESTS");
}

static const struct {
	const char *key;
	int (*read)(struct reader *r, struct faults *f);
} readers[] = {
	{"fail", read_fail},
	{"cut", read_cut},
	{"link", read_link},
	{"libvirtd_restart", read_restart},
	{"late", read_late},
	{"slow", read_slow},
	{"busy", read_busy},
	{"missing", read_missing},
	{"held", read_held},
	{"stopped", read_stopped},
	{"libvirtd_stops", read_stall},
};

static int read_setting(struct reader *r, struct faults *f)
{
	int status;

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		if (strcmp(r->setting->key, readers[i].key))
			continue;
		status = split(r) ? complain(r, "fewer words") : readers[i].read(r, f);
		free(r->text);
		return status;
	}
	if (world_fault_known(r->setting->key))
		return 0;
	return complain(r, "a fault of ballast-sim(7)");
}

int faults_read(struct faults *f, const struct scenario *s, uint64_t seed,
		char error[SCENARIO_ERROR_MAX])
{
	struct reader r = {.scenario = s, .error = error};

	memset(f, 0, sizeof(*f));
	f->rng.state = seed ^ 0x62616c6c617374ULL; /* not the world's numbers once more */
	for (size_t i = 0; i < s->nfaults; i++) {
		r.setting = &s->faults[i];
		if (read_setting(&r, f)) {
			faults_free(f);
			return -1;
		}
	}
	return 0;
}

void faults_free(struct faults *f)
{
	for (size_t i = 0; i < f->ncalls; i++)
		free(f->calls[i].function);
	for (size_t i = 0; i < f->ncuts; i++)
		free(f->cuts[i].function);
	for (size_t i = 0; i < f->nmissing; i++) {
		free(f->missing[i].field);
		free(f->missing[i].guests);
	}
	free(f->calls);
	free(f->cuts);
	free(f->links);
	free(f->restarts);
	free(f->lates);
	free(f->slows);
	for (size_t i = 0; i < f->nholds; i++)
		free(f->holds[i].guests);
	free(f->busies);
	free(f->holds);
	free(f->stalls);
	free(f->missing);
	memset(f, 0, sizeof(*f));
}

/* --- asking --- */

static bool within(const struct fault_window *window, uint64_t now_ns)
{
	return now_ns >= window->from_ns && now_ns < window->to_ns;
}

static bool due(struct faults *f, struct fault_call *call)
{
	call->seen++;
	if (call->nth)
		return call->seen == call->nth;
	if (call->every)
		return call->seen % call->every == 0;
	return rng_unit(&f->rng) < call->rate;
}

const char *faults_call(struct faults *f, const char *function, uint64_t now_ns)
{
	const char *error = NULL;

	for (size_t i = 0; i < f->ncalls; i++) {
		struct fault_call *call = &f->calls[i];

		if (within(&call->window, now_ns) && fnmatch(call->function, function, 0) == 0 &&
		    due(f, call) && !error)
			error = call->error;
	}
	return error;
}

bool faults_cut(struct faults *f, const char *function, uint64_t now_ns)
{
	bool cut = false;

	for (size_t i = 0; i < f->ncuts; i++)
		cut |= within(&f->cuts[i].window, now_ns) &&
		       fnmatch(f->cuts[i].function, function, 0) == 0 && due(f, &f->cuts[i]);
	return cut;
}

uint64_t faults_link(const struct faults *f, size_t bytes, uint64_t now_ns)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < f->nlinks; i++) {
		if (within(&f->links[i].window, now_ns))
			ns += (uint64_t)((double)bytes / 1024 * MODEL_NS_PER_S /
					 (double)f->links[i].kib_s);
	}
	return ns;
}

bool faults_down(const struct faults *f, uint64_t now_ns)
{
	for (size_t i = 0; i < f->nrestarts; i++) {
		if (within(&f->restarts[i], now_ns))
			return true;
	}
	return false;
}

unsigned int faults_restarts(const struct faults *f, uint64_t now_ns)
{
	unsigned int count = 0;

	for (size_t i = 0; i < f->nrestarts; i++)
		count += now_ns >= f->restarts[i].from_ns;
	return count;
}

uint64_t faults_next_restart(const struct faults *f, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < f->nrestarts; i++) {
		if (f->restarts[i].from_ns > now_ns && f->restarts[i].from_ns < next)
			next = f->restarts[i].from_ns;
	}
	return next;
}

static uint64_t draw_delay(struct faults *f, const struct fault_late *delays, size_t n,
			   uint64_t at_ns)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < n; i++) {
		if (within(&delays[i].window, at_ns) && rng_unit(&f->rng) < delays[i].rate)
			ns += (uint64_t)((double)delays[i].most_ns * rng_unit(&f->rng));
	}
	return ns;
}

uint64_t faults_late(struct faults *f, uint64_t due_ns)
{
	return draw_delay(f, f->lates, f->nlates, due_ns);
}

uint64_t faults_slow(struct faults *f, uint64_t now_ns)
{
	return draw_delay(f, f->slows, f->nslows, now_ns);
}

bool faults_busy(struct faults *f, uint64_t now_ns)
{
	bool busy = false;

	for (size_t i = 0; i < f->nbusies; i++)
		busy |= within(&f->busies[i].window, now_ns) &&
			rng_unit(&f->rng) < f->busies[i].rate;
	return busy;
}

uint64_t faults_stalled(const struct faults *f, uint64_t now_ns)
{
	for (size_t i = 0; i < f->nstalls; i++) {
		if (within(&f->stalls[i], now_ns))
			return f->stalls[i].to_ns;
	}
	return 0;
}

struct fault_hold *faults_hold(struct faults *f, unsigned int number, unsigned int count,
			       uint64_t now_ns)
{
	for (size_t i = 0; i < f->nholds; i++) {
		if (within(&f->holds[i].window, now_ns) &&
		    guests_match(f->holds[i].guests, number, count))
			return &f->holds[i];
	}
	return NULL;
}

bool faults_missing(const struct faults *f, const char *field, unsigned int number,
		    unsigned int count)
{
	for (size_t i = 0; i < f->nmissing; i++) {
		const struct fault_missing *m = &f->missing[i];

		if (fnmatch(m->field, field, 0) == 0 &&
		    (!m->guests || guests_match(m->guests, number, count)))
			return true;
	}
	return false;
}
