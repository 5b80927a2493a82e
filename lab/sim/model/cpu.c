/* SPDX-License-Identifier: MIT */
/* How a pCPU's time is shared: rates that hold until something changes, and the counters they fill.
 */
#include "priv.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define WEIGHT_HOST    1024.0 /* the host's own tasks against a guest of default shares */
#define ITERATIONS_MAX 40
#define TOLERANCE      1e-4   /* of a pCPU; a tick of libvirt's vCPU time in 100 s */
#define NEED_BUSY      0.9999 /* from here on a load never sleeps, so noise has nothing to act on */

/*
 * Linux pulls a waiting task as soon as a pCPU has nothing to do: 100/100/40/40 % without pins used
 * 192 to 195 of 200 % in all runs, both busy ones 55 to 63 %, wherever they were at first. Faster
 * than a step, so the idle pCPU lends its time to one that waits, but for what is lost between the
 * one's sleep and the other's coming. As much is lost where sleepers and others that may run
 * elsewhere share a pCPU, for they do not stay together: so much for each pCPU of the sleepers.
 */
#define LENT	     0.69
#define LEND_LEAST   0.02 /* of a pCPU; less is idle between two tasks only */
#define SLEEPERS_GAP 0.075
#define GAP_MOST     0.05

#define NODE_COST 4 /* caches of the other node hold nothing of it */

/* Noise: a wandering part with a time constant of a second, and for idle guests now and then a
 * burst. */
#define NOISE_STEPS	  10
#define IDLE_DEVIATION	  0.35
#define IDLE_BURST_CHANCE 0.005
#define IDLE_BURST	  0.15

/* --- rates --- */

/* How much of the time it is there, so that at its present share its run time comes to its need. */
static void vcpu_solve(struct vcpu *v)
{
	double stolen = v->open_loop ? 0 : v->guest->stolen;
	double served = (v->share + stolen * (1 - v->share)) * (v->open_loop ? v->speed : 1);
	double quota = v->guest->quota;

	if (v->need >= 1 || v->need >= served || v->backlog_ns > 0)
		v->runnable = 1;
	else
		v->runnable = v->need / served;
	v->present = v->runnable;
	if (quota > 0 && v->runnable * v->share > quota) {
		v->runnable = 1;
		v->present = quota / v->share;
	}
}

/*
 * The share of each while it is present. A vCPU meets others that are present independently of it,
 * each for its fraction of the time, and shares by weight: E[w / (w + Σ w_j·B_j)], here with the
 * mean in the place of the random sum, and then scaled so that the pCPU is busy exactly when
 * anybody is present: 1 − Π(1 − present). (Two busy and two 40 % loads with present = 0.58: 0.335
 * and 0.165, as measured.)
 */
static void pcpu_share(struct pcpu *p)
{
	double pressure = p->host_runnable * WEIGHT_HOST, idle = 1 - p->host_runnable, sum, scale;
	double host_share;

	for (struct vcpu *v = p->first; v; v = v->next) {
		pressure += v->present * v->weight;
		idle *= 1 - v->present;
	}
	host_share = WEIGHT_HOST / (WEIGHT_HOST * (1 - p->host_runnable) + pressure);
	sum = p->host_runnable * host_share;
	for (struct vcpu *v = p->first; v; v = v->next) {
		v->share = v->weight / (v->weight * (1 - v->present) + pressure);
		sum += v->present * v->share;
	}
	scale = sum > 0 ? (1 - idle) / sum : 1;
	p->host_rate = p->host_runnable * fmin(1, host_share * scale);
	for (struct vcpu *v = p->first; v; v = v->next)
		v->share = fmin(1, v->share * scale);
	p->pressure = pressure;
}

/* Who shares a core with a busy sibling is slower. */
static double pcpu_speed(const struct model *m, const struct pcpu *p)
{
	unsigned int threads = m->config.threads_per_core;
	unsigned int first = p->core * threads;
	double siblings = 0;

	if (threads < 2)
		return 1;
	for (unsigned int i = first; i < first + threads && i < m->config.pcpus; i++)
		if (&m->pcpus[i] != p && m->pcpus[i].online)
			siblings += m->pcpus[i].usage;
	return 1 - (1 - m->config.smt_speed) * fmin(1, siblings / (threads - 1));
}

static void pcpu_speeds(const struct model *m, struct pcpu *p)
{
	double speed = pcpu_speed(m, p);

	for (struct vcpu *v = p->first; v; v = v->next)
		v->speed = v->guest->node == p->node ? speed : speed * m->config.remote_speed;
}

/* What a vCPU misses that could run elsewhere. */
static double vcpu_misses(const struct vcpu *v)
{
	if (v->choices < 2 || v->runnable < 1 || v->guest->quota > 0)
		return 0;
	return fmin(1, v->need) - v->rate;
}

/* Rates without loans; and what those that may run elsewhere lose or miss. */
static void pcpu_rates(struct pcpu *p)
{
	double sleepers = 0, hungry = 0, keep;

	p->guests_usage = p->waiting = p->gap = 0;
	for (struct vcpu *v = p->first; v; v = v->next) {
		v->rate = v->present * v->share;
		p->guests_usage += v->rate;
		if (v->choices < 2)
			continue;
		if (v->need < NEED_BUSY)
			sleepers += v->rate;
		if (v->runnable >= 1)
			hungry += v->rate;
		p->waiting += vcpu_misses(v);
	}
	p->usage = p->guests_usage + p->host_rate;
	keep = p->usage > 1 ? 1 / p->usage : 1; /* rounding */
	p->usage *= keep;
	p->host_rate *= keep;
	p->guests_usage *= keep;
	/* Those that never sleep lose what is idle where others come and go. */
	if (hungry > 0)
		p->gap = fmax(0, fmin(fmin(GAP_MOST, SLEEPERS_GAP * sleepers) - (1 - p->usage),
				      hungry * keep));
	for (struct vcpu *v = keep < 1 || p->gap > 0 ? p->first : NULL; v; v = v->next) {
		v->rate *= keep;
		if (v->choices > 1 && v->runnable >= 1)
			v->rate *= 1 - p->gap / (hungry * keep);
	}
	p->usage -= p->gap;
	p->guests_usage = fmax(0, p->guests_usage - p->gap);
	p->waiting += p->gap;
}

/* Loans outlast a new solution: they end with loan_end(). */
static void pcpu_keep_loans(struct pcpu *p)
{
	for (struct vcpu *v = p->borrowers ? p->first : NULL; v; v = v->next)
		v->rate = fmin(v->runnable, v->rate + v->borrowed); /* but for rounding */
	if (!p->borrower)
		return;
	p->usage += p->borrower->borrowed;
	p->guests_usage += p->borrower->borrowed;
}

/* A fixed point: being present depends on the shares, these on who is present. From the last
 * solution it is near. */
static void pcpu_solve(struct model *m, struct pcpu *p)
{
	double change = 1;

	m->steps++;
	p->dirty = false;
	pcpu_speeds(m, p);
	pcpu_share(p);
	for (int i = 0; i < ITERATIONS_MAX && change > TOLERANCE; i++) {
		double share = p->host_runnable > 0 ? p->host_rate / p->host_runnable : 1;

		p->host_runnable = p->host_need < share ? p->host_need / share : 1;
		change = 0;
		for (struct vcpu *v = p->first; v; v = v->next) {
			double before = v->present;

			vcpu_solve(v);
			change = fmax(change, fabs(v->present - before));
		}
		pcpu_share(p);
	}
	pcpu_rates(p);
	pcpu_keep_loans(p);
}

/* --- counters --- */

/* How fast an open-loop load falls behind; negative: catches up. */
static double vcpu_lag(const struct vcpu *v)
{
	if (!v->open_loop || v->runnable < 1)
		return 0;
	return v->need - v->rate * v->speed;
}

static void vcpu_integrate(struct vcpu *v, double dt)
{
	double work = v->rate * v->speed * dt, paid = fmin(work, v->debt_ns);

	v->run_ns += v->rate * dt;
	v->delay_ns += (v->runnable - v->rate) * dt;
	v->throttled_ns += (v->runnable - v->present) * dt;
	v->debt_ns -= paid;
	v->work_ns += work - paid;
	if (v->need > 0)
		v->load_ns += v->rate * dt * fmin(1, v->load / v->need);
	v->backlog_ns = fmax(0, v->backlog_ns + vcpu_lag(v) * dt);
}

/* Up to now; in pieces where a queue of work runs out on the way and rates change. */
void pcpu_sync(struct model *m, struct pcpu *p)
{
	if (!p->online)
		p->since_ns = m->now_ns;
	while (p->since_ns < m->now_ns) {
		double dt = (double)(m->now_ns - p->since_ns);
		struct vcpu *empty = NULL;

		if (p->dirty)
			pcpu_solve(m, p);
		for (struct vcpu *v = p->first; v; v = v->next) {
			double lag = vcpu_lag(v);

			if (v->backlog_ns > 0 && lag < 0 && v->backlog_ns < -lag * dt) {
				dt = fmax(1, ceil(v->backlog_ns / -lag));
				empty = v;
			}
		}
		dt = fmin(dt, (double)(m->now_ns - p->since_ns));
		for (struct vcpu *v = p->first; v; v = v->next)
			vcpu_integrate(v, dt);
		if (empty) {
			empty->backlog_ns = 0;
			p->dirty = true;
		}
		p->busy_ns += p->usage * dt;
		p->guests_ns += p->guests_usage * dt;
		p->idle_ns += (1 - p->usage) * dt;
		p->since_ns += (uint64_t)dt;
	}
}

static void vcpu_sync(struct model *m, const struct vcpu *v)
{
	if (v->queued)
		pcpu_sync(m, &m->pcpus[v->pcpu]);
}

static void guest_sync(struct model *m, const struct guest *g)
{
	for (unsigned int i = 0; i < g->nvcpus; i++)
		vcpu_sync(m, &g->vcpus[i]);
}

/* --- loans --- */

static void loan_end(struct model *m, struct pcpu *p)
{
	struct vcpu *v = p->borrower;

	if (!v)
		return;
	pcpu_sync(m, p);
	vcpu_sync(m, v);
	/* Rounding must not make counters go back. */
	v->rate = fmax(0, v->rate - v->borrowed);
	p->usage = fmax(0, p->usage - v->borrowed);
	p->guests_usage = fmax(0, p->guests_usage - v->borrowed);
	v->borrowed = 0;
	v->lender = NULL;
	p->borrower = NULL;
	m->pcpus[v->pcpu].borrowers--;
}

/* Before anything changes on p. */
static void loans_end(struct model *m, struct pcpu *p)
{
	loan_end(m, p);
	for (struct vcpu *v = p->borrowers ? p->first : NULL; v; v = v->next)
		if (v->lender)
			loan_end(m, v->lender);
}

/* A vCPU that misses something there and may run on p; from a random one on. None where somebody
 * works off a backlog: once that has run out, before the next step, nobody may miss anything. */
static struct vcpu *find_borrower(struct model *m, const struct pcpu *p, const struct pcpu *from)
{
	unsigned int skip = rng_below(&m->rng, from->queued);
	struct vcpu *v = from->first;

	for (const struct vcpu *other = v; other; other = other->next)
		if (other->backlog_ns > 0)
			return NULL;
	while (skip--)
		v = v->next;
	for (unsigned int i = 0; i < from->queued; i++) {
		if (!v->lender && vcpu_misses(v) > LEND_LEAST &&
		    cpumap_has(v->affinity, m->maplen, (unsigned int)(p - m->pcpus)))
			return v;
		v = v->next ? v->next : from->first;
	}
	return NULL;
}

/* Every pCPU has been solved, and is up to now. */
static void pcpu_lend(struct model *m, struct pcpu *p)
{
	struct pcpu *from = balance_neediest(m, p);
	struct vcpu *v = from ? find_borrower(m, p, from) : NULL;

	if (!v)
		return;
	v->borrowed = fmin(LENT * (1 - p->usage - p->gap), vcpu_misses(v));
	v->lender = p;
	p->borrower = v;
	v->rate = fmin(v->runnable, v->rate + v->borrowed);
	from->waiting -= v->borrowed;
	from->borrowers++;
	p->usage += v->borrowed;
	p->guests_usage += v->borrowed;
}

/* --- queues --- */

void vcpu_enqueue(struct model *m, struct vcpu *v, unsigned int pcpu)
{
	struct pcpu *p = &m->pcpus[pcpu];

	pcpu_sync(m, p);
	loans_end(m, p);
	if (v->pcpu >= 0 && (unsigned int)v->pcpu != pcpu) {
		double cost = (double)m->config.move_cost_ns;

		if (m->pcpus[v->pcpu].node != p->node)
			cost *= NODE_COST;
		v->moves++;
		v->debt_ns += cost;
		if (v->open_loop)
			v->backlog_ns += cost;
	}
	v->pcpu = (int)pcpu;
	v->queued = true;
	v->prev = NULL;
	v->next = p->first;
	if (p->first)
		p->first->prev = v;
	p->first = v;
	p->queued++;
	/* For the balancer, until rates are computed anew. */
	p->pressure += v->present * v->weight;
	p->needs += v->need;
	p->usage = fmin(1, p->usage + v->rate);
	p->dirty = true;
}

void vcpu_dequeue(struct model *m, struct vcpu *v)
{
	struct pcpu *p = &m->pcpus[v->pcpu];

	pcpu_sync(m, p);
	loans_end(m, p);
	if (v->prev)
		v->prev->next = v->next;
	else
		p->first = v->next;
	if (v->next)
		v->next->prev = v->prev;
	v->queued = false;
	p->queued--;
	p->pressure -= v->present * v->weight;
	p->needs -= v->need;
	p->usage = fmax(0, p->usage - v->rate);
	p->dirty = true;
}

void vcpu_move(struct model *m, struct vcpu *v, unsigned int pcpu)
{
	if (v->queued)
		vcpu_dequeue(m, v);
	vcpu_enqueue(m, v, pcpu);
}

/* --- what guests want --- */

static double need_of(const struct model *m, const struct vcpu *v)
{
	const struct guest *g = v->guest;
	double idle = 0, load = v->load;

	if (g->hung || (!g->booted && v == g->vcpus))
		return 1;
	if (m->config.noise > 0) {
		idle = v->background * fmax(0.3, 1 + IDLE_DEVIATION * v->idle_noise);
		if (load < NEED_BUSY)
			load = fmax(0, load * (1 + m->config.noise * v->noise));
	}
	return fmin(1, load + idle);
}

static void vcpu_step(const struct model *m, struct vcpu *v)
{
	double burst = 0;

	if (m->config.noise > 0) {
		v->noise = rng_wander(&v->rng, v->noise, NOISE_STEPS);
		v->idle_noise = rng_wander(&v->rng, v->idle_noise, NOISE_STEPS);
		if (rng_unit(&v->rng) < IDLE_BURST_CHANCE)
			burst = IDLE_BURST * rng_unit(&v->rng);
	}
	v->need = fmin(1, need_of(m, v) + burst);
	if (m->config.noise > 0 && v == v->guest->vcpus)
		v->need += memory_cpu(m, &v->guest->memory, 1 - v->need);
}

void guest_cpu_update(struct model *m, struct guest *g)
{
	bool active = g->state == MODEL_GUEST_RUNNING;
	unsigned int loaded = 0;

	for (unsigned int i = 0; i < g->nvcpus; i++)
		loaded += g->vcpus[i].load > 0;
	for (unsigned int i = 0; i < g->nvcpus; i++) {
		struct vcpu *v = &g->vcpus[i];

		if (v->queued)
			vcpu_dequeue(m, v);
		v->weight = (double)g->shares / (loaded ? loaded : 1);
		v->need = need_of(m, v);
		if (!v->open_loop)
			v->backlog_ns = 0;
		if (!active)
			continue;
		if (v->present <= 0)
			v->present = v->runnable = v->need;
		if (v->pcpu < 0 || !cpumap_has(v->affinity, m->maplen, (unsigned int)v->pcpu) ||
		    !m->pcpus[v->pcpu].online)
			vcpu_enqueue(m, v, (unsigned int)balance_place(m, v));
		else
			vcpu_enqueue(m, v, (unsigned int)v->pcpu);
	}
}

void guest_cpu_reset(struct guest *g)
{
	for (unsigned int i = 0; i < g->nvcpus; i++) {
		struct vcpu *v = &g->vcpus[i];

		v->load = v->need = v->runnable = v->present = v->rate = v->share = 0;
		v->run_ns = v->delay_ns = v->throttled_ns = v->work_ns = v->load_ns = 0;
		v->backlog_ns = v->debt_ns = 0;
		v->moves = 0;
		v->open_loop = false;
		v->pcpu = -1;
	}
	g->other_ns = 0;
}

/* The host's own tasks come and go; a load that somebody puts upon it is as steady as a guest's. */
static double host_need(const struct model *m, struct pcpu *p)
{
	double own = fmin(p->host_load, m->config.load_pct / 100), load = p->host_load - own;

	p->host_noise = rng_wander(&p->rng, p->host_noise, NOISE_STEPS);
	own *= fmax(0.3, 1 + IDLE_DEVIATION * p->host_noise);
	if (load < NEED_BUSY)
		load *= fmax(0, 1 + m->config.noise * p->host_noise);
	return fmin(1, own + load);
}

/* Linux samples every 5 s; with the same decay the mean of all steps is the same. */
static void count_load(struct model *m, double tasks)
{
	static const double minutes[] = {1, 5, 15};

	for (int i = 0; i < 3; i++)
		m->load_average[i] += (tasks - m->load_average[i]) * MODEL_STEP_S / 60 / minutes[i];
}

void model_load_average(const struct model *m, double average[3])
{
	memcpy(average, m->load_average, sizeof(m->load_average));
}

void cpu_step(struct model *m)
{
	double tasks = 0;

	for (unsigned int i = 0; i < m->config.pcpus; i++) {
		struct pcpu *p = &m->pcpus[i];

		pcpu_sync(m, p);
		if (!p->online)
			continue;
		p->host_need = p->host_load;
		if (m->config.noise > 0)
			p->host_need = host_need(m, p);
		tasks += p->host_runnable;
		p->needs = p->host_need;
		for (struct vcpu *v = p->first; v; v = v->next) {
			tasks += v->runnable;
			vcpu_step(m, v);
			p->needs += v->need;
		}
		p->dirty = true;
	}
	count_load(m, tasks);
	for (unsigned int i = 0; i < m->config.pcpus; i++)
		loan_end(m, &m->pcpus[i]);
	balance_step(m);
	/* Solved here, not when next looked at: a sibling's speed must not depend on who reads
	 * first. */
	for (unsigned int i = 0; i < m->config.pcpus; i++)
		if (m->pcpus[i].online && m->pcpus[i].dirty)
			pcpu_solve(m, &m->pcpus[i]);
	for (unsigned int i = 0; i < m->config.pcpus; i++)
		if (m->pcpus[i].online && m->pcpus[i].usage + m->pcpus[i].gap < 1 - LEND_LEAST)
			pcpu_lend(m, &m->pcpus[i]);
}

/* --- the interface --- */

static void vcpu_load(struct vcpu *v, double pct, bool open_loop)
{
	v->load = fmin(1, fmax(0, pct / 100));
	v->open_loop = open_loop && pct > 0;
}

void model_set_vcpu_load(struct model *m, unsigned int guest, unsigned int vcpu, double pct,
			 bool open_loop)
{
	struct guest *g = m->guests[guest];

	if (g->state != MODEL_GUEST_RUNNING && g->state != MODEL_GUEST_PAUSED)
		return;
	guest_sync(m, g);
	vcpu_load(&g->vcpus[vcpu], pct, open_loop);
	guest_cpu_update(m, g);
}

void model_set_cpu_load(struct model *m, unsigned int guest, double pct, bool open_loop,
			unsigned int n)
{
	struct guest *g = m->guests[guest];

	if (g->state != MODEL_GUEST_RUNNING && g->state != MODEL_GUEST_PAUSED)
		return;
	guest_sync(m, g);
	for (unsigned int i = 0; i < g->nvcpus; i++)
		vcpu_load(&g->vcpus[i], n == 0 || i < n ? pct : 0, open_loop);
	guest_cpu_update(m, g);
}

void model_set_stolen(struct model *m, unsigned int guest, double share)
{
	struct guest *g = m->guests[guest];

	guest_sync(m, g);
	g->stolen = fmin(1, fmax(0, share));
	guest_cpu_update(m, g);
}

void model_set_shares(struct model *m, unsigned int guest, unsigned int shares)
{
	struct guest *g = m->guests[guest];

	g->shares = shares ? shares : 1;
	guest_cpu_update(m, g);
}

void model_set_quota(struct model *m, unsigned int guest, double pct)
{
	struct guest *g = m->guests[guest];

	guest_sync(m, g);
	g->quota = fmax(0, pct / 100);
	guest_cpu_update(m, g);
}

unsigned int model_shares(const struct model *m, unsigned int guest)
{
	return m->guests[guest]->shares;
}

double model_quota(const struct model *m, unsigned int guest)
{
	return 100 * m->guests[guest]->quota;
}

void model_set_hung(struct model *m, unsigned int guest, bool hung)
{
	struct guest *g = m->guests[guest];

	memory_sync(m, g);
	g->hung = hung;
	guest_cpu_update(m, g);
}

static unsigned int online_in(const struct model *m, const unsigned char *map)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < m->config.pcpus; i++)
		n += m->pcpus[i].online && cpumap_has(map, m->maplen, i);
	return n;
}

/* Where its affinity leaves it nowhere to run, Linux lets it run everywhere. */
static void vcpu_recount(struct model *m, struct vcpu *v)
{
	v->choices = online_in(m, v->affinity);
	if (v->choices)
		return;
	for (unsigned int i = 0; i < m->config.pcpus; i++)
		cpumap_add(v->affinity, i);
	v->choices = m->online;
}

int model_set_affinity(struct model *m, unsigned int guest, unsigned int vcpu,
		       const unsigned char *map, size_t len)
{
	struct vcpu *v = &m->guests[guest]->vcpus[vcpu];
	unsigned char wanted[MODEL_PCPUS_MAX / 8] = {0};

	for (unsigned int i = 0; i < m->config.pcpus; i++)
		if (cpumap_has(map, len, i))
			cpumap_add(wanted, i);
	if (!online_in(m, wanted)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(v->affinity, wanted, m->maplen);
	v->choices = online_in(m, wanted);
	if (v->queued && !cpumap_has(wanted, m->maplen, (unsigned int)v->pcpu)) {
		/* Its old place must not weigh on the choice. */
		vcpu_dequeue(m, v);
		vcpu_enqueue(m, v, (unsigned int)balance_place(m, v));
	}
	return 0;
}

const unsigned char *model_affinity(const struct model *m, unsigned int guest, unsigned int vcpu)
{
	return m->guests[guest]->vcpus[vcpu].affinity;
}

int model_set_online(struct model *m, unsigned int pcpu, bool online)
{
	struct pcpu *p = &m->pcpus[pcpu];

	if (p->online == online)
		return 0;
	if (!online && m->online == 1) {
		errno = EINVAL;
		return -1;
	}
	pcpu_sync(m, p);
	loans_end(m, p);
	p->online = online;
	m->online += online ? 1U : -1U;
	p->usage = p->guests_usage = p->host_rate = 0;
	p->dirty = online;
	for (unsigned int i = 0; i < m->nguests; i++)
		for (unsigned int j = 0; m->guests[i] && j < m->guests[i]->nvcpus; j++)
			vcpu_recount(m, &m->guests[i]->vcpus[j]);
	while (!online && p->first)
		vcpu_move(m, p->first, (unsigned int)balance_place(m, p->first));
	return 0;
}

void model_set_host_load(struct model *m, unsigned int pcpu, double pct)
{
	struct pcpu *p = &m->pcpus[pcpu];

	pcpu_sync(m, p);
	loans_end(m, p);
	p->host_load = p->host_need = fmin(1, fmax(0, pct / 100));
	p->dirty = true;
}

void model_vcpu_read(struct model *m, unsigned int guest, unsigned int vcpu, struct model_vcpu *out)
{
	const struct guest *g = m->guests[guest];
	const struct vcpu *v = &g->vcpus[vcpu];

	vcpu_sync(m, v);
	*out = (struct model_vcpu){
		.run_ns = (uint64_t)v->run_ns,
		.delay_ns = (uint64_t)v->delay_ns,
		.wait_ns = (uint64_t)fmax(0, v->delay_ns - v->throttled_ns),
		.time_ns = (uint64_t)v->run_ns / MODEL_TICK_NS * MODEL_TICK_NS,
		.work_ns = (uint64_t)v->work_ns,
		.load_ns = (uint64_t)v->load_ns,
		.backlog_ns = (uint64_t)v->backlog_ns,
		.moves = v->moves,
		.pcpu = v->pcpu,
		.running = v->queued,
	};
}

/* QEMU spends a part of its vCPUs' time in the kernel: interrupts, timers, and halting. */
#define SYSTEM_PART 0.06

void model_process_read(struct model *m, unsigned int guest, struct model_process *out)
{
	const struct guest *g = m->guests[guest];
	double ns = g->other_ns;

	guest_sync(m, g);
	for (unsigned int i = 0; i < g->nvcpus; i++)
		ns += g->vcpus[i].run_ns;
	out->system_ns = (uint64_t)(ns * SYSTEM_PART);
	out->time_ns = (uint64_t)ns;
	out->user_ns = out->time_ns - out->system_ns;
}

void model_pcpu_read(struct model *m, unsigned int pcpu, struct model_pcpu *out)
{
	struct pcpu *p = &m->pcpus[pcpu];

	pcpu_sync(m, p);
	*out = (struct model_pcpu){
		.online = p->online,
		.busy_ns = (uint64_t)p->busy_ns,
		.guests_ns = (uint64_t)p->guests_ns,
		.idle_ns = (uint64_t)p->idle_ns,
		.core = p->core,
		.node = p->node,
	};
}
