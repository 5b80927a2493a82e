/* SPDX-License-Identifier: MIT */
/* Places all vCPUs anew when usage is uneven, heaviest first, and leaves where they are those for
 * which that is as good. */
#include <libvirt/libvirt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX 256

static struct vcpu {
	virDomainPtr dom;
	char uuid[VIR_UUID_STRING_BUFLEN];
	unsigned int number;
	unsigned long long ns;
	double use;
	int cpu; /* -1: not pinned to one */
	int target;
} now[MAX], old[MAX];
static int n, nold, ncpus;

static int heavier(const void *a, const void *b)
{
	double x = ((const struct vcpu *)a)->use, y = ((const struct vcpu *)b)->use;

	return (x < y) - (x > y);
}

static void read_domain(virDomainPtr dom, double elapsed)
{
	virVcpuInfo info[16];
	unsigned char maps[16 * 16] = {0};
	int count = virDomainGetVcpus(dom, info, 16, maps, 16);

	for (int v = 0; v < count && n < MAX; v++, n++) {
		struct vcpu *vcpu = &now[n];
		int bits = 0;

		*vcpu = (struct vcpu){.dom = dom, .number = (unsigned int)v, .cpu = -1, .use = -1};
		virDomainGetUUIDString(dom, vcpu->uuid);
		vcpu->ns = info[v].cpuTime;
		for (int c = 0; c < ncpus; c++)
			if (VIR_CPU_USABLE(maps, 16, v, c)) {
				vcpu->cpu = c;
				bits++;
			}
		if (bits != 1)
			vcpu->cpu = -1;
		for (int i = 0; i < nold; i++)
			if (!strcmp(old[i].uuid, vcpu->uuid) && old[i].number == vcpu->number &&
			    vcpu->ns >= old[i].ns)
				vcpu->use = (double)(vcpu->ns - old[i].ns) / 1e7 / elapsed;
	}
}

/* Heaviest first to the least loaded; of pCPUs that are nearly as good the one it is on. */
static void place(void)
{
	double load[MAX] = {0};
	int count[MAX] = {0};

	qsort(now, (size_t)n, sizeof(*now), heavier);
	for (int i = 0; i < n; i++) {
		int best = 0, cpu = now[i].cpu;

		for (int c = 1; c < ncpus; c++)
			if (load[c] < load[best] - 3 ||
			    (load[c] < load[best] + 3 && count[c] < count[best]))
				best = c;
		if (cpu >= 0 && load[cpu] < load[best] + 3 && count[cpu] <= count[best])
			best = cpu;
		now[i].target = best;
		load[best] += now[i].use;
		count[best]++;
	}
}

static double deviation(void)
{
	double load[MAX] = {0}, mean = 0, sum = 0;

	for (int i = 0; i < n; i++) {
		if (now[i].cpu < 0)
			return 100;
		load[now[i].cpu] += now[i].use;
	}
	for (int c = 0; c < ncpus; c++)
		mean += load[c] / ncpus;
	for (int c = 0; c < ncpus; c++)
		sum += (load[c] - mean) * (load[c] - mean);
	return sqrt(sum / ncpus);
}

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	struct timespec last = {0}, t;
	virNodeInfo node;

	if (argc != 2 || !conn || virNodeGetInfo(conn, &node))
		return 1;
	ncpus = (int)node.cpus;
	for (;; sleep((unsigned int)atoi(argv[1]))) {
		virDomainPtr *doms = NULL;
		int count = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
		double busiest = 0;

		clock_gettime(CLOCK_MONOTONIC, &t);
		n = 0;
		for (int i = 0; i < count; i++)
			read_domain(doms[i], (double)(t.tv_sec - last.tv_sec) +
						     (double)(t.tv_nsec - last.tv_nsec) / 1e9);
		last = t;
		for (int i = 0; i < n; i++)
			busiest = now[i].use > busiest ? now[i].use : busiest;
		if (busiest >= 8 && deviation() > 5) {
			place();
			for (int i = 0; i < n; i++) {
				unsigned char map[16] = {0};

				if (now[i].cpu == now[i].target)
					continue;
				VIR_USE_CPU(map, now[i].target);
				virDomainPinVcpu(now[i].dom, now[i].number, map, 16);
			}
		}
		memcpy(old, now, sizeof(now));
		nold = n;
		for (int i = 0; i < count; i++)
			virDomainFree(doms[i]);
		free(doms);
	}
}
