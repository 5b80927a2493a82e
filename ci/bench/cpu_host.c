/* SPDX-License-Identifier: MIT */
/* The model of a host as the scheduler's policy reads it. */
#include "cpu.h"

#include "lab/sim/model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Linux counts a wait when it ends. What goes on when the counter is read was seen to last about
 * 20 ms on average, and up to 100, of guests beside another on a pCPU.
 */
#define WAIT_MEAN_NS 20e6
#define WAIT_MOST_NS 100e6

struct bench_host {
	struct model *model; /* NULL with open_eyes */
	struct dice dice;
	uint64_t *waited_ns; /* [nvcpus] the model's delays at the last sample */
	double time_s;
	double *demand;
	size_t npcpus, nguests, vcpus;
	struct cpu_sample sample;
	struct cpu_pcpu *pcpus;
	struct cpu_guest *guests;
	struct cpu_vcpu *vcpu;
	int *last;
	uint64_t *load_ns; /* at the last bench_host_got() */
	double got_at_s;
};

double dice_unit(struct dice *dice)
{
	uint64_t x = dice->state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	return (double)(x >> 11) / 9007199254740992.0;
}

size_t dice_below(struct dice *dice, size_t n)
{
	return (size_t)(dice_unit(dice) * (double)n);
}

void bench_host_free(struct bench_host *host)
{
	if (!host)
		return;
	model_free(host->model);
	free(host->demand);
	free(host->pcpus);
	free(host->guests);
	free(host->vcpu);
	free(host->last);
	free(host->load_ns);
	free(host->waited_ns);
	free(host);
}

/* Guests get their UUIDs from the seed, so that no rule can lean on an order. */
static void add_guests(struct bench_host *host, const struct bench_case *c, uint64_t seed)
{
	struct dice dice = {seed ^ 0x5eed};

	for (size_t g = 0; g < host->nguests; g++) {
		struct model_guest_config config;
		int id;

		model_guest_config_default(&config);
		config.vcpus = (unsigned int)host->vcpus;
		config.memory_kib = config.maximum_kib = 64 * 1024;
		id = host->model ? model_guest_add(host->model, &config) : (int)g;
		if (id != (int)g)
			abort();
		if (host->model) {
			model_guest_start(host->model, (unsigned int)id, true);
			model_set_stolen(host->model, (unsigned int)id, c->stolen);
		}
		host->guests[g] = (struct cpu_guest){
			.managed = true, .weight = 1, .cap_pct = 100, .node = -1};
		for (size_t i = 0; i < CPU_UUID_LEN; i++)
			host->guests[g].uuid[i] = (unsigned char)dice_below(&dice, 256);
		for (size_t v = 0; v < host->vcpus; v++)
			host->vcpu[g * host->vcpus + v] = (struct cpu_vcpu){
				.guest = g, .number = (unsigned int)v, .pcpu = CPU_FLOATING};
	}
}

struct bench_host *bench_host_new(const struct bench_case *c, uint64_t seed)
{
	struct bench_host *host = calloc(1, sizeof(*host));
	size_t nvcpus = c->nguests * c->vcpus;
	struct model_config config;

	if (!host)
		abort();
	model_config_default(&config);
	config.seed = seed;
	config.pcpus = (unsigned int)c->npcpus;
	/* Of many small guests each idles less, or idling alone would fill the host. */
	config.background_pct *= fmin(1, 4 * (double)c->npcpus / (double)nvcpus);
	config.memory_kib = (uint64_t)(c->nguests + 64) * 64 * 1024 * 4;
	host->model = c->open_eyes ? NULL : model_new(&config);
	host->demand = calloc(nvcpus, sizeof(*host->demand));
	host->npcpus = c->npcpus;
	host->nguests = c->nguests;
	host->vcpus = c->vcpus;
	host->pcpus = calloc(c->npcpus, sizeof(*host->pcpus));
	host->guests = calloc(c->nguests, sizeof(*host->guests));
	host->vcpu = calloc(nvcpus, sizeof(*host->vcpu));
	host->last = calloc(nvcpus, sizeof(*host->last));
	host->load_ns = calloc(nvcpus, sizeof(*host->load_ns));
	host->waited_ns = calloc(nvcpus, sizeof(*host->waited_ns));
	host->dice = (struct dice){seed ^ 0xde1a};
	if ((!host->model && !c->open_eyes) || !host->demand || !host->pcpus || !host->guests ||
	    !host->vcpu || !host->last || !host->load_ns || !host->waited_ns)
		abort();
	for (size_t p = 0; p < c->npcpus; p++)
		host->pcpus[p] = (struct cpu_pcpu){
			.id = (int)p, .core = (int)p, .cache = -1, .node = 0, .usable = true};
	add_guests(host, c, seed);
	return host;
}

void bench_host_load(struct bench_host *host, const double *demand)
{
	memcpy(host->demand, demand, host->nguests * host->vcpus * sizeof(*demand));
	for (size_t v = 0; host->model && v < host->nguests * host->vcpus; v++)
		model_set_vcpu_load(host->model, (unsigned int)(v / host->vcpus),
				    (unsigned int)(v % host->vcpus), demand[v], false);
}

void bench_host_pin(struct bench_host *host, size_t vcpu, int pcpu)
{
	unsigned char map[MODEL_PCPUS_MAX / 8];

	memset(map, pcpu < 0 ? 0xff : 0, sizeof(map));
	if (pcpu >= 0)
		map[pcpu / 8] = (unsigned char)(1u << (pcpu % 8));
	if (host->model &&
	    model_set_affinity(host->model, (unsigned int)(vcpu / host->vcpus),
			       (unsigned int)(vcpu % host->vcpus), map, model_maplen(host->model)))
		abort();
	host->vcpu[vcpu].pcpu = pcpu < 0 ? CPU_FLOATING : pcpu;
}

void bench_host_advance(struct bench_host *host, double seconds)
{
	host->time_s += seconds;
	if (host->model)
		model_advance(host->model,
			      (uint64_t)llround(host->time_s * (double)MODEL_NS_PER_S));
	for (size_t v = 0; !host->model && v < host->nguests * host->vcpus; v++) {
		uint64_t ran = (uint64_t)(host->demand[v] / 100 * seconds * (double)MODEL_NS_PER_S);

		host->vcpu[v].run_ns += ran;
		host->vcpu[v].delay_ns = 0;
		if (host->vcpu[v].pcpu >= 0)
			host->pcpus[host->vcpu[v].pcpu].busy_ns += ran;
	}
}

/* The counter of a vCPU's delays, without the wait that goes on if it is waiting just now. */
static uint64_t count_delay(struct bench_host *host, size_t v, uint64_t delay_ns)
{
	uint64_t counted_ns = host->vcpu[v].delay_ns;
	double share = (double)(delay_ns - host->waited_ns[v]) / (double)MODEL_NS_PER_S /
		       (host->time_s - host->sample.time_s);
	double wait_ns = fmin(-log(1 - dice_unit(&host->dice)) * WAIT_MEAN_NS, WAIT_MOST_NS);

	host->waited_ns[v] = delay_ns;
	if (dice_unit(&host->dice) >= share)
		return delay_ns;
	/* It goes up only. */
	return delay_ns > counted_ns + (uint64_t)wait_ns ? delay_ns - (uint64_t)wait_ns
							 : counted_ns;
}

const struct cpu_sample *bench_host_sample(struct bench_host *host)
{
	uint64_t step = MODEL_TICK_NS;

	for (size_t v = 0; host->model && v < host->nguests * host->vcpus; v++) {
		struct model_vcpu now;

		model_vcpu_read(host->model, (unsigned int)(v / host->vcpus),
				(unsigned int)(v % host->vcpus), &now);
		host->vcpu[v].run_ns = now.time_ns;
		host->vcpu[v].delay_ns = count_delay(host, v, now.delay_ns);
		host->last[v] = now.pcpu < 0 ? 0 : now.pcpu;
	}
	for (size_t p = 0; host->model && p < host->npcpus; p++) {
		struct model_pcpu now;

		model_pcpu_read(host->model, (unsigned int)p, &now);
		host->pcpus[p].busy_ns = now.busy_ns / step * step;
	}
	host->sample = (struct cpu_sample){
		.time_s = host->time_s,
		.npcpus = host->npcpus,
		.pcpus = host->pcpus,
		.nguests = host->nguests,
		.guests = host->guests,
		.nvcpus = host->nguests * host->vcpus,
		.vcpus = host->vcpu,
	};
	return &host->sample;
}

const int *bench_host_last(const struct bench_host *host)
{
	return host->last;
}

void bench_host_got(struct bench_host *host, double *got)
{
	double elapsed = (host->time_s - host->got_at_s) * (double)MODEL_NS_PER_S;

	if (!host->model) {
		memcpy(got, host->demand, host->nguests * host->vcpus * sizeof(*got));
		return;
	}
	for (size_t v = 0; v < host->nguests * host->vcpus; v++) {
		struct model_vcpu now;

		model_vcpu_read(host->model, (unsigned int)(v / host->vcpus),
				(unsigned int)(v % host->vcpus), &now);
		got[v] = (double)(now.load_ns - host->load_ns[v]) / elapsed * 100;
		host->load_ns[v] = now.load_ns;
	}
	host->got_at_s = host->time_s;
}
