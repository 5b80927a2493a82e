/* SPDX-License-Identifier: MIT */
/* Below 100 MB a guest gets 500 MB, above 200 MB it gives 400 MB: to and fro. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	int interval = argc > 1 ? atoi(argv[1]) : 2;

	if (!conn)
		return 1;
	for (;;) {
		virDomainPtr *doms;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n; i++) {
			virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
			unsigned long long unused = 0, actual = 0;
			int k;

			virDomainSetMemoryStatsPeriod(doms[i], interval, VIR_DOMAIN_AFFECT_LIVE);
			k = virDomainMemoryStats(doms[i], stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
			for (int j = 0; j < k; j++) {
				if (stats[j].tag == VIR_DOMAIN_MEMORY_STAT_UNUSED)
					unused = stats[j].val;
				if (stats[j].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
					actual = stats[j].val;
			}
			if (unused < 100 * 1024 && actual + 500 * 1024 < 2048 * 1024)
				virDomainSetMemory(doms[i], actual + 500 * 1024);
			else if (unused > 200 * 1024 && actual > 600 * 1024)
				virDomainSetMemory(doms[i], actual - 400 * 1024);
			virDomainFree(doms[i]);
		}
		free(doms);
		sleep((unsigned int)interval);
	}
}
