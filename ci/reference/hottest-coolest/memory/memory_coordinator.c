/* SPDX-License-Identifier: MIT */
/* The guest with most free memory gives to the one with least, until each is at 100 MB. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIMIT (100 * 1024)

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	if (argc != 2 || !conn)
		return 1;
	while (1) {
		virDomainPtr *doms;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
		long unused[100] = {0}, size[100] = {0};
		int most = 0, least = 0;

		for (int i = 0; i < n; i++) {
			virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
			int k;

			virDomainSetMemoryStatsPeriod(doms[i], 1, VIR_DOMAIN_AFFECT_CURRENT);
			k = virDomainMemoryStats(doms[i], stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
			for (int j = 0; j < k; j++) {
				if (stats[j].tag == VIR_DOMAIN_MEMORY_STAT_UNUSED)
					unused[i] = (long)stats[j].val;
				if (stats[j].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
					size[i] = (long)stats[j].val;
			}
			if (unused[i] > unused[most])
				most = i;
			if (unused[i] < unused[least])
				least = i;
		}
		if (n > 1 && unused[most] > LIMIT && unused[least] < LIMIT) {
			virDomainSetMemory(doms[most],
					   (unsigned long)(size[most] - (unused[most] - LIMIT)));
			virDomainSetMemory(doms[least],
					   (unsigned long)(size[least] + (LIMIT - unused[least])));
		}
		for (int i = 0; i < n; i++)
			virDomainFree(doms[i]);
		free(doms);
		sleep((unsigned int)atoi(argv[1]));
	}
}
