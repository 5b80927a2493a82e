/* SPDX-License-Identifier: MIT */
/* Memory: the balloon's target and size, the guest's statistics, how often they are made. */
#include "driver.h"

#include <errno.h>
#include <string.h>

/* --- sizes --- */

unsigned long driver_domain_get_max_memory(struct domain *domain)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetMaxMemory", domain, CALL_READS))
		return (unsigned long)call_number(&c, 0);
	return (unsigned long)call_number(&c, c.state->maximum_kib);
}

/* A new target for the balloon of a guest that runs. */
static int set_live(struct call *c, uint64_t kib)
{
	uint64_t before = model_balloon_target(driver_model(), c->id);

	if (model_set_balloon(driver_model(), c->id, kib) == 0) {
		c->noop = model_balloon_target(driver_model(), c->id) == before;
		play_event(driver_play(),
			   (struct trace_event){.kind = TRACE_SETMEM,
						.guest = c->guest->config->name,
						.setmem = {(int64_t)kib, TRACE_BY_PROGRAM}});
		return 0;
	}
	if (errno == ERANGE)
		return call_fail(c, VIR_ERR_INVALID_ARG,
				 "cannot set memory higher than max memory");
	return call_fail(c, VIR_ERR_OPERATION_INVALID,
			 "Unable to change memory of active domain without the balloon device and "
			 "guest OS balloon driver");
}

static int set_config(struct call *c, uint64_t kib)
{
	if (kib > c->state->maximum_kib)
		return call_fail(c, VIR_ERR_INVALID_ARG,
				 "cannot set memory higher than max memory");
	c->state->memory_kib = kib;
	return 0;
}

/* The maximum is the size of the virtual machine itself: only the next one's can be set. */
static int set_maximum(struct call *c, uint64_t kib, unsigned int flags)
{
	if (flags & VIR_DOMAIN_AFFECT_LIVE)
		return call_fail(c, VIR_ERR_OPERATION_INVALID,
				 "cannot resize the maximum memory on an active domain");
	c->state->maximum_kib = kib;
	if (c->state->memory_kib > kib)
		c->state->memory_kib = kib;
	return 0;
}

static int set_memory(struct domain *domain, const char *function, unsigned long kib,
		      unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:I, s:i}", "kib", (json_int_t)kib, "flags", (int)flags);
	if (!kib)
		return call_int(&c,
				call_fail_argument(&c, "memory in %s must not be zero", function));
	if (call_check_flags(&c, flags, IMPACT | VIR_DOMAIN_MEM_MAXIMUM))
		return call_int(&c, -1);
	if (call_check_impact(&c, domain->place, &flags))
		return call_int(&c, -1);
	if (flags & VIR_DOMAIN_MEM_MAXIMUM)
		return call_int(&c, set_maximum(&c, kib, flags));
	if (flags & VIR_DOMAIN_AFFECT_LIVE && set_live(&c, kib))
		return call_int(&c, -1);
	if (flags & VIR_DOMAIN_AFFECT_CONFIG && set_config(&c, kib))
		return call_int(&c, -1);
	return call_int(&c, 0);
}

int driver_domain_set_memory(struct domain *domain, unsigned long kib)
{
	return set_memory(domain, "virDomainSetMemory", kib, VIR_DOMAIN_AFFECT_LIVE);
}

int driver_domain_set_memory_flags(struct domain *domain, unsigned long kib, unsigned int flags)
{
	return set_memory(domain, "virDomainSetMemoryFlags", kib, flags);
}

int driver_domain_set_max_memory(struct domain *domain, unsigned long kib)
{
	return set_memory(domain, "virDomainSetMaxMemory", kib, VIR_DOMAIN_MEM_MAXIMUM);
}

/* --- statistics --- */

size_t memory_stats(unsigned int id, struct memory_stat stats[MEMORY_STATS_MAX])
{
	struct model_memory memory;
	struct model_stats told;
	size_t n = 0;

	model_memory_read(driver_model(), id, &memory);
	model_stats_read(driver_model(), id, &told);
	stats[n++] = (struct memory_stat){VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, "balloon.current",
					  memory.actual_kib};
	if (told.made_ns != MODEL_NEVER) {
		const struct memory_stat from_guest[] = {
			{VIR_DOMAIN_MEMORY_STAT_SWAP_IN, "balloon.swap_in", told.swap_in_kib},
			{VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, "balloon.swap_out", told.swap_out_kib},
			{VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT, "balloon.major_fault",
			 told.major_faults},
			{VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT, "balloon.minor_fault",
			 told.minor_faults},
			{VIR_DOMAIN_MEMORY_STAT_UNUSED, "balloon.unused", told.unused_kib},
			{VIR_DOMAIN_MEMORY_STAT_AVAILABLE, "balloon.available", told.available_kib},
			{VIR_DOMAIN_MEMORY_STAT_USABLE, "balloon.usable", told.usable_kib},
		};

		memcpy(stats + n, from_guest, sizeof(from_guest));
		n += sizeof(from_guest) / sizeof(from_guest[0]);
	}
	/* The host's clock in whole seconds; 0: never. */
	stats[n++] = (struct memory_stat){VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE, "balloon.last-update",
					  told.made_ns == MODEL_NEVER
						  ? 0
						  : (PLAY_EPOCH_S * MODEL_NS_PER_S + told.made_ns) /
							    MODEL_NS_PER_S};
	if (told.made_ns != MODEL_NEVER) {
		stats[n++] = (struct memory_stat){VIR_DOMAIN_MEMORY_STAT_DISK_CACHES,
						  "balloon.disk_caches", told.caches_kib};
		stats[n++] = (struct memory_stat){VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGALLOC,
						  "balloon.hugetlb_pgalloc", 0};
		stats[n++] = (struct memory_stat){VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGFAIL,
						  "balloon.hugetlb_pgfail", 0};
	}
	stats[n++] =
		(struct memory_stat){VIR_DOMAIN_MEMORY_STAT_RSS, "balloon.rss", memory.rss_kib};
	return n;
}

int driver_domain_memory_stats(struct domain *domain, virDomainMemoryStatPtr out, unsigned int most,
			       unsigned int flags)
{
	struct memory_stat stats[MEMORY_STATS_MAX];
	struct call c;
	size_t n;

	if (call_begin_domain(&c, "virDomainMemoryStats", domain, CALL_READS) ||
	    call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	if (!out || !most)
		return call_int(&c, 0);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	n = memory_stats(c.id, stats);
	if (n > most)
		n = most;
	for (size_t i = 0; i < n; i++)
		out[i] = (virDomainMemoryStatStruct){.tag = stats[i].tag, .val = stats[i].value};
	return call_int(&c, (int)n);
}

int driver_domain_set_memory_stats_period(struct domain *domain, int period, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainSetMemoryStatsPeriod", domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:i}", "period", period, "flags", (int)flags);
	if (call_check_not_negative(&c, period, "period") || call_check_flags(&c, flags, IMPACT))
		return call_int(&c, -1);
	if (!guest_running(domain->place)) {
		if (flags & VIR_DOMAIN_AFFECT_LIVE)
			call_fail_off(&c);
		return call_int(&c, c.code ? -1 : 0);
	}
	c.noop = model_stats_period(driver_model(), c.id) == (unsigned int)period;
	if (!(flags & IMPACT) || flags & VIR_DOMAIN_AFFECT_LIVE)
		model_set_stats_period(driver_model(), c.id, (unsigned int)period);
	return call_int(&c, 0);
}
