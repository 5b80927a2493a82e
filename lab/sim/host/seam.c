/* SPDX-License-Identifier: MIT */
/* What the driver (../driver) wants to know of the run it is part of. */
#include "seam.h"

#include "driver/driver.h"
#include "host.h"
#include "log.h"
#include "task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct play *driver_play(void)
{
	return &the_host->play;
}

uint64_t driver_now(void)
{
	return host_now(the_host);
}

void driver_wait(uint64_t until_ns)
{
	task_wait(the_host, until_ns);
}

void driver_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("sim: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_LAB);
}

/* --- the beginning --- */

static void on_event(const struct world_event *event, void *opaque)
{
	(void)opaque;
	driver_on_event(event);
}

void seam_begin(struct host *h)
{
	h->play.on_event = on_event;
	driver_start();
}
