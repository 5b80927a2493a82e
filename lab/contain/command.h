/* SPDX-License-Identifier: MIT */
/* For the worlds: how a program is started in a sandbox, and what that one says at the end. */
#ifndef BALLAST_CONTAIN_COMMAND_H
#define BALLAST_CONTAIN_COMMAND_H

#include "contain.h"

struct contain_command {
	const char *copy;	/* the submission, of which the program is */
	const char *libvirt;	/* the folder of libvirt's sockets */
	const char *preload;	/* a library; NULL: none */
	int keep;		/* a descriptor for the program; −1: none */
	int report;		/* one that gets the reason; contain_report() */
	const char *const *env; /* NAME=VALUE, up to NULL; NULL: none */
	long limit_s;		/* 0: none */
	const char *path;	/* the program */
	char *const *argv;	/* its arguments from the second on; NULL-terminated */
};

/* What to execute: contain lies beside this program, lab/NAME/PROGRAM. NULL with errno. */
char **contain_command(const struct contain_command *c);

/* Makes the descriptor for the reason; −1 with errno. */
int contain_open_report(void);

/* After the end: CONTAIN_ENDED, or how contain ended the program, and why. */
enum contain_end contain_report(int report, char reason[CONTAIN_REASON_MAX]);

#endif
