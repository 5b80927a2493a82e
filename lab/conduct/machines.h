/* SPDX-License-Identifier: MIT */
/* A scenario's guests on a host: the connection, the pCPUs, the domains. */
#ifndef BALLAST_MACHINES_H
#define BALLAST_MACHINES_H

#include "scenario.h"
#include "session.h"

#include <stddef.h>

struct machines {
	struct session session;
	struct scenario scenario; /* resolved for this host */
	int *pcpus;		  /* ids of the online ones, ascending */
	size_t npcpus;
	virDomainPtr *doms; /* by the scenario's guests; all are there */
};

/*
 * Reads the scenario, connects to the host and finds the guests, which are named prefix1, prefix2
 * and so on. EXIT_PASS; EXIT_USAGE or EXIT_LAB after a line on stderr. Close it in any case.
 */
int machines_open(struct machines *m, const char *uri, const char *scenario, const char *prefix);

void machines_close(struct machines *m);

#endif
