/* SPDX-License-Identifier: MIT */
/* What libvirt's functions on the model (../api) want to know of the run they are answered in. */
#include "seam.h"

#include "host.h"
#include "log.h"
#include "preload/sched.h"
#include "preload/sim.h"
#include "task.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct shared shared; /* only its all_calls */

struct play *sim_play(void)
{
	return &the_host->play;
}

struct shared *sim_shared(void)
{
	return &shared;
}

uint64_t sim_now(void)
{
	return host_now(the_host);
}

void sim_count_call(void)
{
}

uint64_t sched_now(void)
{
	return sim_now();
}

void sched_answered(void)
{
}

enum sched_result sched_wait(const struct sched_wait *wait)
{
	task_wait(the_host, wait->deadline_ns);
	return SCHED_TIMEOUT;
}

void sim_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("sim: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_LAB);
}

/* --- the event loop that the functions add their descriptors to --- */

struct handle {
	struct handle *next;
	int watch, fd;
	virEventHandleCallback callback;
	virFreeCallback free;
	void *opaque;
};

static struct handle *handles;
static int next_watch;

static int add_handle(int fd, int event, virEventHandleCallback callback, void *opaque,
		      virFreeCallback free_opaque)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	(void)event;
	if (!handle)
		return -1;
	*handle = (struct handle){handles, next_watch++, fd, callback, free_opaque, opaque};
	handles = handle;
	return handle->watch;
}

static void update_handle(int watch, int event)
{
	(void)watch;
	(void)event;
}

static int remove_handle(int watch)
{
	for (struct handle **at = &handles; *at; at = &(*at)->next) {
		struct handle *handle = *at;

		if (handle->watch != watch)
			continue;
		*at = handle->next;
		if (handle->free)
			handle->free(handle->opaque);
		free(handle);
		return 0;
	}
	return -1;
}

static int add_timeout(int ms, virEventTimeoutCallback callback, void *opaque,
		       virFreeCallback free_opaque)
{
	(void)ms;
	(void)callback;
	(void)opaque;
	(void)free_opaque;
	return 0;
}

static void update_timeout(int timer, int ms)
{
	(void)timer;
	(void)ms;
}

static int remove_timeout(int timer)
{
	(void)timer;
	return 0;
}

void seam_hand_out(void)
{
	struct handle *next;

	for (struct handle *handle = handles; handle; handle = next) {
		struct pollfd fd = {.fd = handle->fd, .events = POLLIN};

		next = handle->next;
		if (poll(&fd, 1, 0) > 0)
			handle->callback(handle->watch, handle->fd, VIR_EVENT_HANDLE_READABLE,
					 handle->opaque);
	}
}

/* --- the beginning --- */

static void on_event(const struct world_event *event, void *opaque)
{
	(void)opaque;
	api_on_event(event);
}

static void ignore_error(void *opaque, virErrorPtr error)
{
	(void)opaque;
	(void)error;
}

void seam_begin(struct host *h)
{
	shared.all_calls = h->config->all_calls;
	virInitialize();
	virSetErrorFunc(NULL, ignore_error);
	virEventRegisterImpl(add_handle, update_handle, remove_handle, add_timeout, update_timeout,
			     remove_timeout);
	h->play.on_event = on_event;
	api_start();
}
