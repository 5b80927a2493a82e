/* SPDX-License-Identifier: MIT */
/* Which function answers which procedure; all others get libvirt's own "no support". */
#include "answers.h"

#include "driver/driver.h"
#include "lab/rpc/procedures.h"

#include <string.h>

#define AGENT_COMMAND 3 /* of the program RPC_QEMU */

struct answer {
	const char *name; /* of the procedure */
	bool (*on_connection)(struct call_in *c);
	bool (*on_domain)(struct call_in *c, struct domain *domain); /* its first argument */
	const char *args; /* where the table of procedures has none */
};

static const struct answer answers[] = {
	{"connect_open", answer_open, NULL, NULL},
	{"connect_close", answer_close, NULL, NULL},
	{"auth_list", answer_auth_list, NULL, NULL},
	{"connect_supports_feature", answer_feature, NULL, NULL},
	{"connect_register_close_callback", answer_nothing, NULL, NULL},
	{"connect_unregister_close_callback", answer_nothing, NULL, NULL},
	{"connect_domain_event_callback_register_any", answer_register, NULL, NULL},
	{"connect_domain_event_callback_deregister_any", answer_deregister, NULL, NULL},
	{"connect_get_type", answer_type, NULL, NULL},
	{"connect_get_version", answer_version, NULL, NULL},
	{"connect_get_lib_version", answer_lib_version, NULL, NULL},
	{"connect_get_hostname", answer_hostname, NULL, NULL},
	{"connect_get_uri", answer_uri, NULL, NULL},
	{"connect_is_secure", answer_is_secure, NULL, NULL},
	{"connect_get_max_vcpus", answer_max_vcpus, NULL, NULL},
	{"connect_get_capabilities", answer_capabilities, NULL, NULL},
	{"node_get_info", answer_node_info, NULL, NULL},
	{"node_get_cpu_map", answer_cpu_map, NULL, NULL},
	{"node_get_cpu_stats", answer_node_cpu_stats, NULL, NULL},
	{"node_get_memory_stats", answer_node_memory_stats, NULL, NULL},
	{"node_get_free_memory", answer_free_memory, NULL, NULL},
	{"node_get_cells_free_memory", answer_cells_free_memory, NULL, NULL},
	{"node_get_security_model", answer_security_model, NULL, NULL},
	{"connect_list_all_domains", answer_list_all, NULL, NULL},
	{"connect_num_of_domains", answer_count, NULL, NULL},
	{"connect_num_of_defined_domains", answer_count_defined, NULL, NULL},
	{"connect_list_domains", answer_list_ids, NULL, NULL},
	{"connect_list_defined_domains", answer_list_names, NULL, NULL},
	{"domain_lookup_by_id", answer_by_id, NULL, NULL},
	{"domain_lookup_by_name", answer_by_name, NULL, NULL},
	{"domain_lookup_by_uuid", answer_by_uuid, NULL, NULL},
	{"connect_get_all_domain_stats", answer_all_stats, NULL, NULL},
	{"domain_get_os_type", NULL, answer_os_type, NULL},
	{"domain_get_xml_desc", NULL, answer_xml, NULL},
	{"domain_is_active", NULL, answer_is_active, NULL},
	{"domain_is_persistent", NULL, answer_is_persistent, NULL},
	{"domain_is_updated", NULL, answer_is_updated, NULL},
	{"domain_has_managed_save_image", NULL, answer_has_save, NULL},
	{"domain_has_current_snapshot", NULL, answer_has_snapshot, NULL},
	{"domain_get_autostart", NULL, answer_autostart, NULL},
	{"domain_set_autostart", NULL, answer_set_autostart, NULL},
	{"domain_get_messages", NULL, answer_messages, NULL},
	{"domain_get_info", NULL, answer_info, NULL},
	{"domain_get_state", NULL, answer_state, NULL},
	{"domain_get_control_info", NULL, answer_control_info, NULL},
	{"domain_get_metadata", NULL, answer_get_metadata, NULL},
	{"domain_set_metadata", NULL, answer_set_metadata, NULL},
	{"domain_suspend", NULL, answer_suspend, NULL},
	{"domain_resume", NULL, answer_resume, NULL},
	{"domain_destroy", NULL, answer_destroy, NULL},
	{"domain_destroy_flags", NULL, answer_destroy_flags, NULL},
	{"domain_shutdown", NULL, answer_shutdown, NULL},
	{"domain_shutdown_flags", NULL, answer_shutdown_flags, NULL},
	{"domain_reboot", NULL, answer_reboot, NULL},
	{"domain_reset", NULL, answer_reset, NULL},
	{"domain_create", NULL, answer_create, NULL},
	{"domain_create_with_flags", NULL, answer_create_flags, NULL},
	{"domain_get_max_vcpus", NULL, answer_domain_max_vcpus, NULL},
	{"domain_get_vcpus_flags", NULL, answer_vcpus_flags, NULL},
	{"domain_get_vcpus", NULL, answer_vcpus, NULL},
	{"domain_get_vcpu_pin_info", NULL, answer_pin_info, NULL},
	{"domain_pin_vcpu", NULL, answer_pin, NULL},
	{"domain_pin_vcpu_flags", NULL, answer_pin_flags, NULL},
	{"domain_pin_emulator", NULL, answer_pin_emulator, NULL},
	{"domain_get_emulator_pin_info", NULL, answer_emulator_pin, NULL},
	{"domain_get_cpu_stats", NULL, answer_cpu_stats, NULL},
	{"domain_get_max_memory", NULL, answer_max_memory, NULL},
	{"domain_set_max_memory", NULL, answer_set_max_memory, NULL},
	{"domain_set_memory", NULL, answer_set_memory, NULL},
	{"domain_set_memory_flags", NULL, answer_set_memory_flags, NULL},
	{"domain_memory_stats", NULL, answer_memory_stats, NULL},
	{"domain_set_memory_stats_period", NULL, answer_stats_period, NULL},
	{"domain_get_scheduler_type", NULL, answer_scheduler_type, NULL},
	{"domain_get_scheduler_parameters", NULL, answer_schedule, NULL},
	{"domain_get_scheduler_parameters_flags", NULL, answer_schedule_flags, NULL},
	{"domain_set_scheduler_parameters", NULL, answer_set_schedule, NULL},
	{"domain_set_scheduler_parameters_flags", NULL, answer_set_schedule_flags, NULL},
	{"domain_agent_set_response_timeout", NULL, answer_agent_timeout, NULL},
	{"connect_num_of_networks", answer_none, NULL, ""},
	{"connect_num_of_defined_networks", answer_none, NULL, ""},
	{"connect_num_of_storage_pools", answer_none, NULL, ""},
	{"connect_num_of_defined_storage_pools", answer_none, NULL, ""},
	{"connect_num_of_interfaces", answer_none, NULL, ""},
	{"connect_num_of_defined_interfaces", answer_none, NULL, ""},
	{"connect_num_of_nwfilters", answer_none, NULL, ""},
	{"connect_num_of_secrets", answer_none, NULL, ""},
	{"connect_list_networks", answer_none, NULL, "i"},
	{"connect_list_defined_networks", answer_none, NULL, "i"},
	{"connect_list_storage_pools", answer_none, NULL, "i"},
	{"connect_list_defined_storage_pools", answer_none, NULL, "i"},
	{"connect_list_interfaces", answer_none, NULL, "i"},
	{"connect_list_defined_interfaces", answer_none, NULL, "i"},
	{"connect_list_nwfilters", answer_none, NULL, "i"},
	{"connect_list_secrets", answer_none, NULL, "i"},
	{"connect_list_all_networks", answer_none_listed, NULL, "iu"},
	{"connect_list_all_storage_pools", answer_none_listed, NULL, "iu"},
	{"connect_list_all_interfaces", answer_none_listed, NULL, "iu"},
	{"connect_list_all_nwfilters", answer_none_listed, NULL, "iu"},
	{"connect_list_all_nwfilter_bindings", answer_none_listed, NULL, "iu"},
	{"connect_list_all_secrets", answer_none_listed, NULL, "iu"},
	{"connect_list_all_node_devices", answer_none_listed, NULL, "iu"},
	{"domain_snapshot_num", NULL, answer_domain_none, "du"},
	{"domain_snapshot_list_names", NULL, answer_domain_none, "diu"},
	{"domain_list_all_snapshots", NULL, answer_domain_none_listed, "diu"},
	{"domain_list_all_checkpoints", NULL, answer_domain_none_listed, "diu"},
	{"domain_snapshot_current", NULL, answer_no_snapshot, "du"},
	{"domain_snapshot_lookup_by_name", NULL, answer_no_snapshot, "dsu"},
	{"domain_get_job_info", NULL, answer_job_info, "d"},
	{"domain_get_job_stats", NULL, answer_domain_none_listed, "du"},
	{"domain_get_iothread_info", NULL, answer_domain_none_listed, "du"},
	{"domain_get_memory_parameters", NULL, answer_memory_parameters, "diu"},
	{"domain_get_numa_parameters", NULL, answer_numa_parameters, "diu"},
	{"domain_get_blkio_parameters", NULL, answer_blkio_parameters, "diu"},
	{"domain_get_perf_events", NULL, answer_perf_events, "du"},
	{"domain_set_vcpus", NULL, answer_set_vcpus, "du"},
	{"domain_set_vcpus_flags", NULL, answer_set_vcpus, "duu"},
};

#define NUMBERS_MAX 1024

static const struct answer *find(int32_t number)
{
	static const struct answer *by_number[NUMBERS_MAX];
	static bool filled;

	for (size_t i = 0; !filled && i < sizeof(answers) / sizeof(answers[0]); i++) {
		int32_t n = rpc_procedure_number(answers[i].name);

		if (n > 0 && n < NUMBERS_MAX)
			by_number[n] = &answers[i];
	}
	filled = true;
	return number > 0 && number < NUMBERS_MAX ? by_number[number] : NULL;
}

/* --- handles of what a client names --- */

/* Of the guest with that UUID, or of one that is gone: what is asked of that fails. */
struct domain *answer_handle(struct call_in *c, const struct rpc_domain *dom)
{
	size_t place = 0;
	struct domain *domain;

	for (size_t i = 0; i < world_guests(driver_world()); i++) {
		const struct world_guest *guest = world_guest(driver_world(), i);

		if (!memcmp(guest->uuid, dom->uuid, sizeof(guest->uuid))) {
			place = i;
			break;
		}
		if (!strcmp(guest->config->name, dom->name))
			place = i;
	}
	if (!world_guests(driver_world()))
		return NULL;
	domain = domain_new(c->connection->client, place);
	if (!domain)
		return NULL;
	memcpy(domain->uuid, dom->uuid, sizeof(domain->uuid));
	domain->name = dom->name;
	return domain;
}

/* --- what is not here --- */

static bool refuse(const struct call_in *c)
{
	const struct rpc_procedure *procedure = rpc_procedure(c->header.procedure);
	char text[128];

	if (c->header.program == RPC_REMOTE && procedure->name) {
		call_unsupported(rpc_function_name(procedure, text, sizeof(text)));
		return false;
	}
	snprintf(text, sizeof(text), "unknown procedure: %d", c->header.procedure);
	error_raise(VIR_FROM_RPC, VIR_ERR_RPC, text);
	return false;
}

static bool on_domain(struct call_in *c, bool (*answer)(struct call_in *c, struct domain *domain))
{
	struct domain *domain = c->args->n ? answer_handle(c, &c->args->value[0].dom) : NULL;
	bool fine = domain && answer(c, domain);

	free(domain);
	return fine;
}

static bool needs_open(const struct answer *a)
{
	return a->on_connection != answer_open && a->on_connection != answer_auth_list &&
	       a->on_connection != answer_feature && a->on_connection != answer_close;
}

const char *answer_shape(const struct rpc_header *header)
{
	const struct answer *a = header->program == RPC_REMOTE ? find(header->procedure) : NULL;

	if (header->program == RPC_QEMU)
		return header->procedure == AGENT_COMMAND ? "dsiu" : NULL;
	/* The table of procedures has none of these. */
	if (a && a->on_domain == answer_agent_timeout)
		return "diu";
	if (a && a->on_domain == answer_has_snapshot)
		return "du";
	if (!a)
		return NULL;
	return rpc_procedure(header->procedure)->args ? rpc_procedure(header->procedure)->args
						      : a->args;
}

bool answer_call(struct call_in *c)
{
	const struct answer *a = c->header.program == RPC_REMOTE ? find(c->header.procedure) : NULL;
	bool agent = c->header.program == RPC_QEMU && c->header.procedure == AGENT_COMMAND;

	if (!a && !agent)
		return refuse(c);
	if ((agent || needs_open(a)) && !c->connection->client) {
		error_raise(VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR, "connection not open");
		return false;
	}
	if (agent)
		return on_domain(c, answer_agent);
	return a->on_domain ? on_domain(c, a->on_domain) : a->on_connection(c);
}
