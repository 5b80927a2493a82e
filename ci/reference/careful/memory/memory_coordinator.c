/* SPDX-License-Identifier: MIT */
/* Gives before it is needed and at once, takes back a little at a time. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB 1024ULL /* in KiB, libvirt's unit */

static void one(virDomainPtr dom, unsigned long long host_kib, int interval)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	unsigned long long actual = 0, unused = 0, target, maximum = virDomainGetMaxMemory(dom);
	int n;

	virDomainSetMemoryStatsPeriod(dom, interval, VIR_DOMAIN_AFFECT_LIVE);
	n = virDomainMemoryStats(dom, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
	for (int i = 0; i < n; i++) {
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
			actual = stats[i].val;
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_UNUSED)
			unused = stats[i].val;
	}
	if (!actual || !unused)
		return;
	target = actual;
	if (unused < 200 * MIB && host_kib > 600 * MIB)
		target = actual + 300 * MIB;
	else if (unused > 280 * MIB)
		target = actual - (unused - 260 * MIB > 60 * MIB ? 60 * MIB : unused - 260 * MIB);
	if (target > maximum)
		target = maximum;
	if (target < 250 * MIB)
		target = 250 * MIB;
	if (target != actual)
		virDomainSetMemory(dom, target);
}

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	if (argc != 2 || !conn)
		return 1;
	for (;; sleep((unsigned int)atoi(argv[1]))) {
		unsigned long long host_kib = virNodeGetFreeMemory(conn) / 1024;
		virDomainPtr *doms = NULL;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n; i++) {
			one(doms[i], host_kib, 1);
			virDomainFree(doms[i]);
		}
		free(doms);
	}
}
