/* SPDX-License-Identifier: MIT */
/* Whether a program can be run in the simulated host. */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Interpreters of interpreters: Linux itself gives up after a few. */
#define DEPTH_MAX 4

static enum program fail_closed(char error[PROGRAM_ERROR_MAX], const char *path, const char *why)
{
	snprintf(error, PROGRAM_ERROR_MAX, "%.100s: %.150s", path, why);
	return PROGRAM_CLOSED;
}

static enum program fail(char error[PROGRAM_ERROR_MAX], const char *path, const char *why)
{
	snprintf(error, PROGRAM_ERROR_MAX, "%.100s: %.150s", path, why);
	return PROGRAM_BAD;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static enum program find(const char *name, char path[PATH_MAX], char error[PROGRAM_ERROR_MAX])
{
	const char *folders = getenv("PATH");

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return PROGRAM_FINE;
	}
	while (folders && *folders) {
		size_t len = strcspn(folders, ":");

		snprintf(path, PATH_MAX, "%.*s/%s", (int)len, folders, name);
		if (is_file(path) && access(path, X_OK) == 0)
			return PROGRAM_FINE;
		folders += len + (folders[len] == ':');
	}
	return fail(error, name, "no such program in PATH; a path to it has a slash, such as ./");
}

/* Linux takes LD_PRELOAD away from programs that run with other rights than ours. */
static bool is_privileged(const char *path, const struct stat *st)
{
	return st->st_mode & (S_ISUID | S_ISGID) ||
	       getxattr(path, "security.capability", NULL, 0) > 0;
}

/* The i-th segment; false: there is none. */
static bool read_segment(int fd, const Elf64_Ehdr *header, unsigned int i, Elf64_Phdr *segment)
{
	off_t at = (off_t)(header->e_phoff + (uint64_t)i * header->e_phentsize);

	return i < header->e_phnum &&
	       pread(fd, segment, sizeof(*segment), at) == (ssize_t)sizeof(*segment);
}

static bool has_interpreter(int fd, const Elf64_Ehdr *header)
{
	Elf64_Phdr segment;

	for (unsigned int i = 0; read_segment(fd, header, i, &segment); i++) {
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* Its linker leaves a note with a build identifier, the first of its segment. */
static bool is_go(int fd, const Elf64_Ehdr *header)
{
	struct {
		Elf64_Nhdr header;
		char name[4];
	} note;
	Elf64_Phdr segment;

	for (unsigned int i = 0; read_segment(fd, header, i, &segment); i++) {
		if (segment.p_type == PT_NOTE &&
		    pread(fd, &note, sizeof(note), (off_t)segment.p_offset) ==
			    (ssize_t)sizeof(note) &&
		    note.header.n_namesz == sizeof(note.name) && !memcmp(note.name, "Go\0", 4))
			return true;
	}
	return false;
}

static Elf64_Half own_machine(void)
{
	Elf64_Ehdr header = {0};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, &header, sizeof(header));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof(header) ? header.e_machine : EM_NONE;
}

static enum program check_elf(const char *path, int fd, const Elf64_Ehdr *header,
			      char error[PROGRAM_ERROR_MAX])
{
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != own_machine())
		return fail_closed(error, path, "is a program for another kind of machine");
	if (!has_interpreter(fd, header))
		return fail_closed(
			error, path,
			"is statically linked: link it dynamically, or libvirt and the clock "
			"cannot be replaced in it");
	if (is_go(fd, header))
		return fail_closed(error, path, "is a Go program, which waits past libc");
	return PROGRAM_FINE;
}

static enum program check_file(const char *path, unsigned int depth, char error[PROGRAM_ERROR_MAX]);

/* "#!/usr/bin/python3 -u": what runs is the interpreter. */
static enum program check_script(char *line, unsigned int depth, char error[PROGRAM_ERROR_MAX])
{
	char *interpreter = line + 2 + strspn(line + 2, " \t");

	interpreter[strcspn(interpreter, " \t\r\n")] = '\0';
	return check_file(interpreter, depth + 1, error);
}

static enum program check_content(const char *path, int fd, unsigned int depth,
				  char error[PROGRAM_ERROR_MAX])
{
	union {
		Elf64_Ehdr header;
		char text[256];
	} start = {0};
	ssize_t n = pread(fd, &start, sizeof(start) - 1, 0);

	if (n >= 2 && !memcmp(start.text, "#!", 2))
		return check_script(start.text, depth, error);
	if (n >= (ssize_t)sizeof(start.header) && !memcmp(start.header.e_ident, ELFMAG, SELFMAG))
		return check_elf(path, fd, &start.header, error);
	return fail(error, path, "is neither a program nor a script that begins with #!");
}

static enum program check_file(const char *path, unsigned int depth, char error[PROGRAM_ERROR_MAX])
{
	enum program status;
	struct stat st;
	int fd;

	if (depth > DEPTH_MAX)
		return fail(error, path, "its interpreters go round in circles");
	if (stat(path, &st))
		return fail(error, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(error, path, "is not a file");
	if (access(path, X_OK))
		return fail(error, path, "is not executable; try chmod +x");
	if (is_privileged(path, &st))
		return fail_closed(
			error, path,
			"has rights of its own (set-uid, set-gid or capabilities): nothing can "
			"be preloaded into it; run a copy without them");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, path, strerror(errno));
	status = check_content(path, fd, depth, error);
	close(fd);
	return status;
}

enum program program_check(const char *name, char path[PATH_MAX], char error[PROGRAM_ERROR_MAX])
{
	if (find(name, path, error))
		return PROGRAM_BAD;
	return check_file(path, 0, error);
}
