/* SPDX-License-Identifier: MIT */
/*
 * Starts guests and waits until their agents answer. A thread per guest makes the blocking calls;
 * the main thread dispatches libvirt's events, which wake the guest's thread the moment its agent
 * opens its port.
 */
#include "guests.h"

#include "labguest.h"
#include "log.h"
#include "tick.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Events are what we wait for; should one be lost, the agent is asked again after this. */
#define ASK_AGAIN_S    1.0
#define PING_TIMEOUT_S 5
#define PROGRESS_S     0.2

struct boot;

struct member {
	struct boot *boot;
	char name[GUEST_NAME_MAX];
	pthread_t thread;
	bool threaded;
	/* The rest is guarded by boot->lock while the thread runs. */
	bool agent_opened; /* since it was last asked */
	bool stopped;	   /* it ended while we waited */
	bool ready;
	bool done;	/* the thread is at its end */
	double ready_s; /* CLOCK_MONOTONIC */
	char error[256];
};

struct boot {
	const struct guests_args *args;
	virConnectPtr conn;
	double deadline_s;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct member *members;
	unsigned int count;
};

/* --- a guest's thread --- */

static char *file_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

/* Defines a guest from its domain.xml. NULL with one line in error. */
static virDomainPtr define(virConnectPtr conn, const char *dir, const char *name, char *error,
			   size_t len)
{
	virDomainPtr dom = NULL;
	char *path, *xml;

	if (asprintf(&path, "%s/%s/domain.xml", dir, name) < 0) {
		snprintf(error, len, "out of memory");
		return NULL;
	}
	xml = file_read(path);
	if (xml)
		/* Not validated: libvirtd's schema reader fails when guests are first defined at
		 * once. */
		dom = virDomainDefineXML(conn, xml);
	if (!xml)
		snprintf(error, len, "%s: %s", path, strerror(errno));
	else if (!dom)
		snprintf(error, len, "%s", virGetLastErrorMessage());
	free(xml);
	free(path);
	return dom;
}

/* Not validated by schema: libvirtd does that in several threads at once, which libxml2's RELAX NG
 * types do not survive when they are used for the first time. */
int guests_define(struct session *session, const struct guests_args *args)
{
	char error[256];

	for (size_t i = 0; args->names[i]; i++) {
		virDomainPtr dom =
			define(session->conn, args->dir, args->names[i], error, sizeof(error));

		if (!dom)
			die(EXIT_LAB, "guest %s cannot be defined: %s", args->names[i], error);
		virDomainFree(dom);
	}
	return EXIT_PASS;
}

/* Says why something about a guest failed. (Asking a domain's name forgets libvirt's last error.)
 */
static void complain(const struct member *m, const char *what)
{
	log_warn("guest %s %s: %s", m->name, what, virGetLastErrorMessage());
}

/* The balloon size somebody asked for when it was made is kept in its persistent definition. */
static void set_memory(const struct member *m, virDomainPtr dom, uint64_t memory_kib, bool running)
{
	char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE), *at, want[64];
	unsigned int flags = VIR_DOMAIN_AFFECT_CONFIG | (running ? VIR_DOMAIN_AFFECT_LIVE : 0);

	snprintf(want, sizeof(want), ">%llu<", (unsigned long long)memory_kib);
	at = xml ? strstr(xml, "<currentMemory") : NULL;
	at = at ? strchr(at, '>') : NULL;
	if (at && strncmp(at, want, strlen(want)) &&
	    virDomainSetMemoryFlags(dom, memory_kib, flags))
		complain(m, "cannot get its memory");
	free(xml);
}

/* A run that was cut off may have left a guest paused. */
static void resume(const struct member *m, virDomainPtr dom)
{
	int state = VIR_DOMAIN_RUNNING;

	if (!virDomainGetState(dom, &state, NULL, 0) && state == VIR_DOMAIN_PAUSED &&
	    virDomainResume(dom))
		complain(m, "is paused and cannot be resumed");
}

/* Makes it run. NULL with m->error set on failure. */
static virDomainPtr start(struct member *m)
{
	virDomainPtr dom = virDomainLookupByName(m->boot->conn, m->name);
	bool running;

	if (!dom)
		snprintf(m->error, sizeof(m->error), "%s", virGetLastErrorMessage());
	else if (!labguest_is(dom))
		snprintf(m->error, sizeof(m->error), "it is not the lab's");
	if (!dom || m->error[0])
		goto fail;
	running = virDomainIsActive(dom) == 1;
	if (m->boot->args->memory_kib)
		set_memory(m, dom, m->boot->args->memory_kib, running);
	if (running)
		resume(m, dom);
	if (!running && virDomainCreate(dom)) {
		snprintf(m->error, sizeof(m->error), "it cannot be started: %s",
			 virGetLastErrorMessage());
		goto fail;
	}
	return dom;
fail:
	if (dom)
		virDomainFree(dom);
	return NULL;
}

static bool ping(virDomainPtr dom)
{
	char *reply =
		virDomainQemuAgentCommand(dom, "{\"execute\":\"guest-ping\"}", PING_TIMEOUT_S, 0);

	free(reply);
	return reply != NULL;
}

/* Sleeps until there is news of the guest, or it is time to ask again. The lock is held. */
static void wait_for_news(struct member *m)
{
	double until_s = tick_now_s() + ASK_AGAIN_S;
	struct timespec until = {.tv_sec = (time_t)until_s,
				 .tv_nsec = (long)((until_s - (double)(time_t)until_s) * 1e9)};

	while (!m->agent_opened && !m->stopped && !tick_quit &&
	       pthread_cond_timedwait(&m->boot->news, &m->boot->lock, &until) != ETIMEDOUT)
		;
	m->agent_opened = false;
}

static void *member_run(void *opaque)
{
	struct member *m = opaque;
	struct boot *boot = m->boot;
	virDomainPtr dom = start(m);
	bool ready = false;

	while (dom && !ready && !m->error[0]) {
		bool off;

		ready = ping(dom);
		off = !ready && virDomainIsActive(dom) == 0;
		pthread_mutex_lock(&boot->lock);
		m->stopped |= off; /* before we listened to events */
		if (ready) {
			m->ready = true;
			m->ready_s = tick_now_s();
		} else if (tick_quit || m->stopped || tick_now_s() > boot->deadline_s) {
			snprintf(m->error, sizeof(m->error), "%s",
				 m->stopped ? "it ended while it was booting"
					    : "its agent did not answer in time");
		} else {
			wait_for_news(m);
		}
		pthread_mutex_unlock(&boot->lock);
	}
	if (dom)
		virDomainFree(dom);
	pthread_mutex_lock(&boot->lock);
	m->done = true;
	pthread_mutex_unlock(&boot->lock);
	return NULL;
}

/* --- events --- */

static void member_news(struct boot *boot, virDomainPtr dom, bool agent_opened, bool stopped)
{
	unsigned int number = guest_number(virDomainGetName(dom), boot->args->prefix);
	struct member *m;

	if (!number || number > boot->count)
		return;
	m = &boot->members[number - 1];
	pthread_mutex_lock(&boot->lock);
	m->agent_opened |= agent_opened;
	m->stopped |= stopped;
	pthread_cond_broadcast(&boot->news);
	pthread_mutex_unlock(&boot->lock);
}

static void on_agent(virConnectPtr conn, virDomainPtr dom, int state, int reason, void *opaque)
{
	(void)conn;
	(void)reason;
	if (state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED)
		member_news(opaque, dom, true, false);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
	(void)conn;
	(void)detail;
	if (event == VIR_DOMAIN_EVENT_STOPPED)
		member_news(opaque, dom, false, true);
	return 0;
}

/* --- the whole --- */

static unsigned int count_ready(struct boot *boot, bool *all_done)
{
	unsigned int ready = 0;

	*all_done = true;
	pthread_mutex_lock(&boot->lock);
	for (unsigned int i = 0; i < boot->count; i++) {
		ready += boot->members[i].ready;
		*all_done &= boot->members[i].done;
	}
	if (tick_quit)
		pthread_cond_broadcast(&boot->news);
	pthread_mutex_unlock(&boot->lock);
	return ready;
}

static void wait_all(struct session *session, struct boot *boot)
{
	bool tty = isatty(STDERR_FILENO), shown = false, all_done;

	for (;;) {
		unsigned int ready = count_ready(boot, &all_done);
		double waited_s = tick_now_s() - boot->args->since_s;

		if (all_done)
			break;
		if (tty && !boot->args->quiet) {
			fprintf(stderr, "\r%u of %u guests ready, %.1f s ", ready, boot->count,
				waited_s);
			shown = true;
		}
		session_wait(session, tick_now_s() + PROGRESS_S);
	}
	if (shown)
		fputs("\r\033[K", stderr);
}

/* What a guest printed last tells why it did not come up. */
static void say_last_line(const struct member *m)
{
	char *path, *text, *save = NULL, *last = NULL;

	if (asprintf(&path, "%s/%s/serial.log", m->boot->args->dir, m->name) < 0)
		return;
	text = file_read(path);
	for (char *line = text ? strtok_r(text, "\r\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\r\n", &save))
		last = line;
	log_warn("guest %s: its console's last line: %s", m->name,
		 last ? last : "(nothing was printed)");
	free(text);
	free(path);
}

static bool is_new(const struct guests_args *args, const char *name)
{
	for (size_t i = 0; args->names[i]; i++) {
		if (!strcmp(args->names[i], name))
			return true;
	}
	return false;
}

static int report(struct boot *boot)
{
	int status = EXIT_PASS;

	for (unsigned int i = 0; i < boot->count; i++) {
		struct member *m = &boot->members[i];

		if (!m->error[0] || tick_quit)
			continue;
		log_warn("guest %s is not ready after %.1f s: %s", m->name,
			 tick_now_s() - boot->args->since_s, m->error);
		say_last_line(m);
		status = EXIT_LAB;
	}
	if (tick_quit)
		return EXIT_LAB;
	if (status || boot->args->quiet)
		return status;
	printf("%-16s %s\n", "GUEST", "READY");
	for (unsigned int i = 0; i < boot->count; i++) {
		struct member *m = &boot->members[i];

		if (is_new(boot->args, m->name))
			printf("%-16s %.2f s\n", m->name, m->ready_s - boot->args->since_s);
		else
			printf("%-16s was up\n", m->name);
	}
	return status;
}

static void members_start(struct boot *boot)
{
	for (unsigned int i = 0; i < boot->count; i++) {
		struct member *m = &boot->members[i];

		m->boot = boot;
		snprintf(m->name, sizeof(m->name), "%s%u", boot->args->prefix, i + 1);
		m->threaded = !pthread_create(&m->thread, NULL, member_run, m);
		if (!m->threaded)
			die(EXIT_LAB, "no thread for guest %s: fewer guests", m->name);
	}
}

int guests_up(struct session *session, const struct guests_args *args)
{
	struct boot boot = {.args = args,
			    .conn = session->conn,
			    .count = args->count,
			    .deadline_s = tick_now_s() + args->timeout_s};
	pthread_condattr_t attr;
	int agent, lifecycle, status;

	pthread_mutex_init(&boot.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&boot.news, &attr);
	boot.members = calloc(boot.count, sizeof(*boot.members));
	if (!boot.members)
		die(EXIT_LAB, "out of memory");
	agent = virConnectDomainEventRegisterAny(boot.conn, NULL,
						 VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_agent), &boot, NULL);
	lifecycle = virConnectDomainEventRegisterAny(boot.conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						     VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), &boot,
						     NULL);
	if (agent < 0 || lifecycle < 0)
		die(EXIT_LAB, "libvirt's events: %s", virGetLastErrorMessage());
	members_start(&boot);
	wait_all(session, &boot);
	for (unsigned int i = 0; i < boot.count; i++)
		pthread_join(boot.members[i].thread, NULL);
	virConnectDomainEventDeregisterAny(boot.conn, agent);
	virConnectDomainEventDeregisterAny(boot.conn, lifecycle);
	status = report(&boot);
	free(boot.members);
	return status;
}
