/* SPDX-License-Identifier: MIT */
/* A scenario's guests on a host: the connection, the pCPUs, the domains. */
#include "machines.h"

#include "labguest.h"
#include "log.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

static int find_guests(struct machines *m)
{
	char error[LABGUEST_ERROR_MAX];

	m->doms = calloc(m->scenario.nguests, sizeof(*m->doms));
	for (size_t i = 0; m->doms && i < m->scenario.nguests; i++) {
		m->doms[i] = labguest_find(m->session.conn, m->scenario.guests[i].name, error);
		if (!m->doms[i]) {
			log_warn("%s", error);
			return EXIT_LAB;
		}
	}
	return m->doms ? EXIT_PASS : EXIT_LAB;
}

int machines_open(struct machines *m, const char *uri, const char *scenario, const char *prefix)
{
	char error[SCENARIO_ERROR_MAX];
	int n;

	if (scenario_read(&m->scenario, scenario, error)) {
		log_warn("%s", error);
		return EXIT_USAGE;
	}
	if (session_init(&m->session, uri) || session_open(&m->session)) {
		log_warn("cannot connect to %s: %s; see `ballast doctor`", uri,
			 virGetLastErrorMessage());
		return EXIT_LAB;
	}
	n = labguest_pcpus(m->session.conn, &m->pcpus);
	if (n <= 0) {
		log_warn("%s reports no pCPUs: %s", uri, virGetLastErrorMessage());
		return EXIT_LAB;
	}
	m->npcpus = (size_t)n;
	if (scenario_resolve(&m->scenario, m->pcpus, m->npcpus, prefix, error)) {
		log_warn("%s", error);
		return EXIT_USAGE;
	}
	return find_guests(m);
}

void machines_close(struct machines *m)
{
	for (size_t i = 0; m->doms && i < m->scenario.nguests; i++) {
		if (m->doms[i])
			virDomainFree(m->doms[i]);
	}
	free(m->doms);
	if (m->session.conn)
		session_close(&m->session);
	free(m->pcpus);
	scenario_free(&m->scenario);
}
