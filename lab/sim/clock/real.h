/* SPDX-License-Identifier: MIT */
/*
 * For the library that is preloaded into a program: names it exports in libc's and libvirt's place,
 * and the way to what they hide.
 */
#ifndef BALLAST_SIM_REAL_H
#define BALLAST_SIM_REAL_H

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Everything else in the library is hidden: the program may have functions of the same names. */
#define EXPORT __attribute__((visibility("default")))

/* The function that stands behind ours: libc's own. */
#define real(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&name) found;                                                    \
		if (!found)                                                                        \
			found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                        \
		found;                                                                             \
	})

/* libc's own read() and write() may have been led to ours. */
#define raw_read(fd, buf, len)	((ssize_t)real(syscall)(SYS_read, fd, buf, len))
#define raw_write(fd, buf, len) ((ssize_t)real(syscall)(SYS_write, fd, buf, len))

#endif
