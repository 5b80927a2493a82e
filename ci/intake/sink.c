/* SPDX-License-Identifier: MIT */
/* Writes a submission below one folder: openat() a component at a time, links last. */
#include "sink.h"

#include "array.h"
#include "entry.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Lines about what is left out; the rest is a number. */
#define NOTES_MAX 5
#define MIB	  (1024 * 1024)

struct sink_link {
	char *path, *target;
};

int sink_fail(struct sink *sink, const char *format, ...)
{
	va_list args;
	int len = sink->label ? snprintf(sink->error, SINK_ERROR_MAX, "%.300s: ", sink->label) : 0;

	va_start(args, format);
	vsnprintf(sink->error + len, SINK_ERROR_MAX - (size_t)len, format, args);
	va_end(args);
	text_clean(sink->error, strlen(sink->error));
	for (char *c = sink->error; *c; c++)
		*c = *c == '\n' || *c == '\t' ? ' ' : *c;
	return -1;
}

int sink_open(struct sink *sink, const char *folder, const struct sink_limits *limits, FILE *notes)
{
	*sink = (struct sink){.limits = *limits, .notes = notes};
	sink->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sink->folder < 0 ? sink_fail(sink, "%s: %s", folder, strerror(errno)) : 0;
}

void sink_leave_out(struct sink *sink, const char *name, const char *why)
{
	char line[SINK_ERROR_MAX];

	if (sink->left_out++ >= NOTES_MAX)
		return;
	snprintf(line, sizeof(line), "%.300s: left out: %.500s: %s", sink->label, name, why);
	text_clean(line, strlen(line));
	for (char *c = line; *c; c++)
		*c = *c == '\n' || *c == '\t' ? ' ' : *c;
	fprintf(sink->notes, "%s\n", line);
}

int sink_count(struct sink *sink)
{
	if (++sink->entries > sink->limits.entries)
		return sink_fail(sink, "more than %" PRIu64 " files and folders, which is the most",
				 sink->limits.entries);
	return 0;
}

/*
 * The folder that path lies in, made where it is not there; its name there goes into *name. −2
 * where something that is no folder is in the way.
 */
static int folder_above(struct sink *sink, const char *path, const char **name)
{
	int at = fcntl(sink->folder, F_DUPFD_CLOEXEC, 0);
	char component[256];

	for (const char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		int below;

		snprintf(component, sizeof(component), "%.*s", (int)(slash - path), path);
		if (mkdirat(at, component, 0755) && errno != EEXIST) {
			sink_fail(sink, "%s: %s", component, strerror(errno));
			close(at);
			return -1;
		}
		below = openat(at, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		if (below < 0)
			return errno == ENOTDIR || errno == ELOOP
				       ? -2
				       : sink_fail(sink, "%s: %s", component, strerror(errno));
		at = below;
	}
	*name = path;
	return at < 0 ? sink_fail(sink, "%s", strerror(errno)) : at;
}

static const char in_the_way[] = "something else has its name";

int sink_folder(struct sink *sink, const char *path)
{
	const char *name;
	int at = path[0] ? folder_above(sink, path, &name) : -2, status = 0;

	if (at == -1)
		return -1;
	if (at == -2) {
		if (path[0])
			sink_leave_out(sink, path, in_the_way);
		return 0;
	}
	if (mkdirat(at, name, 0755) && errno != EEXIST)
		status = sink_fail(sink, "%s: %s", path, strerror(errno));
	close(at);
	return status;
}

int sink_link(struct sink *sink, const char *path, const char *target)
{
	struct sink_link *link;

	if (!entry_link_inside(path, target)) {
		sink_leave_out(sink, path, "a link that leads out of the submission");
		return 0;
	}
	link = array_add(&sink->links, &sink->nlinks, &sink->links_size, sizeof(*link));
	if (!link || !(link->path = strdup(path)) || !(link->target = strdup(target)))
		return sink_fail(sink, "out of memory");
	return 0;
}

int sink_same_file(struct sink *sink, const char *path, const char *first)
{
	const char *from_name, *to_name;
	int from = folder_above(sink, first, &from_name), to, status = -1;
	struct stat st;

	if (from == -1)
		return -1;
	to = folder_above(sink, path, &to_name);
	if (to == -1) {
		if (from >= 0)
			close(from);
		return -1;
	}
	/* Only of files that the sink has written is it sure that they are no links. */
	if (from >= 0 && to >= 0 && !fstatat(from, from_name, &st, AT_SYMLINK_NOFOLLOW) &&
	    S_ISREG(st.st_mode))
		status = linkat(from, from_name, to, to_name, 0);
	if (status)
		sink_leave_out(sink, path, "a link to what is not there");
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return 0;
}

int sink_file_begin(struct sink *sink, const char *path, bool executable)
{
	const char *name;
	int at = folder_above(sink, path, &name), fd;

	if (at == -1)
		return -1;
	if (at == -2) {
		sink_leave_out(sink, path, in_the_way);
		return -2;
	}
	/* Of two with the same name the later one counts, as with tar. */
	unlinkat(at, name, 0);
	fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    executable ? 0755 : 0644);
	if (fd < 0 && (errno == EEXIST || errno == EINVAL || errno == EILSEQ)) {
		sink_leave_out(sink, path, in_the_way);
		fd = -2;
	} else if (fd < 0) {
		fd = sink_fail(sink, "%s: %s", path, strerror(errno));
	}
	close(at);
	return fd;
}

int sink_file_write(struct sink *sink, int fd, const void *data, size_t len, uint64_t offset)
{
	const char *from = data;

	/* An offset beyond what was written is a hole: it counts as if it were full. */
	if (offset > sink->limits.file || len > sink->limits.file - offset)
		return 1;
	sink->bytes += len;
	if (sink->bytes > sink->limits.bytes)
		return sink_fail(sink, "more than %" PRIu64 " MiB, which is the most",
				 sink->limits.bytes / MIB);
	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sink_fail(sink, "cannot be written: %s", strerror(errno));
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

void sink_file_end(struct sink *sink, int fd, time_t modified_s)
{
	time_t now = time(NULL);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = modified_s}};

	(void)sink;
	if (modified_s > now)
		times[1].tv_sec = now;
	futimens(fd, times);
	close(fd);
}

void sink_file_drop(struct sink *sink, int fd, const char *path)
{
	const char *name;
	char why[64];
	int at = folder_above(sink, path, &name);

	close(fd);
	if (at >= 0) {
		unlinkat(at, name, 0);
		close(at);
	}
	snprintf(why, sizeof(why), "larger than %" PRIu64 " MiB", sink->limits.file / MIB);
	sink_leave_out(sink, path, why);
}

/* True if a link, as it stands now, leads to something below the folder, or to nothing yet. */
static bool leads_inside(const struct sink *sink, int at, const char *name)
{
	char through[64], root[PATH_MAX], real[PATH_MAX];
	size_t len;
	int fd = openat(at, name, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT;
	snprintf(through, sizeof(through), "/proc/self/fd/%d", sink->folder);
	if (!realpath(through, root))
		root[0] = '\0';
	snprintf(through, sizeof(through), "/proc/self/fd/%d", fd);
	if (!realpath(through, real))
		real[0] = '\0';
	close(fd);
	len = strlen(root);
	return len && !strncmp(real, root, len) && (real[len] == '/' || real[len] == '\0');
}

static int make_link(struct sink *sink, const struct sink_link *link, bool check)
{
	const char *name;
	int at = folder_above(sink, link->path, &name);

	if (at == -1)
		return -1;
	if (at == -2) {
		if (!check)
			sink_leave_out(sink, link->path, in_the_way);
		return 0;
	}
	if (!check && symlinkat(link->target, at, name))
		sink_leave_out(sink, link->path, in_the_way);
	/* Each leads inside by its words; through another link it may not. */
	if (check && !leads_inside(sink, at, name)) {
		unlinkat(at, name, 0);
		sink_leave_out(sink, link->path, "a link that leads out of the submission");
	}
	close(at);
	return 0;
}

int sink_finish(struct sink *sink)
{
	int status = sink->error[0] ? -1 : 0;

	for (int check = 0; check < 2; check++)
		for (size_t i = 0; i < sink->nlinks && !status; i++)
			status = make_link(sink, &sink->links[i], check);
	for (size_t i = 0; i < sink->nlinks; i++) {
		free(sink->links[i].path);
		free(sink->links[i].target);
	}
	free(sink->links);
	if (sink->left_out > NOTES_MAX)
		fprintf(sink->notes, "%.300s: left out: %" PRIu64 " more\n", sink->label,
			sink->left_out - NOTES_MAX);
	close(sink->folder);
	return status;
}
