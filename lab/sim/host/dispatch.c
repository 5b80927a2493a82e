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
};

static const struct answer answers[] = {
	{"connect_open", answer_open, NULL},
	{"connect_close", answer_close, NULL},
	{"auth_list", answer_auth_list, NULL},
	{"connect_supports_feature", answer_feature, NULL},
	{"connect_register_close_callback", answer_nothing, NULL},
	{"connect_unregister_close_callback", answer_nothing, NULL},
	{"connect_domain_event_callback_register_any", answer_register, NULL},
	{"connect_domain_event_callback_deregister_any", answer_deregister, NULL},
	{"connect_get_type", answer_type, NULL},
	{"connect_get_version", answer_version, NULL},
	{"connect_get_lib_version", answer_lib_version, NULL},
	{"connect_get_hostname", answer_hostname, NULL},
	{"connect_get_uri", answer_uri, NULL},
	{"connect_is_secure", answer_is_secure, NULL},
	{"connect_get_max_vcpus", answer_max_vcpus, NULL},
	{"connect_get_capabilities", answer_capabilities, NULL},
	{"node_get_info", answer_node_info, NULL},
	{"node_get_cpu_map", answer_cpu_map, NULL},
	{"node_get_cpu_stats", answer_node_cpu_stats, NULL},
	{"node_get_memory_stats", answer_node_memory_stats, NULL},
	{"node_get_free_memory", answer_free_memory, NULL},
	{"node_get_cells_free_memory", answer_cells_free_memory, NULL},
	{"node_get_security_model", answer_security_model, NULL},
	{"connect_list_all_domains", answer_list_all, NULL},
	{"connect_num_of_domains", answer_count, NULL},
	{"connect_num_of_defined_domains", answer_count_defined, NULL},
	{"connect_list_domains", answer_list_ids, NULL},
	{"connect_list_defined_domains", answer_list_names, NULL},
	{"domain_lookup_by_id", answer_by_id, NULL},
	{"domain_lookup_by_name", answer_by_name, NULL},
	{"domain_lookup_by_uuid", answer_by_uuid, NULL},
	{"connect_get_all_domain_stats", answer_all_stats, NULL},
	{"domain_get_os_type", NULL, answer_os_type},
	{"domain_get_xml_desc", NULL, answer_xml},
	{"domain_is_active", NULL, answer_is_active},
	{"domain_is_persistent", NULL, answer_is_persistent},
	{"domain_is_updated", NULL, answer_is_updated},
	{"domain_has_managed_save_image", NULL, answer_has_save},
	{"domain_has_current_snapshot", NULL, answer_has_snapshot},
	{"domain_get_autostart", NULL, answer_autostart},
	{"domain_set_autostart", NULL, answer_set_autostart},
	{"domain_get_messages", NULL, answer_messages},
	{"domain_get_info", NULL, answer_info},
	{"domain_get_state", NULL, answer_state},
	{"domain_get_control_info", NULL, answer_control_info},
	{"domain_get_metadata", NULL, answer_get_metadata},
	{"domain_set_metadata", NULL, answer_set_metadata},
	{"domain_suspend", NULL, answer_suspend},
	{"domain_resume", NULL, answer_resume},
	{"domain_destroy", NULL, answer_destroy},
	{"domain_destroy_flags", NULL, answer_destroy_flags},
	{"domain_shutdown", NULL, answer_shutdown},
	{"domain_shutdown_flags", NULL, answer_shutdown_flags},
	{"domain_reboot", NULL, answer_reboot},
	{"domain_reset", NULL, answer_reset},
	{"domain_create", NULL, answer_create},
	{"domain_create_with_flags", NULL, answer_create_flags},
	{"domain_get_max_vcpus", NULL, answer_domain_max_vcpus},
	{"domain_get_vcpus_flags", NULL, answer_vcpus_flags},
	{"domain_get_vcpus", NULL, answer_vcpus},
	{"domain_get_vcpu_pin_info", NULL, answer_pin_info},
	{"domain_pin_vcpu", NULL, answer_pin},
	{"domain_pin_vcpu_flags", NULL, answer_pin_flags},
	{"domain_pin_emulator", NULL, answer_pin_emulator},
	{"domain_get_emulator_pin_info", NULL, answer_emulator_pin},
	{"domain_get_cpu_stats", NULL, answer_cpu_stats},
	{"domain_get_max_memory", NULL, answer_max_memory},
	{"domain_set_max_memory", NULL, answer_set_max_memory},
	{"domain_set_memory", NULL, answer_set_memory},
	{"domain_set_memory_flags", NULL, answer_set_memory_flags},
	{"domain_memory_stats", NULL, answer_memory_stats},
	{"domain_set_memory_stats_period", NULL, answer_stats_period},
	{"domain_get_scheduler_type", NULL, answer_scheduler_type},
	{"domain_get_scheduler_parameters", NULL, answer_schedule},
	{"domain_get_scheduler_parameters_flags", NULL, answer_schedule_flags},
	{"domain_set_scheduler_parameters", NULL, answer_set_schedule},
	{"domain_set_scheduler_parameters_flags", NULL, answer_set_schedule_flags},
	{"domain_agent_set_response_timeout", NULL, answer_agent_timeout},
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
	return a ? rpc_procedure(header->procedure)->args : NULL;
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
