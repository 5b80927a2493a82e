/* SPDX-License-Identifier: MIT */
/*
 * Runs a program where the only libvirt is the gate: enter FOLDER PROGRAM [ARGUMENT]…
 *
 * FOLDER, the gate's, is mounted over /run/libvirt for this program and its children alone. A
 * variable in the environment could be cleared, and a URI be given another path. It stays root,
 * which programs expect, but without what root could undo the mount or look around it with: of its
 * capabilities only that to read and write any file is left, and none can be had back. The real
 * sockets stay in reach of nobody then: not through /proc/1/root either, which needs
 * CAP_SYS_PTRACE.
 */
#include "log.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIBVIRT_FOLDER "/run/libvirt"

static int mount_over(const char *folder)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount(folder, LIBVIRT_FOLDER, NULL, MS_BIND, NULL);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct kept[2] = {0};

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (cap != CAP_DAC_OVERRIDE && prctl(PR_CAPBSET_DROP, cap) < 0)
			return -1;
	kept[0].effective = kept[0].permitted = 1u << CAP_DAC_OVERRIDE;
	if (syscall(SYS_capset, &header, kept) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int main(int argc, char **argv)
{
	log_init("enter", false);
	if (argc < 3)
		die(EXIT_USAGE, "usage: enter FOLDER PROGRAM [ARGUMENT]...");
	if (mount_over(argv[1]) < 0)
		die(EXIT_LAB, "%s over " LIBVIRT_FOLDER ": %s", argv[1], strerror(errno));
	if (drop_capabilities() < 0)
		die(EXIT_LAB, "capabilities: %s", strerror(errno));
	execvp(argv[2], argv + 2);
	die(EXIT_LAB, "%s: %s", argv[2], strerror(errno));
}
