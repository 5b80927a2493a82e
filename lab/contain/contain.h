/* SPDX-License-Identifier: MIT */
/*
 * A stranger's build or program in bubblewrap: as an unprivileged user, in namespaces of its own,
 * with the system read-only, without network, and with nothing to write but memory that ends with
 * it.
 *
 * Three processes are around it. `contain` outside takes signals and gives the status of the
 * program as its own; bubblewrap makes the sandbox; `contain` again is process 1 inside of it. That
 * one starts the command, holds it to its limits, ends whatever is left and says how it went.
 * Nothing inside can signal, trace or read it.
 */
#ifndef BALLAST_CONTAIN_H
#define BALLAST_CONTAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What stands where in a sandbox. */
#define CONTAIN_SUBMISSION "/submission"
#define CONTAIN_HANDED_IN  "/run/ballast/handed-in"
#define CONTAIN_LIBVIRT	   "/run/libvirt"
#define CONTAIN_PRELOAD	   "/run/ballast/preload.so"
#define CONTAIN_LINK	   "/run/ballast/link"
#define CONTAIN_STATE	   "/run/ballast/state"
#define CONTAIN_HOME	   "/home/student"

/* The user, where root grades: nobody. Inside it is always this one. */
#define CONTAIN_UID 65534

#define CONTAIN_REASON_MAX 200

struct contain_limits {
	long time_s;	 /* the machine's clock; 0: none */
	long memory_mib; /* of all its processes */
	long processes;	 /* threads are such, too */
	long file_mib;	 /* each file */
	long disk_mib;	 /* each folder it can write: they are memory */
	long output_mib; /* of a build, all that it prints */
};

/* What is asked of process 1; its command's words and environment follow. */
struct contain_job {
	struct contain_limits limits;
	bool builds; /* fills CONTAIN_SUBMISSION first, gives it back, takes what is printed */
	size_t nargs, nenv;
	char folder[1024]; /* where the command begins */
};

enum contain_end {
	CONTAIN_ENDED,	 /* by itself */
	CONTAIN_LIMIT,	 /* by us: reason says which limit it met */
	CONTAIN_MACHINE, /* by us: the machine is out of something, which may not be its fault */
	CONTAIN_NOT_RUN, /* it could not be started: reason */
};

/* What process 1 says at the end. */
struct contain_result {
	enum contain_end end;
	int wait_status;
	char reason[CONTAIN_REASON_MAX];
};

/* --- arguments.c: bubblewrap's --- */

struct contain_binds {
	bool builds;
	const char *copy;	/* the submission */
	const char *libvirt;	/* a folder of sockets; NULL: no way out */
	const char *tree;	/* this tree, which must not be seen */
	int own_fd, preload_fd; /* programs whose content goes in; −1: none */
	int link_fd;		/* a library to link with in the place of libvirt.so; −1: none */
	long disk_mib;
};

/* The folders it can write everywhere, up to NULL; a build has CONTAIN_SUBMISSION, too. */
extern const char *const contain_scratch[];

/* bubblewrap's arguments up to its own command, NULL-terminated; NULL with errno. */
char **contain_arguments(const struct contain_binds *binds);

/* --- first.c: process 1 --- */

/* Does the job that comes over control; the exit status of process 1. */
int contain_first(int control, int built);

/* --- filter.c --- */

/* Refuses system calls to this process and all it starts. 0, −1 with errno. */
int contain_filter(void);

/* --- watch.c --- */

/* Looks at all processes of this namespace but the first, and at the folders they can write. False:
 * they have more than they may, or the machine has no memory left, and result says which. How soon
 * it wants to look again is in *next_ms. */
bool contain_watch(const struct contain_job *job, struct contain_result *result, int *next_ms);

#endif
