/* SPDX-License-Identifier: MIT */
/* Looks at the guests at each interval, and never does anything. */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	if (argc != 2 || !conn)
		return 1;
	for (;; sleep((unsigned int)atoi(argv[1]))) {
		virDomainStatsRecordPtr *records = NULL;

		if (virConnectGetAllDomainStats(conn, 0, &records, 0) > 0)
			virDomainStatsRecordListFree(records);
	}
}
