/* SPDX-License-Identifier: MIT */
/* Answers to what this host has none of: empty lists, no job, no limits. As libvirt 9.0.0 tells of
 * a guest without. */
#include "answers.h"

#include "driver/driver.h"
#include "lab/rpc/procedures.h"

#include <string.h>

#define NO_LIMIT 9007199254740991ULL /* VIR_DOMAIN_MEMORY_PARAM_UNLIMITED */

static const char *name_of(const struct call_in *c, char buf[128])
{
	return rpc_function_name(rpc_procedure(c->header.procedure), buf, 128);
}

static bool none(struct call_in *c, struct domain *domain)
{
	char name[128];

	return (domain ? driver_domain_none(domain, name_of(c, name))
		       : driver_connect_none(c->connection->client, name_of(c, name))) == 0;
}

/* A number of things, or a list of their names. */
bool answer_none(struct call_in *c)
{
	rpc_put_i32(c->out, 0);
	return none(c, NULL);
}

/* A list of the things themselves, and how many they are. */
bool answer_none_listed(struct call_in *c)
{
	rpc_put_u32(c->out, 0);
	rpc_put_u32(c->out, 0);
	return none(c, NULL);
}

bool answer_domain_none(struct call_in *c, struct domain *domain)
{
	rpc_put_i32(c->out, 0);
	return none(c, domain);
}

/* Of a job: its kind, and no figures. */
bool answer_domain_none_listed(struct call_in *c, struct domain *domain)
{
	rpc_put_u32(c->out, 0);
	rpc_put_u32(c->out, 0);
	return none(c, domain);
}

bool answer_job_info(struct call_in *c, struct domain *domain)
{
	rpc_put_i32(c->out, VIR_DOMAIN_JOB_NONE);
	for (int i = 0; i < 11; i++) /* times, then data, memory and file in total, done, left */
		rpc_put_u64(c->out, 0);
	return none(c, domain);
}

bool answer_no_snapshot(struct call_in *c, struct domain *domain)
{
	char name[128];

	driver_domain_no_snapshot(domain, name_of(c, name),
				  c->args->n > 2 ? c->args->value[1].s : NULL);
	return false;
}

bool answer_set_vcpus(struct call_in *c, struct domain *domain)
{
	char name[128];

	return driver_domain_set_vcpus(domain, name_of(c, name), c->args->value[1].u) == 0;
}

/* --- typed parameters --- */

static virTypedParameter parameter(const char *field, int type)
{
	virTypedParameter p = {.type = type};

	strncpy(p.field, field, sizeof(p.field) - 1);
	return p;
}

/* How many there are, where no room is given; the first of them, where it is. */
static bool put_params(struct call_in *c, struct domain *domain, const virTypedParameter *params,
		       size_t n)
{
	size_t room = (size_t)c->args->value[1].i;

	if (!none(c, domain))
		return false;
	answer_params(c->out, params, room == 0 ? 0 : room < n ? room : n);
	rpc_put_i32(c->out, (int32_t)n);
	return true;
}

bool answer_memory_parameters(struct call_in *c, struct domain *domain)
{
	static const char *const fields[] = {"hard_limit", "soft_limit", "swap_hard_limit"};
	virTypedParameter params[3];

	for (size_t i = 0; i < 3; i++) {
		params[i] = parameter(fields[i], VIR_TYPED_PARAM_ULLONG);
		params[i].value.ul = NO_LIMIT;
	}
	return put_params(c, domain, params, 3);
}

bool answer_numa_parameters(struct call_in *c, struct domain *domain)
{
	virTypedParameter params[] = {parameter("numa_mode", VIR_TYPED_PARAM_INT),
				      parameter("numa_nodeset", VIR_TYPED_PARAM_STRING)};

	params[1].value.s = (char[]){""};
	return put_params(c, domain, params, 2);
}

bool answer_blkio_parameters(struct call_in *c, struct domain *domain)
{
	static const char *const fields[] = {"device_weight", "device_read_iops_sec",
					     "device_write_iops_sec", "device_read_bytes_sec",
					     "device_write_bytes_sec"};
	virTypedParameter params[6] = {parameter("weight", VIR_TYPED_PARAM_UINT)};

	params[0].value.ui = 100;
	for (size_t i = 1; i < 6; i++) {
		params[i] = parameter(fields[i - 1], VIR_TYPED_PARAM_STRING);
		params[i].value.s = (char[]){""};
	}
	return put_params(c, domain, params, 6);
}

bool answer_perf_events(struct call_in *c, struct domain *domain)
{
	static const char *const fields[] = {"cmt",
					     "mbmt",
					     "mbml",
					     "cpu_cycles",
					     "instructions",
					     "cache_references",
					     "cache_misses",
					     "branch_instructions",
					     "branch_misses",
					     "bus_cycles",
					     "stalled_cycles_frontend",
					     "stalled_cycles_backend",
					     "ref_cpu_cycles",
					     "cpu_clock",
					     "task_clock",
					     "page_faults",
					     "context_switches",
					     "cpu_migrations",
					     "page_faults_min",
					     "page_faults_maj",
					     "alignment_faults",
					     "emulation_faults"};
	virTypedParameter params[sizeof(fields) / sizeof(*fields)];

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		params[i] = parameter(fields[i], VIR_TYPED_PARAM_BOOLEAN);
	if (!none(c, domain))
		return false;
	answer_params(c->out, params, sizeof(fields) / sizeof(*fields));
	return true;
}
