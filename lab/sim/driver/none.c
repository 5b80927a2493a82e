/* SPDX-License-Identifier: MIT */
/* What a host of this kind has none of, or nothing but defaults for: libvirt says so, and no more.
 */
#include "driver.h"

int driver_connect_none(struct client *conn, const char *function)
{
	struct call c;

	return call_int(&c, call_begin(&c, function, conn, CALL_READS) ? -1 : 0);
}

int driver_domain_none(struct domain *domain, const char *function)
{
	struct call c;

	return call_int(&c, call_begin_domain(&c, function, domain, CALL_READS) ? -1 : 0);
}

int driver_domain_no_snapshot(struct domain *domain, const char *function, const char *name)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_READS) == 0 && name)
		call_fail(&c, VIR_ERR_NO_DOMAIN_SNAPSHOT,
			  "no domain snapshot with matching name '%s'", name);
	else if (!c.code)
		call_fail(&c, VIR_ERR_NO_DOMAIN_SNAPSHOT,
			  "the domain does not have a current snapshot");
	return call_int(&c, -1);
}

/* Guests have all the vCPUs that they can have, and what is there cannot be taken away. */
int driver_domain_set_vcpus(struct domain *domain, const char *function, unsigned int n)
{
	struct call c;
	unsigned int there;

	if (call_begin_domain(&c, function, domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "nvcpus", (int)n);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	there = world_guest(driver_world(), domain->place)->config->vcpus;
	if (n > there)
		call_fail(&c, VIR_ERR_INVALID_ARG,
			  "requested vcpus is greater than max allowable vcpus for the live "
			  "domain: %u > %u",
			  n, there);
	else if (n < there)
		call_fail(&c, VIR_ERR_OPERATION_UNSUPPORTED,
			  "failed to find appropriate hotpluggable vcpus to reach the desired "
			  "target vcpu count");
	c.noop = true;
	return call_int(&c, c.code ? -1 : 0);
}
