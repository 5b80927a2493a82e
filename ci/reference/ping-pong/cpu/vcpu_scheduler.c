/* SPDX-License-Identifier: MIT */
/* The smallest vCPU of the busiest pCPU goes to the freest one, whether that helps or not, until
 * they are within 2 points. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long long previous[64];
static char name_of[64][32];

static int index_of(const char *name)
{
	for (int i = 0; i < 64; i++) {
		if (!name_of[i][0])
			strncpy(name_of[i], name, 31);
		if (!strncmp(name_of[i], name, 31))
			return i;
	}
	return 63;
}

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	int interval = argc > 1 ? atoi(argv[1]) : 2;
	virNodeInfo node;

	if (!conn || virNodeGetInfo(conn, &node) < 0)
		return 1;
	for (int round = 0;; round++) {
		virDomainPtr *doms;
		double usage[64] = {0}, sum[64] = {0};
		int cpu[64] = {0}, max = 0, min = 0, pick = -1;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n && i < 64; i++) {
			int k = index_of(virDomainGetName(doms[i]));
			virVcpuInfo info = {0};

			virDomainGetVcpus(doms[i], &info, 1, NULL, 0);
			usage[i] = (double)(info.cpuTime - previous[k]) / interval / 1e7;
			previous[k] = info.cpuTime;
			cpu[i] = info.cpu;
			sum[cpu[i]] += usage[i];
		}
		for (unsigned int c = 0; c < node.cpus; c++) {
			if (sum[c] > sum[max])
				max = (int)c;
			if (sum[c] < sum[min])
				min = (int)c;
		}
		for (int i = 0; i < n && i < 64; i++)
			if (cpu[i] == max && (pick < 0 || usage[i] < usage[pick]))
				pick = i;
		if (round > 0 && pick >= 0 && sum[max] - sum[min] > 2) {
			unsigned char map = (unsigned char)(1 << min);

			virDomainPinVcpu(doms[pick], 0, &map, 1);
		}
		for (int i = 0; i < n; i++)
			virDomainFree(doms[i]);
		free(doms);
		sleep((unsigned int)interval);
	}
}
