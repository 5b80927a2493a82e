/* SPDX-License-Identifier: MIT */
/* One move a tick, and only if it makes the deviation smaller. */
#include <libvirt/libvirt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DOMAINS 64
#define MAX_CPUS    64

static char names[MAX_DOMAINS][64];
static unsigned long long before[MAX_DOMAINS];
static double use[MAX_DOMAINS];
static int cpu_of[MAX_DOMAINS];

static double deviation(const double *load, int n)
{
	double mean = 0, sum = 0;

	for (int i = 0; i < n; i++)
		mean += load[i] / n;
	for (int i = 0; i < n; i++)
		sum += (load[i] - mean) * (load[i] - mean);
	return sqrt(sum / n);
}

static void pin(virDomainPtr dom, int slot, int cpu)
{
	unsigned char map[8] = {0};

	VIR_USE_CPU(map, cpu);
	virDomainPinVcpu(dom, 0, map, 8);
	cpu_of[slot] = cpu;
}

static void balance(virDomainPtr *doms, int n, int ncpus)
{
	double load[MAX_CPUS] = {0}, was;
	int busiest = 0, idlest = 0, heaviest = -1;

	for (int i = 0; i < n; i++)
		load[cpu_of[i]] += use[i];
	for (int c = 1; c < ncpus; c++) {
		if (load[c] > load[busiest])
			busiest = c;
		if (load[c] < load[idlest])
			idlest = c;
	}
	was = deviation(load, ncpus);
	for (int i = 0; i < n; i++)
		if (cpu_of[i] == busiest && (heaviest < 0 || use[i] > use[heaviest]))
			heaviest = i;
	if (was <= 5 || heaviest < 0)
		return;
	load[busiest] -= use[heaviest];
	load[idlest] += use[heaviest];
	if (deviation(load, ncpus) < was)
		pin(doms[heaviest], heaviest, idlest);
}

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	int interval, first = 1, ncpus;
	virNodeInfo node;

	if (argc != 2 || !conn || virNodeGetInfo(conn, &node))
		return 1;
	interval = atoi(argv[1]);
	ncpus = (int)node.cpus;
	for (;; sleep((unsigned int)interval)) {
		virDomainPtr *doms = NULL;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n && i < MAX_DOMAINS; i++) {
			virVcpuInfo info;
			unsigned char map[8] = {0};
			int bits = 0, slot = 0;

			/* The list comes in another order each time. */
			while (slot < n && strcmp(names[slot], virDomainGetName(doms[i])) != 0 &&
			       names[slot][0])
				slot++;
			snprintf(names[slot], sizeof(names[slot]), "%s", virDomainGetName(doms[i]));
			if (slot != i) {
				virDomainPtr swap = doms[i];

				if (slot >= n)
					continue;
				doms[i] = doms[slot];
				doms[slot] = swap;
				if (slot > i) {
					i--;
					continue;
				}
			}
			virDomainGetVcpus(doms[slot], &info, 1, map, 8);
			use[slot] = (double)(info.cpuTime - before[slot]) / 1e7 / interval;
			before[slot] = info.cpuTime;
			cpu_of[slot] = info.cpu;
			for (int c = 0; c < ncpus; c++)
				bits += !!VIR_CPU_USABLE(map, 8, 0, c);
			if (bits != 1)
				pin(doms[slot], slot, slot % ncpus);
		}
		if (!first)
			balance(doms, n, ncpus);
		first = 0;
		for (int i = 0; i < n; i++)
			virDomainFree(doms[i]);
		free(doms);
	}
}
