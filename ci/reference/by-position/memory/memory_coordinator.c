/* SPDX-License-Identifier: MIT */
/* Takes statistics by their position, where the unused memory stood on the author's machine. */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	if (argc != 2 || !conn)
		return 1;
	for (;; sleep((unsigned int)atoi(argv[1]))) {
		virDomainPtr *doms;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n; i++) {
			virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR] = {{0}};
			virDomainInfo info;

			virDomainGetInfo(doms[i], &info);
			virDomainMemoryStats(doms[i], stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
			if (stats[3].val < 100 * 1024 && info.memory + 64 * 1024 <= info.maxMem)
				virDomainSetMemory(doms[i], info.memory + 64 * 1024);
			if (stats[3].val > 300 * 1024 && info.memory > 300 * 1024)
				virDomainSetMemory(doms[i], info.memory - 64 * 1024);
			virDomainFree(doms[i]);
		}
		free(doms);
	}
}
