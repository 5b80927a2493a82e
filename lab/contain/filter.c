/* SPDX-License-Identifier: MIT */
/*
 * System calls that a program of a sandbox is refused: those that keep memory which belongs to no
 * process and no folder, where no limit would see it, and those of the kernel's that need no rights
 * and are of no use to whoever steers guests.
 */
#include "contain.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH	  AUDIT_ARCH_X86_64
#define FIRST_X32 0x40000000
#elif defined(__aarch64__)
#define ARCH	  AUDIT_ARCH_AARCH64
#define FIRST_X32 0xffffffff
#endif

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
/* As on a kernel without it: libraries have another way then. */
#define REFUSE(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), ANSWER(ENOSYS)

int contain_filter(void)
{
	struct sock_filter filter[] = {
		/* Only this machine's own calls: the numbers of others mean something else. */
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		ANSWER(ENOSYS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_X32, 0, 1),
		ANSWER(ENOSYS),
		REFUSE(memfd_create),
		REFUSE(memfd_secret),
		REFUSE(shmget),
		REFUSE(msgget),
		REFUSE(io_uring_setup),
		REFUSE(userfaultfd),
		REFUSE(bpf),
		REFUSE(perf_event_open),
		REFUSE(add_key),
		REFUSE(request_key),
		REFUSE(keyctl),
		REFUSE(syslog),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
