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

/* A vCPU that ran or wanted to run for this much of a window never slept … */
#define SLEEPLESS_PCT	     99.0
/* … and neither did one that comes near that and used as much as the busiest on its pCPU, or nearly. */
#define NEARLY_SLEEPLESS_PCT 95.0
#define TOP_SHARE	     0.95

/* Less waiting than this keeps nobody from what it wants. */
#define WAITED_PCT 4.0

/* A belief is the mean of the windows that agree with it, and follows the later ones at this rate. */
#define SMOOTHING 0.2

/* Windows further from the belief than this, and than NOISE_GATE times the noise, contradict it.
 * Idle guests were seen to wander by 1 to 3 points, paced loads by 1 to 2. */
#define GATE_LEAST_PCT 3.0
#define NOISE_GATE     4.0

/* A vCPU that gets all but this of what it is believed to want, and never sleeps, wants more. */
#define FAITH_MARGIN_PCT 2.0

/* So many windows it may do that before a guess is made again, once a guess was wrong; twice as many each
 * time. */
#define PATIENCE_FIRST 8
#define PATIENCE_MOST  512

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

/*
 * What a vCPU wants lies between what it used, u, and what it used and waited for, u + d. If it slept
 * now and then, it had nothing left to do: work that arrives at a rate, or is given up when its time is
 * over, then got all of u that it asked for, only later. If it never slept, u says nothing: it may want
 * the whole pCPU and is taken to. (Eight such vCPUs on one pCPU all use 12.5 %, wanting 45 % or 100 %.)
 * Where that is a near thing the neighbours tell: among vCPUs that never sleep a pCPU is shared evenly, so
 * whoever got less than the top share of it, by weight, did sleep.
 *
 * Loads paced by a clock that runs on while they wait are read too low by this (a 40 % load of stress-ng
 * beside two busy guests: u = 0.165, d = 0.41), in the right order though, and rightly once they have
 * room.
 */
double cpu_demand_estimate(double usage_pct, double delay_pct, double share, double cap_pct,
			   bool *guessed)
{
	double wanted = usage_pct + delay_pct;

	*guessed = delay_pct > WAITED_PCT &&
		   (wanted >= SLEEPLESS_PCT ||
		    (wanted >= NEARLY_SLEEPLESS_PCT && share >= TOP_SHARE));
	return fmin(*guessed ? 100 : usage_pct, cap_pct);
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

/* Per pCPU, the usage of the vCPUs pinned there, and the largest of them, by weight. */
static void sum_shares(const struct cpu_sample *sample, const struct cpu_vcpu_load *vcpus,
		       double *sum, double *top)
{
	for (size_t p = 0; p < sample->npcpus; p++)
		sum[p] = top[p] = 0;
	for (size_t i = 0; i < sample->nvcpus; i++) {
		const struct cpu_vcpu *vcpu = &sample->vcpus[i];
		ptrdiff_t p = cpu_pcpu_find(sample, vcpu->pcpu);

		if (p < 0 || !vcpus[i].known)
			continue;
		sum[p] += vcpus[i].usage_pct;
		top[p] = fmax(top[p], vcpus[i].usage_pct / sample->guests[vcpu->guest].weight);
	}
}

/* What one window says about a vCPU. */
struct evidence {
	double least_pct, estimate_pct; /* of its demand */
	double resolution_pct;
	bool guessed;
};

/*
 * A vCPU that never slept may want more than is known of it, or only be kept waiting. Is what was seen in
 * better times kept? Yes while it gets less than that in surroundings that were changed: this explains it.
 * And for some windows where guesses have turned out wrong before.
 */
static bool keeps_faith(struct cpu_track *track, const struct evidence *seen, double gate)
{
	if (!seen->guessed || track->guessed || !track->known) {
		track->explained = false;
		track->waited = 0;
		return false;
	}
	track->explained |= track->disturbed;
	if (track->explained && seen->least_pct < track->demand_pct - FAITH_MARGIN_PCT)
		return true;
	if (seen->least_pct > track->demand_pct + gate || track->waited >= track->patience)
		return false;
	track->waited++;
	return true;
}

/* A guess gives way to what is seen. Was it wrong from the start? Then guess less readily. */
static void learn_patience(struct cpu_track *track, const struct evidence *seen, double gate)
{
	if (!track->guessed || seen->guessed)
		return;
	if (track->disturbed && fabs(seen->estimate_pct - track->sure_pct) <= 2 * gate)
		track->patience = track->patience ? 2 * track->patience : PATIENCE_FIRST;
	else
		track->patience = 0;
	if (track->patience > PATIENCE_MOST)
		track->patience = PATIENCE_MOST;
}

/* Takes a window into the belief about a vCPU. Returns by how much it contradicts. */
static double believe(struct cpu_track *track, const struct evidence *seen, unsigned int confirm)
{
	double off = seen->estimate_pct - track->demand_pct;
	double gate = fmax(fmax(GATE_LEAST_PCT, seen->resolution_pct), NOISE_GATE * track->noise_pct);
	bool agrees = track->known && fabs(off) <= gate;
	/* What we changed ourselves needs no second window, where it lets us see what was guessed. */
	bool replace = confirm < 2 || track->pending || (track->disturbed && track->guessed);

	if (keeps_faith(track, seen, gate)) {
		track->pending = false;
	} else if (agrees) {
		/* The window before was no change but noise. */
		if (track->pending)
			track->noise_pct += SMOOTHING * (track->pending_pct - track->noise_pct);
		track->noise_pct += SMOOTHING * (fabs(off) - track->noise_pct);
		track->agreed++;
		track->demand_pct += fmax(SMOOTHING, 1.0 / (track->agreed + 1)) * off;
		track->pending = false;
		track->guessed = seen->guessed;
	} else if (!replace) {
		track->pending = true;
		track->pending_pct = fabs(off);
		track->disturbed = false;
		return fabs(off);
	} else {
		learn_patience(track, seen, gate);
		track->known = true;
		track->pending = false;
		track->agreed = 0;
		track->guessed = seen->guessed;
		track->demand_pct = seen->estimate_pct;
	}
	if (!track->guessed)
		track->sure_pct = track->demand_pct;
	track->disturbed = false;
	return 0;
}

double cpu_track_error(const struct cpu_track *track)
{
	/* The mean of n windows, or of as many as smoothing remembers. */
	double windows = fmin(track->agreed + 1, 2 / SMOOTHING - 1);

	return 1.25 * track->noise_pct / sqrt(windows);
}

/* One vCPU's window: from rates to belief. Returns by how much the window contradicts the belief. */
static double follow_vcpu(struct cpu_track *track, const struct cpu_sample *sample, size_t i,
			  double elapsed_s, const double *sum, const double *top,
			  const struct cpu_policy *policy, struct cpu_vcpu_load *load)
{
	const struct cpu_guest *guest = &sample->guests[sample->vcpus[i].guest];
	ptrdiff_t p = cpu_pcpu_find(sample, sample->vcpus[i].pcpu);
	double share = p < 0 || top[p] <= 0 ? 1 : load->usage_pct / guest->weight / top[p];
	double delay = load->delay_pct, changed;
	struct evidence seen = {
		.least_pct = load->usage_pct,
		.resolution_pct = 100 * 2 * COUNTER_STEP_S / elapsed_s,
	};

	if (!load->known)
		return 0;
	/* Where delays are not known: on a pCPU without idle time who got the top share waited. */
	if (delay < 0)
		delay = p >= 0 && sum[p] >= NEARLY_SLEEPLESS_PCT && share >= TOP_SHARE ?
				100 - load->usage_pct : 0;
	seen.estimate_pct = cpu_demand_estimate(load->usage_pct, delay, share, guest->cap_pct,
						&seen.guessed);
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
	sum_shares(sample, vcpus, scratch, scratch + sample->npcpus);
	for (size_t i = 0; windows->usable && i < sample->nvcpus; i++)
		windows->changed_pct +=
			follow_vcpu(&next->vcpus[windows->order[i]], sample, i,
				    windows->elapsed_s, scratch, scratch + sample->npcpus, policy,
				    &vcpus[i]);
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
