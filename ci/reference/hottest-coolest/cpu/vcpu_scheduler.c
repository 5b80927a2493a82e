/* SPDX-License-Identifier: MIT */
/* More than 15 points apart: the busiest vCPU of the busiest pCPU goes to the freest pCPU.
 * Everything else is pinned where it is, at each tick. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N 100

int main(int argc, char *argv[])
{
	virConnectPtr conn;
	virNodeInfo node;
	char known[N][64] = {{0}};
	unsigned long long old[N] = {0};
	int started = 0;

	if (argc != 2)
		return 1;
	conn = virConnectOpen("qemu:///system");
	if (!conn)
		return 1;
	virNodeGetInfo(conn, &node);
	while (1) {
		virDomainPtr *doms;
		double vcpu[N] = {0}, pcpu[N] = {0};
		int on[N], hot = 0, cool = 0, move = -1;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n; i++) {
			virVcpuInfo info = {0};
			int k = 0;

			virDomainGetVcpus(doms[i], &info, 1, NULL, 0);
			while (k < N - 1 && known[k][0] &&
			       strcmp(known[k], virDomainGetName(doms[i])) != 0)
				k++;
			strncpy(known[k], virDomainGetName(doms[i]), 63);
			vcpu[i] = 100.0 * (double)(info.cpuTime - old[k]) / (atoi(argv[1]) * 1e9);
			old[k] = info.cpuTime;
			on[i] = info.cpu;
			pcpu[info.cpu] += vcpu[i];
		}
		for (int c = 0; c < (int)node.cpus; c++) {
			if (pcpu[c] > pcpu[hot])
				hot = c;
			if (pcpu[c] < pcpu[cool])
				cool = c;
		}
		if (started && pcpu[hot] - pcpu[cool] > 15)
			for (int i = 0; i < n; i++)
				if (on[i] == hot && (move < 0 || vcpu[i] > vcpu[move]))
					move = i;
		for (int i = 0; started && i < n; i++) {
			unsigned char map[16] = {0};
			int to = i == move ? cool : on[i];

			VIR_USE_CPU(map, to);
			virDomainPinVcpu(doms[i], 0, map, 16);
		}
		started = 1;
		for (int i = 0; i < n; i++)
			virDomainFree(doms[i]);
		free(doms);
		sleep((unsigned int)atoi(argv[1]));
	}
}
