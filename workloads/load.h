/* SPDX-License-Identifier: MIT */
/*
 * Loads in one guest: bringing the programs into it, starting, steering, ending and asking after
 * them. Every function returns 0, or −1 with one line in error that does not name the guest.
 */
#ifndef BALLAST_LOAD_H
#define BALLAST_LOAD_H

#include "agent.h"
#include "scenario.h"

/*
 * Makes sure that the guest has exactly the programs and profiles of dir (workloads/build/guest):
 * compares digests, pushes them through the agent where they differ.
 */
int load_prepare(virDomainPtr dom, const char *dir, char error[AGENT_ERROR_MAX]);

/*
 * Begins a phase for which phase_sets_load() holds. *ended becomes an array with the final reports
 * of what it replaced or ended (the programs' own JSON objects), to be freed.
 */
int load_begin(virDomainPtr dom, const struct phase *phase, json_t **ended,
	       char error[AGENT_ERROR_MAX]);

/* Ends every load, as the phase "idle" does. */
int load_end(virDomainPtr dom, json_t **ended, char error[AGENT_ERROR_MAX]);

/* An array with the present reports of the loads that run. */
int load_status(virDomainPtr dom, json_t **reports, char error[AGENT_ERROR_MAX]);

#endif
