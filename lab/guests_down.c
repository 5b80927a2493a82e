/* SPDX-License-Identifier: MIT */
/* Which guests have to be made or go, and their going. */
#include "guests.h"

#include "labguest.h"
#include "log.h"

#include <libvirt/virterror.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- plan --- */

/* The attribute spec="…" of the lab's tag is ours and holds hex digits only: no need for an XML
 * parser. */
static bool spec_is(virDomainPtr dom, const char *spec)
{
	char *tag = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, LABGUEST_URI, 0);
	const char *found = tag ? strstr(tag, "spec=") : NULL;
	size_t len = strlen(spec);
	bool same = found && !strncmp(found + strlen("spec='"), spec, len) &&
		    strchr("'\"", found[strlen("spec='") + len]);

	free(tag);
	return same;
}

/*
 * Whether it is still being started or restored. Nobody does that now, for one lab command at a
 * time changes a prefix's guests: it is what libvirt has not yet noticed of one that was killed.
 */
static bool half_started(virDomainPtr dom)
{
	int state, reason;

	return virDomainGetState(dom, &state, &reason, 0) == 0 && state == VIR_DOMAIN_PAUSED &&
	       (reason == VIR_DOMAIN_PAUSED_STARTING_UP || reason == VIR_DOMAIN_PAUSED_MIGRATION);
}

/* Whether it was being made from a golden guest, whose name and identity it may still have. */
static bool half_cloned(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/restoring", dir, name);
	return access(path, F_OK) == 0;
}

static const char *plan_guest(virConnectPtr conn, const char *name, const struct guests_args *args)
{
	virDomainPtr dom = virDomainLookupByName(conn, name);
	const char *what;

	if (!dom)
		return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? "create" : NULL;
	if (!labguest_is(dom))
		what = "foreign";
	else if (!spec_is(dom, args->spec) || half_started(dom) || half_cloned(args->dir, name))
		what = "replace";
	else
		what = virDomainIsActive(dom) == 1 ? "keep" : "start";
	virDomainFree(dom);
	return what;
}

int guests_plan(struct session *session, const struct guests_args *args)
{
	virDomainPtr *doms = guests_find(session->conn, args->prefix);

	if (!doms)
		die(EXIT_LAB, "the guests cannot be listed: %s", virGetLastErrorMessage());
	for (unsigned int i = 1; i <= args->count; i++) {
		char name[GUEST_NAME_MAX];
		const char *what;

		snprintf(name, sizeof(name), "%s%u", args->prefix, i);
		what = plan_guest(session->conn, name, args);
		if (!what)
			die(EXIT_LAB, "guest %s: %s", name, virGetLastErrorMessage());
		if (!strcmp(what, "foreign"))
			die(EXIT_USAGE,
			    "there is a domain %s that is not the lab's: "
			    "it is left alone; choose another --prefix",
			    name);
		printf("%s %s\n", name, what);
	}
	for (size_t i = 0; doms[i]; i++) {
		if (guest_number(virDomainGetName(doms[i]), args->prefix) > args->count)
			printf("%s drop\n", virDomainGetName(doms[i]));
	}
	guests_free(doms);
	return EXIT_PASS;
}

/* --- down --- */

struct removal {
	virDomainPtr dom;
	pthread_t thread;
	bool started;
	char error[256]; /* "": removed */
};

static void *remove_guest(void *opaque)
{
	struct removal *r = opaque;
	unsigned int flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
			     VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;

	/* It may stop by itself, or somebody else may remove it, between any two calls. */
	if (virDomainIsActive(r->dom) == 1 && virDomainDestroy(r->dom) &&
	    virGetLastErrorCode() != VIR_ERR_OPERATION_INVALID &&
	    virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
		snprintf(r->error, sizeof(r->error), "%s", virGetLastErrorMessage());
	else if (virDomainUndefineFlags(r->dom, flags) &&
		 virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
		snprintf(r->error, sizeof(r->error), "%s", virGetLastErrorMessage());
	return NULL;
}

/* The named guests, or all of the prefix; NULL-terminated. */
static virDomainPtr *choose(virConnectPtr conn, const struct guests_args *args)
{
	virDomainPtr *doms;
	size_t n = 0, kept = 0;

	if (!args->names[0])
		return guests_find(conn, args->prefix);
	while (args->names[n])
		n++;
	doms = calloc(n + 1, sizeof(*doms));
	for (size_t i = 0; doms && i < n; i++) {
		virDomainPtr dom = virDomainLookupByName(conn, args->names[i]);

		if (dom && labguest_is(dom))
			doms[kept++] = dom;
		else if (dom)
			virDomainFree(dom);
	}
	return doms;
}

int guests_down(struct session *session, const struct guests_args *args)
{
	virDomainPtr *doms = choose(session->conn, args);
	struct removal *removals;
	size_t n = 0;
	int status = EXIT_PASS;

	if (!doms)
		die(EXIT_LAB, "the guests cannot be listed: %s", virGetLastErrorMessage());
	while (doms[n])
		n++;
	removals = calloc(n + 1, sizeof(*removals));
	if (!removals)
		die(EXIT_LAB, "out of memory");
	for (size_t i = 0; i < n; i++) {
		removals[i].dom = doms[i];
		removals[i].started =
			!pthread_create(&removals[i].thread, NULL, remove_guest, &removals[i]);
		if (!removals[i].started)
			remove_guest(&removals[i]);
	}
	for (size_t i = 0; i < n; i++) {
		const char *name = virDomainGetName(doms[i]);

		if (removals[i].started)
			pthread_join(removals[i].thread, NULL);
		if (removals[i].error[0]) {
			log_warn("guest %s cannot be taken down: %s", name, removals[i].error);
			status = EXIT_LAB;
		} else {
			puts(name);
		}
	}
	free(removals);
	guests_free(doms);
	return status;
}
