/* SPDX-License-Identifier: MIT */
/* Changes a scenario as a seed wants it. */
#include "vary.h"

#include "lab/sim/model/rng.h"
#include "timeline.h"
#include "units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Each of what a seed decides has random numbers of its own. */
enum stream { STREAM_PLACES = 1, STREAM_TIMES, STREAM_SIZE, STREAM_PERCENT, STREAM_APART };

/* So many arrangements are drawn, until one is found in which pins by number leave so many points
 * between two pCPUs, which no part credit of a suite here reaches. */
#define DRAWS	       64
#define UNBALANCED_PCT 45.0
/* Where each arrangement takes longer to look at than it is worth. */
#define LOOK_GUESTS_MAX 256

#define EXPECT_GUESTS_MAX 64

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What of() gives of each phase, sorted, each value once. Allocated, not NULL; count in *n. */
static double *distinct(const struct scenario *s, double (*of)(const struct phase *), size_t *n)
{
	size_t all = 0, kept = 0;
	double *values;

	for (size_t i = 0; i < s->nguests; i++)
		all += s->guests[i].nphases;
	values = calloc(all + 1, sizeof(*values));
	if (!values)
		return NULL;
	all = 0;
	for (size_t i = 0; i < s->nguests; i++)
		for (size_t j = 0; j < s->guests[i].nphases; j++)
			values[all++] = of(&s->guests[i].phases[j]);
	qsort(values, all, sizeof(*values), by_value);
	for (size_t i = 0; i < all; i++)
		if (!kept || values[kept - 1] < values[i])
			values[kept++] = values[i];
	*n = kept;
	return values;
}

static double moment(const struct phase *phase)
{
	return phase->at_s;
}

static double percent(const struct phase *phase)
{
	return phase->verb == PHASE_CPU ? phase->pct : 0;
}

static size_t index_of(const double *values, size_t n, double value)
{
	const double *found = bsearch(&value, values, n, sizeof(*values), by_value);

	return (size_t)(found - values);
}

static int fails(const char *text)
{
	return text ? 0 : -1;
}

static int replace(char **text, const char *value)
{
	free(*text);
	*text = strdup(value);
	return fails(*text);
}

/* --- sizes --- */

/* Whole MiB, but never nothing of something. */
static uint64_t smaller(uint64_t kib, double factor)
{
	uint64_t mib = (uint64_t)llround((double)kib * factor / KIB_PER_MIB);

	return kib == 0 ? 0 : mib == 0 ? kib : mib * KIB_PER_MIB;
}

static bool is_load_size(const struct scenario *s, uint64_t kib)
{
	for (size_t i = 0; i < s->nguests; i++)
		for (size_t j = 0; j < s->guests[i].nphases; j++)
			if (s->guests[i].phases[j].verb == PHASE_MEMORY &&
			    s->guests[i].phases[j].kib == kib)
				return true;
	return false;
}

/* "reach = SIZE guests by TIME" asks for what the loads have now. */
static int vary_reach(struct scenario *s, double factor)
{
	for (size_t i = 0; i < s->nexpect; i++) {
		char size[32], rest[EXPECT_GUESTS_MAX + 64], text[256];
		uint64_t kib;

		if (strcmp(s->expect[i].key, "reach") != 0 ||
		    sscanf(s->expect[i].value, "%31s %127[^\n]", size, rest) != 2 ||
		    parse_size(size, &kib) || !is_load_size(s, kib))
			continue;
		kib = smaller(kib, factor);
		snprintf(text, sizeof(text), "%llu%c %s",
			 (unsigned long long)(kib % KIB_PER_MIB ? kib : kib / KIB_PER_MIB),
			 kib % KIB_PER_MIB ? 'K' : 'M', rest);
		if (replace(&s->expect[i].value, text))
			return -1;
	}
	return 0;
}

static int vary_sizes(struct scenario *s, uint64_t seed)
{
	struct rng rng = rng_seed(seed, STREAM_SIZE);
	double factor = 1 - s->vary.amount_pct / 100 * rng_unit(&rng);

	if (vary_reach(s, factor))
		return -1;
	for (size_t i = 0; i < s->nguests; i++)
		for (size_t j = 0; j < s->guests[i].nphases; j++) {
			struct phase *phase = &s->guests[i].phases[j];

			if (phase->verb != PHASE_MEMORY && phase->verb != PHASE_CACHE)
				continue;
			/* Rates with them: it takes as long as it did. */
			if (phase->kib && phase->rate_kib_s)
				phase->rate_kib_s = (uint64_t)((double)phase->rate_kib_s *
							       (double)smaller(phase->kib, factor) /
							       (double)phase->kib) +
						    1;
			phase->kib = smaller(phase->kib, factor);
		}
	return 0;
}

/* --- CPU loads --- */

/* Those that were written alike become smaller alike. */
static int vary_percents(struct scenario *s, uint64_t seed)
{
	struct rng rng = rng_seed(seed, STREAM_PERCENT);
	size_t n;
	double *values = distinct(s, percent, &n),
	       *now = values ? calloc(n + 1, sizeof(*now)) : NULL;

	if (!now) {
		free(values);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		now[i] = fmax(values[i] > 0,
			      round(values[i] * (1 - s->vary.amount_pct / 100 * rng_unit(&rng))));
	for (size_t i = 0; i < s->nguests; i++)
		for (size_t j = 0; j < s->guests[i].nphases; j++)
			if (s->guests[i].phases[j].verb == PHASE_CPU)
				s->guests[i].phases[j].pct =
					now[index_of(values, n, s->guests[i].phases[j].pct)];
	free(values);
	free(now);
	return 0;
}

/* Who is lighter and who heavier than written: half of the guests each, for the whole run. */
static void vary_apart(struct scenario *s, uint64_t seed)
{
	struct rng rng = rng_seed(seed, STREAM_APART);
	size_t up = s->nguests / 2;

	for (size_t i = 0; i < s->nguests && s->vary.apart_pct > 0; i++) {
		bool heavier = rng_below(&rng, (unsigned int)(s->nguests - i)) < up;

		up -= heavier;
		/* An odd one stays as it is. */
		if (s->nguests % 2 && i == s->nguests - 1)
			break;
		for (size_t j = 0; j < s->guests[i].nphases; j++) {
			struct phase *phase = &s->guests[i].phases[j];

			if (phase->verb == PHASE_CPU && phase->pct > 0)
				phase->pct =
					fmin(100, fmax(1, phase->pct + (heavier ? 1 : -1) *
									       s->vary.apart_pct));
		}
	}
}

/* --- times --- */

/* A deadline moves with what came before it. */
static int vary_deadlines(struct scenario *s, const double *times, const double *later, size_t n)
{
	for (size_t i = 0; i < s->nexpect; i++) {
		char *by = strstr(s->expect[i].value, " by "), text[256];
		double at_s, moved_s;

		if (!by || parse_seconds(by + strlen(" by "), &at_s))
			continue;
		moved_s = at_s;
		for (size_t k = 0; k < n && times[k] < at_s; k++)
			moved_s = at_s + later[k];
		snprintf(text, sizeof(text), "%.*s by %gs", (int)(by - s->expect[i].value),
			 s->expect[i].value, moved_s);
		if (replace(&s->expect[i].value, text))
			return -1;
	}
	return 0;
}

static int vary_times(struct scenario *s, uint64_t seed)
{
	struct rng rng = rng_seed(seed, STREAM_TIMES);
	unsigned int most = (unsigned int)s->vary.delay_s;
	size_t n;
	double *times = distinct(s, moment, &n),
	       *later = times ? calloc(n + 1, sizeof(*later)) : NULL;
	double sum = 0;
	int status = -1;

	if (!later)
		goto out;
	/* The first by up to all of it, each further one by up to half of it more, twice it in all.
	 */
	for (size_t k = 0; k < n; k++) {
		sum = fmin(sum + rng_below(&rng, (k ? most / 2 : most) + 1), 2.0 * most);
		later[k] = times[k] > 0 ? sum : 0;
	}
	if (vary_deadlines(s, times, later, n))
		goto out;
	for (size_t i = 0; i < s->nguests; i++)
		for (size_t j = 0; j < s->guests[i].nphases; j++)
			s->guests[i].phases[j].at_s +=
				later[index_of(times, n, s->guests[i].phases[j].at_s)];
	s->length_s += n ? later[n - 1] : 0;
	status = 0;
out:
	free(times);
	free(later);
	return status;
}

/* --- places --- */

/* A guest's CPU load at a time, for one vCPU. */
static double load_at(const struct scenario_guest *guest, double at_s, unsigned int vcpu)
{
	double pct = 0;

	for (size_t j = 0; j < guest->nphases && guest->phases[j].at_s <= at_s; j++) {
		const struct phase *phase = &guest->phases[j];

		if (phase->verb == PHASE_CPU)
			pct = !phase->vcpus || vcpu < phase->vcpus ? phase->pct : 0;
		else if (phase->verb == PHASE_IDLE)
			pct = 0;
	}
	return pct;
}

/* Points between two pCPUs at a time, where guest i is in place[i] and the places are pinned in
 * turn, or in blocks. */
static double difference(const struct scenario *s, const unsigned int *place, double at_s,
			 bool blocks, double *sums, unsigned int npcpus)
{
	size_t vcpus = s->guests[0].vcpus, total = s->nguests * vcpus;
	double least = INFINITY, most = 0;

	memset(sums, 0, npcpus * sizeof(*sums));
	for (size_t i = 0; i < s->nguests; i++)
		for (unsigned int v = 0; v < vcpus; v++) {
			size_t at = place[i] * vcpus + v;

			sums[blocks ? at * npcpus / total : at % npcpus] +=
				load_at(&s->guests[i], at_s, v);
		}
	for (unsigned int p = 0; p < npcpus; p++) {
		least = fmin(least, sums[p]);
		most = fmax(most, sums[p]);
	}
	return most - least;
}

/* How badly pins by number do in these places: the better of the two, at its worst moment. The sum
 * of both, a little, where they are alike. */
static double unbalanced(const struct scenario *s, const unsigned int *place, const double *times,
			 size_t n, double *sums, unsigned int npcpus)
{
	double worst[2] = {0, 0};

	for (size_t k = 0; k < n; k++)
		for (int blocks = 0; blocks < 2; blocks++)
			worst[blocks] = fmax(worst[blocks],
					     difference(s, place, times[k], blocks, sums, npcpus));
	return fmin(worst[0], worst[1]) + (worst[0] + worst[1]) / 1e6;
}

static void shuffle(struct rng *rng, unsigned int *place, size_t n)
{
	for (size_t i = 0; i < n; i++)
		place[i] = (unsigned int)i;
	for (size_t i = n; i > 1; i--) {
		unsigned int other = rng_below(rng, (unsigned int)i), kept = place[i - 1];

		place[i - 1] = place[other];
		place[other] = kept;
	}
}

/* A guest's memory load over the whole run, as one figure. */
static double memory_of(const struct scenario_guest *guest)
{
	double sum = 0;

	for (size_t j = 0; j < guest->nphases; j++)
		if (guest->phases[j].verb == PHASE_MEMORY || guest->phases[j].verb == PHASE_CACHE)
			sum += (double)guest->phases[j].kib * guest->phases[j].at_s;
	return sum;
}

/* How many guests with a memory load have a place where a guest with the same one was. */
static double unmoved(const struct scenario *s, const unsigned int *place)
{
	double count = 0;

	for (size_t i = 0; i < s->nguests; i++)
		count += memory_of(&s->guests[i]) > 0 &&
			 memory_of(&s->guests[i]) == memory_of(&s->guests[place[i]]);
	return count;
}

static int draw_places(const struct scenario *s, uint64_t seed, unsigned int npcpus,
		       unsigned int *place)
{
	struct rng rng = rng_seed(seed, STREAM_PLACES);
	size_t n, bytes = s->nguests * sizeof(*place);
	double *times = distinct(s, moment, &n), *sums = calloc(npcpus, sizeof(*sums)),
	       best = -INFINITY;
	unsigned int *drawn = malloc(bytes);
	int status = times && sums && drawn ? 0 : -1;

	for (int draw = 0; !status && draw < DRAWS && best < UNBALANCED_PCT; draw++) {
		double score;

		shuffle(&rng, drawn, s->nguests);
		if (s->kind == SCENARIO_MEMORY)
			score = UNBALANCED_PCT - unmoved(s, drawn);
		else if (s->nguests <= LOOK_GUESTS_MAX)
			score = unbalanced(s, drawn, times, n, sums, npcpus);
		else
			score = UNBALANCED_PCT;
		if (score > best) {
			best = score;
			memcpy(place, drawn, bytes);
		}
	}
	free(times);
	free(sums);
	free(drawn);
	return status;
}

/* The guests of a choice where they are now, "1+3"; −1 where that is too long to be read again. */
static int moved_guests(const char *who, const unsigned int *place, size_t n, char *buf, size_t len)
{
	bool *in = calloc(n, sizeof(*in));
	size_t used = 0, count = 0;

	for (size_t i = 0; in && i < n; i++)
		if (guests_match(who, (unsigned int)i + 1, (unsigned int)n)) {
			in[place[i]] = true;
			count++;
		}
	snprintf(buf, len, "all");
	for (size_t i = 0; in && i < n && used < len && count < n; i++)
		if (in[i])
			used += (size_t)snprintf(buf + used, len - used, "%s%zu", used ? "+" : "",
						 i + 1);
	free(in);
	return in && used < len ? 0 : -1;
}

/* What an expectation with guests says once they have moved; false: it has none. */
static bool moved_value(const char *value, const unsigned int *place, size_t n, char *text,
			size_t len, int *status)
{
	char size[32], who[EXPECT_GUESTS_MAX], by[8], time[32], now[EXPECT_GUESTS_MAX];

	if (sscanf(value, "%31s %63s %7s %31s", size, who, by, time) != 4 || strcmp(by, "by") ||
	    !guests_valid(who))
		return false;
	*status = moved_guests(who, place, n, now, sizeof(now));
	snprintf(text, len, "%s %s by %s", size, now, time);
	return true;
}

static int move_expectations(struct scenario *s, const unsigned int *place, bool change)
{
	char text[256];
	int status = 0;

	for (size_t i = 0; i < s->nexpect && !status; i++)
		if (moved_value(s->expect[i].value, place, s->nguests, text, sizeof(text),
				&status) &&
		    !status && change)
			status = replace(&s->expect[i].value, text);
	return status;
}

/* Guest i takes the number and the name of the guest in its new place. */
static int move_guests(struct scenario *s, const unsigned int *place)
{
	struct scenario_guest *moved = calloc(s->nguests, sizeof(*moved));

	if (!moved)
		return -1;
	for (size_t i = 0; i < s->nguests; i++) {
		struct scenario_guest *to = &moved[place[i]];

		*to = s->guests[i];
		memcpy(to->name, s->guests[place[i]].name, sizeof(to->name));
		to->number = place[i] + 1;
	}
	free(s->guests);
	s->guests = moved;
	return 0;
}

static int vary_places(struct scenario *s, uint64_t seed, unsigned int npcpus)
{
	unsigned int *place = calloc(s->nguests, sizeof(*place));
	int status = place ? draw_places(s, seed, npcpus, place) : -1;

	/* A choice of many guests may be too long to be written; then all stay where they are. */
	if (!status && !move_expectations(s, place, false))
		status = move_expectations(s, place, true) || move_guests(s, place) ? -1 : 0;
	free(place);
	return status;
}

/* What is learned of one scenario says nothing of the next. */
static uint64_t own_seed(const struct scenario *s, uint64_t seed)
{
	for (const char *c = s->name; *c; c++)
		seed = (seed ^ (unsigned char)*c) * 0x100000001b3ULL; /* FNV-1a */
	return seed;
}

int vary(struct scenario *s, uint64_t seed, unsigned int npcpus)
{
	bool faults = s->nfaults > 0;

	seed = own_seed(s, seed);
	if (vary_sizes(s, seed) || vary_percents(s, seed))
		return -1;
	vary_apart(s, seed);
	if (!faults && vary_times(s, seed))
		return -1;
	return !faults && s->vary.places ? vary_places(s, seed, npcpus) : 0;
}
