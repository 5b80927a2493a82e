/* SPDX-License-Identifier: MIT */
/* What a client may ask. */
#include "rules.h"

#include "labguest.h"

#include <libvirt/libvirt.h>
#include <string.h>

const char gate_not_ours[] = "only guests of this run may be changed";

static const char not_needed[] = "a controller does not need this here";

/* Rules that depend on more than the procedure: NULL, or why the call is refused. */
static const char *argument_fault(const char *name, const struct rpc_args *args)
{
	const union rpc_value *v = args->value;

	/* A client that was given no URI sends an empty one. */
	if (!strcmp(name, "connect_open") && v[0].s && *v[0].s && strncmp(v[0].s, "qemu:", 5) != 0)
		return "only the QEMU driver may be opened";
	if (!strcmp(name, "domain_get_xml_desc") &&
	    v[1].u & (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE))
		return "secrets of a guest's definition are not shown";
	if (!strcmp(name, "domain_set_memory_flags") && v[2].u & VIR_DOMAIN_MEM_MAXIMUM)
		return "a guest's maximum of memory may not be changed";
	if (!strcmp(name, "domain_set_metadata") &&
	    (v[1].i != VIR_DOMAIN_METADATA_ELEMENT || !v[4].s || !strcmp(v[4].s, LABGUEST_URI)))
		return "of a guest's metadata only elements of the program's own may be changed";
	return NULL;
}

enum gate_verdict gate_judge(const struct rpc_header *call, struct rpc_in *body,
			     struct rpc_args *args, const char **sentence)
{
	args->n = 0;
	if (call->program == RPC_QEMU) {
		*sentence = "QEMU's monitor and the guest agent are not a controller's";
		return GATE_REFUSE;
	}
	const struct rpc_procedure *p = rpc_procedure(call->procedure);

	if (p->effect == RPC_TELLS) {
		*sentence = "a call of what only the daemon sends";
		return GATE_BREAK;
	}
	if (p->args && rpc_args_read(args, p->args, body) < 0) {
		*sentence = "arguments that are not the procedure's";
		return GATE_BREAK;
	}
	if (p->effect == RPC_OTHER || p->effect == RPC_UNKNOWN || !p->args) {
		*sentence = not_needed;
		return GATE_REFUSE;
	}
	*sentence = argument_fault(p->name, args);
	if (*sentence)
		return GATE_REFUSE;
	return p->effect == RPC_STEERS ? GATE_PASS_IF_OURS : GATE_PASS;
}
