/* SPDX-License-Identifier: MIT */
/*
 * libvirt's calls as they come over the wire, each answered by the function of its name on the
 * model
 * (../driver), as libvirtd does it. A reply's fields are in the order of libvirt's protocol.
 */
#include "answers.h"

#include "driver/driver.h"
#include "lab/rpc/procedures.h"

#include <libvirt/libvirt-qemu.h>
#include <stdlib.h>
#include <string.h>

/* The most that a caller is given room for: libvirt's own limits. */
#define VCPUS_MAX	 16384
#define SMALL_PARAMS_MAX 32

/* --- the connection --- */

bool answer_open(struct call_in *c)
{
	const char *uri = c->args->value[0].s;
	bool readonly = c->connection->readonly || c->args->value[1].u & VIR_CONNECT_RO;

	if (c->connection->client)
		client_free(c->connection->client);
	c->connection->client = driver_connect_open(uri, readonly);
	if (c->connection->client)
		c->connection->client->opaque = c->connection;
	return c->connection->client;
}

bool answer_close(struct call_in *c)
{
	(void)c;
	return true;
}

/* Nobody needs to tell who they are. */
bool answer_auth_list(struct call_in *c)
{
	rpc_put_u32(c->out, 1);
	rpc_put_i32(c->out, 0);
	return true;
}

bool answer_feature(struct call_in *c)
{
	/* libvirt's numbers: strings in typed parameters, keepalive, events by callback, the close
	 * callback */
	const int32_t feature = c->args->value[0].i;

	rpc_put_i32(c->out, feature == 9 || feature == 10 || feature == 14 || feature == 15);
	return true;
}

bool answer_nothing(struct call_in *c)
{
	(void)c;
	return true;
}

/* --- texts and numbers of the connection --- */

static bool put_text(struct call_in *c, const char *text)
{
	if (text)
		rpc_put_string(c->out, text);
	return text;
}

/* The same of one that is to be freed. */
static bool put_own_text(struct call_in *c, char *text)
{
	bool fine = put_text(c, text);

	free(text);
	return fine;
}

static bool put_number(struct call_in *c, int number)
{
	rpc_put_i32(c->out, number);
	return number >= 0;
}

bool answer_type(struct call_in *c)
{
	return put_text(c, driver_connect_get_type(c->connection->client));
}

bool answer_hostname(struct call_in *c)
{
	return put_own_text(c, driver_connect_get_hostname(c->connection->client));
}

bool answer_uri(struct call_in *c)
{
	return put_own_text(c, driver_connect_get_uri(c->connection->client));
}

bool answer_capabilities(struct call_in *c)
{
	return put_own_text(c, driver_connect_get_capabilities(c->connection->client));
}

bool answer_version(struct call_in *c)
{
	unsigned long version = 0;
	int status = driver_connect_get_version(c->connection->client, &version);

	rpc_put_u64(c->out, version);
	return status == 0;
}

bool answer_lib_version(struct call_in *c)
{
	unsigned long version = 0;
	int status = driver_connect_get_lib_version(c->connection->client, &version);

	rpc_put_u64(c->out, version);
	return status == 0;
}

bool answer_is_secure(struct call_in *c)
{
	rpc_put_i32(c->out, 1);
	return true;
}

bool answer_max_vcpus(struct call_in *c)
{
	return put_number(c,
			  driver_connect_get_max_vcpus(c->connection->client, c->args->value[0].s));
}

/* --- the host --- */

bool answer_node_info(struct call_in *c)
{
	virNodeInfo info;

	if (driver_node_get_info(c->connection->client, &info))
		return false;
	rpc_put_chars(c->out, info.model, sizeof(info.model));
	rpc_put_u64(c->out, info.memory);
	rpc_put_i32(c->out, (int32_t)info.cpus);
	rpc_put_i32(c->out, (int32_t)info.mhz);
	rpc_put_i32(c->out, (int32_t)info.nodes);
	rpc_put_i32(c->out, (int32_t)info.sockets);
	rpc_put_i32(c->out, (int32_t)info.cores);
	rpc_put_i32(c->out, (int32_t)info.threads);
	return true;
}

bool answer_cpu_map(struct call_in *c)
{
	unsigned char *map = NULL;
	unsigned int online = 0;
	int count =
		driver_node_get_cpu_map(c->connection->client, c->args->value[0].i ? &map : NULL,
					c->args->value[1].i ? &online : NULL, c->args->value[2].u);

	if (count < 0)
		return false;
	rpc_put_bytes(c->out, map, map ? VIR_CPU_MAPLEN((size_t)count) : 0);
	rpc_put_u32(c->out, online);
	rpc_put_i32(c->out, count);
	free(map);
	return true;
}

bool answer_node_cpu_stats(struct call_in *c)
{
	virNodeCPUStats stats[SMALL_PARAMS_MAX] = {0};
	int asked = c->args->value[1].i, n = asked;

	if (asked > SMALL_PARAMS_MAX)
		return answer_too_much(c, asked, SMALL_PARAMS_MAX);
	if (driver_node_get_cpu_stats(c->connection->client, c->args->value[0].i,
				      asked ? stats : NULL, &n, c->args->value[2].u))
		return false;
	rpc_put_u32(c->out, asked ? (uint32_t)n : 0);
	for (int i = 0; asked && i < n; i++) {
		rpc_put_string(c->out, stats[i].field);
		rpc_put_u64(c->out, stats[i].value);
	}
	rpc_put_i32(c->out, n);
	return true;
}

bool answer_node_memory_stats(struct call_in *c)
{
	virNodeMemoryStats stats[SMALL_PARAMS_MAX] = {0};
	int asked = c->args->value[0].i, n = asked;

	if (asked > SMALL_PARAMS_MAX)
		return answer_too_much(c, asked, SMALL_PARAMS_MAX);
	if (driver_node_get_memory_stats(c->connection->client, c->args->value[1].i,
					 asked ? stats : NULL, &n, c->args->value[2].u))
		return false;
	rpc_put_u32(c->out, asked ? (uint32_t)n : 0);
	for (int i = 0; asked && i < n; i++) {
		rpc_put_string(c->out, stats[i].field);
		rpc_put_u64(c->out, stats[i].value);
	}
	rpc_put_i32(c->out, n);
	return true;
}

bool answer_free_memory(struct call_in *c)
{
	unsigned long long bytes = driver_node_get_free_memory(c->connection->client);

	rpc_put_u64(c->out, bytes);
	return bytes;
}

bool answer_cells_free_memory(struct call_in *c)
{
	unsigned long long cells[1024];
	int most = c->args->value[1].i, n;

	if (most > 1024)
		return answer_too_much(c, most, 1024);
	n = driver_node_get_cells_free_memory(c->connection->client, cells, c->args->value[0].i,
					      most);
	if (n < 0)
		return false;
	rpc_put_u32(c->out, (uint32_t)n);
	for (int i = 0; i < n; i++)
		rpc_put_u64(c->out, cells[i]);
	return true;
}

bool answer_security_model(struct call_in *c)
{
	virSecurityModel model;

	if (driver_node_get_security_model(c->connection->client, &model))
		return false;
	for (int i = 0; i < 2; i++) {
		const char *text = i ? model.doi : model.model;

		rpc_put_u32(c->out, (uint32_t)strlen(text));
		rpc_put_chars(c->out, text, strlen(text));
	}
	return true;
}

/* --- domains: which there are --- */

void answer_domain(struct rpc_out *out, const struct domain *domain)
{
	struct rpc_domain dom = {.name = domain->name, .id = domain->id};

	memcpy(dom.uuid, domain->uuid, sizeof(dom.uuid));
	rpc_put_domain(out, &dom);
}

static bool put_own_domain(struct call_in *c, struct domain *domain)
{
	if (!domain)
		return false;
	answer_domain(c->out, domain);
	free(domain);
	return true;
}

bool answer_list_all(struct call_in *c)
{
	struct domain **list = NULL;
	int n = driver_connect_list_all_domains(
		c->connection->client, c->args->value[0].i ? &list : NULL, c->args->value[1].u);

	if (n < 0)
		return false;
	rpc_put_u32(c->out, list ? (uint32_t)n : 0);
	for (int i = 0; list && i < n; i++)
		put_own_domain(c, list[i]);
	free(list);
	rpc_put_u32(c->out, (uint32_t)n);
	return true;
}

bool answer_count(struct call_in *c)
{
	return put_number(c, driver_connect_num_of_domains(c->connection->client));
}

bool answer_count_defined(struct call_in *c)
{
	return put_number(c, driver_connect_num_of_defined_domains(c->connection->client));
}

bool answer_list_ids(struct call_in *c)
{
	int most = c->args->value[0].i, n = -1;
	int *ids;

	if (most > VCPUS_MAX)
		return answer_too_much(c, most, VCPUS_MAX);
	ids = calloc((size_t)(most > 0 ? most : 0) + 1, sizeof(*ids));
	if (ids)
		n = driver_connect_list_domains(c->connection->client, ids, most);
	if (n >= 0)
		rpc_put_u32(c->out, (uint32_t)n);
	for (int i = 0; i < n; i++)
		rpc_put_i32(c->out, ids[i]);
	free(ids);
	return n >= 0;
}

bool answer_list_names(struct call_in *c)
{
	int most = c->args->value[0].i, n = -1;
	char **names;

	if (most > VCPUS_MAX)
		return answer_too_much(c, most, VCPUS_MAX);
	names = calloc((size_t)(most > 0 ? most : 0) + 1, sizeof(*names));
	if (names)
		n = driver_connect_list_defined_domains(c->connection->client, names, most);
	if (n >= 0)
		rpc_put_u32(c->out, (uint32_t)n);
	for (int i = 0; i < n; i++)
		put_own_text(c, names[i]);
	free(names);
	return n >= 0;
}

bool answer_by_id(struct call_in *c)
{
	return put_own_domain(
		c, driver_domain_lookup_by_id(c->connection->client, c->args->value[0].i));
}

bool answer_by_name(struct call_in *c)
{
	return put_own_domain(
		c, driver_domain_lookup_by_name(c->connection->client, c->args->value[0].s));
}

bool answer_by_uuid(struct call_in *c)
{
	return put_own_domain(
		c, driver_domain_lookup_by_uuid(c->connection->client, c->args->value[0].uuid));
}

/* --- domains: what they are --- */

bool answer_os_type(struct call_in *c, struct domain *domain)
{
	return put_own_text(c, driver_domain_get_os_type(domain));
}

bool answer_xml(struct call_in *c, struct domain *domain)
{
	return put_own_text(c, driver_domain_get_xml_desc(domain, c->args->value[1].u));
}

bool answer_is_active(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_is_active(domain));
}

bool answer_is_persistent(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_is_persistent(domain));
}

bool answer_is_updated(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_is_updated(domain));
}

bool answer_has_save(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_has_managed_save_image(domain, c->args->value[1].u));
}

bool answer_has_snapshot(struct call_in *c, struct domain *domain)
{
	return put_number(c, driver_domain_has_current_snapshot(domain, c->args->value[1].u));
}

bool answer_autostart(struct call_in *c, struct domain *domain)
{
	int autostart = 0, status = driver_domain_get_autostart(domain, &autostart);

	rpc_put_i32(c->out, autostart);
	return status == 0;
}

bool answer_set_autostart(struct call_in *c, struct domain *domain)
{
	return driver_domain_set_autostart(domain, c->args->value[1].i) == 0;
}

bool answer_messages(struct call_in *c, struct domain *domain)
{
	char **messages = NULL;
	int n = driver_domain_get_messages(domain, &messages, c->args->value[1].u);

	rpc_put_u32(c->out, n > 0 ? (uint32_t)n : 0);
	return n >= 0;
}

bool answer_info(struct call_in *c, struct domain *domain)
{
	virDomainInfo info;

	if (driver_domain_get_info(domain, &info))
		return false;
	rpc_put_u32(c->out, info.state);
	rpc_put_u64(c->out, info.maxMem);
	rpc_put_u64(c->out, info.memory);
	rpc_put_u32(c->out, info.nrVirtCpu);
	rpc_put_u64(c->out, info.cpuTime);
	return true;
}

bool answer_state(struct call_in *c, struct domain *domain)
{
	int state = 0, reason = 0;
	int status = driver_domain_get_state(domain, &state, &reason, c->args->value[1].u);

	rpc_put_i32(c->out, state);
	rpc_put_i32(c->out, reason);
	return status == 0;
}

bool answer_control_info(struct call_in *c, struct domain *domain)
{
	virDomainControlInfo info = {0};
	int status = driver_domain_get_control_info(domain, &info, c->args->value[1].u);

	rpc_put_u32(c->out, info.state);
	rpc_put_u32(c->out, info.details);
	rpc_put_u64(c->out, info.stateTime);
	return status == 0;
}

bool answer_get_metadata(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;

	return put_own_text(c, driver_domain_get_metadata(domain, v[1].i, v[2].s, v[3].u));
}

bool answer_set_metadata(struct call_in *c, struct domain *domain)
{
	const union rpc_value *v = c->args->value;

	return driver_domain_set_metadata(domain, v[1].i, v[2].s, v[3].s, v[4].s, v[5].u) == 0;
}

/* --- domains: their state --- */

bool answer_suspend(struct call_in *c, struct domain *domain)
{
	(void)c;
	return driver_domain_suspend(domain) == 0;
}

bool answer_resume(struct call_in *c, struct domain *domain)
{
	(void)c;
	return driver_domain_resume(domain) == 0;
}

bool answer_destroy(struct call_in *c, struct domain *domain)
{
	(void)c;
	return driver_domain_destroy(domain) == 0;
}

bool answer_destroy_flags(struct call_in *c, struct domain *domain)
{
	return driver_domain_destroy_flags(domain, c->args->value[1].u) == 0;
}

bool answer_shutdown(struct call_in *c, struct domain *domain)
{
	(void)c;
	return driver_domain_shutdown(domain) == 0;
}

bool answer_shutdown_flags(struct call_in *c, struct domain *domain)
{
	return driver_domain_shutdown_flags(domain, c->args->value[1].u) == 0;
}

bool answer_reboot(struct call_in *c, struct domain *domain)
{
	return driver_domain_reboot(domain, c->args->value[1].u) == 0;
}

bool answer_reset(struct call_in *c, struct domain *domain)
{
	return driver_domain_reset(domain, c->args->value[1].u) == 0;
}

bool answer_create(struct call_in *c, struct domain *domain)
{
	(void)c;
	return driver_domain_create(domain) == 0;
}

bool answer_create_flags(struct call_in *c, struct domain *domain)
{
	if (driver_domain_create_with_flags(domain, c->args->value[1].u))
		return false;
	answer_domain(c->out, domain);
	return true;
}
