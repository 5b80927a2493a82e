/* SPDX-License-Identifier: MIT */
/* bubblewrap's arguments: what a sandbox shows, and what it does not. */
#include "contain.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS_MAX 256

/* Of the machine's settings, what programs need to start. */
static const char *const settings[] = {
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf*", "/etc/localtime",
	"/etc/perl",	     "/etc/python*",	 "/etc/java-*",
};

/* Of /sys, where pCPUs and memory are; nothing there can be written without rights. */
static const char *const machine[] = {"/sys/devices/system/cpu", "/sys/devices/system/node"};

/* Everything it may write is memory, each with a size of its own. */
const char *const contain_scratch[] = {"/tmp",	     "/var/tmp",    "/dev/shm",
				       CONTAIN_HOME, CONTAIN_STATE, NULL};

static const char users[] = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
			    "student:x:65534:65534:student:" CONTAIN_HOME ":/bin/sh\n";
/* ld, which compilers look for in CONTAIN_LINK first. */
static const char linker[] = "#!/bin/sh\nexec /usr/bin/ld -L" CONTAIN_LINK " \"$@\"\n";
static const char groups[] = "root:x:0:\nstudent:x:65534:\n";
static const char names[] = "passwd: files\ngroup: files\nhosts: files\n";
static const char hosts[] = "127.0.0.1 localhost sandbox\n";

struct words {
	char **word;
	size_t n;
	bool failed;
};

static void add(struct words *w, const char *word)
{
	char *own = strdup(word);

	if (!own || w->n == WORDS_MAX) {
		w->failed = true;
		free(own);
		return;
	}
	w->word[w->n++] = own;
}

/* The words up to NULL. */
static void add_all(struct words *w, ...)
{
	const char *word;
	va_list args;

	va_start(args, w);
	while ((word = va_arg(args, const char *)))
		add(w, word);
	va_end(args);
}

/* --- files whose content goes in --- */

static void add_file(struct words *w, const char *mode, int fd, const char *at)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	add_all(w, "--perms", mode, "--ro-bind-data", number, at, NULL);
}

static void add_text(struct words *w, const char *mode, const char *text, const char *at)
{
	size_t len = strlen(text);
	int fd = memfd_create("text", 0);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))
		w->failed = true;
	add_file(w, mode, fd, at);
}

/* --- folders --- */

static void add_scratch(struct words *w, long mib, const char *mode, const char *at)
{
	char size[32];

	snprintf(size, sizeof(size), "%ld", mib << 20);
	add_all(w, "--perms", mode, "--size", size, "--tmpfs", at, NULL);
}

static void add_found(struct words *w, const char *pattern)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_all(w, "--ro-bind-try", found.gl_pathv[i], found.gl_pathv[i], NULL);
	globfree(&found);
}

/* /bin and its like: links into /usr on merged systems, folders on others. */
static void add_system(struct words *w)
{
	static const char *const folders[] = {"/bin",	"/sbin",  "/lib",
					      "/lib32", "/lib64", "/libx32"};

	add_all(w, "--ro-bind", "/usr", "/usr", NULL);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		char target[PATH_MAX];
		ssize_t n = readlink(folders[i], target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			add_all(w, "--symlink", target, folders[i], NULL);
		} else {
			add_all(w, "--ro-bind-try", folders[i], folders[i], NULL);
		}
	}
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		add_found(w, settings[i]);
	for (size_t i = 0; i < sizeof(machine) / sizeof(*machine); i++)
		add_all(w, "--ro-bind-try", machine[i], machine[i], NULL);
	add_all(w, "--symlink", "/run", "/var/run", NULL);
	add_text(w, "0444", users, "/etc/passwd");
	add_text(w, "0444", groups, "/etc/group");
	add_text(w, "0444", names, "/etc/nsswitch.conf");
	add_text(w, "0444", hosts, "/etc/hosts");
}

/* A tree that lies in what is shown is covered. */
static void hide(struct words *w, const char *tree)
{
	if (tree && !strncmp(tree, "/usr/", 5))
		add_all(w, "--perms", "0000", "--size", "4096", "--tmpfs", tree, NULL);
}

char **contain_arguments(const struct contain_binds *b)
{
	struct words w = {.word = calloc(WORDS_MAX + 1, sizeof(*w.word))};

	if (!w.word)
		return NULL;
	add_all(&w, "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc",
		"--unshare-uts", "--unshare-cgroup-try", "--disable-userns", "--die-with-parent",
		"--as-pid-1", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox", NULL);
	add_system(&w);
	hide(&w, b->tree);
	add_all(&w, "--proc", "/proc", "--dev", "/dev", NULL);
	for (const char *const *at = contain_scratch; *at; at++)
		add_scratch(&w, b->disk_mib, "0700", *at);
	add_file(&w, "0555", b->own_fd, "/run/ballast/first");
	if (b->preload_fd >= 0)
		add_file(&w, "0444", b->preload_fd, CONTAIN_PRELOAD);
	if (b->link_fd >= 0) {
		add_file(&w, "0444", b->link_fd, CONTAIN_LINK "/libvirt.so");
		add_text(&w, "0555", linker, CONTAIN_LINK "/ld");
	}
	if (b->libvirt)
		add_all(&w, "--ro-bind", b->libvirt, CONTAIN_LIBVIRT, NULL);
	if (b->builds)
		add_scratch(&w, b->disk_mib, "0700", CONTAIN_SUBMISSION);
	if (b->copy)
		add_all(&w, "--ro-bind", b->copy,
			b->builds ? CONTAIN_HANDED_IN : CONTAIN_SUBMISSION, NULL);
	add_all(&w, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", CONTAIN_HOME, "--",
		NULL);
	if (w.failed) {
		errno = ENOMEM;
		return NULL;
	}
	return w.word;
}
