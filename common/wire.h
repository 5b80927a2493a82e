/* SPDX-License-Identifier: MIT */
/*
 * Calls of libvirt, none of which a daemon waits for without limit: a guest's stopped QEMU, a guest
 * that is being dumped, saved or migrated, or a libvirtd that stands still holds up nobody else. A
 * wire that is not guarded makes its calls in place, however long they take.
 */
#ifndef BALLAST_WIRE_H
#define BALLAST_WIRE_H

#include "calls.h"

#include <libvirt/libvirt.h>

#define WIRE_ERROR_MAX 256

struct wire {
	bool guarded;
	bool read_only; /* connections that wire_open() makes can change nothing */
	struct calls calls;
	double read_s;		 /* how long an answer about guests and host is waited for … */
	double change_s;	 /* … and one to a change */
	unsigned int connection; /* counts them: calls left behind are of the present one or not */
	bool told;		 /* that a guest does not answer */
	int code;		 /* of what failed last: libvirt's, or VIR_ERR_OPERATION_TIMEOUT */
	char error[WIRE_ERROR_MAX]; /* and its message */
};

/* From here on no call is waited for longer than these limits, and than tick_quit lets it. */
void wire_guard(struct wire *wire, int quit_fd, double interval_s);

/* Frees what came back late. */
void wire_reap(struct wire *wire);

/* Has the present connection as many calls that do not come back as it can bear? */
bool wire_is_full(const struct wire *wire);

/* A connection, or NULL with the error in wire. */
virConnectPtr wire_open(struct wire *wire, const char *uri);

/* Runs something that makes calls of its own and may be left to it: opaque must live on then. True
 * if it is back. */
bool wire_run(struct wire *wire, void (*run)(void *opaque), void *opaque, double limit_s);

/*
 * Bulk statistics of all active guests. Whoever asks first waits inside a guest that hangs; whoever
 * asks next, without waiting, gets all others. So where an answer is late the question is put once
 * more. Returns how many; −1 with the error in wire. The caller frees *records.
 */
int wire_stats(struct wire *wire, virConnectPtr conn, unsigned int groups,
	       virDomainStatsRecordPtr **records);

/* The same for the domains of a list that ends with NULL, asked once. */
int wire_stats_of(struct wire *wire, virDomainPtr *domains, unsigned int groups,
		  virDomainStatsRecordPtr **records);

/* Has a call waited for an answer of the guest's QEMU that long? */
bool wire_is_occupied(struct wire *wire, virDomainPtr dom, double least_s);

/* A guest's XML or the host's capabilities, which the caller frees; NULL with the error in wire. */
char *wire_xml(struct wire *wire, virDomainPtr dom);
char *wire_capabilities(struct wire *wire, virConnectPtr conn);

/* NULL with the error in wire; the caller frees it with virDomainFree(). */
virDomainPtr wire_lookup(struct wire *wire, virConnectPtr conn, const unsigned char *uuid);

/* How many pCPUs there can be; the online ones in *map, which the caller frees, unless map is NULL.
 * −1 with the error in wire. */
int wire_cpu_map(struct wire *wire, virConnectPtr conn, unsigned char **map);

/* Affinities of a guest's vCPUs as they were asked for, n maps of maplen bytes. Returns how many,
 * −1 with the error in wire. */
int wire_affinity(struct wire *wire, virDomainPtr dom, int n, unsigned char *maps, int maplen);

/*
 * The same as the kernel has them, which a cpuset of the guest's slice or partition narrows. Maps
 * of vCPUs that are offline stay empty. Returns how many are not, −1 with the error in wire.
 */
int wire_places(struct wire *wire, virDomainPtr dom, int n, unsigned char *maps, int maplen);

/* The guest's shares as they are in force; 0: not known. */
unsigned long long wire_shares(struct wire *wire, virDomainPtr dom);

/* KiB that the host of a connection has and could give out. 0, −1 with the error in wire. */
int wire_node_memory(struct wire *wire, virConnectPtr conn, long long *total_kib,
		     long long *available_kib);

/*
 * Changes, all of the running guest alone. 0; −1 with the error in wire. Where left is given, one
 * that was not waited for is kept in *left, for wire_is_back().
 */
int wire_pin(struct wire *wire, virDomainPtr dom, unsigned int number, const unsigned char *map,
	     int maplen, struct call **left);
int wire_set_memory(struct wire *wire, virDomainPtr dom, unsigned long kib, struct call **left);
int wire_set_period(struct wire *wire, virDomainPtr dom, int period_s);

/* True if it is back: *result is what it returned, *left NULL. */
bool wire_is_back(struct wire *wire, struct call **left, int *result);

/* Nobody will ask about it any more. */
void wire_forget(struct wire *wire, struct call **left);

#endif
