/* SPDX-License-Identifier: MIT */
/*
 * libvirt's functions on the simulated host: what the api_*.c share. Each public function is one
 * call: begun with what it needs (a live connection, a running guest), ended with its result, which
 * goes into the trace; in between it fails with libvirt's own codes. Knows nothing of the physics:
 * figures come from the model.
 */
#ifndef BALLAST_SIM_API_H
#define BALLAST_SIM_API_H

#include "model/model.h"
#include "preload/real.h"
#include "world/world.h"
#include "uuid.h"

#include <jansson.h>
#define VIR_ENUM_SENTINELS
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define API_ERROR_MAX 512

/* Whether a call is about the domain that runs or its persistent definition. */
#define IMPACT (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

/* The period a guest's CPU quota is given for, as libvirt's default. */
#define CPU_PERIOD_US 100000

/* --- handles (handle.c) --- */

struct registration; /* of a domain event, event.c */
struct pending;	     /* an event that waits for the event loop */

struct _virConnect {
	uint32_t magic; /* first in every handle */
	unsigned int references;
	struct _virConnect *next; /* among the open ones */
	bool readonly;
	unsigned int restarts; /* of libvirtd before it was opened */
	char *uri;
	virErrorFunc on_error;
	void *on_error_opaque;
	virError last_error;
	/* event.c */
	struct registration *registrations;
	struct pending *pending, **pending_end;
	int eventfd; /* −1 until there is an event to wait for */
	int watch;
	bool handing_out;
	virConnectCloseFunc on_close;
	void *on_close_opaque;
	virFreeCallback on_close_free;
};

struct _virDomain {
	uint32_t magic;
	unsigned int references;
	virConnectPtr conn;
	size_t place; /* in the world's guests */
	int id;	      /* when it was looked up; −1: it was off */
	unsigned char uuid[VIR_UUID_BUFLEN];
	const char *name;
};

virConnectPtr connect_new(const char *uri, bool readonly);
bool connect_valid(virConnectPtr conn);
/* References left. The last one closes. */
unsigned int connect_release(virConnectPtr conn);
/* The open connections, linked by next. */
virConnectPtr connect_first(void);

/* A handle of the guest at that place as it is now; NULL: out of memory. */
virDomainPtr domain_new(virConnectPtr conn, size_t place);
bool domain_valid(virDomainPtr domain);
unsigned int domain_release(virDomainPtr domain);

/* --- guests beyond the model: what libvirt keeps of them (guest.c) --- */

struct api_guest {
	int id;		     /* −1: off */
	unsigned char *pins; /* of the persistent definition: vCPUs × model_maplen(); NULL: as at
				the start */
	uint64_t memory_kib; /* of the persistent definition */
	uint64_t maximum_kib;
	bool autostart;
	unsigned int period_us; /* the time a CPU quota is given for */
	/* metadata.c; NULL: as at the start. And what has happened since they were looked at.
	 */
	struct api_metadata *live_metadata, *config_metadata;
	bool stopped, replaced, policy_set;
	bool agent;		      /* is connected */
	bool unpaused;		      /* why it runs: somebody let it go on */
	unsigned int agent_lost;      /* what was `starts` when libvirt gave up on the agent */
	unsigned char *emulator_pins; /* model_maplen(); NULL: everywhere */
	uint64_t *pcpu_ns;	      /* time on each pCPU, once somebody asked; see cpu.c */
	uint64_t *seen_ns;	      /* per vCPU: what pcpu_ns holds of its time */
};

void guests_start(void);
void guests_on_event(const struct world_event *event);
struct api_guest *guest_at(size_t place);
bool guest_running(size_t place);
/* Places in the order of libvirt's lists: arbitrary, but the same while the guests are. */
const size_t *guests_in_order(size_t *count);

/* Whether flags of virConnectListAllDomains() choose it. */
bool guest_listed(size_t place, unsigned int flags);

/* enum virDomainState. */
int domain_state(size_t place, int *reason);

struct model *api_model(void);
struct world *api_world(void);

/* --- memory statistics, for both ways to ask (memory.c) --- */

#define MEMORY_STATS_MAX 16

struct memory_stat {
	int tag;	   /* enum virDomainMemoryStatTags */
	const char *field; /* in the bulk statistics */
	uint64_t value;	   /* KiB, but for counts and times */
};

/* Of a guest that runs, by the model's id. What is not known is not among them. Returns how many.
 */
size_t memory_stats(unsigned int id, struct memory_stat stats[MEMORY_STATS_MAX]);

/* --- titles, descriptions, elements of others' namespaces (metadata.c) --- */

struct api_metadata;

/* What an administrator wants of a controller, as an element of a domain's metadata. */
#define POLICY_NAMESPACE "urn:ballast:policy:1"

/* As a part of the domain's XML. */
void metadata_print(FILE *out, size_t place, bool live);

/* --- calls (call.c) --- */

enum call_kind {
	CALL_LOCAL = 0,	 /* answered in the client: not in the trace unless it was asked for */
	CALL_REMOTE = 1, /* a real one would ask libvirtd */
	CALL_WRITES = 2, /* not on a read-only connection */
};

struct call {
	const char *function;
	virConnectPtr conn;
	const struct world_guest *guest; /* of a domain's call */
	struct api_guest *state;
	unsigned int id; /* the model's guest */
	json_t *arguments;
	int noop; /* −1: does not apply */
	bool recorded;
	int code;   /* 0: no error so far */
	int from;   /* where the error comes from: enum virErrorDomain */
	bool whole; /* the message stands for itself */
	char message[API_ERROR_MAX];
};

/* Begins a call; 0, or −1 where it has failed already. It must be ended either way. */
int call_begin(struct call *c, const char *function, virConnectPtr conn, int kind);
int call_begin_domain(struct call *c, const char *function, virDomainPtr domain, int kind);
/* Without a handle. */
void call_begin_bare(struct call *c, const char *function, int kind);

/* More for the trace, as json_pack() takes it, an object. Costs nothing where calls are not
 * recorded. */
void call_arguments(struct call *c, const char *format, ...);

/* It fails: returns −1. The message is libvirt's, without what it puts in front of it for the code.
 */
int call_fail(struct call *c, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What holds the guest of a place now, or NULL; waits until then, in virtual time. */
struct fault_hold *call_hold(size_t place);
void call_wait(uint64_t until_ns);

/* The guest must run and does not. */
int call_fail_off(struct call *c);

/* The same for an argument that the client's side refuses: the message is all there is. */
int call_fail_argument(struct call *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Checks arguments as libvirt does; −1 where it failed. */
int call_check_flags(struct call *c, unsigned int flags, unsigned int allowed);
int call_check_pointer(struct call *c, const void *pointer, const char *name);
int call_check_positive(struct call *c, long value, const char *name);
int call_check_not_negative(struct call *c, long value, const char *name);
/* Not both of IMPACT. */
int call_check_exclusive(struct call *c, unsigned int flags);
/* By default the one that runs if it does; only that has a live one. Fills in flags. */
int call_check_impact(struct call *c, size_t place, unsigned int *flags);

/* Ends a call: raises its error or not, writes the trace; returns what the function should. */
int call_int(struct call *c, int result);
unsigned long long call_number(struct call *c, unsigned long long result);
void *call_pointer(struct call *c, void *result, const char *what);

/* The error of a function that is not here; returns −1. */
int call_unsupported(const char *function);

/* --- errors (error.c) --- */

/* message: with its prefix. */
void error_raise(virConnectPtr conn, int from, int code, const char *message);
/* What libvirt puts before a message of that code. */
const char *error_prefix(int code);
/* Of a name in fault_error_names. */
int error_code(const char *name);

/* A typed parameter, in a row that the program gave (cpu.c). */
/* A guest's weight as the host's cgroups count it: 1024 by default with v1, 100 with v2. */
unsigned int guest_shares(unsigned int id);
void put_ullong(virTypedParameterPtr param, const char *field, uint64_t value);

/* --- events (event.c) --- */

void events_on_event(const struct world_event *event);
/* A tunable was set through libvirt; type: VIR_TYPED_PARAM_LLONG or _ULLONG. */
void events_tuned(size_t place, const char *field, int type, long long value);
/* A pin made through libvirt; vcpu −1: of the emulator. */
void events_pinned(size_t place, int vcpu, const unsigned char *map, size_t maplen);
/* Its metadata was set; uri: of an element. */
void events_metadata(size_t place, int type, const char *uri);
/* libvirtd is gone: open connections are told. */
void events_restart(void);
void events_release(virConnectPtr conn);
/* Nobody hears of the connection's events any more, whatever was registered. */
void events_forget(virConnectPtr conn);

/* --- XML (xml.c) --- */

char *xml_capabilities(void);
/* Of the guest at that place: as it runs, or as it is defined. */
char *xml_domain(size_t place, bool live);

#endif
