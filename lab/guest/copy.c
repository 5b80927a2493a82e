/* SPDX-License-Identifier: MIT */
/* Files into a guest and out of it, piece by piece through its agent. */
#include "guest.h"

#include "log.h"
#include "tick.h"
#include "workloads/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_S 10.0

struct place {
	char guest[64]; /* "": here */
	char path[PATH_MAX];
};

/* "GUEST:PATH"; a path here may have a colon behind a slash. */
static void read_place(struct place *p, const char *text)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');

	p->guest[0] = '\0';
	if (colon && colon > text && (!slash || colon < slash)) {
		snprintf(p->guest, sizeof(p->guest), "%.*s", (int)(colon - text), text);
		text = colon + 1;
		if (*text != '/')
			die(EXIT_USAGE, "%s:%s: a path in a guest begins with /", p->guest, text);
	}
	if (strlen(text) >= sizeof(p->path))
		die(EXIT_USAGE, "%.40s…: the path is too long", text);
	strcpy(p->path, text);
}

/* Runs a script with two arguments; its first line. 0; −1 with error. */
static int script(virDomainPtr dom, const char *text, const char *first, const char *second,
		  char *line, size_t len, char error[AGENT_ERROR_MAX])
{
	const char *argv[] = {"/bin/sh", "-c", text, "sh", first, second, NULL};
	struct agent_result result;
	int status;

	if (agent_exec(dom, argv, STEP_S, &result, error))
		return -1;
	status = result.status;
	if (line)
		snprintf(line, len, "%.*s", (int)strcspn(result.out, "\n"), result.out);
	if (status)
		snprintf(error, AGENT_ERROR_MAX, "%.*s", (int)strcspn(result.err, "\n"),
			 result.err);
	agent_result_free(&result);
	return status ? -1 : 0;
}

/* The file's own name behind a folder. −1: too long. */
static int join(char *path, size_t size, const char *from)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);

	snprintf(copy, sizeof(copy), "%s", from);
	return (size_t)snprintf(path + len, size - len, "%s%s",
				len && path[len - 1] == '/' ? "" : "/", basename(copy)) < size - len
		       ? 0
		       : -1;
}

static int interrupted(char error[AGENT_ERROR_MAX])
{
	error[0] = '\0';
	return -1;
}

/* --- into a guest --- */

static int send_all(virDomainPtr dom, int fd, int64_t handle, char error[AGENT_ERROR_MAX])
{
	static char piece[AGENT_PIECE_BYTES];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (tick_quit)
			return interrupted(error);
		if (agent_file_put(dom, handle, piece, (size_t)n, error))
			return -1;
	}
	if (n < 0)
		snprintf(error, AGENT_ERROR_MAX, "%s", strerror(errno));
	return n < 0 ? -1 : 0;
}

static int copy_in(virDomainPtr dom, const struct place *from, struct place *to,
		   char error[AGENT_ERROR_MAX])
{
	char part[PATH_MAX + 16], text[64], what[16], why[AGENT_ERROR_MAX];
	int fd = open(from->path, O_RDONLY | O_CLOEXEC), status;
	struct stat st;
	int64_t handle;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		die(EXIT_USAGE, "%s: %s", from->path,
		    fd < 0 ? strerror(errno) : "is no file; a folder can be packed by tar first");
	status = script(dom, "[ -d \"$1\" ] && echo folder; true", to->path, "", what, sizeof(what),
			error);
	if (!status && (!strcmp(what, "folder") || to->path[strlen(to->path) - 1] == '/'))
		status = join(to->path, sizeof(to->path), from->path);
	snprintf(part, sizeof(part), "%s.part%d", to->path, (int)getpid());
	status = status || agent_file_open(dom, part, "w", &handle, error) ? -1 : 0;
	if (!status) {
		status = send_all(dom, fd, handle, error);
		/* Only this tells that the last of it has arrived. */
		if (agent_file_close(dom, handle, why) && !status) {
			snprintf(error, AGENT_ERROR_MAX, "%s", why);
			status = -1;
		}
		snprintf(text, sizeof(text), "chmod %o \"$1\" && mv -f \"$1\" \"$2\"",
			 (unsigned int)st.st_mode & 07777);
		if (!status)
			status = script(dom, text, part, to->path, NULL, 0, error);
		if (status)
			script(dom, "rm -f \"$1\"", part, "", NULL, 0, why);
	}
	close(fd);
	return status;
}

/* --- out of a guest --- */

static int get_all(virDomainPtr dom, int64_t handle, int fd, char error[AGENT_ERROR_MAX])
{
	for (;;) {
		char *data;
		size_t len, at = 0;

		if (tick_quit)
			return interrupted(error);
		if (agent_file_get(dom, handle, &data, &len, error))
			return -1;
		while (at < len) {
			ssize_t n = write(fd, data + at, len - at);

			if (n < 0 && errno != EINTR) {
				snprintf(error, AGENT_ERROR_MAX, "%s", strerror(errno));
				free(data);
				return -1;
			}
			at += n > 0 ? (size_t)n : 0;
		}
		free(data);
		if (!len)
			return 0;
	}
}

static int copy_out(virDomainPtr dom, const struct place *from, struct place *to,
		    char error[AGENT_ERROR_MAX])
{
	char part[PATH_MAX + 16], mode[16], ignored[AGENT_ERROR_MAX];
	struct stat st;
	int64_t handle;
	long bits;
	int fd, status;

	if (((stat(to->path, &st) == 0 && S_ISDIR(st.st_mode)) ||
	     (to->path[0] && to->path[strlen(to->path) - 1] == '/')) &&
	    join(to->path, sizeof(to->path), from->path))
		die(EXIT_USAGE, "%.40s…: the path is too long", to->path);
	if (script(dom,
		   "[ -f \"$1\" ] || { echo \"$1 is no file there; a folder can be packed by tar "
		   "first\" >&2; exit 1; }; stat -c %a \"$1\"",
		   from->path, "", mode, sizeof(mode), error) ||
	    agent_file_open(dom, from->path, "r", &handle, error))
		return -1;
	snprintf(part, sizeof(part), "%s.part%d", to->path, (int)getpid());
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		agent_file_close(dom, handle, ignored);
		die(EXIT_USAGE, "%s: %s", to->path, strerror(errno));
	}
	status = get_all(dom, handle, fd, error);
	agent_file_close(dom, handle, ignored);
	bits = strtol(mode, NULL, 8);
	if (!status && (fchmod(fd, (mode_t)bits & 07777) || rename(part, to->path))) {
		snprintf(error, AGENT_ERROR_MAX, "%.200s: %s", to->path, strerror(errno));
		status = -1;
	}
	close(fd);
	if (status)
		unlink(part);
	return status;
}

int guest_copy(virConnectPtr conn, const char *from_text, const char *to_text)
{
	struct place from, to;
	char error[AGENT_ERROR_MAX] = "";
	virDomainPtr dom;
	int status;

	read_place(&from, from_text);
	read_place(&to, to_text);
	if (!from.guest[0] == !to.guest[0])
		die(EXIT_USAGE,
		    "one of both is in a guest: copy FILE GUEST:/PATH or copy GUEST:/PATH FILE");
	dom = guest_get(conn, from.guest[0] ? from.guest : to.guest);
	agent_prepare(dom);
	status = to.guest[0] ? copy_in(dom, &from, &to, error) : copy_out(dom, &from, &to, error);
	virDomainFree(dom);
	if (!status)
		return EXIT_PASS;
	if (tick_quit)
		return 128 + tick_quit;
	log_warn("guest %s: %s", from.guest[0] ? from.guest : to.guest, error);
	return EXIT_LAB;
}
