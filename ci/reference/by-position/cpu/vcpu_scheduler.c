/* SPDX-License-Identifier: MIT */
/* Guest i belongs on pCPU i modulo their number: pins all at each tick, by its place in the list.
 */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");
	int ids[64], n, cpus;
	virNodeInfo node;

	if (argc != 2 || !conn || virNodeGetInfo(conn, &node))
		return 1;
	cpus = (int)node.cpus;
	while ((n = virConnectListDomains(conn, ids, 64)) >= 0) {
		for (int i = 0; i < n; i++) {
			virDomainPtr dom = virDomainLookupByID(conn, ids[i]);
			unsigned char map[8] = {0};

			map[(i % cpus) / 8] |= (unsigned char)(1 << (i % cpus) % 8);
			virDomainPinVcpu(dom, 0, map, 8);
			virDomainFree(dom);
		}
		sleep((unsigned int)atoi(argv[1]));
	}
	return 1;
}
