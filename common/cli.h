/* SPDX-License-Identifier: MIT */
/* What the command lines of both daemons share. Bad usage ends the program with one line and
 * EXIT_USAGE. */
#ifndef BALLAST_CLI_H
#define BALLAST_CLI_H

#include "session.h"

#include <stdbool.h>

/* getopt_long() has met something that is no option of ours, or one without its argument. */
void cli_refuse(int option, char **argv) __attribute__((noreturn));

/* The one argument, seconds between decisions; where it may be left out, *interval_s stays. */
void cli_interval(int argc, char **argv, const char *program, bool needed, double *interval_s);

/* The argument of --guests. */
const char *cli_guests(const char *glob);

/* The hypervisor cannot be reached: why, and what may help. Bad usage if the URI was given. */
void cli_refuse_connection(const struct session *s, bool uri_given) __attribute__((noreturn));

#endif
