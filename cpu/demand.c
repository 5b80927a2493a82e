/* SPDX-License-Identifier: MIT */
/* Counters to rates, rates to demands. */
#include "demand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9

/* Below this a window holds too few of libvirt's 10 ms steps of CPU time to be read. */
#define WINDOW_LEAST_S 0.05

/* libvirt's CPU time comes in steps of 10 ms; both ends of a window may be off by one. */
#define COUNTER_STEP_S 0.01

/* A vCPU that ran or wanted to run for this much of a window never slept, and for that much it did. */
#define SATURATED_PCT 98.0
#define SLEEPY_PCT    94.0

/* A belief is the mean of the windows that agree with it, and follows the later ones at this rate. */
#define SMOOTHING 0.2

/* Windows further from the belief than this, and than NOISE_GATE times the noise, contradict it.
 * Idle guests were seen to wander by 1 to 3 points, paced loads by 1 to 2. */
#define GATE_LEAST_PCT 3.0
#define NOISE_GATE     4.0

/* A vCPU that gets all but this of what it is believed to want, and never sleeps, wants more. */
#define TRUST_MARGIN_PCT 2.0

/* The host's own threads wander between pCPUs: only what stays for this long counts. */
#define OTHER_SMOOTHING_S 10.0
#define OTHER_LEAST_PCT	  5.0
#define OTHER_NOISE	  3.0

static int compare_keys(const unsigned char *uuid_a, unsigned int number_a,
			const unsigned char *uuid_b, unsigned int number_b)
{
	int order = memcmp(uuid_a, uuid_b, CPU_UUID_LEN);

	return order ? order : (number_a > number_b) - (number_a < number_b);
}

struct key {
	const unsigned char *uuid;
	unsigned int number;
	size_t position;
};

static int compare_sorted(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = compare_keys(x->uuid, x->number, y->uuid, y->number);

	return order ? order : (x->position > y->position) - (x->position < y->position);
}

/* The sample's vCPUs in the order tracks are kept in. */
static struct key *sort_vcpus(const struct cpu_sample *sample)
{
	struct key *keys = calloc(sample->nvcpus + 1, sizeof(*keys));

	if (!keys)
		return NULL;
	for (size_t i = 0; i < sample->nvcpus; i++) {
		const struct cpu_vcpu *vcpu = &sample->vcpus[i];

		keys[i].uuid = sample->guests[vcpu->guest].uuid;
		keys[i].number = vcpu->number;
		keys[i].position = i;
	}
	qsort(keys, sample->nvcpus, sizeof(*keys), compare_sorted);
	return keys;
}

ptrdiff_t cpu_pcpu_find(const struct cpu_sample *sample, int id)
{
	size_t low = 0, high = sample->npcpus;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sample->pcpus[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sample->npcpus && sample->pcpus[low].id == id ? (ptrdiff_t)low : -1;
}

/* Where x lies between low and high, from 0 to 1. */
static double ramp(double x, double low, double high)
{
	return fmax(fmin((x - low) / (high - low), 1), 0);
}

/*
 * What a vCPU wants lies between what it used, u, and what it used and waited for, u + d. If it slept
 * now and then, it had nothing left to do: work that arrives at a rate, or is given up when its time is
 * over, then got all of u that it asked for, only later. If it never slept, u says nothing: it may want
 * the whole pCPU and is taken to. (Eight such vCPUs on one pCPU all use 12.5 %, wanting 45 % or 100 %.)
 * Loads paced by a clock that runs on while they wait are read too low by this (a 40 % load of stress-ng
 * beside two busy guests: u = 0.165, d = 0.41), in the right order though, and rightly once they have
 * room.
 */
double cpu_demand_estimate(double usage_pct, double delay_pct, double cap_pct)
{
	double sleepless = ramp(usage_pct + delay_pct, SLEEPY_PCT, SATURATED_PCT) *
			   ramp(delay_pct, 0, 100 - SLEEPY_PCT);

	return fmin(usage_pct + (100 - usage_pct) * sleepless, cap_pct);
}

/* Percent of a window between two readings of a counter; −1 where it went back or is not known. */
static double rate_pct(uint64_t before, uint64_t now, double elapsed_s)
{
	if (before == CPU_NOT_KNOWN || now == CPU_NOT_KNOWN || now < before)
		return -1;
	return fmin((double)(now - before) / NS_PER_S / elapsed_s * 100, 100);
}

/* Usage and delay of a vCPU over the window. False where there is no window to speak of. */
static bool read_window(const struct cpu_track *before, const struct cpu_vcpu *vcpu,
			double elapsed_s, struct cpu_vcpu_load *load)
{
	double usage = rate_pct(before->run_ns, vcpu->run_ns, elapsed_s);

	load->delay_pct = -1;
	if (usage < 0)
		return false;
	load->usage_pct = usage;
	load->delay_pct = rate_pct(before->delay_ns, vcpu->delay_ns, elapsed_s);
	if (load->delay_pct > 100 - usage)
		load->delay_pct = 100 - usage;
	load->known = true;
	return true;
}

/*
 * Where delays are not known: on a pCPU without idle time, whoever got less than the top share of it
 * (by weight) got all it wanted, and whoever got the top share may want everything.
 */
static void guess_delays(const struct cpu_sample *sample, struct cpu_vcpu_load *vcpus,
			 double *sum, double *top)
{
	for (size_t p = 0; p < sample->npcpus; p++)
		sum[p] = top[p] = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < sample->nvcpus; i++) {
			const struct cpu_vcpu *vcpu = &sample->vcpus[i];
			ptrdiff_t p = cpu_pcpu_find(sample, vcpu->pcpu);
			double share = vcpus[i].usage_pct / sample->guests[vcpu->guest].weight;

			if (p < 0 || !vcpus[i].known)
				continue;
			if (pass == 0) {
				sum[p] += vcpus[i].usage_pct;
				top[p] = fmax(top[p], share);
			} else if (vcpus[i].delay_pct < 0 && share >= 0.9 * top[p] &&
				   sum[p] >= SATURATED_PCT - 5) {
				vcpus[i].delay_pct = 100 - vcpus[i].usage_pct;
			}
		}
	}
}

/* What one window says about a vCPU. */
struct evidence {
	double least_pct, estimate_pct; /* of its demand */
	double resolution_pct;
	bool guessed;
};

/* Takes a window into the belief about a vCPU. Returns by how much it contradicts. */
static double believe(struct cpu_track *track, const struct evidence *seen, unsigned int confirm)
{
	double off = seen->estimate_pct - track->demand_pct;
	double gate = fmax(fmax(GATE_LEAST_PCT, seen->resolution_pct), NOISE_GATE * track->noise_pct);
	/* What we changed ourselves needs no second window, and a belief formed while it waited
	 * gives way to what is seen now. */
	bool replace = confirm < 2 || track->pending || (track->disturbed && track->guessed);

	track->trusted = seen->guessed && (track->trusted || track->disturbed);
	track->disturbed = false;
	/* That it no longer sleeps is put down to its new surroundings, and what was seen in better
	 * ones is kept, for as long as it gets less than that. */
	if (track->known && !track->guessed && track->trusted &&
	    track->demand_pct > seen->least_pct + TRUST_MARGIN_PCT) {
		track->pending = false;
		return 0;
	}
	track->noise_pct += SMOOTHING * (fmin(fabs(off), 2 * gate) - track->noise_pct);
	if (track->known && fabs(off) <= gate) {
		track->agreed++;
		track->demand_pct += fmax(SMOOTHING, 1.0 / (track->agreed + 1)) * off;
		track->pending = false;
		track->guessed = seen->guessed;
		return 0;
	}
	if (!replace) {
		track->pending = true;
		return fabs(off);
	}
	track->known = true;
	track->pending = false;
	track->agreed = 0;
	track->guessed = seen->guessed;
	track->demand_pct = seen->estimate_pct;
	return 0;
}

/* One vCPU's window: from rates to belief. Returns by how much the window contradicts the belief. */
static double follow_vcpu(struct cpu_track *track, const struct cpu_sample *sample, size_t i,
			  double elapsed_s, const struct cpu_policy *policy,
			  struct cpu_vcpu_load *load)
{
	double cap = sample->guests[sample->vcpus[i].guest].cap_pct;
	double delay = fmax(load->delay_pct, 0);
	struct evidence seen = {
		.least_pct = load->usage_pct,
		.resolution_pct = 100 * 2 * COUNTER_STEP_S / elapsed_s,
		.guessed = load->usage_pct + delay > SLEEPY_PCT && delay > 100 - SLEEPY_PCT,
	};
	double changed;

	if (!load->known)
		return 0;
	seen.estimate_pct = cpu_demand_estimate(load->usage_pct, delay, cap);
	changed = believe(track, &seen, policy->confirm);
	load->demand_pct = track->demand_pct;
	load->known = track->known;
	return changed;
}

/* Pairs each of the sample's vCPUs with its track, new or old, and reads its window. */
static void match_vcpus(const struct cpu_tracks *before, const struct cpu_sample *sample,
			const struct key *keys, struct cpu_tracks *next,
			struct cpu_vcpu_load *vcpus, struct cpu_windows *windows)
{
	size_t old = 0;

	for (size_t n = 0; n < sample->nvcpus; n++) {
		size_t i = keys[n].position;
		const struct cpu_vcpu *vcpu = &sample->vcpus[i];
		struct cpu_track *track = &next->vcpus[n];

		while (old < before->nvcpus &&
		       compare_keys(before->vcpus[old].uuid, before->vcpus[old].number,
				    keys[n].uuid, keys[n].number) < 0)
			old++;
		if (windows->usable && old < before->nvcpus &&
		    compare_keys(before->vcpus[old].uuid, before->vcpus[old].number, keys[n].uuid,
				 keys[n].number) == 0 &&
		    read_window(&before->vcpus[old], vcpu, windows->elapsed_s, &vcpus[i]))
			*track = before->vcpus[old];
		memcpy(track->uuid, keys[n].uuid, CPU_UUID_LEN);
		track->number = vcpu->number;
		track->run_ns = vcpu->run_ns;
		track->delay_ns = vcpu->delay_ns;
		windows->order[i] = n;
	}
}

/* A window of the load that is not ours, on one pCPU. */
static void follow_other(struct cpu_pcpu_track *track, double other_pct, double elapsed_s)
{
	double rate = 1 - exp(-elapsed_s / OTHER_SMOOTHING_S);
	double off = other_pct - track->other_pct;

	if (!track->known) {
		track->known = true;
		track->other_pct = other_pct;
		return;
	}
	track->noise_pct += rate * (fabs(off) - track->noise_pct);
	track->other_pct += rate * off;
}

/* Usage per pCPU, and what of it is not the managed vCPUs' doing. */
static void follow_pcpus(const struct cpu_tracks *before, const struct cpu_sample *sample,
			 const struct cpu_vcpu_load *vcpus, struct cpu_tracks *next,
			 const struct cpu_windows *windows, struct cpu_pcpu_load *pcpus,
			 double *ours, bool *blurred)
{
	double floating = 0;
	size_t old = 0;

	for (size_t p = 0; p < sample->npcpus; p++) {
		ours[p] = 0;
		blurred[p] = false;
	}
	for (size_t i = 0; i < sample->nvcpus; i++) {
		const struct cpu_vcpu *vcpu = &sample->vcpus[i];
		struct cpu_track *track = &next->vcpus[windows->order[i]];
		ptrdiff_t now = cpu_pcpu_find(sample, vcpu->pcpu);
		ptrdiff_t then = cpu_pcpu_find(sample, track->pcpu);

		if (sample->guests[vcpu->guest].managed && now < 0)
			floating += vcpus[i].usage_pct;
		else if (sample->guests[vcpu->guest].managed)
			ours[now] += vcpus[i].usage_pct;
		/* It ran on both in this window: who used what cannot be told. Somebody else moved
		 * it, for our own pins were noted in the track. */
		if (now != then && now >= 0)
			blurred[now] = true;
		if (now != then && then >= 0)
			blurred[then] = true;
	}
	for (size_t i = 0; i < sample->nvcpus; i++) {
		struct cpu_track *track = &next->vcpus[windows->order[i]];
		ptrdiff_t now = cpu_pcpu_find(sample, sample->vcpus[i].pcpu);

		track->disturbed |= track->pcpu != sample->vcpus[i].pcpu ||
				    (now >= 0 && blurred[now]);
		track->pcpu = sample->vcpus[i].pcpu;
	}
	for (size_t p = 0; p < sample->npcpus; p++) {
		struct cpu_pcpu_track *track = &next->pcpus[p];
		double usage = -1;

		while (old < before->npcpus && before->pcpus[old].id < sample->pcpus[p].id)
			old++;
		if (old < before->npcpus && before->pcpus[old].id == sample->pcpus[p].id) {
			*track = before->pcpus[old];
			if (windows->usable)
				usage = rate_pct(track->busy_ns, sample->pcpus[p].busy_ns,
						 windows->elapsed_s);
		}
		track->id = sample->pcpus[p].id;
		track->busy_ns = sample->pcpus[p].busy_ns;
		if (usage >= 0 && !blurred[p] && floating < OTHER_LEAST_PCT)
			follow_other(track, fmax(usage - ours[p], 0), windows->elapsed_s);
		pcpus[p].usage_pct = usage;
		pcpus[p].other_pct = track->other_pct;
	}
}

/*
 * Threads that wander look like load on one pCPU now and on another later, and make room by
 * themselves. So of what a pCPU has above or below the average only that counts which stands out of
 * its own noise.
 */
static void settle_others(const struct cpu_tracks *tracks, const struct cpu_sample *sample,
			  struct cpu_pcpu_load *pcpus)
{
	double sum = 0;
	size_t usable = 0;

	for (size_t p = 0; p < sample->npcpus; p++) {
		sum += sample->pcpus[p].usable ? tracks->pcpus[p].other_pct : 0;
		usable += sample->pcpus[p].usable;
	}
	if (!usable)
		return;
	for (size_t p = 0; p < sample->npcpus; p++) {
		double mean = sum / (double)usable;
		double off = tracks->pcpus[p].other_pct - mean;
		double noise = OTHER_LEAST_PCT + OTHER_NOISE * tracks->pcpus[p].noise_pct;

		pcpus[p].other_pct = mean + copysign(fmax(fabs(off) - noise, 0), off);
	}
}

static int allocate(const struct cpu_sample *sample, struct cpu_tracks *next,
		    struct cpu_windows *windows)
{
	next->nvcpus = sample->nvcpus;
	next->npcpus = sample->npcpus;
	next->vcpus = calloc(sample->nvcpus + 1, sizeof(*next->vcpus));
	next->pcpus = calloc(sample->npcpus + 1, sizeof(*next->pcpus));
	windows->order = calloc(sample->nvcpus + 1, sizeof(*windows->order));
	return next->vcpus && next->pcpus && windows->order ? 0 : -1;
}

int cpu_demand(const struct cpu_tracks *before, const struct cpu_policy *policy,
	       const struct cpu_sample *sample, struct cpu_vcpu_load *vcpus,
	       struct cpu_pcpu_load *pcpus, struct cpu_tracks *next, struct cpu_windows *windows)
{
	double *scratch = calloc(2 * sample->npcpus + 1, sizeof(*scratch));
	bool *blurred = calloc(sample->npcpus + 1, sizeof(*blurred));
	struct key *keys = sort_vcpus(sample);
	int result = -1;

	*next = (struct cpu_tracks){.time_s = sample->time_s, .started = true};
	*windows = (struct cpu_windows){.elapsed_s = sample->time_s - before->time_s};
	windows->usable = before->started && windows->elapsed_s >= WINDOW_LEAST_S;
	memset(vcpus, 0, sample->nvcpus * sizeof(*vcpus));
	memset(pcpus, 0, sample->npcpus * sizeof(*pcpus));
	if (!scratch || !blurred || !keys || allocate(sample, next, windows))
		goto out;
	match_vcpus(before, sample, keys, next, vcpus, windows);
	follow_pcpus(before, sample, vcpus, next, windows, pcpus, scratch, blurred);
	guess_delays(sample, vcpus, scratch, scratch + sample->npcpus);
	for (size_t i = 0; windows->usable && i < sample->nvcpus; i++)
		windows->changed_pct +=
			follow_vcpu(&next->vcpus[windows->order[i]], sample, i,
				    windows->elapsed_s, policy, &vcpus[i]);
	settle_others(next, sample, pcpus);
	result = 0;
out:
	free(scratch);
	free(blurred);
	free(keys);
	return result;
}

void cpu_tracks_free(struct cpu_tracks *tracks)
{
	free(tracks->vcpus);
	free(tracks->pcpus);
	memset(tracks, 0, sizeof(*tracks));
}
