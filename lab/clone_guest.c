/* SPDX-License-Identifier: MIT */
/* One guest restored from a golden one, and made somebody of its own. */
#include "clone_guest.h"
#include "clone_identity.h"

#include "workloads/agent.h"
#include "labguest.h"
#include "log.h"
#include "tick.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* An agent that is connected but slow gives no further event: it is asked again. */
#define ASK_AGAIN_S 1.0

/* Writes a reason down. Returns −1. */
static int __attribute__((format(printf, 2, 3))) fail(struct clone *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	return -1;
}

/* The same with libvirt's reason. */
static int fail_virt(struct clone *c, const char *what)
{
	return fail(c, "%s: %s", what, virGetLastErrorMessage());
}

/* --- the domain --- */

static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

/* The guest's persistent domain: the one there is, or a new one. */
static int define(struct clone *c)
{
	char path[PATH_MAX];
	char *xml;

	c->dom = virDomainLookupByName(c->conn, c->name);
	if (!c->dom) {
		snprintf(path, sizeof(path), "%s/%s/domain.xml", c->batch->args->guests, c->name);
		xml = read_text(path);
		if (!xml)
			return fail(c, "%s: %s", path, strerror(errno));
		c->dom = virDomainDefineXML(c->conn, xml);
		free(xml);
		if (!c->dom)
			return fail_virt(c, "cannot be defined");
	}
	if (virDomainGetUUIDString(c->dom, c->uuid) < 0)
		return fail_virt(c, "has no UUID");
	if (!labguest_is(c->dom))
		return fail(c, "is not the lab's and is left alone");
	if (virDomainIsActive(c->dom) != 0)
		return fail(c, "is running already");
	return 0;
}

/* --- its RAM --- */

/* What libvirt is to make of the save file: the guest as it is defined, with the balloon as it was
 * saved. */
static char *wanted_xml(struct clone *c, uint64_t *wanted_kib)
{
	struct saved_identity balloon = {.current_memory =
						 c->batch->golden.identity.current_memory};
	struct saved_identity own;
	char *defined = virDomainGetXMLDesc(c->dom, VIR_DOMAIN_XML_INACTIVE);
	char *wanted = NULL;

	if (!defined) {
		fail_virt(c, "its XML");
		return NULL;
	}
	if (saved_identify(defined, &own, c->error) == 0) {
		*wanted_kib = own.current_memory ? strtoull(own.current_memory, NULL, 10) : 0;
		wanted = saved_rename(defined, &balloon, c->error);
		saved_identity_free(&own);
	}
	free(defined);
	return wanted;
}

static int restore_by_pipe(struct clone *c, const char *path, const unsigned char *head, size_t len,
			   const char *wanted)
{
	struct feed feed = {
		.saved = &c->batch->golden.saved,
		.gate = &c->batch->gate,
		.head = head,
		.head_len = len,
		.path = path,
	};
	int status;

	if (feed_start(&feed) < 0)
		return fail(c, "%s: %s", path, strerror(errno));
	status = virDomainRestoreFlags(c->conn, path, wanted, VIR_DOMAIN_SAVE_RUNNING);
	feed_stop(&feed);
	if (status < 0)
		return fail_virt(c, "cannot be restored");
	if (feed_gate_good(feed.gate))
		return 0;
	virDomainDestroyFlags(c->dom, VIR_DOMAIN_DESTROY_REMOVE_LOGS);
	return fail(c, "the golden guest is damaged");
}

static int restore_by_copy(struct clone *c, const char *path, const unsigned char *head, size_t len,
			   const char *wanted)
{
	int status;

	if (feed_copy(&c->batch->golden.saved, head, len, path) < 0)
		return fail(c, "copying the golden guest to %s: %s", path, strerror(errno));
	if (!feed_gate_good(&c->batch->gate))
		status = fail(c, "the golden guest is damaged");
	else if (virDomainRestoreFlags(c->conn, path, wanted, VIR_DOMAIN_SAVE_RUNNING) < 0)
		status = fail_virt(c, "cannot be restored");
	else
		status = 0;
	unlink(path);
	return status;
}

/* Whether libvirt said no to the guest rather than to the way its RAM came. */
static bool is_mismatch(struct batch *batch)
{
	bool yes = virGetLastErrorCode() == VIR_ERR_CONFIG_UNSUPPORTED;

	if (yes) {
		pthread_mutex_lock(&batch->lock);
		batch->mismatch = true;
		pthread_mutex_unlock(&batch->lock);
	}
	return yes;
}

static int restore_head(struct clone *c, const unsigned char *head, size_t len, const char *wanted)
{
	struct batch *batch = c->batch;
	char path[PATH_MAX];
	bool copy;

	snprintf(path, sizeof(path), "%s/%s/incoming", batch->args->guests, c->name);
	if (feed_clear(path) < 0)
		return fail(c, "%s: %s", path, strerror(errno));
	pthread_mutex_lock(&batch->lock);
	copy = batch->copy;
	pthread_mutex_unlock(&batch->lock);
	if (!copy) {
		if (restore_by_pipe(c, path, head, len, wanted) == 0)
			return 0;
		if (is_mismatch(batch) || tick_quit || !feed_gate_good(&batch->gate))
			return -1;
		/* A libvirt that opens the file twice or seeks in it. */
		log_verbose("%s: %s; trying again with a copy", c->name, c->error);
	}
	if (restore_by_copy(c, path, head, len, wanted) < 0) {
		is_mismatch(batch);
		return -1;
	}
	pthread_mutex_lock(&batch->lock);
	batch->copy = true;
	pthread_mutex_unlock(&batch->lock);
	return 0;
}

int clone_guest_restore(struct clone *c, uint64_t *wanted_kib)
{
	const struct golden *golden = &c->batch->golden;
	struct saved_identity own = {.name = c->name};
	char *wanted = NULL, *renamed = NULL;
	unsigned char *head = NULL;
	size_t len = 0;
	int status = -1;

	if (define(c) == 0)
		wanted = wanted_xml(c, wanted_kib);
	own.uuid = c->uuid;
	if (wanted)
		renamed = saved_rename(golden->saved.xml, &own, c->error);
	if (renamed)
		head = saved_head(&golden->saved, renamed, &len);
	if (head)
		status = restore_head(c, head, len, wanted);
	else if (renamed)
		fail(c, "no memory, or an XML too long for a save file");
	free(head);
	free(renamed);
	free(wanted);
	return status;
}

/* --- what makes it somebody of its own --- */

/* Waits until its agent answers: for libvirt's event, not for a guessed time. */
static int await_agent(struct clone *c)
{
	struct batch *batch = c->batch;
	double end_s = batch->args->since_s + batch->args->timeout_s;
	char error[AGENT_ERROR_MAX];

	agent_prepare(c->dom);
	while (agent_ping(c->dom, error) < 0) {
		double until_s = tick_now_s() + ASK_AGAIN_S;
		struct timespec until = {.tv_sec = (time_t)until_s};
		int late = 0;

		until.tv_nsec = (long)((until_s - (double)until.tv_sec) * 1e9);
		pthread_mutex_lock(&batch->lock);
		while (!c->connected && !late && !tick_quit)
			late = pthread_cond_timedwait(&batch->connected, &batch->lock, &until);
		c->connected = false;
		pthread_mutex_unlock(&batch->lock);
		if (tick_quit)
			return fail(c, "interrupted");
		if (tick_now_s() >= end_s)
			return fail(c, "its agent does not answer: %s", error);
	}
	return 0;
}

int clone_guest_settle(struct clone *c, uint64_t wanted_kib)
{
	const char *saved = c->batch->golden.identity.current_memory;
	double end_s = c->batch->args->since_s + c->batch->args->timeout_s;
	char error[AGENT_ERROR_MAX];

	if (virDomainSetMemoryStatsPeriod(c->dom, (int)c->batch->args->period_s,
					  VIR_DOMAIN_AFFECT_LIVE) < 0)
		return fail_virt(c, "its statistics period cannot be set");
	if (wanted_kib && saved && strtoull(saved, NULL, 10) != wanted_kib &&
	    virDomainSetMemoryFlags(c->dom, wanted_kib, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return fail_virt(c, "its balloon cannot be set");
	log_verbose("%s: restored after %.2f s", c->name, tick_now_s() - c->batch->args->since_s);
	if (await_agent(c) < 0)
		return -1;
	log_verbose("%s: its agent answers after %.2f s", c->name,
		    tick_now_s() - c->batch->args->since_s);
	if (clone_identity_set(c->dom, end_s, error) < 0)
		return fail(c, "its identity cannot be set: %s", error);
	return 0;
}
