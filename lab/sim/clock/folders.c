/* SPDX-License-Identifier: MIT */
/*
 * Folders of the host as the program sees it, in libc's place: listing those of /sys, and what
 * stat() says of what is in them. A listing is a real folder among the program's state files, made
 * when it is first opened; its files are read by their own paths.
 */
#undef _FORTIFY_SOURCE
#include "host_files.h"
#include "real.h"
#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what there is --- */

enum entry { ENTRY_REAL, ENTRY_MISSING, ENTRY_FILE, ENTRY_FOLDER };

static void ignore(const char *name, bool folder, void *opaque)
{
	(void)name;
	(void)folder;
	(void)opaque;
}

static enum entry entry_of(const char *path)
{
	enum host_file what;
	char *text = NULL;
	size_t len;

	if (!path || !sim_running() || *path != '/' || !host_folder_known(path))
		return ENTRY_REAL;
	if (sim_host_folder(path, ignore, NULL))
		return ENTRY_FOLDER;
	if (!host_file_known(path))
		return ENTRY_REAL;
	what = sim_host_file(path, &text, &len);
	free(text);
	return what == HOST_FILE_MADE ? ENTRY_FILE : ENTRY_MISSING;
}

/* --- listing --- */

static void make_entry(const char *name, bool folder, void *opaque)
{
	int parent = *(int *)opaque, fd;

	if (folder) {
		mkdirat(parent, name, 0755);
		return;
	}
	fd = real(openat)(parent, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd >= 0)
		real(close)(fd);
}

/* The folder that stands for path; −1 with errno. */
static int make_folder(const char *path, char copy[PATH_MAX])
{
	const char *state = getenv("RUNTIME_DIRECTORY");
	int n = snprintf(copy, PATH_MAX, "%s/.sys", state ? state : "");

	if (!state || n >= PATH_MAX || n + (int)strlen(path) + 1 >= PATH_MAX) {
		errno = ENOENT;
		return -1;
	}
	mkdir(copy, 0700);
	copy[n++] = '/';
	/* One folder for each path: its slashes are no longer. */
	for (; *path; path++)
		copy[n++] = *path == '/' ? '-' : *path;
	copy[n] = '\0';
	mkdir(copy, 0700);
	return real(open)(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

EXPORT DIR *opendir(const char *path)
{
	char copy[PATH_MAX];
	DIR *folder;
	int fd;

	if (entry_of(path) != ENTRY_FOLDER)
		return real(opendir)(path);
	fd = make_folder(path, copy);
	if (fd < 0)
		return NULL;
	sim_host_folder(path, make_entry, &fd);
	folder = real(opendir)(copy);
	real(close)(fd);
	return folder;
}

/* --- stat --- */

/* False: the path is not the host's. Otherwise *status is what to return, with errno. */
static bool stat_made(const char *path, struct stat *out, int *status)
{
	enum entry entry = entry_of(path);

	if (entry == ENTRY_REAL)
		return false;
	*status = entry == ENTRY_MISSING ? -1 : 0;
	if (entry == ENTRY_MISSING) {
		errno = ENOENT;
		return true;
	}
	*out = (struct stat){
		.st_mode = entry == ENTRY_FOLDER ? S_IFDIR | 0755 : S_IFREG | 0444,
		.st_nlink = 1,
		.st_size = entry == ENTRY_FOLDER ? 0 : 4096,
		.st_blksize = 4096,
	};
	return true;
}

#define STAT_FUNCTION(name, type)                                                                  \
	EXPORT int name(const char *restrict path, struct type *restrict out)                      \
	{                                                                                          \
		int status;                                                                        \
                                                                                                   \
		return stat_made(path, (struct stat *)out, &status) ? status                       \
								    : real(name)(path, out);       \
	}

STAT_FUNCTION(stat, stat)
STAT_FUNCTION(lstat, stat)
STAT_FUNCTION(stat64, stat64)
STAT_FUNCTION(lstat64, stat64)

#define FSTATAT_FUNCTION(name, type)                                                               \
	EXPORT int name(int folder, const char *restrict path, struct type *restrict out,          \
			int flags)                                                                 \
	{                                                                                          \
		int status;                                                                        \
                                                                                                   \
		return stat_made(path, (struct stat *)out, &status)                                \
			       ? status                                                            \
			       : real(name)(folder, path, out, flags);                             \
	}

FSTATAT_FUNCTION(fstatat, stat)
FSTATAT_FUNCTION(fstatat64, stat64)

EXPORT int statx(int folder, const char *restrict path, int flags, unsigned int mask,
		 struct statx *restrict out)
{
	struct stat st;
	int status;

	if (!stat_made(path, &st, &status))
		return real(statx)(folder, path, flags, mask, out);
	if (status == 0)
		*out = (struct statx){
			.stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_SIZE,
			.stx_mode = (uint16_t)st.st_mode,
			.stx_nlink = 1,
			.stx_size = (uint64_t)st.st_size,
			.stx_blksize = 4096,
		};
	return status;
}
