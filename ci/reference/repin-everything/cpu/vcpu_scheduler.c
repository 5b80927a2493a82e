/* SPDX-License-Identifier: MIT */
/* Sorts by usage and pins all anew whenever the deviation is more than 5 % of the mean. */
#include <libvirt/libvirt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	virDomainPtr dom;
	char name[64];
	unsigned long long time;
	double usage;
	int cpu;
} Guest;

static Guest guests[128], last[128];
static int num, num_last;

static int by_usage(const void *a, const void *b)
{
	const Guest *x = a, *y = b;

	return x->usage < y->usage ? 1 : x->usage > y->usage ? -1 : 0;
}

int main(int argc, char **argv)
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	virNodeInfo node;

	if (argc != 2 || !conn)
		exit(1);
	virNodeGetInfo(conn, &node);
	while (1) {
		double load[128] = {0}, mean = 0, sum = 0;
		virDomainPtr *doms;
		int total = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_RUNNING);

		num = 0;
		for (int i = 0; i < total; i++) {
			Guest *g = &guests[num++];
			virVcpuInfo info;

			memset(g, 0, sizeof(*g));
			g->dom = doms[i];
			snprintf(g->name, sizeof(g->name), "%s", virDomainGetName(doms[i]));
			virDomainGetVcpus(doms[i], &info, 1, NULL, 0);
			g->time = info.cpuTime;
			g->cpu = info.cpu;
			for (int j = 0; j < num_last; j++)
				if (strcmp(last[j].name, g->name) == 0)
					g->usage = (double)(g->time - last[j].time) / 1e7 /
						   atoi(argv[1]);
			load[g->cpu] += g->usage;
		}
		for (unsigned int c = 0; c < node.cpus; c++)
			mean += load[c] / node.cpus;
		for (unsigned int c = 0; c < node.cpus; c++)
			sum += pow(load[c] - mean, 2);
		if (num_last && mean > 1 && sqrt(sum / node.cpus) > 0.05 * mean) {
			memset(load, 0, sizeof(load));
			qsort(guests, (size_t)num, sizeof(Guest), by_usage);
			for (int i = 0; i < num; i++) {
				unsigned char map[16] = {0};
				int best = 0;

				for (int c = 1; c < (int)node.cpus; c++)
					if (load[c] < load[best])
						best = c;
				load[best] += guests[i].usage;
				map[best / 8] = (unsigned char)(1 << (best % 8));
				virDomainPinVcpu(guests[i].dom, 0, map, 16);
			}
		}
		memcpy(last, guests, sizeof(guests));
		num_last = num;
		for (int i = 0; i < total; i++)
			virDomainFree(doms[i]);
		free(doms);
		sleep((unsigned int)atoi(argv[1]));
	}
}
