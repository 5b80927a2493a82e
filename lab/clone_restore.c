/* SPDX-License-Identifier: MIT */
/* Restores many guests from one golden guest at once: a thread each, their agents' events in the
 * main one. */
#include "clone_guest.h"

#include "log.h"
#include "session.h"
#include "tick.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Everything that happens to one guest. */
static int run_clone(struct clone *c)
{
	struct batch *batch = c->batch;
	uint64_t wanted_kib = 0;
	int status = -1;

	while (sem_wait(&batch->slots) < 0)
		;
	/* A connection of its own: a daemon takes only a few calls at once from each. */
	c->conn = virConnectOpen(batch->args->uri);
	if (!c->conn)
		snprintf(c->error, sizeof(c->error), "%s", virGetLastErrorMessage());
	else if (tick_quit)
		snprintf(c->error, sizeof(c->error), "interrupted");
	else
		status = clone_guest_restore(c, &wanted_kib);
	sem_post(&batch->slots);
	if (status < 0)
		return -1;
	if (clone_guest_settle(c, wanted_kib) < 0) {
		/* Half a clone carries the golden guest's name: better none. */
		virDomainDestroyFlags(c->dom, VIR_DOMAIN_DESTROY_REMOVE_LOGS);
		return -1;
	}
	printf("%s %.3f\n", c->name, tick_now_s() - batch->args->since_s);
	fflush(stdout);
	return 0;
}

static void *clone_main(void *opaque)
{
	struct clone *c = opaque;

	c->ready = run_clone(c) == 0;
	if (c->dom)
		virDomainFree(c->dom);
	if (c->conn)
		virConnectClose(c->conn);
	eventfd_write(c->batch->done_fd, 1);
	return NULL;
}

static void *verify_main(void *opaque)
{
	struct batch *batch = opaque;
	char error[SAVED_ERROR_MAX];
	bool good = golden_verify(&batch->golden, error) == 0;

	if (!good)
		log_warn("golden guest %s: %s", batch->args->golden, error);
	feed_gate_decide(&batch->gate, good);
	return NULL;
}

/* --- the main thread --- */

/* Struct of the main thread's event handlers. */
struct watch {
	struct batch *batch;
	struct clone *clones;
	size_t nclones;
	size_t done;
};

static void on_agent(virConnectPtr conn, virDomainPtr dom, int state, int reason, void *opaque)
{
	struct watch *watch = opaque;
	const char *name = virDomainGetName(dom);

	(void)conn;
	(void)reason;
	if (state != VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED)
		return;
	pthread_mutex_lock(&watch->batch->lock);
	for (size_t i = 0; i < watch->nclones; i++)
		if (strcmp(watch->clones[i].name, name) == 0)
			watch->clones[i].connected = true;
	pthread_cond_broadcast(&watch->batch->connected);
	pthread_mutex_unlock(&watch->batch->lock);
}

static void on_done(int handle, int fd, int events, void *opaque)
{
	struct watch *watch = opaque;
	eventfd_t count;

	(void)handle;
	(void)events;
	if (eventfd_read(fd, &count) == 0)
		watch->done += count;
}

/* Runs all threads to their ends, dispatching libvirt's events meanwhile. */
static void run_all(struct watch *watch)
{
	struct batch *batch = watch->batch;
	pthread_t verify;
	bool verifying = pthread_create(&verify, NULL, verify_main, batch) == 0;

	if (!verifying)
		verify_main(batch);
	for (size_t i = 0; i < watch->nclones; i++) {
		struct clone *c = &watch->clones[i];

		c->started = pthread_create(&c->thread, NULL, clone_main, c) == 0;
		if (!c->started) {
			snprintf(c->error, sizeof(c->error), "no thread for it");
			watch->done++;
		}
	}
	while (watch->done < watch->nclones && virEventRunDefaultImpl() == 0)
		;
	for (size_t i = 0; i < watch->nclones; i++)
		if (watch->clones[i].started)
			pthread_join(watch->clones[i].thread, NULL);
	if (verifying)
		pthread_join(verify, NULL);
}

/* As many at once as keep the pCPUs busy: each restore waits for a process to start every now and
 * then. */
static unsigned int slots(const struct clone_args *args)
{
	long pcpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (args->parallel)
		return args->parallel;
	return pcpus > 0 ? (unsigned int)pcpus * 2 : 2;
}

static int batch_open(struct batch *batch, const struct clone_args *args)
{
	char error[SAVED_ERROR_MAX];
	pthread_condattr_t monotonic;

	memset(batch, 0, sizeof(*batch));
	batch->args = args;
	batch->copy = args->copy;
	batch->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feed_gate_init(&batch->gate);
	pthread_mutex_init(&batch->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&batch->connected, &monotonic);
	sem_init(&batch->slots, 0, slots(args));
	if (golden_open(&batch->golden, args->golden, error) < 0) {
		log_warn("golden guest %s", error);
		return -1;
	}
	return 0;
}

static int report(const struct watch *watch)
{
	int status = EXIT_PASS;

	for (size_t i = 0; i < watch->nclones; i++)
		if (!watch->clones[i].ready) {
			log_warn("%s %s", watch->clones[i].name, watch->clones[i].error);
			status = EXIT_LAB;
		}
	if (status != EXIT_PASS && (watch->batch->mismatch || !feed_gate_good(&watch->batch->gate)))
		status = EXIT_FAIL;
	return status;
}

int clone_restore(const struct clone_args *args)
{
	struct session session;
	struct batch batch;
	struct watch watch = {.batch = &batch};
	int agent_events, status;

	if (batch_open(&batch, args) < 0)
		return EXIT_FAIL;
	while (args->names[watch.nclones])
		watch.nclones++;
	watch.clones = calloc(watch.nclones, sizeof(*watch.clones));
	if (!watch.clones || session_init(&session, args->uri) < 0 || session_open(&session) < 0) {
		log_warn("%s: %s", args->uri ? args->uri : "libvirt", virGetLastErrorMessage());
		golden_close(&batch.golden);
		free(watch.clones);
		return EXIT_LAB;
	}
	for (size_t i = 0; i < watch.nclones; i++)
		watch.clones[i] = (struct clone){.batch = &batch, .name = args->names[i]};
	virEventAddHandle(batch.done_fd, VIR_EVENT_HANDLE_READABLE, on_done, &watch, NULL);
	agent_events = virConnectDomainEventRegisterAny(
		session.conn, NULL, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
		VIR_DOMAIN_EVENT_CALLBACK(on_agent), &watch, NULL);
	run_all(&watch);
	status = report(&watch);
	if (agent_events >= 0)
		virConnectDomainEventDeregisterAny(session.conn, agent_events);
	session_close(&session);
	golden_close(&batch.golden);
	free(watch.clones);
	return status;
}
