/* SPDX-License-Identifier: MIT */
/* Trouble that lasts is told once, and once more when it is over. */
#ifndef BALLAST_TROUBLE_H
#define BALLAST_TROUBLE_H

#include <stdbool.h>

struct trouble {
	bool told;
};

/* Warns, unless this trouble was told already. */
void trouble_begin(struct trouble *trouble, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Tells that it is over, if it was told. */
void trouble_end(struct trouble *trouble, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whoever reads a log is to know that it has a hole: flushes stdout, and tells if that fails. */
void trouble_check_output(struct trouble *trouble);

#endif
