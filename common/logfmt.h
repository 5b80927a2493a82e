/* SPDX-License-Identifier: MIT */
/* Values of key=value lines that come from outside, such as guests' names. */
#ifndef BALLAST_LOGFMT_H
#define BALLAST_LOGFMT_H

#include <stdio.h>

/*
 * Writes the value as it is, or, where that could be taken for something else, in double quotes,
 * with \", \\, \n, \r, \t and \xHH for other control characters: no name can forge a line or a key.
 */
void logfmt_put(FILE *out, const char *value);

#endif
