/* SPDX-License-Identifier: MIT */
/* Calls about domains' vCPUs, memory and weights, bulk statistics, the guest agent and events. */
#include "answers.h"

#include "driver/driver.h"

#include <libvirt/libvirt-qemu.h>
#include <stdlib.h>
#include <string.h>

#define MAPS_MAX	 8388608
#define VCPUS_MAX	 16384
#define MEMORY_TAGS_MAX	 1024
#define SMALL_PARAMS_MAX 32
#define CPU_STATS_MAX	 2048

bool answer_too_much(struct call_in *c, long asked, long most)
{
	char text[128];

	(void)c;
	snprintf(text, sizeof(text), "too much is asked for: %ld > %ld", asked, most);
	error_raise(VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR, text);
	return false;
}

/* --- typed parameters --- */

static void put_param(struct rpc_out *out, const virTypedParameter *param)
{
	rpc_put_string(out, param->field);
	rpc_put_i32(out, param->type);
	switch (param->type) {
	case VIR_TYPED_PARAM_INT:
	case VIR_TYPED_PARAM_UINT:
		rpc_put_i32(out, param->value.i);
		break;
	case VIR_TYPED_PARAM_LLONG:
	case VIR_TYPED_PARAM_ULLONG:
		rpc_put_i64(out, param->value.l);
		break;
	case VIR_TYPED_PARAM_DOUBLE:
		rpc_put_double(out, param->value.d);
		break;
	case VIR_TYPED_PARAM_BOOLEAN:
		rpc_put_i32(out, param->value.b);
		break;
	default:
		rpc_put_string(out, param->value.s);
	}
}

/* Those of no type are not used. */
void answer_params(struct rpc_out *out, const virTypedParameter *params, size_t n)
{
	uint32_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += params[i].type != 0;
	rpc_put_u32(out, used);
	for (size_t i = 0; i < n; i++) {
		if (params[i].type)
			put_param(out, &params[i]);
	}
}

static void take_param(virTypedParameter *to, const struct rpc_param *from)
{
	*to = (virTypedParameter){.type = from->type};
	strncpy(to->field, from->field, VIR_TYPED_PARAM_FIELD_LENGTH - 1);
	switch (from->type) {
	case RPC_INT:
	case RPC_UINT:
		to->value.i = from->i;
		break;
	case RPC_BOOLEAN:
		to->value.b = (char)from->i;
		break;
	case RPC_DOUBLE:
		to->value.d = from->d;
		break;
	case RPC_STRING:
		to->value.s = (char *)from->s;
		break;
	default:
		to->value.l = from->l;
	}
}

/* --- vCPUs --- */

static bool put_number(struct call_in *c, int number)
{
	rpc_put_i32(c->out, number);
	return number >= 0;
}

bool answer_domain_max_vcpus(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_get_max_vcpus(domain));
}

bool answer_vcpus_flags(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_get_vcpus_flags(domain, c->args->value[1].u));
}

static bool room(struct call_in *c, int count, int maplen)
{
	if (count > VCPUS_MAX)
		return answer_too_much(c, count, VCPUS_MAX);
	if (count > 0 && maplen > 0 && (long)count * maplen > MAPS_MAX)
		return answer_too_much(c, (long)count * maplen, MAPS_MAX);
	return true;
}

static size_t bytes(int count, int maplen)
{
	return count > 0 && maplen > 0 ? (size_t)count * (size_t)maplen : 0;
}

bool answer_vcpus(struct call_in *c, struct domain *domain)
{
	int most = c->args->value[1].i, maplen = c->args->value[2].i, n = -1;
	virVcpuInfo *info;
	unsigned char *maps;

	if (!room(c, most, maplen))
		return false;
	info = calloc((size_t)(most > 0 ? most : 0) + 1, sizeof(*info));
	maps = calloc(1, bytes(most, maplen) + 1);
	if (info && maps)
		n = driver_domain_get_vcpus(domain, info, most, maplen > 0 ? maps : NULL, maplen);
	if (n >= 0)
		rpc_put_u32(c->out, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		rpc_put_u32(c->out, info[i].number);
		rpc_put_i32(c->out, info[i].state);
		rpc_put_u64(c->out, info[i].cpuTime);
		rpc_put_i32(c->out, info[i].cpu);
	}
	if (n >= 0)
		rpc_put_bytes(c->out, maps, bytes(n, maplen));
	free(info);
	free(maps);
	return n >= 0;
}

bool answer_pin_info(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;
	int most = v[1].i, maplen = v[2].i, n = -1;
	unsigned char *maps;

	if (!room(c, most, maplen))
		return false;
	maps = calloc(1, bytes(most, maplen) + 1);
	if (maps)
		n = driver_domain_get_vcpu_pin_info(domain, most, maps, maplen, v[3].u);
	if (n >= 0) {
		rpc_put_bytes(c->out, maps, bytes(n, maplen));
		rpc_put_i32(c->out, n);
	}
	free(maps);
	return n >= 0;
}

bool answer_pin(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;

	return driver_domain_pin_vcpu(domain, v[1].u, (unsigned char *)v[2].bytes.data,
				      (int)v[2].bytes.len) == 0;
}

bool answer_pin_flags(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;

	return driver_domain_pin_vcpu_flags(domain, v[1].u, (unsigned char *)v[2].bytes.data,
					    (int)v[2].bytes.len, v[3].u) == 0;
}

bool answer_pin_emulator(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;

	return driver_domain_pin_emulator(domain, (unsigned char *)v[1].bytes.data,
					  (int)v[1].bytes.len, v[2].u) == 0;
}

bool answer_emulator_pin(struct call_in *c, struct domain *domain)
{
	int maplen = c->args->value[1].i, n = -1;
	unsigned char *map;

	if (!room(c, 1, maplen))
		return false;
	map = calloc(1, bytes(1, maplen) + 1);
	if (map)
		n = driver_domain_get_emulator_pin_info(domain, map, maplen, c->args->value[2].u);
	if (n >= 0) {
		rpc_put_bytes(c->out, map, bytes(1, maplen));
		rpc_put_i32(c->out, n);
	}
	free(map);
	return n >= 0;
}

bool answer_cpu_stats(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;
	uint64_t size = (uint64_t)v[1].u * v[3].u;
	virTypedParameter *params = NULL;
	int n;

	if (size > CPU_STATS_MAX)
		return answer_too_much(c, (long)size, CPU_STATS_MAX);
	if (size)
		params = calloc(size, sizeof(*params));
	n = driver_domain_get_cpu_stats(domain, params, v[1].u, v[2].i, v[3].u, v[4].u);
	if (n >= 0) {
		answer_params(c->out, params, params ? size : 0);
		rpc_put_i32(c->out, n);
	}
	free(params);
	return n >= 0;
}

/* --- memory --- */

bool answer_max_memory(struct call_in *c, struct domain *domain)
{
	unsigned long kib = driver_domain_get_max_memory(domain);

	rpc_put_u64(c->out, kib);
	return kib;
}

bool answer_set_max_memory(struct call_in *c, struct domain *domain)
{
	return driver_domain_set_max_memory(domain, (unsigned long)c->args->value[1].uh) == 0;
}

bool answer_set_memory(struct call_in *c, struct domain *domain)
{
	return driver_domain_set_memory(domain, (unsigned long)c->args->value[1].uh) == 0;
}

bool answer_set_memory_flags(struct call_in *c, struct domain *domain)
{
	return driver_domain_set_memory_flags(domain, (unsigned long)c->args->value[1].uh,
					      c->args->value[2].u) == 0;
}

bool answer_memory_stats(struct call_in *c, struct domain *domain)
{
	virDomainMemoryStatStruct stats[MEMORY_TAGS_MAX];
	unsigned int most = c->args->value[1].u;
	int n;

	if (most > MEMORY_TAGS_MAX)
		return answer_too_much(c, (long)most, MEMORY_TAGS_MAX);
	n = driver_domain_memory_stats(domain, stats, most, c->args->value[2].u);
	if (n < 0)
		return false;
	rpc_put_u32(c->out, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		rpc_put_i32(c->out, stats[i].tag);
		rpc_put_u64(c->out, stats[i].val);
	}
	return true;
}

bool answer_stats_period(struct call_in *c, struct domain *domain)
{
	return driver_domain_set_memory_stats_period(domain, c->args->value[1].i,
						     c->args->value[2].u) == 0;
}

/* --- weights --- */

bool answer_scheduler_type(struct call_in *c, struct domain *domain)
{
	int n = 0;
	char *type = driver_domain_get_scheduler_type(domain, &n);

	if (type) {
		rpc_put_string(c->out, type);
		rpc_put_i32(c->out, n);
	}
	free(type);
	return type;
}

static bool put_schedule(struct call_in *c, struct domain *domain, bool with_flags)
{
	virTypedParameter params[SMALL_PARAMS_MAX] = {0};
	int n = c->args->value[1].i, status;

	if (n > SMALL_PARAMS_MAX)
		return answer_too_much(c, n, SMALL_PARAMS_MAX);
	status = with_flags ? driver_domain_get_scheduler_parameters_flags(domain, params, &n,
									   c->args->value[2].u)
			    : driver_domain_get_scheduler_parameters(domain, params, &n);
	if (status)
		return false;
	answer_params(c->out, params, (size_t)n);
	return true;
}

bool answer_schedule(struct call_in *c, struct domain *domain)
{
	return put_schedule(c, domain, false);
}

bool answer_schedule_flags(struct call_in *c, struct domain *domain)
{
	return put_schedule(c, domain, true);
}

static bool take_schedule(struct call_in *c, struct domain *domain, bool with_flags)
{
	virTypedParameter params[SMALL_PARAMS_MAX];
	size_t n = c->args->value[1].params.n;

	if (n > SMALL_PARAMS_MAX)
		return answer_too_much(c, (long)n, SMALL_PARAMS_MAX);
	for (size_t i = 0; i < n; i++)
		take_param(&params[i], &c->args->value[1].params.items[i]);
	if (with_flags)
		return driver_domain_set_scheduler_parameters_flags(domain, params, (int)n,
								    c->args->value[2].u) == 0;
	return driver_domain_set_scheduler_parameters(domain, params, (int)n) == 0;
}

bool answer_set_schedule(struct call_in *c, struct domain *domain)
{
	return take_schedule(c, domain, false);
}

bool answer_set_schedule_flags(struct call_in *c, struct domain *domain)
{
	return take_schedule(c, domain, true);
}

/* --- bulk statistics --- */

static int ask_some(struct call_in *c, struct driver_stats ***records)
{
	const union rpc_value *v = c->args->value;
	size_t n = v[0].domains.n;
	struct domain **domains = calloc(n + 1, sizeof(*domains));
	bool whole = domains;
	int count = -1;

	for (size_t i = 0; domains && i < n; i++) {
		domains[i] = answer_handle(c, &v[0].domains.items[i]);
		whole &= domains[i] != NULL;
	}
	if (whole)
		count = driver_domain_list_get_stats(c->connection->client, domains, n, v[1].u,
						     records, v[2].u);
	for (size_t i = 0; domains && i < n; i++)
		free(domains[i]);
	free(domains);
	return count;
}

bool answer_all_stats(struct call_in *c)
{
	const union rpc_value *v = c->args->value;
	struct driver_stats **records = NULL;
	int n = v[0].domains.n ? ask_some(c, &records)
			       : driver_connect_get_all_domain_stats(c->connection->client, v[1].u,
								     &records, v[2].u);

	if (n < 0)
		return false;
	rpc_put_u32(c->out, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		answer_domain(c->out, records[i]->dom);
		answer_params(c->out, records[i]->params, (size_t)records[i]->nparams);
	}
	driver_stats_free(records);
	return true;
}

/* --- the guest agent --- */

bool answer_agent(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;
	char *text = driver_domain_qemu_agent_command(domain, v[1].s, v[2].i, v[3].u);

	if (text)
		rpc_put_optional(c->out, text);
	free(text);
	return text;
}

bool answer_agent_timeout(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_agent_set_response_timeout(domain, c->args->value[1].i,
								      c->args->value[2].u));
}

/* --- events --- */

bool answer_register(struct call_in *c)
{
	const struct rpc_domain *dom = &c->args->value[1].dom;
	struct domain *domain = dom->name ? answer_handle(c, dom) : NULL;
	int id = driver_event_register(c->connection->client, domain, c->args->value[0].i);

	free(domain);
	return put_number(c, id);
}

bool answer_deregister(struct call_in *c)
{
	return driver_event_deregister(c->connection->client, c->args->value[0].i) == 0;
}
