/* SPDX-License-Identifier: MIT */
/* Calls that may never come back, each made by a thread that can be left to it. */
#include "calls.h"

#include "tick.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Whoever is told to end does so within a second, with something left for what follows. */
#define QUIT_S 0.3

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct call *call; /* to be made, or being made */
	bool alone;	   /* nobody waits for it: it ends after this call */
	bool leave;	   /* it ends without another one */
	int done_fd;
};

static void worker_free(struct worker *worker)
{
	close(worker->done_fd);
	pthread_cond_destroy(&worker->given);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	bool alone = false;

	while (!alone) {
		struct call *call;

		pthread_mutex_lock(&worker->lock);
		while (!worker->call && !worker->leave)
			pthread_cond_wait(&worker->given, &worker->lock);
		call = worker->call;
		pthread_mutex_unlock(&worker->lock);
		if (!call)
			return NULL; /* whoever said so joins and frees */
		call->make(call);
		pthread_mutex_lock(&worker->lock);
		worker->call = NULL;
		alone = worker->alone;
		atomic_store(&call->back, true);
		if (!alone)
			eventfd_write(worker->done_fd, 1);
		pthread_mutex_unlock(&worker->lock);
	}
	worker_free(worker);
	return NULL;
}

static struct worker *worker_new(void)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	sigset_t all, before;
	int status;

	if (!worker)
		return NULL;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->given, NULL);
	worker->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = worker->done_fd < 0 ? errno : pthread_create(&worker->thread, NULL, work, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!status)
		return worker;
	worker_free(worker);
	return NULL;
}

void calls_init(struct calls *calls, int quit_fd)
{
	*calls = (struct calls){.quit_fd = quit_fd};
}

/* Waits until the worker is done or the time is over. */
static void wait_for(struct calls *calls, const struct call *call, int done_fd, double limit_s)
{
	struct pollfd fds[] = {{.fd = done_fd, .events = POLLIN}, {.events = POLLIN}};
	double deadline_s = tick_now_s() + limit_s, left_s;

	do {
		if (tick_quit && calls->end_s <= 0)
			calls->end_s = tick_now_s() + QUIT_S;
		if (calls->end_s > 0)
			deadline_s = fmin(deadline_s, calls->end_s);
		left_s = fmax(deadline_s - tick_now_s(), 0);
		fds[1].fd = tick_quit ? -1 : calls->quit_fd; /* it stays readable */
		poll(fds, 2, (int)ceil(left_s * 1000));
	} while (!atomic_load(&call->back) && left_s > 0);
}

bool calls_make(struct calls *calls, struct call *call, double limit_s)
{
	struct worker *worker = calls->idle ? calls->idle : worker_new();
	eventfd_t count;
	bool back;

	atomic_init(&call->back, false);
	if (!worker) {
		/* Better to be held up than to do nothing at all. */
		call->make(call);
		atomic_store(&call->back, true);
		return true;
	}
	calls->idle = worker;
	pthread_mutex_lock(&worker->lock);
	worker->call = call;
	pthread_cond_signal(&worker->given);
	pthread_mutex_unlock(&worker->lock);
	wait_for(calls, call, worker->done_fd, limit_s);
	pthread_mutex_lock(&worker->lock);
	back = atomic_load(&call->back);
	if (back) {
		eventfd_read(worker->done_fd, &count);
	} else {
		worker->alone = true;
		pthread_detach(worker->thread);
		calls->idle = NULL;
		call->next = calls->left;
		calls->left = call;
		calls->nleft++;
	}
	pthread_mutex_unlock(&worker->lock); /* from here on one that is alone may free itself */
	return back;
}

void call_free(struct call *call)
{
	if (call->drop)
		call->drop(call);
	free(call);
}

void calls_reap(struct calls *calls)
{
	struct call **at = &calls->left;

	while (*at) {
		struct call *call = *at;

		if (!atomic_load(&call->back) || call->kept) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		calls->nleft--;
		call_free(call);
	}
}

void calls_forget(struct calls *calls, struct call *call)
{
	call->kept = false;
	calls_reap(calls);
}

void calls_extend(struct calls *calls, double end_s)
{
	calls->end_s = end_s;
}

void calls_free(struct calls *calls)
{
	struct worker *worker = calls->idle;

	calls->idle = NULL;
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->leave = true;
	pthread_cond_signal(&worker->given);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	worker_free(worker);
}
