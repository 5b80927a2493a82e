/* SPDX-License-Identifier: MIT */
/* Serves guests for ten rounds, which was enough on the author's machine. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	if (argc != 2 || !conn)
		return 1;
	for (int round = 0; round < 10; round++) {
		virDomainPtr *doms;
		int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

		for (int i = 0; i < n; i++) {
			virDomainInfo info;

			virDomainGetInfo(doms[i], &info);
			if (info.memory + 100 * 1024 <= info.maxMem)
				virDomainSetMemory(doms[i], info.memory + 100 * 1024);
			virDomainFree(doms[i]);
		}
		free(doms);
		sleep((unsigned int)atoi(argv[1]));
	}
	printf("balanced\n");
	return 0;
}
