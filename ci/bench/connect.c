/* SPDX-License-Identifier: MIT */
/* For ci/bench/real: a client of libvirt that connects (with an argument) or does not even that,
 * and says how much memory it then has. What is left of a controller's is its own. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char *argv[])
{
	virConnectPtr conn = NULL;
	char line[128];
	FILE *status;

	if (argc > 1) {
		virEventRegisterDefaultImpl();
		conn = virConnectOpen(argv[1]);
		if (!conn || virConnectSetKeepAlive(conn, 5, 3) < 0)
			return 3;
	}
	status = fopen("/proc/self/status", "re");
	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "VmHWM", 5) || !strncmp(line, "RssAnon", 7))
			fputs(line, stdout);
	if (status)
		fclose(status);
	if (conn)
		virConnectClose(conn);
	/* Linked, though it may not be called. */
	return virInitialize() ? 3 : 0;
}
