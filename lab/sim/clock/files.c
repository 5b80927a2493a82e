/* SPDX-License-Identifier: MIT */
/*
 * The host as the program sees it outside libvirt, in libc's place: files of /proc and /sys are
 * memory files with the model's figures, made anew when they are read again from the start; and
 * what libc says of CPUs and memory.
 */
#undef _FORTIFY_SOURCE
#include "descriptors.h"
#include "host_files.h"
#include "guard.h"
#include "real.h"
#include "sched.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

/* --- memory files --- */

struct made_file {
	struct made_file *next;
	int fd;
	char path[];
};

static struct made_file *made_files;

static struct made_file *find_file(int fd)
{
	struct made_file *f = made_files;

	while (f && f->fd != fd)
		f = f->next;
	return f;
}

/* Far more than a program reads of them to seed its own. */
#define RANDOM_SIZE 65536

static bool is_random(const char *path)
{
	return !strcmp(path, "/dev/urandom") || !strcmp(path, "/dev/random");
}

static enum host_file make_text(const char *path, char **text, size_t *len)
{
	if (!is_random(path))
		return sim_host_file(path, text, len);
	*len = RANDOM_SIZE;
	*text = malloc(RANDOM_SIZE);
	if (*text)
		getentropy(*text, RANDOM_SIZE);
	return HOST_FILE_MADE;
}

static int fill(int fd, const char *text, size_t len)
{
	if (!text || ftruncate(fd, 0) || pwrite(fd, text, len, 0) != (ssize_t)len)
		return -1;
	return 0;
}

/* A file that nobody else sees. In a sandbox memory that is no file's is refused; /tmp is its own.
 */
static int nameless_file(int flags)
{
	int fd = memfd_create("ballast-sim", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);

	if (fd < 0 && errno == ENOSYS)
		fd = real(open)("/tmp", O_TMPFILE | O_RDWR | (flags & O_CLOEXEC), 0600);
	return fd;
}

/* Opens a file of the host's; −1 with errno. */
static int open_made(const char *path, int flags)
{
	struct made_file *file;
	char *text = NULL;
	size_t len = 0;
	int fd = -1;

	if ((flags & O_ACCMODE) != O_RDONLY) {
		errno = EACCES;
		return -1;
	}
	if (make_text(path, &text, &len) == HOST_FILE_MISSING) {
		errno = ENOENT;
		return -1;
	}
	file = malloc(sizeof(*file) + strlen(path) + 1);
	if (file)
		fd = nameless_file(flags);
	if (fd >= 0 && fill(fd, text, len)) {
		real(close)(fd);
		fd = -1;
	}
	free(text);
	if (fd < 0) {
		free(file);
		errno = ENOMEM;
		return -1;
	}
	strcpy(file->path, path);
	file->fd = fd;
	file->next = made_files;
	made_files = file;
	return fd;
}

void file_closed(int fd)
{
	for (struct made_file **at = &made_files; *at; at = &(*at)->next) {
		struct made_file *file = *at;

		if (file->fd != fd)
			continue;
		*at = file->next;
		free(file);
		return;
	}
}

/* It is read from the start again: as it is now. */
static void refresh(int fd)
{
	struct made_file *file = sched_started() ? find_file(fd) : NULL;
	char *text = NULL;
	size_t len = 0;

	if (file && sim_running() && make_text(file->path, &text, &len) == HOST_FILE_MADE)
		fill(fd, text, len);
	free(text);
}

static bool is_made(const char *path)
{
	return path && sim_running() && (host_file_known(path) || is_random(path));
}

/* --- opening --- */

#define OPEN_FUNCTION(name)                                                                        \
	EXPORT int name(const char *path, int flags, ...)                                          \
	{                                                                                          \
		va_list args;                                                                      \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(args, flags);                                                             \
		mode = va_arg(args, mode_t);                                                       \
		va_end(args);                                                                      \
		return is_made(path) ? open_made(path, flags) : real(name)(path, flags, mode);     \
	}

OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)

#define OPENAT_FUNCTION(name)                                                                      \
	EXPORT int name(int folder, const char *path, int flags, ...)                              \
	{                                                                                          \
		va_list args;                                                                      \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(args, flags);                                                             \
		mode = va_arg(args, mode_t);                                                       \
		va_end(args);                                                                      \
		return is_made(path) ? open_made(path, flags)                                      \
				     : real(name)(folder, path, flags, mode);                      \
	}

OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

/* What the fortified headers make of open() without a mode. */
#define OPEN_2_FUNCTION(name)                                                                      \
	EXPORT int name(const char *path, int flags);                                              \
	EXPORT int name(const char *path, int flags)                                               \
	{                                                                                          \
		return is_made(path) ? open_made(path, flags) : real(name)(path, flags);           \
	}

OPEN_2_FUNCTION(__open_2)
OPEN_2_FUNCTION(__open64_2)

#define OPENAT_2_FUNCTION(name)                                                                    \
	EXPORT int name(int folder, const char *path, int flags);                                  \
	EXPORT int name(int folder, const char *path, int flags)                                   \
	{                                                                                          \
		return is_made(path) ? open_made(path, flags) : real(name)(folder, path, flags);   \
	}

OPENAT_2_FUNCTION(__openat_2)
OPENAT_2_FUNCTION(__openat64_2)

static FILE *fopen_made(const char *path, const char *mode)
{
	FILE *file;
	int fd;

	fd = open_made(path, (strpbrk(mode, "wa+") ? O_RDWR : O_RDONLY) |
				     (strchr(mode, 'e') ? O_CLOEXEC : 0));
	if (fd < 0)
		return NULL;
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
	return is_made(path) ? fopen_made(path, mode) : real(fopen)(path, mode);
}

EXPORT FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	return is_made(path) ? fopen_made(path, mode) : real(fopen64)(path, mode);
}

EXPORT int fclose(FILE *file)
{
	if (file && sched_started())
		file_closed(fileno(file));
	return real(fclose)(file);
}

/* --- reading again --- */

EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	if (offset == 0 && whence == SEEK_SET)
		refresh(fd);
	return real(lseek)(fd, offset, whence);
}

EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	if (offset == 0 && whence == SEEK_SET)
		refresh(fd);
	return real(lseek64)(fd, offset, whence);
}

EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	if (offset == 0)
		refresh(fd);
	return real(pread)(fd, buf, len, offset);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
	if (offset == 0)
		refresh(fd);
	return real(pread64)(fd, buf, len, offset);
}

EXPORT void rewind(FILE *file)
{
	refresh(fileno(file));
	real(rewind)(file);
}

EXPORT int fseek(FILE *file, long offset, int whence)
{
	if (offset == 0 && whence == SEEK_SET)
		refresh(fileno(file));
	return real(fseek)(file, offset, whence);
}

EXPORT int fseeko(FILE *file, off_t offset, int whence)
{
	if (offset == 0 && whence == SEEK_SET)
		refresh(fileno(file));
	return real(fseeko)(file, offset, whence);
}

/* --- what exists --- */

static bool exists(const char *path)
{
	char *text = NULL;
	size_t len;
	enum host_file what = make_text(path, &text, &len);

	free(text);
	return what == HOST_FILE_MADE;
}

EXPORT int access(const char *path, int mode)
{
	char there[PATH_MAX];

	if (sched_started()) {
		switch (guard_path(path, there, sizeof(there))) {
		case GUARD_OURS:
			return real(access)(there, mode);
		case GUARD_MISSING:
			errno = ENOENT;
			return -1;
		default:
			break;
		}
	}
	if (!is_made(path))
		return real(access)(path, mode);
	if (!(mode & (W_OK | X_OK)) && exists(path))
		return 0;
	errno = mode & (W_OK | X_OK) ? EACCES : ENOENT;
	return -1;
}

/* --- what libc says --- */

EXPORT long sysconf(int name)
{
	const struct host_view *host = sched_started() ? sim_host() : NULL;

	if (host) {
		switch (name) {
		case _SC_NPROCESSORS_ONLN:
			return host->online;
		case _SC_NPROCESSORS_CONF:
			return host->pcpus;
		case _SC_PHYS_PAGES:
			return (long)(host->memory.total_kib * 1024) / real(sysconf)(_SC_PAGESIZE);
		case _SC_AVPHYS_PAGES:
			return (long)(host->memory.free_kib * 1024) / real(sysconf)(_SC_PAGESIZE);
		default:
			break;
		}
	}
	return real(sysconf)(name);
}

EXPORT int get_nprocs(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

EXPORT int get_nprocs_conf(void)
{
	return (int)sysconf(_SC_NPROCESSORS_CONF);
}

EXPORT long get_phys_pages(void)
{
	return sysconf(_SC_PHYS_PAGES);
}

EXPORT long get_avphys_pages(void)
{
	return sysconf(_SC_AVPHYS_PAGES);
}

EXPORT int sysinfo(struct sysinfo *info)
{
	const struct host_view *host = sim_host();

	if (!host)
		return real(sysinfo)(info);
	*info = (struct sysinfo){
		.uptime = (long)((SIM_MONOTONIC_NS + sched_now()) / MODEL_NS_PER_S),
		.totalram = host->memory.total_kib,
		.freeram = host->memory.free_kib,
		.bufferram = host->memory.buffers_kib,
		.totalswap = host->memory.swap_total_kib,
		.freeswap = host->memory.swap_free_kib,
		.procs = 1,
		.mem_unit = 1024,
	};
	return 0;
}

EXPORT int getloadavg(double averages[], int n)
{
	const struct host_view *host = sim_host();

	if (!host)
		return real(getloadavg)(averages, n);
	for (int i = 0; i < n && i < 3; i++)
		averages[i] = host->load_averages[i];
	return n < 3 ? n : 3;
}

EXPORT int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	const struct host_view *host = sim_host();

	if (!host)
		return real(sched_getaffinity)(pid, size, set);
	if (size * 8 < host->pcpus) {
		errno = EINVAL;
		return -1;
	}
	CPU_ZERO_S(size, set);
	for (unsigned int i = 0; i < host->pcpus; i++) {
		if (host->online_map[i / 64] >> i % 64 & 1)
			CPU_SET_S(i, size, set);
	}
	return 0;
}

/* The program itself takes no time on any of the host's CPUs: where it may run is all the same. */
EXPORT int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	return sim_running() ? 0 : real(sched_setaffinity)(pid, size, set);
}

EXPORT int sched_getcpu(void)
{
	return sim_running() ? 0 : real(sched_getcpu)();
}

/* --- chance, by the seed --- */

static void fill_random(unsigned char *out, size_t len)
{
	static uint64_t state;

	if (!state)
		state = sim_seed() ^ 0x72616e646f6dULL;
	for (size_t i = 0; i < len; i++) { /* splitmix64 */
		uint64_t z = state += 0x9e3779b97f4a7c15ULL;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		out[i] = (unsigned char)(z >> 56);
	}
}

EXPORT ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	if (!sched_started())
		return real(getrandom)(buf, len, flags);
	fill_random(buf, len);
	return (ssize_t)len;
}

/* glibc has them since 2.36. */
EXPORT void arc4random_buf(void *buf, size_t len);
EXPORT uint32_t arc4random(void);
EXPORT uint32_t arc4random_uniform(uint32_t bound);

EXPORT void arc4random_buf(void *buf, size_t len)
{
	if (sched_started())
		fill_random(buf, len);
	else
		real(arc4random_buf)(buf, len);
}

EXPORT uint32_t arc4random(void)
{
	uint32_t value;

	arc4random_buf(&value, sizeof(value));
	return value;
}

EXPORT uint32_t arc4random_uniform(uint32_t bound)
{
	return bound ? arc4random() % bound : 0;
}

EXPORT int getentropy(void *buf, size_t len)
{
	if (!sched_started())
		return real(getentropy)(buf, len);
	fill_random(buf, len);
	return 0;
}
