/* SPDX-License-Identifier: MIT */
/* Asks for the time of each pCPU, which hosts with cgroup v2 do not tell, and ends. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
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
			virTypedParameter params[4 * 4];

			if (virDomainGetCPUStats(doms[i], params, 1, 0, 4, 0) < 0) {
				fprintf(stderr, "cannot get CPU stats: %s\n",
					virGetLastErrorMessage());
				return 1;
			}
		}
	}
}
