/* SPDX-License-Identifier: MIT */
/*
 * stdio reads and writes by libc's own functions, past the names that are preloaded: a program that
 * reads what its child prints with fgets() would wait in the kernel while the child waits for its
 * turn. So the first instructions of libc's read() and write() become a jump to ours, which make
 * the system calls themselves.
 */
#undef _FORTIFY_SOURCE
#include "remote.h"

#include "real.h"
#include "sim.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)

/* jmp *0(%rip), and behind it the address. */
struct jump {
	unsigned char code[6];
	void *to;
} __attribute__((packed));

static void lead(void *from, void *to)
{
	const struct jump jump = {{0xff, 0x25, 0, 0, 0, 0}, to};
	uintptr_t size = (uintptr_t)real(sysconf)(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)from & ~(size - 1);
	uintptr_t end = ((uintptr_t)from + sizeof(jump) + size - 1) & ~(size - 1);

	if (mprotect((void *)first, end - first, PROT_READ | PROT_WRITE | PROT_EXEC))
		sim_fail("libc cannot be led to the simulation: %s", strerror(errno));
	memcpy(from, &jump, sizeof(jump));
	mprotect((void *)first, end - first, PROT_READ | PROT_EXEC);
}

void patch_libc(void)
{
	lead(dlsym(RTLD_NEXT, "read"), (void *)(uintptr_t)read);
	lead(dlsym(RTLD_NEXT, "write"), (void *)(uintptr_t)write);
}

#else

/* Elsewhere only programs without children, pipes and stdio together are played. */
void patch_libc(void)
{
}

#endif
