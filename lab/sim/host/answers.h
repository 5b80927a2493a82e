/* SPDX-License-Identifier: MIT */
/* The answers to libvirt's calls: each puts its reply, or returns false with driver_error(). */
#ifndef BALLAST_SIM_ANSWERS_H
#define BALLAST_SIM_ANSWERS_H

#include "daemon.h"

#include <libvirt/libvirt.h>

/* The shape of a call's arguments, as in lab/rpc/procedures.h; NULL: not known. */
const char *answer_shape(const struct rpc_header *header);

/* A handle for a domain that a client names; NULL: out of memory. */
struct domain;

struct domain *answer_handle(struct call_in *c, const struct rpc_domain *dom);

void answer_domain(struct rpc_out *out, const struct domain *domain);
void answer_params(struct rpc_out *out, const virTypedParameter *params, size_t n);
bool answer_too_much(struct call_in *c, long asked, long most);

bool answer_open(struct call_in *c);
bool answer_close(struct call_in *c);
bool answer_auth_list(struct call_in *c);
bool answer_feature(struct call_in *c);
bool answer_nothing(struct call_in *c);
bool answer_type(struct call_in *c);
bool answer_hostname(struct call_in *c);
bool answer_uri(struct call_in *c);
bool answer_capabilities(struct call_in *c);
bool answer_version(struct call_in *c);
bool answer_lib_version(struct call_in *c);
bool answer_is_secure(struct call_in *c);
bool answer_max_vcpus(struct call_in *c);
bool answer_node_info(struct call_in *c);
bool answer_cpu_map(struct call_in *c);
bool answer_node_cpu_stats(struct call_in *c);
bool answer_node_memory_stats(struct call_in *c);
bool answer_free_memory(struct call_in *c);
bool answer_cells_free_memory(struct call_in *c);
bool answer_security_model(struct call_in *c);
bool answer_list_all(struct call_in *c);
bool answer_count(struct call_in *c);
bool answer_count_defined(struct call_in *c);
bool answer_list_ids(struct call_in *c);
bool answer_list_names(struct call_in *c);
bool answer_by_id(struct call_in *c);
bool answer_by_name(struct call_in *c);
bool answer_by_uuid(struct call_in *c);
bool answer_os_type(struct call_in *c, struct domain *domain);
bool answer_xml(struct call_in *c, struct domain *domain);
bool answer_is_active(struct call_in *c, struct domain *domain);
bool answer_is_persistent(struct call_in *c, struct domain *domain);
bool answer_is_updated(struct call_in *c, struct domain *domain);
bool answer_has_save(struct call_in *c, struct domain *domain);
bool answer_has_snapshot(struct call_in *c, struct domain *domain);
bool answer_autostart(struct call_in *c, struct domain *domain);
bool answer_set_autostart(struct call_in *c, struct domain *domain);
bool answer_messages(struct call_in *c, struct domain *domain);
bool answer_info(struct call_in *c, struct domain *domain);
bool answer_state(struct call_in *c, struct domain *domain);
bool answer_control_info(struct call_in *c, struct domain *domain);
bool answer_get_metadata(struct call_in *c, struct domain *domain);
bool answer_set_metadata(struct call_in *c, struct domain *domain);
bool answer_suspend(struct call_in *c, struct domain *domain);
bool answer_resume(struct call_in *c, struct domain *domain);
bool answer_destroy(struct call_in *c, struct domain *domain);
bool answer_destroy_flags(struct call_in *c, struct domain *domain);
bool answer_shutdown(struct call_in *c, struct domain *domain);
bool answer_shutdown_flags(struct call_in *c, struct domain *domain);
bool answer_reboot(struct call_in *c, struct domain *domain);
bool answer_reset(struct call_in *c, struct domain *domain);
bool answer_create(struct call_in *c, struct domain *domain);
bool answer_create_flags(struct call_in *c, struct domain *domain);
bool answer_domain_max_vcpus(struct call_in *c, struct domain *domain);
bool answer_vcpus_flags(struct call_in *c, struct domain *domain);
bool answer_vcpus(struct call_in *c, struct domain *domain);
bool answer_pin_info(struct call_in *c, struct domain *domain);
bool answer_pin(struct call_in *c, struct domain *domain);
bool answer_pin_flags(struct call_in *c, struct domain *domain);
bool answer_pin_emulator(struct call_in *c, struct domain *domain);
bool answer_emulator_pin(struct call_in *c, struct domain *domain);
bool answer_cpu_stats(struct call_in *c, struct domain *domain);
bool answer_max_memory(struct call_in *c, struct domain *domain);
bool answer_set_max_memory(struct call_in *c, struct domain *domain);
bool answer_set_memory(struct call_in *c, struct domain *domain);
bool answer_set_memory_flags(struct call_in *c, struct domain *domain);
bool answer_memory_stats(struct call_in *c, struct domain *domain);
bool answer_stats_period(struct call_in *c, struct domain *domain);
bool answer_scheduler_type(struct call_in *c, struct domain *domain);
bool answer_schedule(struct call_in *c, struct domain *domain);
bool answer_schedule_flags(struct call_in *c, struct domain *domain);
bool answer_set_schedule(struct call_in *c, struct domain *domain);
bool answer_set_schedule_flags(struct call_in *c, struct domain *domain);
bool answer_all_stats(struct call_in *c);
bool answer_agent(struct call_in *c, struct domain *domain);
bool answer_agent_timeout(struct call_in *c, struct domain *domain);
bool answer_register(struct call_in *c);
bool answer_deregister(struct call_in *c);
bool answer_none(struct call_in *c);
bool answer_none_listed(struct call_in *c);
bool answer_domain_none(struct call_in *c, struct domain *domain);
bool answer_domain_none_listed(struct call_in *c, struct domain *domain);
bool answer_job_info(struct call_in *c, struct domain *domain);
bool answer_no_snapshot(struct call_in *c, struct domain *domain);
bool answer_set_vcpus(struct call_in *c, struct domain *domain);
bool answer_memory_parameters(struct call_in *c, struct domain *domain);
bool answer_numa_parameters(struct call_in *c, struct domain *domain);
bool answer_blkio_parameters(struct call_in *c, struct domain *domain);
bool answer_perf_events(struct call_in *c, struct domain *domain);

#endif
