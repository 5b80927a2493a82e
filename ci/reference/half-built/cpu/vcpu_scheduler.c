/* SPDX-License-Identifier: MIT */
/* What finds the busiest pCPU was in a file that was not handed in. */
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

int find_busiest(virConnectPtr conn);

int main(int argc, char *argv[])
{
	virConnectPtr conn = virConnectOpen("qemu:///system");

	while (argc == 2 && conn && find_busiest(conn) >= 0)
		sleep((unsigned int)atoi(argv[1]));
	return 1;
}
