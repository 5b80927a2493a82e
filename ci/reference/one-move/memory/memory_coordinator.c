/* SPDX-License-Identifier: MIT */
/* A guest whose unused memory fell by 20 MB gets 150 MB; one with plenty gives at most 120 MB a
 * tick. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MB 1024L

struct guest {
	char name[64];
	long unused;
};
static struct guest guests[64];

static struct guest *find(const char *name)
{
	int i = 0;

	while (i < 63 && guests[i].name[0] && strcmp(guests[i].name, name) != 0)
		i++;
	snprintf(guests[i].name, sizeof(guests[i].name), "%s", name);
	return &guests[i];
}

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	if (argc != 2 || !conn) {
		fprintf(stderr, "usage: memory_coordinator INTERVAL\n");
		return 1;
	}
	while (1) {
		virDomainPtr *doms = NULL;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_RUNNING);
		long host = (long)(virNodeGetFreeMemory(conn) / 1024);

		for (int i = 0; i < n; i++) {
			struct guest *guest = find(virDomainGetName(doms[i]));
			virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
			long actual = 0, unused = 0, target;
			int k;

			virDomainSetMemoryStatsPeriod(doms[i], 1, VIR_DOMAIN_AFFECT_LIVE);
			k = virDomainMemoryStats(doms[i], stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
			while (k-- > 0) {
				if (stats[k].tag == VIR_DOMAIN_MEMORY_STAT_UNUSED)
					unused = (long)stats[k].val;
				if (stats[k].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
					actual = (long)stats[k].val;
			}
			target = actual;
			if ((guest->unused - unused >= 20 * MB || unused < 100 * MB) &&
			    host > 1024 * MB)
				target = actual + 150 * MB;
			else if (unused > 220 * MB)
				target = actual - (unused - 200 * MB < 120 * MB ? unused - 200 * MB
										: 120 * MB);
			if (target > 2048 * MB)
				target = 2048 * MB;
			if (target != actual && target > 200 * MB)
				virDomainSetMemory(doms[i], (unsigned long)target);
			guest->unused = unused;
			virDomainFree(doms[i]);
		}
		free(doms);
		sleep((unsigned int)atoi(argv[1]));
	}
}
