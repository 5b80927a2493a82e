/* SPDX-License-Identifier: MIT */
/* Lines of an INI file for inih: counted, which inih does not tell its handler, and never cut. */
#ifndef BALLAST_INIFILE_H
#define BALLAST_INIFILE_H

#include <stdbool.h>
#include <stdio.h>

struct inifile {
	FILE *file;
	unsigned int line; /* of the line read last */
	bool cut;	   /* it was longer than inih takes, and was not handed over */
};

/*
 * inih's reader, with the struct inifile as its stream: the next line, NULL at the end and at a
 * line that does not fit in size bytes.
 */
char *inifile_line(char *buf, int size, void *inifile);

#endif
