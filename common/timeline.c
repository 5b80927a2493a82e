/* SPDX-License-Identifier: MIT */
/* Reads and writes the phases of a timeline, and the choices of guests. */
#include "timeline.h"

#include "units.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX      6
#define PHASE_TEXT_MAX 200

/* A million pCPU-wide guests will not be run; numbers beyond are typing errors. */
#define GUEST_NUMBER_MAX 100000

enum arguments {
	ARGS_NONE,
	ARGS_CPU,	/* percent [demand] [vcpus N] */
	ARGS_SIZE_RATE, /* size [rate] */
	ARGS_RATE,	/* [rate] */
	ARGS_SIZE,	/* size */
	ARGS_PROFILE,	/* a name */
	ARGS_CPULIST,	/* positions, or all */
};

static const struct verb {
	const char *name;
	enum phase_verb verb;
	enum arguments arguments;
	const char *form, *note;
} verbs[] = {
	{"cpu", PHASE_CPU, ARGS_CPU, "cpu PERCENT [demand] [vcpus N]", ", PERCENT at most 100"},
	{"memory", PHASE_MEMORY, ARGS_SIZE_RATE, "memory SIZE [RATE]", ", like memory 1700M 20M/s"},
	{"free", PHASE_MEMORY, ARGS_RATE, "free [RATE]", ", like free 50M/s"},
	{"cache", PHASE_CACHE, ARGS_SIZE_RATE, "cache SIZE [RATE]", ", like cache 300M 20M/s"},
	{"stress", PHASE_STRESS, ARGS_PROFILE, "stress PROFILE", ""},
	{"idle", PHASE_IDLE, ARGS_NONE, "idle", ""},
	{"start", PHASE_START, ARGS_NONE, "start", ""},
	{"stop", PHASE_STOP, ARGS_NONE, "stop", ""},
	{"reboot", PHASE_REBOOT, ARGS_NONE, "reboot", ""},
	{"pause", PHASE_PAUSE, ARGS_NONE, "pause", ""},
	{"resume", PHASE_RESUME, ARGS_NONE, "resume", ""},
	{"pin", PHASE_PIN, ARGS_CPULIST, "pin LIST", ", like pin 0-1, or pin all"},
	{"setmem", PHASE_SETMEM, ARGS_SIZE, "setmem SIZE", ", like setmem 512M"},
};

static int fail(char error[SCENARIO_ERROR_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(char error[SCENARIO_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, SCENARIO_ERROR_MAX, format, args);
	va_end(args);
	return -1;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int parse_cpu_arguments(char **words, size_t n, struct phase *phase)
{
	size_t i = 1;
	long vcpus;

	if (n < 1 || parse_percent(words[0], 100, &phase->pct))
		return -1;
	if (i < n && !strcmp(words[i], "demand")) {
		phase->open_loop = true;
		i++;
	}
	if (i + 1 < n && !strcmp(words[i], "vcpus")) {
		if (parse_integer(words[i + 1], 1, 10000, &vcpus))
			return -1;
		phase->vcpus = (unsigned int)vcpus;
		i += 2;
	}
	return i == n ? 0 : -1;
}

static int parse_arguments(enum arguments form, char **words, size_t n, struct phase *phase)
{
	switch (form) {
	case ARGS_NONE:
		return n == 0 ? 0 : -1;
	case ARGS_CPU:
		return parse_cpu_arguments(words, n, phase);
	case ARGS_SIZE_RATE:
		if (n < 1 || n > 2 || parse_size(words[0], &phase->kib))
			return -1;
		return n == 2 ? parse_rate(words[1], &phase->rate_kib_s) : 0;
	case ARGS_RATE:
		return n == 0 ? 0 : n == 1 ? parse_rate(words[0], &phase->rate_kib_s) : -1;
	case ARGS_SIZE:
		return n == 1 ? parse_size(words[0], &phase->kib) : -1;
	case ARGS_PROFILE:
		if (n != 1 || strchr(words[0], '/') || words[0][0] == '.')
			return -1;
		break;
	case ARGS_CPULIST: {
		unsigned char map[CPULIST_MAX];

		if (n != 1 || (strcmp(words[0], "all") && cpumap_parse(words[0], map, sizeof(map))))
			return -1;
		break;
	}
	}
	phase->text = strdup(words[0]);
	return phase->text ? 0 : -1;
}

/* before: what stands before the verb in that text, for messages. */
static int parse_words(const char *text, const char *before, char **words, size_t n,
		       struct phase *phase, char error[SCENARIO_ERROR_MAX])
{
	const struct verb *verb = find_verb(words[0]);

	if (!verb)
		return fail(error,
			    "unknown verb \"%.40s\"; there are cpu, memory, free, cache, stress, "
			    "idle, start, stop, reboot, pause, resume, pin, setmem",
			    words[0]);
	phase->verb = verb->verb;
	if (parse_arguments(verb->arguments, words + 1, n - 1, phase))
		return fail(error, "\"%.100s\" is not \"%s%s\"%s", text, before, verb->form,
			    verb->note);
	return 0;
}

/* The words of a text, in copy. How many; −1 with error. */
static int split(const char *text, char copy[PHASE_TEXT_MAX], char *words[WORDS_MAX],
		 char error[SCENARIO_ERROR_MAX])
{
	char *save = NULL;
	int n = 0;

	if (strlen(text) >= PHASE_TEXT_MAX)
		return fail(error, "phase is too long: %.40s…", text);
	strcpy(copy, text);
	for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (n == WORDS_MAX)
			return fail(error, "too many words in \"%.100s\"", text);
		words[n++] = word;
	}
	return n;
}

/* A phase, after its time if it is timed. */
static int parse(const char *text, bool timed, struct phase *phase, char error[SCENARIO_ERROR_MAX])
{
	char copy[PHASE_TEXT_MAX], *words[WORDS_MAX];
	int n = split(text, copy, words, error);

	memset(phase, 0, sizeof(*phase));
	if (n < 0)
		return -1;
	if (n < 1 + timed)
		return fail(error, "\"%.100s\" is not \"%sVERB …\", like \"%scpu 45%%\"", text,
			    timed ? "TIME " : "", timed ? "5s " : "");
	if (timed && parse_seconds(words[0], &phase->at_s))
		return fail(error, "\"%.40s\" is not a time like 5s or 2.5s", words[0]);
	return parse_words(text, timed ? "TIME " : "", words + timed, (size_t)(n - timed), phase,
			   error);
}

int phase_parse(const char *text, struct phase *phase, char error[SCENARIO_ERROR_MAX])
{
	return parse(text, true, phase, error);
}

int phase_parse_load(const char *text, struct phase *phase, char error[SCENARIO_ERROR_MAX])
{
	if (parse(text, false, phase, error))
		return -1;
	if (phase_sets_load(phase->verb))
		return 0;
	free(phase->text);
	phase->text = NULL;
	return fail(error, "\"%.40s\" is not a load; cpu, memory, free, cache, stress and idle are",
		    text);
}

char *phase_format(const struct phase *phase, char *buf, size_t len)
{
	char size[32], rate[32] = "";
	const char *name = "?";

	/* PHASE_MEMORY is written "memory 0K", never "free": the first verb of the table wins. */
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (verbs[i].verb == phase->verb) {
			name = verbs[i].name;
			break;
		}
	}
	format_size(phase->kib, size, sizeof(size));
	if (phase->rate_kib_s) {
		format_size(phase->rate_kib_s, rate + 1, sizeof(rate) - 4);
		rate[0] = ' ';
		strcat(rate, "/s");
	}
	switch (phase->verb) {
	case PHASE_CPU:
		if (phase->vcpus)
			snprintf(buf, len, "cpu %g%%%s vcpus %u", phase->pct,
				 phase->open_loop ? " demand" : "", phase->vcpus);
		else
			snprintf(buf, len, "cpu %g%%%s", phase->pct,
				 phase->open_loop ? " demand" : "");
		break;
	case PHASE_MEMORY:
	case PHASE_CACHE:
		snprintf(buf, len, "%s %s%s", name, size, rate);
		break;
	case PHASE_SETMEM:
		snprintf(buf, len, "%s %s", name, size);
		break;
	case PHASE_STRESS:
	case PHASE_PIN:
		snprintf(buf, len, "%s %s", name, phase->text);
		break;
	default:
		snprintf(buf, len, "%s", name);
	}
	return buf;
}

/* One item of a choice; guest numbers are checked, not yet against a count. */
static bool item_parse(const char *item, size_t len, unsigned int *first, unsigned int *last)
{
	char copy[32], *dash;
	long low, high;

	if (len == 0 || len >= sizeof(copy))
		return false;
	memcpy(copy, item, len);
	copy[len] = '\0';
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	if (parse_integer(copy, 1, GUEST_NUMBER_MAX, &low))
		return false;
	high = low;
	if (dash && parse_integer(dash + 1, low, GUEST_NUMBER_MAX, &high))
		return false;
	*first = (unsigned int)low;
	*last = (unsigned int)high;
	return true;
}

static bool word_is(const char *item, size_t len, const char *word)
{
	return len == strlen(word) && !strncmp(item, word, len);
}

static bool item_is_word(const char *item, size_t len)
{
	static const char *const words[] = {"all", "odd", "even", "first-half", "second-half"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (word_is(item, len, words[i]))
			return true;
	}
	return false;
}

static bool item_match(const char *item, size_t len, unsigned int number, unsigned int count)
{
	unsigned int first, last;

	if (word_is(item, len, "all"))
		return true;
	if (word_is(item, len, "odd"))
		return number % 2 == 1;
	if (word_is(item, len, "even"))
		return number % 2 == 0;
	if (word_is(item, len, "first-half"))
		return number <= (count + 1) / 2;
	if (word_is(item, len, "second-half"))
		return number > (count + 1) / 2;
	return item_parse(item, len, &first, &last) && number >= first && number <= last;
}

bool guests_valid(const char *who)
{
	for (;;) {
		size_t len = strcspn(who, "+");
		unsigned int first, last;

		if (!item_is_word(who, len) && !item_parse(who, len, &first, &last))
			return false;
		if (!who[len])
			return true;
		who += len + 1;
	}
}

bool guests_match(const char *who, unsigned int number, unsigned int count)
{
	for (;;) {
		size_t len = strcspn(who, "+");

		if (item_match(who, len, number, count))
			return true;
		if (!who[len])
			return false;
		who += len + 1;
	}
}

unsigned int guests_highest(const char *who)
{
	unsigned int highest = 0, first, last;

	for (;;) {
		size_t len = strcspn(who, "+");

		if (item_parse(who, len, &first, &last) && last > highest)
			highest = last;
		if (!who[len])
			return highest;
		who += len + 1;
	}
}
