/* SPDX-License-Identifier: MIT */
/* Entering the world in which the gate is libvirt. */
#include "enter.h"

#include <linux/capability.h>
#include <sched.h>
#include <stddef.h>
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

int gate_enter(const char *folder)
{
	return mount_over(folder) < 0 ? -1 : drop_capabilities();
}
