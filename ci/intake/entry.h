/* SPDX-License-Identifier: MIT */
/* What names mean that other people gave: in archives, and in exports of a class. Pure. */
#ifndef BALLAST_INTAKE_ENTRY_H
#define BALLAST_INTAKE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

/* A path within a submission, and how deep it may lie. */
#define ENTRY_PATH_MAX	1024
#define ENTRY_DEPTH_MAX 32

enum entry_use {
	ENTRY_TAKE,
	ENTRY_IGNORE, /* what a system or a tool left there: __MACOSX, .DS_Store, .git, build */
	ENTRY_REFUSE,
};

/*
 * The path of an archive's entry as it is below the submission, in path: no leading '/', no empty
 * or
 * "." component. With backslashes they separate as '/' does. ENTRY_REFUSE sets *why: ".." in it, or
 * too long. An empty path is the submission's folder itself.
 */
enum entry_use entry_path(const char *name, bool backslashes, char path[ENTRY_PATH_MAX],
			  const char **why);

/* True if a symbolic link at path, below the submission, leads nowhere but below it. */
bool entry_link_inside(const char *path, const char *target);

/* Length of a file's name without the extension of an archive that can be taken; 0: it is none. */
size_t entry_archive_stem(const char *name);

/* The name a Canvas export gives a file: "doejane_LATE_12345_678901_project.zip". */
struct entry_canvas {
	size_t student_len; /* of "doejane", at the beginning */
	size_t key_len;	    /* of "doejane_LATE_12345": equal in all files of a student's hand-in */
	const char *file;   /* "project.zip", in name */
};

/* False if the name is no such. */
bool entry_canvas(const char *name, struct entry_canvas *canvas);

/* Length of the student's name in a folder of a Moodle export, "Jane
 * Doe_123_assignsubmission_file"; 0: it is no such. */
size_t entry_moodle_student(const char *name);

#endif
