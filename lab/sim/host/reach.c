/* SPDX-License-Identifier: MIT */
/* See reach.h. */
#include "reach.h"

#include "daemon.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* libvirt's own ports, without and with TLS. */
#define PORT_TCP 16509
#define PORT_TLS 16514

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

/* --- the guard --- */

/* connect(2) is ours to answer; what goes past it, io_uring and calls of another architecture, is
 * not there. */
static int install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 3, 0), /* x32 */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

/* One descriptor to a message, which is a byte. */
union extra {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

void reach_hand_over(int socket)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union extra extra = {.header = {.cmsg_level = SOL_SOCKET,
					.cmsg_type = SCM_RIGHTS,
					.cmsg_len = CMSG_LEN(sizeof(int))}};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &extra,
				 .msg_controllen = sizeof(extra)};
	int guard = install();

	memcpy(CMSG_DATA(&extra.header), &guard, sizeof(guard));
	if (guard < 0 || sendmsg(socket, &message, MSG_NOSIGNAL) != 1)
		_exit(EXIT_LAB);
	close(guard);
	close(socket);
}

int reach_take_over(int socket)
{
	char byte;
	struct iovec iov = {&byte, 1};
	union extra extra;
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &extra,
				 .msg_controllen = sizeof(extra)};
	int guard = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&guard, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(guard));
	return guard;
}

/* --- where it leads --- */

enum reach {
	REACH_OTHER,   /* none of our business */
	REACH_OURS,    /* libvirtd's, of the system or a session */
	REACH_MISSING, /* of a daemon that the simulated host has not */
	REACH_REFUSED, /* the machine's own */
};

/* The socket of one of libvirt's daemons, by its name in their folder. */
static enum reach by_path(const char *path, bool *readonly)
{
	const char *name = strrchr(path, '/');

	if (!strstr(path, "/libvirt/"))
		return REACH_OTHER;
	if (name - path < 8 || strncmp(name - 8, "/libvirt", 8) || !strstr(name, "-sock"))
		return REACH_REFUSED; /* a QEMU's monitor, a guest's agent */
	*readonly = !strcmp(name, "/libvirt-sock-ro");
	return *readonly || !strcmp(name, "/libvirt-sock") ? REACH_OURS : REACH_MISSING;
}

/* By whatever name: a link to it, or another one. */
static enum reach by_inode(const char *path, bool *readonly)
{
	static const char *const own[] = {"/run/libvirt/libvirt-sock",
					  "/run/libvirt/libvirt-sock-ro"};
	struct stat there, real;

	for (int i = 0; i < 2 && stat(path, &there) == 0; i++) {
		*readonly = i;
		if (stat(own[i], &real) == 0 && real.st_ino == there.st_ino &&
		    real.st_dev == there.st_dev)
			return REACH_OURS;
	}
	return REACH_OTHER;
}

/* One of the host's own, which the preloaded library leads to. */
static bool is_ours(const struct host *h, const char *path)
{
	size_t len = strlen(h->folder);

	return !strncmp(path, h->folder, len) && path[len] == '/';
}

/* More links than this in a row are a circle. */
#define LINKS_MAX 8

/*
 * What a process means by a path: there is how we reach it, resolved what links make of it. Where
 * nothing is at their end, as where no libvirtd runs, it is the name at their end.
 */
static void resolve(pid_t pid, const char *path, char there[PATH_MAX], char resolved[PATH_MAX])
{
	char link[PATH_MAX];

	snprintf(resolved, PATH_MAX, "%s", path);
	for (int i = 0; i < LINKS_MAX; i++) {
		char *name = strrchr(resolved, '/');
		ssize_t n;

		if (snprintf(there, PATH_MAX, "/proc/%d/%s/%s", (int)pid,
			     *resolved == '/' ? "root" : "cwd", resolved) >= PATH_MAX)
			return;
		if (realpath(there, link)) {
			strcpy(resolved, link);
			return;
		}
		n = readlink(there, link, sizeof(link) - 1);
		if (n < 0)
			return;
		link[n] = '\0';
		name = *link == '/' || !name ? resolved : name + 1;
		snprintf(name, (size_t)(resolved + PATH_MAX - name), "%s", link);
	}
}

static enum reach look_unix(const struct host *h, pid_t pid, const char *path, bool *readonly)
{
	char there[PATH_MAX], resolved[PATH_MAX];
	enum reach reach;

	if (!*path) /* abstract: nothing of libvirt's is */
		return REACH_OTHER;
	resolve(pid, path, there, resolved);
	if (is_ours(h, resolved))
		return REACH_OTHER;
	reach = by_path(resolved, readonly);
	return reach == REACH_OTHER ? by_inode(there, readonly) : reach;
}

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static bool is_libvirts_port(in_port_t port)
{
	return ntohs(port) == PORT_TCP || ntohs(port) == PORT_TLS;
}

static enum reach look(const struct host *h, pid_t pid, const union address *a, size_t len,
		       char path[static sizeof(a->un.sun_path) + 1], bool *readonly)
{
	path[0] = '\0';
	switch (a->any.sa_family) {
	case AF_UNIX:
		if (len > offsetof(struct sockaddr_un, sun_path))
			snprintf(path, sizeof(a->un.sun_path) + 1, "%.*s",
				 (int)(len - offsetof(struct sockaddr_un, sun_path)),
				 a->un.sun_path);
		return look_unix(h, pid, path, readonly);
	case AF_INET:
		strcpy(path, "a libvirtd over the network");
		return is_libvirts_port(a->in.sin_port) ? REACH_REFUSED : REACH_OTHER;
	case AF_INET6:
		strcpy(path, "a libvirtd over the network");
		return is_libvirts_port(a->in6.sin6_port) ? REACH_REFUSED : REACH_OTHER;
	default:
		return REACH_OTHER;
	}
}

/* --- answering --- */

/* A number behind a name in one of a process's files; −1: there is none. */
static long number_in(pid_t pid, const char *file, const char *name, int base)
{
	char path[64], line[256];
	long number = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	in = fopen(path, "re");
	while (in && number < 0 && fgets(line, sizeof(line), in)) {
		if (!strncmp(line, name, strlen(name)))
			number = strtol(line + strlen(name), NULL, base);
	}
	if (in)
		fclose(in);
	return number;
}

/* Its socket becomes one of a pair, of which the other is a client's connection to us; 0 or an
 * errno. */
static int connect_to_us(struct host *h, const struct seccomp_notif *call, bool readonly)
{
	const int fd = (int)call->data.args[0];
	struct seccomp_notif_addfd add = {
		.id = call->id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .newfd = (uint32_t)fd};
	char file[32];
	long flags, pid = number_in((pid_t)call->pid, "status", "Tgid:", 10);
	int ends[2], failed = 0;

	snprintf(file, sizeof(file), "fdinfo/%d", fd);
	flags = number_in((pid_t)call->pid, file, "flags:", 8);
	if (flags < 0 || pid < 0)
		return EBADF;
	if (h->listening[readonly] < 0)
		return ECONNREFUSED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return errno;
	add.srcfd = (uint32_t)ends[1];
	add.newfd_flags = (uint32_t)(flags & O_CLOEXEC);
	fcntl(ends[1], F_SETFL, flags & O_NONBLOCK);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	if (ioctl(h->reach, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
		failed = errno;
	close(ends[1]);
	if (failed)
		close(ends[0]);
	else
		daemon_take(h, ends[0], (pid_t)pid, readonly);
	return failed;
}

static void respond(struct host *h, const struct seccomp_notif *call)
{
	struct seccomp_notif_resp answer = {.id = call->id};
	union address address = {.any.sa_family = AF_UNSPEC};
	size_t len = call->data.args[2] < sizeof(address) ? call->data.args[2] : sizeof(address);
	struct iovec to = {&address, len}, from = {(void *)(uintptr_t)call->data.args[1], len};
	char path[sizeof(address.un.sun_path) + 1];
	bool readonly = false;

	/* What cannot be read connects to nothing. */
	if (process_vm_readv((pid_t)call->pid, &to, 1, &from, 1, 0) != (ssize_t)len) {
		answer.error = -EFAULT;
	} else {
		switch (look(h, (pid_t)call->pid, &address, len, path, &readonly)) {
		case REACH_OURS:
			answer.error = -connect_to_us(h, call, readonly);
			break;
		case REACH_MISSING:
			answer.error = -ENOENT;
			break;
		case REACH_REFUSED:
			host_refuse(h,
				    "it connects to %s at t = %.3f s: that is the machine's own "
				    "libvirt, not the simulated host's",
				    path, host_now_s(h));
			answer.error = -EACCES;
			break;
		default:
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		}
	}
	ioctl(h->reach, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void reach_serve(struct host *h)
{
	struct seccomp_notif call = {0};

	/* It may have died meanwhile. */
	if (ioctl(h->reach, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0)
		respond(h, &call);
}
