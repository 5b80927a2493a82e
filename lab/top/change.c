/* SPDX-License-Identifier: MIT */
/* What keys of `ballast top` change: pins, memory and loads of the lab's own guests, of no others.
 */
#include "live.h"

#include "labguest.h"
#include "timeline.h"
#include "units.h"
#include "workloads/load.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The guest, if it may be changed, and what is shown of it. NULL with why not in message. */
static virDomainPtr guest_to_change(struct live *l, const char *guest, struct live_guest **shown,
				    char message[TOP_ERROR_MAX])
{
	if (l->args.all) {
		snprintf(message, TOP_ERROR_MAX,
			 "--all only shows: without it guests can be changed");
		return NULL;
	}
	for (size_t i = 0; i < l->nguests; i++) {
		*shown = &l->guests[i];
		if (!strcmp(l->guests[i].name, guest))
			return labguest_find(l->session.conn, guest, message);
	}
	snprintf(message, TOP_ERROR_MAX, "no guest is selected: arrow keys select one");
	return NULL;
}

/* "1" of all vCPUs, "0:1" of vCPU 0. −1 with why not. */
static int read_pin(struct live *l, const struct live_guest *g, const char *text, long *vcpu,
		    unsigned char *map, char message[TOP_ERROR_MAX])
{
	const char *colon = strchr(text, ':');
	char first[16];

	*vcpu = -1;
	if (colon) {
		snprintf(first, sizeof(first), "%.*s", (int)(colon - text), text);
		if (parse_integer(first, 0, (long)g->ncurrent - 1, vcpu)) {
			snprintf(message, TOP_ERROR_MAX, "%s has no vCPU %s: 0 to %zu", g->name,
				 first, g->ncurrent - 1);
			return -1;
		}
	}
	if (cpumap_parse(colon ? colon + 1 : text, map, (size_t)l->maplen) ||
	    !cpumap_count(map, (size_t)l->maplen)) {
		snprintf(message, TOP_ERROR_MAX,
			 "'%s' are no pCPUs of this host; 1, 0-1 or 0:1 would be", text);
		return -1;
	}
	return 0;
}

int live_pin(struct live *l, const char *guest, const char *text, char message[TOP_ERROR_MAX])
{
	struct live_guest *g;
	virDomainPtr dom = guest_to_change(l, guest, &g, message);
	unsigned char map[CPULIST_MAX] = {0};
	long vcpu;
	int status = 0;

	if (!dom)
		return -1;
	if (read_pin(l, g, text, &vcpu, map, message)) {
		virDomainFree(dom);
		return -1;
	}
	for (size_t v = 0; v < g->ncurrent && !status; v++) {
		if (vcpu < 0 || (size_t)vcpu == v)
			status = wire_pin(&l->session.wire, dom, (unsigned int)v, map, l->maplen,
					  NULL);
	}
	snprintf(message, TOP_ERROR_MAX, status ? "%s: %s" : "%s is pinned to %s", guest,
		 status ? session_error(&l->session) : text);
	virDomainFree(dom);
	return status;
}

int live_memory(struct live *l, const char *guest, const char *text, char message[TOP_ERROR_MAX])
{
	struct live_guest *g;
	virDomainPtr dom = guest_to_change(l, guest, &g, message);
	uint64_t kib;
	int status = -1;

	if (!dom)
		return -1;
	if (parse_size(text, &kib) || kib < 32 * KIB_PER_MIB) {
		snprintf(message, TOP_ERROR_MAX,
			 "'%s' is no size of a guest; 512M or 1.5G would be", text);
	} else if (g->maximum_kib > 0 && kib > (uint64_t)g->maximum_kib) {
		char most[32];

		snprintf(message, TOP_ERROR_MAX, "%s: %s is more than its maximum, %s", guest, text,
			 format_size((uint64_t)g->maximum_kib, most, sizeof(most)));
	} else {
		status = wire_set_memory(&l->session.wire, dom, kib, NULL);
		if (!status)
			g->target_kib = (int64_t)kib;
		snprintf(message, TOP_ERROR_MAX, status ? "%s: %s" : "%s is to have %s", guest,
			 status ? session_error(&l->session) : text);
	}
	virDomainFree(dom);
	return status;
}

int live_load(struct live *l, const char *guest, const char *text, char message[TOP_ERROR_MAX])
{
	struct live_guest *g;
	virDomainPtr dom = guest_to_change(l, guest, &g, message);
	char error[SCENARIO_ERROR_MAX];
	struct phase phase = {0};
	json_t *ended = NULL;
	int status = -1;

	if (!dom)
		return -1;
	if (phase_parse_load(text, &phase, error)) {
		snprintf(message, TOP_ERROR_MAX, "%.250s", error);
	} else if (load_prepare(dom, l->args.loads, error) ||
		   load_begin(dom, &phase, &ended, error)) {
		snprintf(message, TOP_ERROR_MAX, "%.64s: %.180s", guest, error);
	} else {
		status = 0;
		snprintf(message, TOP_ERROR_MAX, "%s: %s", guest, text);
		snprintf(g->load, sizeof(g->load), "%s", text);
	}
	json_decref(ended);
	free(phase.text);
	virDomainFree(dom);
	return status;
}
