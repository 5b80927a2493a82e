/* SPDX-License-Identifier: MIT */
/* Asks for a guest that was on the author's machine, and uses what it gets without looking at it.
 */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	while (argc == 2) {
		virDomainPtr dom = virDomainLookupByName(conn, "my_ubuntu");
		size_t length = strlen(virDomainGetName(dom));

		sleep((unsigned int)atoi(argv[1]) + (length > 100));
	}
	return 1;
}
