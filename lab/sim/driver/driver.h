/* SPDX-License-Identifier: MIT */
/*
 * libvirt's QEMU driver on the model: what libvirtd does for a call, once it has been read from the
 * wire (../host). Each function driver_… is one call: begun with what it needs (a running guest),
 * ended with its result, which goes into the trace; in between it fails with libvirt's own codes.
 * Knows nothing of the physics: figures come from the model.
 */
#ifndef BALLAST_SIM_DRIVER_H
#define BALLAST_SIM_DRIVER_H

#include "model/model.h"
#include "world/play.h"
#include "uuid.h"

#include <jansson.h>
#define VIR_ENUM_SENTINELS
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DRIVER_ERROR_MAX 512

/* --- the run (../host/seam.c) --- */

struct play *driver_play(void);
/* Virtual time, ns. */
uint64_t driver_now(void);
/* Answers others meanwhile. */
void driver_wait(uint64_t until_ns);
/* The simulation itself has failed. */
void driver_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The run begins; something has happened in the world, and is in the trace. */
void driver_start(void);
void driver_on_event(const struct world_event *event);

/* Whether a call is about the domain that runs or its persistent definition. */
#define IMPACT (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

/* The period a guest's CPU quota is given for, as libvirt's default. */
#define CPU_PERIOD_US 100000

/* --- clients and domains (handle.c) --- */

struct registration; /* of a domain event, event.c */
struct pending;	     /* an event on its way */

/* Who has opened a connection to the driver. */
struct client {
	struct client *next;
	void *opaque; /* the host's */
	bool readonly;
	unsigned int restarts; /* of libvirtd before it was opened */
	char *uri;
	/* event.c */
	struct registration *registrations;
	struct pending *pending, **pending_end;
};

/* A domain as a client names it: the guest at that place, or one that had its name. */
struct domain {
	struct client *conn;
	size_t place; /* in the world's guests */
	int id;	      /* when it was looked up; −1: it was off */
	unsigned char uuid[VIR_UUID_BUFLEN];
	const char *name;
};

struct client *client_new(const char *uri, bool readonly);
void client_free(struct client *client);
/* Linked by next. */
struct client *client_first(void);

/* The guest at that place as it is now, to be freed; NULL: out of memory. */
struct domain *domain_new(struct client *client, size_t place);

/* --- guests beyond the model: what libvirt keeps of them (guest.c) --- */

struct driver_guest {
	int id;		     /* −1: off */
	unsigned char *pins; /* of the persistent definition: vCPUs × model_maplen(); NULL: as at
				the start */
	uint64_t memory_kib; /* of the persistent definition */
	uint64_t maximum_kib;
	bool autostart;
	unsigned int period_us; /* the time a CPU quota is given for */
	/* metadata.c; NULL: as at the start. And what has happened since they were looked at.
	 */
	struct driver_metadata *live_metadata, *config_metadata;
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
struct driver_guest *guest_at(size_t place);
bool guest_running(size_t place);
/* Places in the order of libvirt's lists: arbitrary, but the same while the guests are. */
const size_t *guests_in_order(size_t *count);

/* Whether flags of driver_connect_list_all_domains() choose it. */
bool guest_listed(size_t place, unsigned int flags);

/* enum virDomainState. */
int domain_state(size_t place, int *reason);

struct model *driver_model(void);
struct world *driver_world(void);

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

struct driver_metadata;

/* What an administrator wants of a controller, as an element of a domain's metadata. */
#define POLICY_NAMESPACE "urn:ballast:policy:1"

/* As a part of the domain's XML. */
void metadata_print(FILE *out, size_t place, bool live);

/* --- calls (call.c) --- */

enum call_kind {
	CALL_READS = 0,
	CALL_WRITES = 1, /* not on a read-only connection */
};

struct call {
	const char *function;
	struct client *conn;
	const struct world_guest *guest; /* of a domain's call */
	struct driver_guest *state;
	unsigned int id; /* the model's guest */
	json_t *arguments;
	int noop; /* −1: does not apply */
	bool recorded;
	int code;   /* 0: no error so far */
	int from;   /* where the error comes from: enum virErrorDomain */
	bool whole; /* the message stands for itself */
	char message[DRIVER_ERROR_MAX];
};

/* Begins a call; 0, or −1 where it has failed already. It must be ended either way. */
int call_begin(struct call *c, const char *function, struct client *conn, int kind);
int call_begin_domain(struct call *c, const char *function, struct domain *domain, int kind);
/* Whatever stands between. */
void call_begin_bare(struct call *c, const char *function);

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

struct driver_error {
	int code, domain; /* enum virErrorNumber, virErrorDomain */
	char message[DRIVER_ERROR_MAX + 128];
};

/* Of the last call that ended, for whoever answers it. */
const struct driver_error *driver_error(void);
/* message: with its prefix. */
void error_raise(int from, int code, const char *message);
void error_reset(void);
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
/* What has happened goes to the clients that want it. */
void events_hand_out(void);
/* The client hears of nothing any more. */
void events_forget(struct client *client);

struct driver_event {
	int kind;	   /* enum virDomainEventID */
	int what, detail;  /* lifecycle, agent; what: of metadata, too */
	uint64_t kib;	   /* balloon */
	const char *field; /* tunable */
	const char *text;  /* tunable, metadata; NULL: number */
	int type;	   /* tunable: of text, or number where there is none */
	long long number;
};

/* Whether the connection of the call that has just ended is to die in the middle of its reply. */
bool driver_cuts(void);

/* The host's: sends a client the event that it registered for under that id. */
void driver_tell(struct client *client, int id, const struct domain *domain,
		 const struct driver_event *event);

/* --- XML (xml.c) --- */

char *xml_capabilities(void);
/* Of the guest at that place: as it runs, or as it is defined. */
char *xml_domain(size_t place, bool live);

/* --- the calls: arguments and results as of the public function of that name --- */

struct driver_stats {
	struct domain *dom;
	virTypedParameterPtr params;
	int nparams;
};

/* connect.c */
struct client *driver_connect_open(const char *uri, bool readonly);
char *driver_connect_get_uri(struct client *conn);
char *driver_connect_get_hostname(struct client *conn);
const char *driver_connect_get_type(struct client *conn);
int driver_connect_get_version(struct client *conn, unsigned long *version);
int driver_connect_get_lib_version(struct client *conn, unsigned long *version);
int driver_connect_get_max_vcpus(struct client *conn, const char *type);
char *driver_connect_get_capabilities(struct client *conn);
int driver_connect_list_all_domains(struct client *conn, struct domain ***domains,
				    unsigned int flags);
int driver_connect_num_of_domains(struct client *conn);
int driver_connect_num_of_defined_domains(struct client *conn);
int driver_connect_list_domains(struct client *conn, int *ids, int most);
int driver_connect_list_defined_domains(struct client *conn, char **const names, int most);

/* node.c */
int driver_node_get_info(struct client *conn, virNodeInfoPtr info);
int driver_node_get_cpu_map(struct client *conn, unsigned char **map, unsigned int *online,
			    unsigned int flags);
int driver_node_get_cpu_stats(struct client *conn, int number, virNodeCPUStatsPtr params,
			      int *nparams, unsigned int flags);
int driver_node_get_memory_stats(struct client *conn, int cell, virNodeMemoryStatsPtr params,
				 int *nparams, unsigned int flags);
unsigned long long driver_node_get_free_memory(struct client *conn);
int driver_node_get_cells_free_memory(struct client *conn, unsigned long long *out, int start,
				      int most);
int driver_node_get_security_model(struct client *conn, virSecurityModelPtr model);

/* domain.c */
struct domain *driver_domain_lookup_by_name(struct client *conn, const char *name);
struct domain *driver_domain_lookup_by_id(struct client *conn, int id);
struct domain *driver_domain_lookup_by_uuid(struct client *conn, const unsigned char *uuid);
char *driver_domain_get_os_type(struct domain *domain);
int driver_domain_is_persistent(struct domain *domain);
int driver_domain_is_updated(struct domain *domain);
/* What there is none of, by the function that asks (none.c). 0, −1. */
int driver_connect_none(struct client *conn, const char *function);
int driver_domain_none(struct domain *domain, const char *function);
/* Fails: there is no snapshot of that name, or no current one where it is NULL. */
int driver_domain_no_snapshot(struct domain *domain, const char *function, const char *name);
int driver_domain_set_vcpus(struct domain *domain, const char *function, unsigned int n);
int driver_domain_is_active(struct domain *domain);
int driver_domain_has_managed_save_image(struct domain *domain, unsigned int flags);
int driver_domain_has_current_snapshot(struct domain *domain, unsigned int flags);
int driver_domain_get_autostart(struct domain *domain, int *autostart);
int driver_domain_set_autostart(struct domain *domain, int autostart);
char *driver_domain_get_xml_desc(struct domain *domain, unsigned int flags);
int driver_domain_get_messages(struct domain *domain, char ***messages, unsigned int flags);
int driver_domain_get_state(struct domain *domain, int *state, int *reason, unsigned int flags);
int driver_domain_get_info(struct domain *domain, virDomainInfoPtr info);
int driver_domain_get_control_info(struct domain *domain, virDomainControlInfoPtr info,
				   unsigned int flags);
int driver_domain_suspend(struct domain *domain);
int driver_domain_resume(struct domain *domain);
int driver_domain_destroy(struct domain *domain);
int driver_domain_destroy_flags(struct domain *domain, unsigned int flags);
int driver_domain_shutdown(struct domain *domain);
int driver_domain_shutdown_flags(struct domain *domain, unsigned int flags);
int driver_domain_reboot(struct domain *domain, unsigned int flags);
int driver_domain_reset(struct domain *domain, unsigned int flags);
int driver_domain_create(struct domain *domain);
int driver_domain_create_with_flags(struct domain *domain, unsigned int flags);

/* cpu.c */
int driver_domain_get_max_vcpus(struct domain *domain);
int driver_domain_get_vcpus_flags(struct domain *domain, unsigned int flags);
int driver_domain_pin_vcpu(struct domain *domain, unsigned int vcpu, unsigned char *map, int len);
int driver_domain_pin_vcpu_flags(struct domain *domain, unsigned int vcpu, unsigned char *map,
				 int len, unsigned int flags);
int driver_domain_pin_emulator(struct domain *domain, unsigned char *map, int len,
			       unsigned int flags);
int driver_domain_get_emulator_pin_info(struct domain *domain, unsigned char *map, int len,
					unsigned int flags);
int driver_domain_get_vcpus(struct domain *domain, virVcpuInfoPtr info, int most,
			    unsigned char *maps, int maplen);
int driver_domain_get_vcpu_pin_info(struct domain *domain, int most, unsigned char *maps,
				    int maplen, unsigned int flags);
int driver_domain_get_cpu_stats(struct domain *domain, virTypedParameterPtr params,
				unsigned int nparams, int start, unsigned int ncpus,
				unsigned int flags);

/* memory.c */
unsigned long driver_domain_get_max_memory(struct domain *domain);
int driver_domain_set_memory(struct domain *domain, unsigned long kib);
int driver_domain_set_memory_flags(struct domain *domain, unsigned long kib, unsigned int flags);
int driver_domain_set_max_memory(struct domain *domain, unsigned long kib);
int driver_domain_memory_stats(struct domain *domain, virDomainMemoryStatPtr out, unsigned int most,
			       unsigned int flags);
int driver_domain_set_memory_stats_period(struct domain *domain, int period, unsigned int flags);

/* metadata.c */
char *driver_domain_get_metadata(struct domain *domain, int type, const char *uri,
				 unsigned int flags);
int driver_domain_set_metadata(struct domain *domain, int type, const char *metadata,
			       const char *key, const char *uri, unsigned int flags);

/* schedule.c */
char *driver_domain_get_scheduler_type(struct domain *domain, int *nparams);
int driver_domain_get_scheduler_parameters(struct domain *domain, virTypedParameterPtr params,
					   int *nparams);
int driver_domain_get_scheduler_parameters_flags(struct domain *domain, virTypedParameterPtr params,
						 int *nparams, unsigned int flags);
int driver_domain_set_scheduler_parameters(struct domain *domain, virTypedParameterPtr params,
					   int nparams);
int driver_domain_set_scheduler_parameters_flags(struct domain *domain, virTypedParameterPtr params,
						 int nparams, unsigned int flags);

/* stats.c */
int driver_connect_get_all_domain_stats(struct client *conn, unsigned int stats,
					struct driver_stats ***out, unsigned int flags);
int driver_domain_list_get_stats(struct client *client, struct domain *const *domains,
				 size_t ndomains, unsigned int stats, struct driver_stats ***out,
				 unsigned int flags);
void driver_stats_free(struct driver_stats **records);

/* agent.c */
char *driver_domain_qemu_agent_command(struct domain *domain, const char *cmd, int timeout,
				       unsigned int flags);
int driver_domain_agent_set_response_timeout(struct domain *domain, int timeout,
					     unsigned int flags);

/* event.c */
int driver_event_register(struct client *client, const struct domain *domain, int event);
int driver_event_deregister(struct client *client, int id);

#endif
