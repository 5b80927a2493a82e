/* SPDX-License-Identifier: MIT */
/* Trouble that lasts is told once, and once more when it is over. */
#include "trouble.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static void __attribute__((format(printf, 1, 0))) tell(const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];

	vsnprintf(line, sizeof(line), format, args);
	log_warn("%s", line);
}

void trouble_begin(struct trouble *trouble, const char *format, ...)
{
	va_list args;

	if (trouble->told)
		return;
	trouble->told = true;
	va_start(args, format);
	tell(format, args);
	va_end(args);
}

void trouble_end(struct trouble *trouble, const char *format, ...)
{
	va_list args;

	if (!trouble->told)
		return;
	trouble->told = false;
	va_start(args, format);
	tell(format, args);
	va_end(args);
}

void trouble_check_output(struct trouble *trouble)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		trouble_begin(trouble, "standard output: %s; reports are lost", strerror(errno));
	else
		trouble_end(trouble, "standard output can be written again");
	clearerr(stdout);
}
