/* SPDX-License-Identifier: MIT */
/* Takes nanoseconds for microseconds: every guest seems to use thousands of per cent, the
 * difference is never small enough, and the guests go round. */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	unsigned long long old[64] = {0};
	virNodeInfo node;
	int turn = 0;

	if (argc != 2 || !conn || virNodeGetInfo(conn, &node))
		return 1;
	for (;; sleep((unsigned int)atoi(argv[1]))) {
		int ids[64], n = virConnectListDomains(conn, ids, 64), most = 0, least = 0;
		double use[64] = {0};

		for (int i = 0; i < n; i++) {
			virDomainPtr dom = virDomainLookupByID(conn, ids[i]);
			virDomainInfo info;

			virDomainGetInfo(dom, &info);
			use[i] = (double)(info.cpuTime - old[i]) / 1e4 / atoi(argv[1]);
			old[i] = info.cpuTime;
			most = use[i] > use[most] ? i : most;
			least = use[i] < use[least] ? i : least;
			virDomainFree(dom);
		}
		if (n > 0 && use[most] - use[least] > 10) {
			virDomainPtr dom = virDomainLookupByID(conn, ids[most]);
			unsigned char map[8] = {0};

			VIR_USE_CPU(map, turn % (int)node.cpus);
			virDomainPinVcpu(dom, 0, map, 8);
			virDomainFree(dom);
			turn++;
		}
	}
}
