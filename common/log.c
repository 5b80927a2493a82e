/* SPDX-License-Identifier: MIT */
/* Warnings and chatter on stderr, each written as one line so that lines of threads do not mix. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *program_name = "ballast";
static bool verbose_wanted;

void log_init(const char *program, bool verbose)
{
	program_name = program;
	verbose_wanted = verbose;
}

static void __attribute__((format(printf, 1, 0))) log_line(const char *format, va_list args)
{
	char message[1024];

	vsnprintf(message, sizeof(message), format, args);
	fprintf(stderr, "%s: %s\n", program_name, message);
}

void log_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(format, args);
	va_end(args);
}

void log_verbose(const char *format, ...)
{
	va_list args;

	if (!verbose_wanted)
		return;
	va_start(args, format);
	log_line(format, args);
	va_end(args);
}

void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(format, args);
	va_end(args);
	exit(status);
}
