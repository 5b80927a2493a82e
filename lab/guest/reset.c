/* SPDX-License-Identifier: MIT */
/* Guests as they came up: by the conductor's own way back, for guests of no scenario. */
#include "guest.h"

#include "cli.h"
#include "labguest.h"
#include "lab/conduct/stage.h"
#include "log.h"
#include "tick.h"
#include "units.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether name is the prefix and a number. */
static bool is_wanted(const char *name, const char *prefix)
{
	long number;

	return !*prefix || (!strncmp(name, prefix, strlen(prefix)) &&
			    !parse_integer(name + strlen(prefix), 1, 1000000, &number));
}

/* All lab guests of the prefix as those of a scenario without pins. */
static int find(struct machines *m, const char *prefix)
{
	virDomainPtr *doms;
	int n = virConnectListAllDomains(m->session.conn, &doms, 0), npcpus;
	size_t kept = 0;

	npcpus = labguest_pcpus(m->session.conn, &m->pcpus);
	if (n < 0 || npcpus <= 0)
		return -1;
	m->npcpus = (size_t)npcpus;
	m->scenario.guests = calloc((size_t)n + 1, sizeof(*m->scenario.guests));
	for (int i = 0; i < n; i++) {
		struct scenario_guest *guest = &m->scenario.guests[kept];
		virDomainInfo info;

		if (m->scenario.guests && is_wanted(virDomainGetName(doms[i]), prefix) &&
		    labguest_is(doms[i]) && virDomainGetInfo(doms[i], &info) == 0) {
			snprintf(guest->name, sizeof(guest->name), "%s", virDomainGetName(doms[i]));
			guest->vcpus = info.nrVirtCpu;
			doms[kept++] = doms[i];
		} else {
			virDomainFree(doms[i]);
		}
	}
	m->scenario.nguests = kept;
	m->doms = doms;
	return m->scenario.guests ? 0 : -1;
}

int guest_reset(const char *uri, const char *prefix)
{
	struct machines m = {0};
	int status = EXIT_PASS;

	if (session_init(&m.session, uri) || session_open(&m.session))
		cli_refuse_connection(&m.session, false);
	if (find(&m, prefix)) {
		log_warn("the guests cannot be listed: %s", virGetLastErrorMessage());
		status = EXIT_LAB;
	} else if (!m.scenario.nguests) {
		log_warn("no guests%s%s to reset", *prefix ? " of prefix " : "", prefix);
		status = EXIT_USAGE;
	} else if (stage_reset(&m) || stage_await_memory(&m)) {
		status = EXIT_LAB;
	}
	for (size_t i = 0; i < m.scenario.nguests; i++)
		virDomainFree(m.doms[i]);
	free(m.doms);
	free(m.scenario.guests);
	free(m.pcpus);
	session_close(&m.session);
	return tick_quit ? 128 + tick_quit : status;
}
