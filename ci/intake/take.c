/* SPDX-License-Identifier: MIT */
/* Takes what is handed in. Archives are listed and unpacked by one library, libarchive, for two
 * tools understand a hostile archive in two ways. */
#include "take.h"

#include "entry.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What may have to be read of an archive, in units of what may be written: a file that is too large
 * is read over. */
#define READ_OVER 4
/* Archives within an archive, and how deep they are looked for. */
#define NESTED_MAX	 8
#define NESTED_DEPTH_MAX 4
#define BLOCK		 (64 * 1024)

extern char **environ;

/* --- archives --- */

static int fail_archive(struct sink *sink, struct archive *archive)
{
	const char *why = archive_error_string(archive);

	if (why && strstr(why, "assphrase"))
		return sink_fail(sink, "it is encrypted: hand it in without a password");
	if (why && strstr(why, "Unrecognized archive format"))
		return sink_fail(sink, "no archive that is known: zip, 7z and tar.* are");
	return sink_fail(sink, "cannot be unpacked: %s", why ? why : "damaged");
}

static int put_data(struct sink *sink, struct archive *archive, struct archive_entry *entry,
		    const char *path)
{
	int fd = sink_file_begin(sink, path, archive_entry_perm(entry) & 0100), status;

	while (fd >= 0) {
		const void *data;
		size_t len;
		la_int64_t offset;

		status = archive_read_data_block(archive, &data, &len, &offset);
		if (status == ARCHIVE_EOF)
			break;
		if (status < ARCHIVE_WARN) {
			close(fd);
			return fail_archive(sink, archive);
		}
		status = sink_file_write(sink, fd, data, len, (uint64_t)offset);
		if (status < 0) {
			close(fd);
			return -1;
		}
		if (status > 0) {
			sink_file_drop(sink, fd, path);
			return 0;
		}
	}
	if (fd >= 0)
		sink_file_end(sink, fd, archive_entry_mtime(entry));
	return fd == -1 ? -1 : 0;
}

/* The entry's path below the sink, in path; false where it is left out or has been done with. */
static bool place(struct sink *sink, const char *as, const char *name, bool backslashes,
		  char path[ENTRY_PATH_MAX])
{
	char below[ENTRY_PATH_MAX];
	const char *why = "a name that cannot be read";
	enum entry_use use = name ? entry_path(name, backslashes, below, &why) : ENTRY_REFUSE;

	if (use == ENTRY_TAKE && strlen(as) + strlen(below) + 2 > ENTRY_PATH_MAX) {
		why = "its path is too long";
		use = ENTRY_REFUSE;
	}
	if (use == ENTRY_REFUSE)
		sink_leave_out(sink, name ? name : "an entry", why);
	if (use != ENTRY_TAKE)
		return false;
	snprintf(path, ENTRY_PATH_MAX, "%.500s%s%.500s", as, as[0] && below[0] ? "/" : "", below);
	return true;
}

static int put_entry(struct sink *sink, struct archive *archive, struct archive_entry *entry,
		     const char *as)
{
	bool zip = (archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP;
	const char *name = archive_entry_pathname(entry), *hardlink = archive_entry_hardlink(entry);
	char path[ENTRY_PATH_MAX], first[ENTRY_PATH_MAX], why[64];
	size_t len = name ? strlen(name) : 0;

	if (!place(sink, as, name, zip, path))
		return 0;
	if (hardlink)
		return place(sink, as, hardlink, zip, first) ? sink_same_file(sink, path, first)
							     : 0;
	if (archive_entry_filetype(entry) == AE_IFLNK) {
		const char *target = archive_entry_symlink(entry);

		return sink_link(sink, path, target ? target : "");
	}
	/* Some zips mark a folder by its name alone. */
	if (archive_entry_filetype(entry) == AE_IFDIR || (len && name[len - 1] == '/'))
		return sink_folder(sink, path);
	if (archive_entry_filetype(entry) != AE_IFREG) {
		sink_leave_out(sink, path, "a device or a pipe");
		return 0;
	}
	if (archive_entry_size_is_set(entry) &&
	    archive_entry_size(entry) > (la_int64_t)sink->limits.file) {
		snprintf(why, sizeof(why), "larger than %" PRIu64 " MiB",
			 sink->limits.file / 1024 / 1024);
		sink_leave_out(sink, path, why);
		return 0;
	}
	if (!path[0])
		return 0;
	return put_data(sink, archive, entry, path);
}

static int put_entries(struct sink *sink, struct archive *archive, const char *as)
{
	struct archive_entry *entry;
	int status;

	while ((status = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
		if (status < ARCHIVE_WARN)
			return fail_archive(sink, archive);
		if (archive_entry_is_encrypted(entry))
			return sink_fail(sink, "it is encrypted: hand it in without a password");
		if (sink_count(sink) || put_entry(sink, archive, entry, as))
			return -1;
		if (archive_filter_bytes(archive, 0) > (la_int64_t)(READ_OVER * sink->limits.bytes))
			return sink_fail(sink, "more than %" PRIu64 " MiB, which is the most",
					 sink->limits.bytes / 1024 / 1024);
	}
	return 0;
}

static struct archive *new_archive(void)
{
	struct archive *archive = archive_read_new();

	if (!archive)
		return NULL;
	archive_read_support_filter_all(archive);
	archive_read_support_format_zip(archive);
	archive_read_support_format_tar(archive);
	archive_read_support_format_gnutar(archive);
	archive_read_support_format_7zip(archive);
	return archive;
}

static int take_archive(struct sink *sink, const char *path, int fd, const char *as)
{
	struct archive *archive = new_archive();
	int status;

	if (!archive)
		return sink_fail(sink, "out of memory");
	status = fd >= 0 ? archive_read_open_fd(archive, fd, BLOCK)
			 : archive_read_open_filename(archive, path, BLOCK);
	status =
		status == ARCHIVE_OK ? put_entries(sink, archive, as) : fail_archive(sink, archive);
	archive_read_free(archive);
	return status;
}

/* --- folders and files --- */

static int copy_file(struct sink *sink, const char *from, const struct stat *st, const char *path)
{
	char buf[BLOCK];
	int in = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), fd, status = 0;
	uint64_t offset = 0;
	ssize_t n = 0;

	if (in < 0) {
		sink_leave_out(sink, path, strerror(errno));
		return 0;
	}
	fd = sink_file_begin(sink, path, st->st_mode & 0100);
	while (fd >= 0 && (n = read(in, buf, sizeof(buf))) > 0 && !status) {
		status = sink_file_write(sink, fd, buf, (size_t)n, offset);
		offset += (uint64_t)n;
	}
	if (status > 0)
		sink_file_drop(sink, fd, path);
	else if (fd >= 0)
		sink_file_end(sink, fd, st->st_mtime);
	close(in);
	return status < 0 || fd == -1 ? -1 : 0;
}

static int put_found(struct sink *sink, const FTSENT *found, const char *path)
{
	char target[PATH_MAX];
	ssize_t len;

	switch (found->fts_info) {
	case FTS_D:
		return sink_folder(sink, path);
	case FTS_F:
		return copy_file(sink, found->fts_accpath, found->fts_statp, path);
	case FTS_SL:
	case FTS_SLNONE:
		len = readlink(found->fts_accpath, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		return sink_link(sink, path, target);
	case FTS_DP:
	case FTS_DC:
		return 0;
	case FTS_DEFAULT:
		sink_leave_out(sink, path, "a device or a pipe");
		return 0;
	default:
		sink_leave_out(sink, path, strerror(found->fts_errno));
		return 0;
	}
}

static int take_folder(struct sink *sink, const char *folder, const char *as, const char *except)
{
	char *roots[] = {(char *)folder, NULL}, path[ENTRY_PATH_MAX];
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	struct stat left = {0};
	bool leave = except && stat(except, &left) == 0;
	FTSENT *found;
	int status = 0;

	if (!fts)
		return sink_fail(sink, "%s", strerror(errno));
	while (!status && (found = fts_read(fts))) {
		if (found->fts_info == FTS_DP)
			continue;
		if ((leave && found->fts_info == FTS_D && found->fts_statp->st_dev == left.st_dev &&
		     found->fts_statp->st_ino == left.st_ino) ||
		    !place(sink, as, found->fts_path + strlen(folder), false, path)) {
			fts_set(fts, found, FTS_SKIP);
			continue;
		}
		status = sink_count(sink);
		if (!status)
			status = put_found(sink, found, path);
	}
	fts_close(fts);
	return status;
}

/* --- git --- */

static int run(char *const argv[], int out)
{
	posix_spawn_file_actions_t files;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&files, out, 1);
	if (posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&files);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/*
 * A bare repository's HEAD. It is cloned first: a repository's own configuration names programs
 * that git runs, a clone has none of it.
 */
static int take_bare(struct sink *sink, const char *path, const char *as)
{
	char clone[] = "/tmp/ballast-intake-XXXXXX", tar[PATH_MAX], real[PATH_MAX];
	int status = -1, fd = -1;

	if (!mkdtemp(clone))
		return sink_fail(sink, "%s: %s", clone, strerror(errno));
	snprintf(tar, sizeof(tar), "%s/HEAD.tar", clone);
	if (realpath(path, real) &&
	    run((char *[]){"git", "-c", "safe.directory=*", "clone", "-q", "--bare", "--no-local",
			   real, clone, NULL},
		-1) == 0 &&
	    (fd = open(tar, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0)
		status = run((char *[]){"git", "--git-dir", clone, "archive", "--format=tar",
					"HEAD", NULL},
			     fd);
	if (status)
		sink_fail(sink, "a git repository of which HEAD cannot be checked out");
	else if (lseek(fd, 0, SEEK_SET) == 0)
		status = take_archive(sink, NULL, fd, as);
	if (fd >= 0)
		close(fd);
	run((char *[]){"rm", "-rf", clone, NULL}, -1);
	return status;
}

static bool is_bare(const char *path)
{
	char below[PATH_MAX];
	struct stat st;

	snprintf(below, sizeof(below), "%s/objects", path);
	if (stat(below, &st) || !S_ISDIR(st.st_mode))
		return false;
	snprintf(below, sizeof(below), "%s/refs", path);
	if (stat(below, &st) || !S_ISDIR(st.st_mode))
		return false;
	snprintf(below, sizeof(below), "%s/HEAD", path);
	return stat(below, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- what it is --- */

/* A repository without files of its own: a bare one, or one of which only .git was handed in. */
static const char *bare_in(const char *path, char below[PATH_MAX])
{
	char *roots[] = {(char *)path, NULL};
	size_t others = 0;
	FTSENT *found;
	FTS *fts;

	if (is_bare(path))
		return path;
	snprintf(below, PATH_MAX, "%s/.git", path);
	if (!is_bare(below) || !(fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL)))
		return NULL;
	fts_read(fts);
	for (found = fts_children(fts, FTS_NAMEONLY); found; found = found->fts_link)
		others += strcmp(found->fts_name, ".git") != 0;
	fts_close(fts);
	return others ? NULL : below;
}

int take(struct sink *sink, const struct take_source *source, const char *except)
{
	const char *name = strrchr(source->path, '/'), *bare;
	char below[PATH_MAX];
	struct stat st;

	if (stat(source->path, &st))
		return sink_fail(sink, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		bare = bare_in(source->path, below);
		return bare ? take_bare(sink, bare, source->as)
			    : take_folder(sink, source->path, source->as, except);
	}
	if (!S_ISREG(st.st_mode))
		return sink_fail(sink, "neither a folder nor a file");
	if (source->as[0] && !entry_archive_stem(name ? name + 1 : source->path))
		return copy_file(sink, source->path, &st, source->as);
	return take_archive(sink, source->path, -1, source->as);
}

/* What is found below a folder by take_nested(). */
struct nested {
	char *paths[NESTED_MAX];
	size_t count;
	bool makeable;
};

static void look(const char *folder, struct nested *nested)
{
	char *roots[] = {(char *)folder, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *found;

	while (fts && (found = fts_read(fts))) {
		if (found->fts_level > NESTED_DEPTH_MAX)
			fts_set(fts, found, FTS_SKIP);
		if (found->fts_info != FTS_F)
			continue;
		nested->makeable |= !strcasecmp(found->fts_name, "makefile") ||
				    !strcmp(found->fts_name, "GNUmakefile");
		if (entry_archive_stem(found->fts_name) && nested->count < NESTED_MAX) {
			nested->paths[nested->count] = strdup(found->fts_path);
			nested->count += nested->paths[nested->count] != NULL;
		}
	}
	if (fts)
		fts_close(fts);
}

int take_nested(struct sink *sink, const char *folder)
{
	struct nested nested = {0};
	int status = 0;

	look(folder, &nested);
	for (size_t i = 0; i < nested.count; i++) {
		char *path = nested.paths[i], *as = NULL;
		struct take_source source = {.path = path};
		const char *below = path + strlen(folder);

		below += strspn(below, "/");
		if (!nested.makeable && !status) {
			as = strndup(below, strlen(below) - strlen(strrchr(path, '/') + 1) +
						    entry_archive_stem(strrchr(path, '/') + 1));
			source.as = as ? as : "";
			status = take(sink, &source, NULL);
			unlink(path);
		}
		free(as);
		free(path);
	}
	return status;
}
