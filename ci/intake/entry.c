/* SPDX-License-Identifier: MIT */
/* Names that other people gave. */
#include "entry.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* What no student wrote, and what was built elsewhere. */
static const char *const ignored[] = {"__MACOSX",  ".DS_Store",	  ".git",
				      "Thumbs.db", "desktop.ini", "build"};

static bool is_ignored(const char *component, size_t len)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		if (strlen(ignored[i]) == len && !memcmp(ignored[i], component, len))
			return true;
	/* AppleDouble: a file's attributes beside the file. */
	return len > 2 && component[0] == '.' && component[1] == '_';
}

static enum entry_use refuse(const char **why, const char *text)
{
	*why = text;
	return ENTRY_REFUSE;
}

enum entry_use entry_path(const char *name, bool backslashes, char path[ENTRY_PATH_MAX],
			  const char **why)
{
	const char *separators = backslashes ? "/\\" : "/";
	size_t used = 0, depth = 0;

	path[0] = '\0';
	while (*name) {
		size_t len = strcspn(name, separators);
		const char *component = name;

		name += len + (name[len] != '\0');
		if (len == 0 || (len == 1 && component[0] == '.'))
			continue;
		if (len == 2 && component[0] == '.' && component[1] == '.')
			return refuse(why, "'..' is in its path");
		if (is_ignored(component, len))
			return ENTRY_IGNORE;
		if (len > 255 || used + len + 2 > ENTRY_PATH_MAX || ++depth > ENTRY_DEPTH_MAX)
			return refuse(why, "its path is too long");
		if (used)
			path[used++] = '/';
		memcpy(path + used, component, len);
		path[used += len] = '\0';
	}
	return ENTRY_TAKE;
}

bool entry_link_inside(const char *path, const char *target)
{
	long depth = 0;

	if (target[0] == '/' || target[0] == '\0')
		return false;
	for (; *path; path++)
		depth += *path == '/';
	while (*target) {
		size_t len = strcspn(target, "/");

		if (len == 2 && !memcmp(target, "..", 2))
			depth--;
		else if (len > 0 && !(len == 1 && target[0] == '.'))
			depth++;
		if (depth < 0)
			return false;
		target += len + (target[len] != '\0');
	}
	return true;
}

size_t entry_archive_stem(const char *name)
{
	static const char *const extensions[] = {
		".zip", ".tar", ".tar.gz",  ".tgz",  ".tar.bz2", ".tbz2",  ".tbz", ".tar.xz",
		".txz", ".7z",	".tar.zst", ".tzst", ".tar.lz4", ".tar.Z", ".taz",
	};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++) {
		size_t n = strlen(extensions[i]);

		if (len > n && !strcasecmp(name + len - n, extensions[i]))
			return len - n;
	}
	return 0;
}

/* Of digits and the '_' behind them; 0: they are no such. */
static size_t number_len(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n && text[n] == '_' ? n + 1 : 0;
}

bool entry_canvas(const char *name, struct entry_canvas *canvas)
{
	/* A student's name has no '_' there. */
	size_t at = strcspn(name, "_"), n;

	if (at == 0 || name[at] != '_')
		return false;
	canvas->student_len = at++;
	if (!strncmp(name + at, "LATE_", 5))
		at += 5;
	n = number_len(name + at);
	if (!n)
		return false;
	canvas->key_len = at + n - 1;
	at += n;
	n = number_len(name + at);
	canvas->file = name + at + n;
	return n && canvas->file[0];
}

size_t entry_moodle_student(const char *name)
{
	const char *mark = strstr(name, "_assignsubmission_file");
	size_t len = mark ? (size_t)(mark - name) : 0, digits = 0;

	while (digits < len && isdigit((unsigned char)name[len - digits - 1]))
		digits++;
	return digits && len > digits + 1 && name[len - digits - 1] == '_' ? len - digits - 1 : 0;
}
