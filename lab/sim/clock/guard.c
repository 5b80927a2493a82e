/* SPDX-License-Identifier: MIT */
/*
 * The way to libvirt, in libc's place: all sockets of libvirt's lead to the simulated host's, and
 * none to the machine's own.
 */
#undef _FORTIFY_SOURCE
#include "guard.h"

#include "real.h"
#include "sched.h"
#include "sim.h"
#include "remote.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* libvirt's own ports, without and with TLS. */
#define PORT_TCP 16509
#define PORT_TLS 16514

/* As many links in a row as Linux follows. */
#define LINKS_MOST 40

static const char *const read_write[] = {"libvirt-sock", NULL};
static const char *const read_only[] = {"libvirt-sock-ro", NULL};

static bool one_of(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

/* The folder of libvirt's daemons, of the system or a session. */
static const char *name_in_folder(const char *path)
{
	const char *name = strrchr(path, '/');

	if (!name || name - path < 8 || strncmp(name - 8, "/libvirt", 8))
		return NULL;
	return name + 1;
}

/* The same behind links; they may lead to what is not there, as where no libvirtd runs. */
static const char *name_behind_links(const char *path, char to[PATH_MAX])
{
	const char *name = NULL;
	ssize_t len;

	if (realpath(path, to))
		return name_in_folder(to);
	for (int hops = 0; !name && hops < LINKS_MOST; hops++) {
		len = readlink(path, to, PATH_MAX - 1);
		if (len < 0)
			return NULL;
		to[len] = '\0';
		name = name_in_folder(to);
		path = to;
	}
	return name;
}

enum guard guard_path(const char *path, char *to, size_t size)
{
	const struct control_page *page = remote_page();
	char resolved[PATH_MAX];
	const char *name;

	if (!path || !page)
		return GUARD_OTHER;
	name = name_in_folder(path);
	if (!name)
		name = name_behind_links(path, resolved);
	if (!name || !strstr(name, "-sock"))
		return GUARD_OTHER;
	if (!one_of(read_write, name) && !one_of(read_only, name))
		return GUARD_MISSING;
	if (snprintf(to, size, "%s/%s", page->folder, name) >= (int)size)
		return GUARD_MISSING;
	return GUARD_OURS;
}

static int connect_unix(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)address;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char path[sizeof(un->sun_path) + 1] = "";

	if (len > offsetof(struct sockaddr_un, sun_path))
		memcpy(path, un->sun_path, len - offsetof(struct sockaddr_un, sun_path));
	switch (guard_path(path, to.sun_path, sizeof(to.sun_path))) {
	case GUARD_OURS:
		return real(connect)(fd, (const struct sockaddr *)&to, sizeof(to));
	case GUARD_MISSING:
		errno = ENOENT;
		return -1;
	default:
		return real(connect)(fd, address, len);
	}
}

static in_port_t port_of(const struct sockaddr *address, socklen_t len)
{
	if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in))
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6))
		return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	return 0;
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	in_port_t port;

	if (!sched_started() || len < sizeof(sa_family_t))
		return real(connect)(fd, address, len);
	if (address->sa_family == AF_UNIX)
		return connect_unix(fd, address, len);
	port = port_of(address, len);
	if (port == PORT_TCP || port == PORT_TLS)
		sim_refuse(
			"it connects to a libvirtd over the network at t = %.3f s: there is none "
			"in the simulated host",
			(double)sim_now() / 1e9);
	return real(connect)(fd, address, len);
}

/* Another set of libraries would have clocks and sockets of its own. */
EXPORT void *dlmopen(Lmid_t space, const char *file, int mode)
{
	if (space != LM_ID_BASE && sched_started())
		sim_refuse(
			"it loads %s into a name space of its own (dlmopen) at t = %.3f s, which "
			"is not simulated",
			file ? file : "itself", (double)sim_now() / 1e9);
	return real(dlmopen)(space, file, mode);
}

/* A library that looks for names in its own dependencies first would find libc's. */
EXPORT void *dlopen(const char *file, int mode)
{
	/* A tail call: the real one looks at who called, for the folders to search. */
	return real(dlopen)(file, sched_started() ? mode & ~RTLD_DEEPBIND : mode);
}
