/* SPDX-License-Identifier: MIT */
/* Run folder, lock, and files that are replaced as a whole. */
#include "runfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int run_folder_name(char path[RUN_PATH_MAX], char error[RUN_ERROR_MAX])
{
	const char *given = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
	int n;

	if (given && *given)
		n = snprintf(path, RUN_PATH_MAX, "%.*s", (int)strcspn(given, ":"), given);
	else if (geteuid() == 0)
		n = snprintf(path, RUN_PATH_MAX, "/run/ballast");
	else if (user && *user)
		n = snprintf(path, RUN_PATH_MAX, "%s/ballast", user);
	else
		n = snprintf(path, RUN_PATH_MAX, "/tmp/ballast-%u", (unsigned int)geteuid());
	if (n < 0 || n >= RUN_PATH_MAX) {
		snprintf(error, RUN_ERROR_MAX, "the path of the run folder is too long");
		return -1;
	}
	return 0;
}

int run_folder(char path[RUN_PATH_MAX], char error[RUN_ERROR_MAX])
{
	if (run_folder_name(path, error))
		return -1;
	if (mkdir(path, 0755) && errno != EEXIST) {
		snprintf(error, RUN_ERROR_MAX, "%.300s: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

int run_lock(const char *folder, const char *program, char error[RUN_ERROR_MAX])
{
	char path[RUN_PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%.48s.lock", folder, program);
	/* To read: one that root made once may be another user's now. */
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		snprintf(error, RUN_ERROR_MAX, "%.300s: %s", path, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		snprintf(error, RUN_ERROR_MAX, "another %.48s runs on this host already (%.300s)",
			 program, path);
		close(fd);
		return -1;
	}
	return 0; /* fd stays open as long as the process lives */
}

/* All of it, for a long text may take several writes. */
static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

int file_replace(const char *path, const char *text, size_t len)
{
	char other[RUN_PATH_MAX + 8];
	int fd, error, n = snprintf(other, sizeof(other), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(other)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	if (!write_all(fd, text, len)) {
		error = errno;
		close(fd);
	} else {
		error = close(fd) ? errno : 0;
	}
	if (error || rename(other, path)) {
		error = error ? error : errno;
		unlink(other);
		errno = error;
		return -1;
	}
	return 0;
}
