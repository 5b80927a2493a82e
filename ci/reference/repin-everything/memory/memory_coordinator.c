/* SPDX-License-Identifier: MIT */
/* Gives every guest all that it may have at the start, so that nobody ever needs anything. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	int ids[100], n;

	if (argc != 2 || !conn)
		exit(1);
	while (1) {
		n = virConnectListDomains(conn, ids, 100);
		for (int i = 0; i < n; i++) {
			virDomainPtr dom = virDomainLookupByID(conn, ids[i]);
			virDomainInfo info;

			if (!dom)
				continue;
			virDomainGetInfo(dom, &info);
			if (info.memory < info.maxMem)
				virDomainSetMemory(dom, info.maxMem);
			virDomainFree(dom);
		}
		sleep((unsigned int)atoi(argv[1]));
	}
}
