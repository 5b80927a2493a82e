/* SPDX-License-Identifier: MIT */
/* Counters to rates, and whose they are. */
#include "rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1e9

/* Below this a window holds too few of libvirt's 10 ms steps of CPU time to be read. */
#define WINDOW_LEAST_S 0.05

/* A vCPU that does less does not share its guest's weight. */
#define IDLE_PCT 5.0

/*
 * Load that is no vCPU's may be bound to its pCPU (interrupts, pinned processes) or only happen to
 * be there: Linux moves it to where there is room, as soon as we take that room away. So it counts
 * the more the longer it stays, with this time constant, and no longer than it stays; and only
 * where it stands out of the average by more than its noise.
 */
#define OTHER_RISE_S	3.0
#define OTHER_LEAST_PCT 3.0
#define OTHER_NOISE	1.5

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

static struct key key_of(const struct cpu_sample *sample, size_t position)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[position];

	return (struct key){sample->guests[vcpu->guest].uuid, vcpu->number, position};
}

/* Is the sample in the order of the one before? Then so are the keys. */
static bool keep_order(const struct cpu_tracks *before, const struct cpu_sample *sample,
		       struct key *keys)
{
	for (size_t i = 0; i < before->nvcpus; i++) {
		const struct cpu_track *track = &before->vcpus[i];

		keys[i] = key_of(sample, track->position);
		if (compare_keys(track->uuid, track->number, keys[i].uuid, keys[i].number))
			return false;
	}
	return true;
}

/* The sample's vCPUs in the order tracks are kept in. */
static struct key *sort_vcpus(const struct cpu_tracks *before, const struct cpu_sample *sample)
{
	struct key *keys = calloc(sample->nvcpus + 1, sizeof(*keys));

	if (!keys || (before->nvcpus == sample->nvcpus && keep_order(before, sample, keys)))
		return keys;
	for (size_t i = 0; i < sample->nvcpus; i++)
		keys[i] = key_of(sample, i);
	qsort(keys, sample->nvcpus, sizeof(*keys), compare_sorted);
	return keys;
}

ptrdiff_t cpu_pcpu_find(const struct cpu_sample *sample, int id)
{
	size_t low = 0, high = sample->npcpus;

	/* Mostly they have no holes. */
	if (id >= 0 && (size_t)id < high && sample->pcpus[id].id == id)
		return id;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sample->pcpus[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sample->npcpus && sample->pcpus[low].id == id ? (ptrdiff_t)low : -1;
}

/* What the functions below hand to each other. */
struct reading {
	const struct cpu_tracks *before;
	const struct cpu_sample *sample;
	struct cpu_tracks *next;
	struct cpu_windows *windows;
	struct cpu_vcpu_load *vcpus;
	struct cpu_pcpu_load *pcpus;
	struct key *keys;
	unsigned int *busy;  /* [nguests] vCPUs that do something */
	double *crowd;	     /* [npcpus] usage of the vCPUs pinned there */
	double *sure;	     /* [npcpus] what was known of them, without guesses */
	double *top;	     /* [npcpus] the largest of them, by weight */
	bool *blurred;	     /* [npcpus] somebody came or went in this window */
	double floating_pct; /* usage of vCPUs that are pinned nowhere */
	double floating_top; /* the largest of them, by weight */
};

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

	if (usage < 0)
		return false;
	load->usage_pct = usage;
	load->delay_pct = rate_pct(before->delay_ns, vcpu->delay_ns, elapsed_s);
	load->known = true;
	return true;
}

/* Pairs each of the sample's vCPUs with its track, new or old, and reads its window. */
static void read_vcpus(struct reading *r)
{
	const struct cpu_tracks *before = r->before;
	size_t old = 0;

	for (size_t n = 0; n < r->sample->nvcpus; n++) {
		const struct key *key = &r->keys[n];
		const struct cpu_vcpu *vcpu = &r->sample->vcpus[key->position];
		struct cpu_track *track = &r->next->vcpus[n];

		while (old < before->nvcpus &&
		       compare_keys(before->vcpus[old].uuid, before->vcpus[old].number, key->uuid,
				    key->number) < 0)
			old++;
		r->vcpus[key->position].delay_pct = -1;
		if (r->windows->usable && old < before->nvcpus &&
		    compare_keys(before->vcpus[old].uuid, before->vcpus[old].number, key->uuid,
				 key->number) == 0 &&
		    read_window(&before->vcpus[old], vcpu, r->windows->elapsed_s,
				&r->vcpus[key->position]))
			*track = before->vcpus[old];
		else
			track->pcpu = vcpu->pcpu;
		memcpy(track->uuid, key->uuid, CPU_UUID_LEN);
		track->number = vcpu->number;
		track->position = key->position;
		track->run_ns = vcpu->run_ns;
		track->delay_ns = vcpu->delay_ns;
		track->moved_ago += track->moved_ago != 0;
		track->rests -= track->rests != 0;
		r->windows->order[key->position] = n;
	}
}

/* A guest's vCPUs share its weight as far as they do anything: that is how cgroups do it. */
static double weight_of(const struct reading *r, size_t vcpu)
{
	size_t guest = r->sample->vcpus[vcpu].guest;

	return r->sample->guests[guest].weight / fmax(r->busy[guest], 1);
}

/*
 * Sums usage per pCPU, and finds out where somebody came or went: who used what there cannot be
 * told.
 */
static void sum_usage(struct reading *r)
{
	for (size_t i = 0; i < r->sample->nvcpus; i++)
		r->busy[r->sample->vcpus[i].guest] +=
			r->vcpus[i].usage_pct + r->vcpus[i].delay_pct > IDLE_PCT;
	for (size_t i = 0; i < r->sample->nvcpus; i++) {
		const struct cpu_track *track = &r->next->vcpus[r->windows->order[i]];
		ptrdiff_t now = cpu_pcpu_find(r->sample, r->sample->vcpus[i].pcpu);
		ptrdiff_t then = cpu_pcpu_find(r->sample, track->pcpu);
		double usage = r->vcpus[i].usage_pct;

		/* What it used is not known, so neither is what others used beside it. */
		if (now >= 0 && !r->vcpus[i].known)
			r->blurred[now] = true;
		if (now < 0) {
			r->floating_pct += usage;
			r->floating_top = fmax(r->floating_top, usage / weight_of(r, i));
		} else {
			r->crowd[now] += usage;
			r->sure[now] += track->belief.sure_pct;
			r->top[now] = fmax(r->top[now], usage / weight_of(r, i));
		}
		if (now != then && now >= 0)
			r->blurred[now] = true;
		if (now != then && then >= 0)
			r->blurred[then] = true;
	}
}

/* Takes one vCPU's window into what is believed of it. */
static void follow_vcpu(struct reading *r, size_t i, const struct cpu_policy *policy)
{
	const struct cpu_vcpu *vcpu = &r->sample->vcpus[i];
	struct cpu_track *track = &r->next->vcpus[r->windows->order[i]];
	struct cpu_vcpu_load *load = &r->vcpus[i];
	ptrdiff_t p = cpu_pcpu_find(r->sample, vcpu->pcpu);
	struct cpu_window window = {
		.elapsed_s = r->windows->elapsed_s,
		.usage_pct = load->usage_pct,
		.delay_pct = load->delay_pct,
		.share = 1,
		.crowd_pct = p < 0 ? -1 : r->crowd[p],
		.sure_pct = p < 0 ? 0 : r->sure[p],
		.cap_pct = r->sample->guests[vcpu->guest].cap_pct,
	};
	double before = track->belief.demand_pct, change;
	double top = p < 0 ? r->floating_top : r->top[p];
	bool disturbed;

	if (top > 0)
		window.share = load->usage_pct / weight_of(r, i) / top;
	/*
	 * Somebody else moved it, or another to where it is; our own pins were noted when planned.
	 */
	track->belief.disturbed |= track->pcpu != vcpu->pcpu || (p >= 0 && r->blurred[p]);
	track->pcpu = vcpu->pcpu;
	load->delay_pct = fmin(load->delay_pct, 100 - load->usage_pct);
	if (!load->known)
		return;
	disturbed = track->belief.disturbed;
	change = cpu_believe(&track->belief, &window, policy->confirm);
	/* Many small changes at once are as good as a large one, though none contradicts what was
	 * believed. What we stirred up ourselves is nothing to wait for. */
	if (track->belief.agreed && !track->belief.pending)
		change = fabs(track->belief.demand_pct - before);
	r->windows->changed_pct += disturbed ? 0 : change;
	load->demand_pct = track->belief.demand_pct;
	load->least_pct = track->belief.guessed ? track->belief.least_pct : load->demand_pct;
	load->weight = weight_of(r, i);
	load->known = track->belief.known;
}

/* A window of the load that is no vCPU's, on one pCPU. */
static void follow_other(struct cpu_pcpu_track *track, double other_pct, double elapsed_s,
			 unsigned int confirm)
{
	double rate = confirm < 2 ? 1 : 1 - exp(-elapsed_s / OTHER_RISE_S);
	double off = other_pct - track->other_pct;

	track->noise_pct += rate * (fabs(off) - track->noise_pct);
	track->other_pct += off < 0 ? off : rate * off;
}

/* Usage per pCPU, and what of it is no vCPU's doing. */
static void follow_pcpus(struct reading *r, const struct cpu_policy *policy)
{
	const struct cpu_sample *sample = r->sample;
	size_t old = 0;

	for (size_t p = 0; p < sample->npcpus; p++) {
		struct cpu_pcpu_track *track = &r->next->pcpus[p];
		double usage = -1;

		while (old < r->before->npcpus && r->before->pcpus[old].id < sample->pcpus[p].id)
			old++;
		if (old < r->before->npcpus && r->before->pcpus[old].id == sample->pcpus[p].id) {
			*track = r->before->pcpus[old];
			if (r->windows->usable)
				usage = rate_pct(track->busy_ns, sample->pcpus[p].busy_ns,
						 r->windows->elapsed_s);
		}
		track->id = sample->pcpus[p].id;
		track->busy_ns = sample->pcpus[p].busy_ns;
		if (usage >= 0 && !r->blurred[p] && r->floating_pct < OTHER_LEAST_PCT)
			follow_other(track, fmax(usage - r->crowd[p], 0), r->windows->elapsed_s,
				     policy->confirm);
		r->pcpus[p].usage_pct = usage;
	}
}

/* What counts of the other load. */
static void settle_others(struct reading *r)
{
	const struct cpu_pcpu_track *tracks = r->next->pcpus;
	double sum = 0, usable = 0;

	for (size_t p = 0; p < r->sample->npcpus; p++) {
		sum += r->sample->pcpus[p].usable ? tracks[p].other_pct : 0;
		usable += r->sample->pcpus[p].usable;
	}
	for (size_t p = 0; usable > 0 && p < r->sample->npcpus; p++) {
		double off = tracks[p].other_pct - sum / usable;
		double noise = OTHER_LEAST_PCT + OTHER_NOISE * tracks[p].noise_pct;

		r->pcpus[p].other_pct = sum / usable + (fabs(off) > noise ? off : 0);
	}
}

static int allocate(struct reading *r)
{
	size_t n = r->sample->nvcpus + 1, m = r->sample->npcpus + 1;

	r->next->nvcpus = n - 1;
	r->next->npcpus = m - 1;
	r->next->vcpus = calloc(n, sizeof(*r->next->vcpus));
	r->next->pcpus = calloc(m, sizeof(*r->next->pcpus));
	r->windows->order = calloc(n, sizeof(*r->windows->order));
	r->keys = sort_vcpus(r->before, r->sample);
	r->busy = calloc(r->sample->nguests + 1, sizeof(*r->busy));
	r->crowd = calloc(m, sizeof(*r->crowd));
	r->sure = calloc(m, sizeof(*r->sure));
	r->top = calloc(m, sizeof(*r->top));
	r->blurred = calloc(m, sizeof(*r->blurred));
	return r->next->vcpus && r->next->pcpus && r->windows->order && r->keys && r->busy &&
			       r->crowd && r->sure && r->top && r->blurred
		       ? 0
		       : -1;
}

int cpu_rates(const struct cpu_tracks *before, const struct cpu_policy *policy,
	      const struct cpu_sample *sample, struct cpu_vcpu_load *vcpus,
	      struct cpu_pcpu_load *pcpus, struct cpu_tracks *next, struct cpu_windows *windows)
{
	struct reading r = {.before = before,
			    .sample = sample,
			    .next = next,
			    .windows = windows,
			    .vcpus = vcpus,
			    .pcpus = pcpus};
	int result = -1;

	*next = (struct cpu_tracks){.time_s = sample->time_s, .started = true};
	*windows = (struct cpu_windows){.elapsed_s = sample->time_s - before->time_s};
	windows->usable = before->started && windows->elapsed_s >= WINDOW_LEAST_S;
	memset(vcpus, 0, sample->nvcpus * sizeof(*vcpus));
	memset(pcpus, 0, sample->npcpus * sizeof(*pcpus));
	if (allocate(&r))
		goto out;
	read_vcpus(&r);
	sum_usage(&r);
	follow_pcpus(&r, policy);
	settle_others(&r);
	for (size_t i = 0; i < sample->nvcpus; i++)
		follow_vcpu(&r, i, policy);
	result = 0;
out:
	free(r.keys);
	free(r.busy);
	free(r.crowd);
	free(r.sure);
	free(r.top);
	free(r.blurred);
	return result;
}

void cpu_tracks_free(struct cpu_tracks *tracks)
{
	free(tracks->vcpus);
	free(tracks->pcpus);
	memset(tracks, 0, sizeof(*tracks));
}
