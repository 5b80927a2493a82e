/* SPDX-License-Identifier: MIT */
/* The physical faults of [faults]: what each may say, and what it does to the model. */
#include "priv.h"

#include "timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8

/*
 * One fault of a scenario. The letters of its kind's form say what its words are:
 *
 * G  guests, as in [timeline]		w  FROM[-TO], from the start and for ever by default
 * P  a percentage			W  the same, but it must be given
 * N  a positive number			A  AT, a time
 * R  a rate, such as 20M/s		r  the same, may be left out (at once)
 * S  a size				d  a duration, may be left out (none)
 * C  a list of pCPUs' ids		e  the same: it happens again and again
 * D  a duration			L  positions among the online pCPUs, or all
 * K  attributes, such as manage=no, as many as there are; or none
 */
struct world_fault {
	const struct fault_kind *kind;
	char *text; /* as it is written */
	char who[64];
	unsigned char map[MAP_BYTES];
	uint64_t from_ns, to_ns; /* to_ns: MODEL_NEVER for ever */
	uint64_t first_ns, second_ns;
	uint64_t kib, rate_kib_s;
	double pct;
	long number;
	char policy[WORLD_POLICY_MAX]; /* attributes; empty: none */
	bool no_policy;
	bool repeats; /* again each first_ns */
	bool off;     /* of a flaky balloon */
};

struct fault_kind {
	const char *key;
	const char *form;
	const char *right; /* for complaints */
	/* What it does to a guest (or with guest −1 to the host); on: it begins, otherwise it ends.
	 */
	void (*apply)(struct world *w, struct world_fault *f, size_t guest, bool on);
	/* What it is from the guest's making on. */
	void (*configure)(struct world *w, struct world_fault *f, size_t guest);
};

static void schedule(struct world *w, uint64_t t_ns, enum action_kind kind, struct world_fault *f)
{
	world_schedule(w, &(struct action){.t_ns = t_ns, .kind = kind, .fault = f});
}

/* --- what they do --- */

static void set_balloon_fault(struct world *w, size_t guest)
{
	model_set_balloon_fault(w->model, w->guests[guest].view.id, &w->guests[guest].balloon);
}

static void configure_no_driver(struct world *w, struct world_fault *f, size_t guest)
{
	(void)f;
	w->guests[guest].balloon.no_driver = true;
}

static void configure_no_balloon(struct world *w, struct world_fault *f, size_t guest)
{
	(void)f;
	w->guests[guest].config.no_balloon = true;
}

static void configure_swap(struct world *w, struct world_fault *f, size_t guest)
{
	w->guests[guest].config.swap_kib = f->kib;
}

static void configure_shares(struct world *w, struct world_fault *f, size_t guest)
{
	w->guests[guest].config.shares = (unsigned int)f->number;
}

static void configure_quota(struct world *w, struct world_fault *f, size_t guest)
{
	w->guests[guest].quota_pct = f->pct;
}

static void apply_stuck(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)f;
	w->guests[guest].balloon.stuck = on;
	set_balloon_fault(w, guest);
}

static void apply_slow(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	w->guests[guest].balloon.rate_kib_s = on ? f->rate_kib_s : 0;
	set_balloon_fault(w, guest);
}

static void apply_partial(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	w->guests[guest].balloon.share = on ? f->pct / 100 : 0;
	set_balloon_fault(w, guest);
}

/* Begins again and again: each time the balloon sticks or lets go. */
static void apply_flaky(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	apply_stuck(w, f, guest, on && f->off);
}

static void flaky_again(struct world *w, struct world_fault *f)
{
	double length = (double)(f->off ? f->second_ns : f->first_ns) * (0.5 + rng_unit(&w->rng));
	uint64_t next_ns = model_now(w->model) + (uint64_t)length;

	f->off = !f->off;
	if (next_ns < f->to_ns)
		schedule(w, next_ns, ACTION_FAULT_BEGIN, f);
}

static void apply_frozen(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)f;
	model_set_stats_frozen(w->model, w->guests[guest].view.id, on);
}

static void apply_hang(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)f;
	model_set_hung(w->model, w->guests[guest].view.id, on);
}

static void apply_pause(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	unsigned int id = w->guests[guest].view.id;

	(void)f;
	if (on)
		model_guest_pause(w->model, id);
	else
		model_guest_resume(w->model, id);
}

static void start_after(struct world *w, const struct world_fault *f, size_t guest)
{
	if (f->first_ns)
		world_schedule(w, &(struct action){.t_ns = model_now(w->model) + f->first_ns,
						   .kind = ACTION_START,
						   .guest = guest});
	else
		world_start(w, guest, false);
}

static void apply_respawn(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)on;
	world_stop(w, guest);
	start_after(w, f, guest);
}

static void apply_replace(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)on;
	world_stop(w, guest);
	world_replace(w, guest);
	start_after(w, f, guest);
}

static void configure_policy(struct world *w, struct world_fault *f, size_t guest)
{
	if (f->from_ns == 0)
		w->guests[guest].view.policy = f->no_policy ? NULL : f->policy;
}

static void apply_policy(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)on;
	w->guests[guest].view.policy = f->no_policy ? NULL : f->policy;
	world_emit(w, &(struct world_event){.kind = WORLD_POLICY, .guest = (int)guest});
}

static bool is_up(const struct world *w, size_t guest)
{
	enum model_state state = model_guest_state(w->model, w->guests[guest].view.id);

	return state == MODEL_GUEST_RUNNING || state == MODEL_GUEST_PAUSED;
}

static void apply_repin(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)on;
	if (is_up(w, guest))
		world_pin(w, guest, f->map);
}

static void apply_setmem(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)on;
	if (is_up(w, guest))
		world_setmem(w, guest, f->kib);
}

static void apply_offline(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)guest;
	for (unsigned int i = 0; i < model_pcpus(w->model); i++) {
		struct world_event event = {
			.kind = WORLD_PCPU, .guest = -1, .pcpu = i, .online = !on};

		if (!cpumap_has(f->map, sizeof(f->map), i))
			continue;
		if (model_set_online(w->model, i, !on)) {
			event.kind = WORLD_WARNING;
			event.text = "offline: the last pCPU stays online";
		}
		world_emit(w, &event);
	}
}

static void apply_host_load(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)guest;
	for (unsigned int i = 0; i < model_pcpus(w->model); i++)
		if (cpumap_has(f->map, sizeof(f->map), i))
			model_set_host_load(w->model, i, on ? f->pct : w->scenario->host.load_pct);
}

static void apply_host_used(struct world *w, struct world_fault *f, size_t guest, bool on)
{
	(void)guest;
	(void)on;
	model_set_host_used(w->model, f->kib, f->rate_kib_s);
}

static const struct fault_kind kinds[] = {
	{"no_driver", "G", "GUESTS, such as \"2-3\"", NULL, configure_no_driver},
	{"no_balloon", "G", "GUESTS, such as \"2-3\"", NULL, configure_no_balloon},
	{"balloon_stuck", "Gw", "GUESTS [FROM[-TO]], such as \"1 10s-30s\"", apply_stuck, NULL},
	{"balloon_slow", "GRw", "GUESTS RATE [FROM[-TO]], such as \"all 20M/s\"", apply_slow, NULL},
	{"balloon_partial", "GPw", "GUESTS PERCENT [FROM[-TO]], such as \"1 50%\"", apply_partial,
	 NULL},
	{"balloon_flaky", "GDDw", "GUESTS ON OFF [FROM[-TO]], such as \"1 5s 10s\"", apply_flaky,
	 NULL},
	{"stats_frozen", "Gw", "GUESTS [FROM[-TO]], such as \"1 10s-30s\"", apply_frozen, NULL},
	{"hang", "GW", "GUESTS FROM[-TO], such as \"1 10s-30s\"", apply_hang, NULL},
	{"pause", "GW", "GUESTS FROM[-TO], such as \"1 10s-30s\"", apply_pause, NULL},
	{"respawn", "GAd", "GUESTS AT [DOWN], such as \"1 10s 2s\"", apply_respawn, NULL},
	{"replace", "GAd", "GUESTS AT [DOWN], such as \"1 10s 2s\"", apply_replace, NULL},
	{"repin", "GALe", "GUESTS AT POSITIONS|all [EVERY], such as \"all 10s 0\"", apply_repin,
	 NULL},
	{"setmem", "GASe", "GUESTS AT SIZE [EVERY], such as \"all 10s 512M\"", apply_setmem, NULL},
	{"policy", "GAK", "GUESTS AT NAME=VALUE...|none, such as \"1 10s manage=no\"", apply_policy,
	 configure_policy},
	{"offline", "CW", "CPUS FROM[-TO], such as \"2-3 10s-20s\"", apply_offline, NULL},
	{"host_load", "CPw", "CPUS PERCENT [FROM[-TO]], such as \"0 60% 10s-20s\"", apply_host_load,
	 NULL},
	{"host_used", "SAr", "SIZE AT [RATE], such as \"4G 10s 200M/s\"", apply_host_used, NULL},
	{"guest_swap", "GS", "GUESTS SIZE, such as \"all 512M\"", NULL, configure_swap},
	{"shares", "GN", "GUESTS NUMBER, such as \"1 2048\"", NULL, configure_shares},
	{"quota", "GP", "GUESTS PERCENT, such as \"1 50%\"", NULL, configure_quota},
};

#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

/* --- reading --- */

static const struct fault_kind *find_kind(const char *key)
{
	for (size_t i = 0; i < NKINDS; i++)
		if (!strcmp(kinds[i].key, key))
			return &kinds[i];
	return NULL;
}

bool world_fault_known(const char *key)
{
	return find_kind(key);
}

static int parse_ns(const char *word, uint64_t *ns)
{
	double s;

	if (parse_seconds(word, &s) || s > 1e9)
		return -1;
	*ns = (uint64_t)(s * 1e9 + 0.5);
	return 0;
}

static int parse_window(char *word, struct world_fault *f)
{
	char *dash = strchr(word, '-');

	if (dash)
		*dash = '\0';
	if (parse_ns(word, &f->from_ns) || (dash && parse_ns(dash + 1, &f->to_ns)))
		return -1;
	return f->to_ns > f->from_ns ? 0 : -1;
}

static int parse_guests(const struct world *w, const char *word, struct world_fault *f)
{
	if (strlen(word) >= sizeof(f->who) || !guests_valid(word) ||
	    guests_highest(word) > w->nguests)
		return -1;
	strcpy(f->who, word);
	return 0;
}

/* ids, or with by_position those of the pCPUs in these places among the online ones. */
static int parse_cpus(const struct world *w, const char *word, bool by_position,
		      struct world_fault *f)
{
	unsigned char given[MAP_BYTES] = {0};
	size_t n = by_position ? w->npcpus : w->scenario->host.pcpus;

	if (by_position && !strcmp(word, "all"))
		memset(given, 0xff, (n + 7) / 8);
	else if (cpumap_parse(word, given, sizeof(given)) || !cpumap_count(given, sizeof(given)))
		return -1;
	for (unsigned int i = 0; i < MAP_BYTES * 8; i++) {
		if (!cpumap_has(given, sizeof(given), i))
			continue;
		if (i >= n && strcmp(word, "all"))
			return -1;
		if (i < n)
			cpumap_add(f->map, by_position ? (unsigned int)w->pcpus[i] : i);
	}
	return 0;
}

/* Adds name="value" to those before it. */
static int parse_attribute(const char *word, struct world_fault *f)
{
	size_t used = strlen(f->policy), len = strcspn(word, "=");

	if (f->no_policy)
		return -1;
	if (!strcmp(word, "none")) {
		f->no_policy = true;
		return used ? -1 : 0;
	}
	if (!len || !word[len] || strspn(word, "abcdefghijklmnopqrstuvwxyz-") != len ||
	    strpbrk(word + len, "\"<>&"))
		return -1;
	return snprintf(f->policy + used, sizeof(f->policy) - used, "%s%.*s=\"%s\"",
			used ? " " : "", (int)len, word,
			word + len + 1) < (int)(sizeof(f->policy) - used)
		       ? 0
		       : -1;
}

static int parse_word(const struct world *w, char form, char *word, struct world_fault *f)
{
	switch (form) {
	case 'G':
		return parse_guests(w, word, f);
	case 'w':
	case 'W':
		return parse_window(word, f);
	case 'P':
		return parse_percent(word, 100, &f->pct);
	case 'N':
		return parse_integer(word, 1, 262144, &f->number);
	case 'R':
	case 'r':
		return parse_rate(word, &f->rate_kib_s);
	case 'S':
		return parse_size(word, &f->kib);
	case 'A':
		return parse_ns(word, &f->from_ns);
	case 'D':
		if (parse_ns(word, f->first_ns ? &f->second_ns : &f->first_ns))
			return -1;
		return f->first_ns ? 0 : -1;
	case 'd':
		return parse_ns(word, &f->first_ns);
	case 'K':
		return parse_attribute(word, f);
	case 'e':
		f->repeats = true;
		return parse_ns(word, &f->first_ns) || !f->first_ns ? -1 : 0;
	default:
		return parse_cpus(w, word, form == 'L', f);
	}
}

static int parse(const struct world *w, char *value, struct world_fault *f)
{
	char *rest = NULL, *word = strtok_r(value, " \t\n", &rest);

	f->to_ns = MODEL_NEVER;
	for (const char *form = f->kind->form; *form; form++) {
		if (!word && !strchr("wdre", *form))
			return -1;
		if (word && parse_word(w, *form, word, f))
			return -1;
		if (word)
			word = strtok_r(NULL, " \t\n", &rest);
		if (*form == 'K' && word)
			form--; /* one more of them */
	}
	return word ? -1 : 0;
}

static int read_fault(struct world *w, const struct scenario_setting *setting,
		      struct world_fault *f)
{
	char *value = strdup(setting->value);
	int status = -1;

	if (value && asprintf(&f->text, "%s = %s", setting->key, setting->value) < 0)
		f->text = NULL;
	if (value && f->text)
		status = parse(w, value, f);
	free(value);
	return status;
}

int world_faults_parse(struct world *w, char error[WORLD_ERROR_MAX])
{
	const struct scenario *s = w->scenario;

	w->faults = calloc(s->nfaults + 1, sizeof(*w->faults));
	if (!w->faults)
		return -1;
	for (size_t i = 0; i < s->nfaults; i++) {
		const struct scenario_setting *setting = &s->faults[i];
		struct world_fault *f = &w->faults[w->nfaults];

		f->kind = find_kind(setting->key);
		if (!f->kind)
			continue;
		w->nfaults++;
		if (read_fault(w, setting, f)) {
			snprintf(error, WORLD_ERROR_MAX, "%.80s:%u: %.30s = %.40s: it should be %s",
				 s->path, setting->line, setting->key, setting->value,
				 f->kind->right);
			return -1;
		}
		if (f->kind->apply)
			schedule(w, f->from_ns, ACTION_FAULT_BEGIN, f);
		if (f->kind->apply && f->to_ns != MODEL_NEVER)
			schedule(w, f->to_ns, ACTION_FAULT_END, f);
	}
	return 0;
}

void world_faults_free(struct world *w)
{
	for (size_t i = 0; i < w->nfaults; i++)
		free(w->faults[i].text);
	free(w->faults);
}

/* --- playing --- */

static bool meant(const struct world *w, const struct world_fault *f, size_t guest)
{
	return guests_match(f->who, (unsigned int)guest + 1, (unsigned int)w->nguests);
}

void world_faults_configure(struct world *w, size_t guest)
{
	for (size_t i = 0; i < w->nfaults; i++) {
		struct world_fault *f = &w->faults[i];

		if (f->kind->configure && meant(w, f, guest))
			f->kind->configure(w, f, guest);
	}
}

void world_faults_apply(struct world *w, size_t guest)
{
	set_balloon_fault(w, guest);
	model_set_quota(w->model, w->guests[guest].view.id, w->guests[guest].quota_pct);
}

static void apply(struct world *w, struct world_fault *f, bool on)
{
	if (!f->who[0])
		f->kind->apply(w, f, 0, on);
	for (size_t i = 0; f->who[0] && i < w->nguests; i++)
		if (meant(w, f, i))
			f->kind->apply(w, f, i, on);
}

static void say(struct world *w, const struct world_fault *f, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "%.140s: %s", f->text, what);
	world_emit(w, &(struct world_event){.kind = WORLD_FAULT, .guest = -1, .text = text});
}

void world_fault_begin(struct world *w, struct world_fault *f)
{
	bool flaky = f->kind->apply == apply_flaky;

	say(w, f,
	    flaky && f->off	      ? "sticks"
	    : flaky		      ? "moves"
	    : f->to_ns == MODEL_NEVER ? "now"
				      : "begins");
	apply(w, f, true);
	if (flaky)
		flaky_again(w, f);
	else if (f->repeats)
		schedule(w, model_now(w->model) + f->first_ns, ACTION_FAULT_BEGIN, f);
}

void world_fault_end(struct world *w, struct world_fault *f)
{
	say(w, f, "ends");
	apply(w, f, false);
}
