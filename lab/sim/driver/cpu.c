/* SPDX-License-Identifier: MIT */
/* vCPUs: how many, where they run and ran, where they may, and what CPU time the guest had. */
#include "driver.h"

#include "units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of driver_domain_get_cpu_stats(): what the remote protocol allows. */
#define CPUS_PER_CALL 128

/* --- how many --- */

static int count_vcpus(struct domain *domain, const char *function, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_READS))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (call_check_flags(&c, flags, IMPACT | VIR_DOMAIN_VCPU_MAXIMUM | VIR_DOMAIN_VCPU_GUEST))
		return call_int(&c, -1);
	if (flags & VIR_DOMAIN_VCPU_GUEST)
		return call_int(&c, call_fail(&c, VIR_ERR_OPERATION_UNSUPPORTED,
					      "the simulated guest agent does not count vCPUs"));
	if (call_check_exclusive(&c, flags))
		return call_int(&c, -1);
	if ((flags & IMPACT) == VIR_DOMAIN_AFFECT_LIVE && !guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	return call_int(&c, (int)model_guest_vcpus(driver_model(), c.id));
}

int driver_domain_get_max_vcpus(struct domain *domain)
{
	return count_vcpus(domain, "virDomainGetMaxVcpus",
			   VIR_DOMAIN_VCPU_MAXIMUM | VIR_DOMAIN_AFFECT_LIVE);
}

int driver_domain_get_vcpus_flags(struct domain *domain, unsigned int flags)
{
	return count_vcpus(domain, "virDomainGetVcpusFlags", flags);
}

/* --- maps --- */

/* A map of the model's into one of the program's, of another length. */
static void copy_map(unsigned char *to, size_t len, const unsigned char *map)
{
	size_t maplen = model_maplen(driver_model());

	memset(to, 0, len);
	memcpy(to, map, len < maplen ? len : maplen);
}

static const unsigned char *config_map(const struct call *c, unsigned int vcpu)
{
	if (c->state->pins)
		return c->state->pins + vcpu * model_maplen(driver_model());
	return NULL;
}

/* Where a vCPU may run by the persistent definition: as at the start, unless it was changed. */
static void read_config_map(const struct call *c, unsigned int vcpu, unsigned char *to, size_t len)
{
	const struct scenario_guest *config = c->guest->config;
	const unsigned char *map = config_map(c, vcpu);

	if (map) {
		copy_map(to, len, map);
		return;
	}
	memset(to, 0, len);
	for (unsigned int i = 0; i < model_pcpus(driver_model()) && i / 8 < len; i++) {
		if (config->pins[vcpu] < 0 || config->pins[vcpu] == (int)i)
			cpumap_add(to, i);
	}
}

static int set_config_map(struct call *c, unsigned int vcpu, const unsigned char *map, size_t len)
{
	size_t maplen = model_maplen(driver_model());
	unsigned int nvcpus = model_guest_vcpus(driver_model(), c->id);
	unsigned char *pins = c->state->pins;

	if (!pins) {
		pins = calloc(nvcpus, maplen);
		if (!pins)
			return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
		for (unsigned int i = 0; i < nvcpus; i++)
			read_config_map(c, i, pins + i * maplen, maplen);
		c->state->pins = pins;
	}
	memset(pins + vcpu * maplen, 0, maplen);
	memcpy(pins + vcpu * maplen, map, len < maplen ? len : maplen);
	return 0;
}

/* --- time per pCPU: followed once somebody has asked, as cgroup v1 did --- */

/* Adds what each vCPU ran since the last time to the pCPU it was on. */
static int follow_times(struct call *c)
{
	unsigned int nvcpus = model_guest_vcpus(driver_model(), c->id);
	struct driver_guest *state = c->state;

	if (!state->pcpu_ns) {
		state->pcpu_ns = calloc(model_pcpus(driver_model()), sizeof(*state->pcpu_ns));
		state->seen_ns = calloc(nvcpus, sizeof(*state->seen_ns));
	}
	if (!state->pcpu_ns || !state->seen_ns)
		return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
	for (unsigned int i = 0; i < nvcpus; i++) {
		struct model_vcpu vcpu;

		model_vcpu_read(driver_model(), c->id, i, &vcpu);
		if (vcpu.pcpu >= 0)
			state->pcpu_ns[vcpu.pcpu] += vcpu.run_ns - state->seen_ns[i];
		state->seen_ns[i] = vcpu.run_ns;
	}
	return 0;
}

/* --- pinning --- */

static int pin_live(struct call *c, size_t place, unsigned int vcpu, const unsigned char *map,
		    size_t len)
{
	size_t maplen = model_maplen(driver_model());
	unsigned char before[MODEL_PCPUS_MAX / 8];
	const unsigned char *after;
	char list[CPULIST_MAX];

	memcpy(before, model_affinity(driver_model(), c->id, vcpu), maplen);
	if (c->state->pcpu_ns && follow_times(c))
		return -1;
	if (model_set_affinity(driver_model(), c->id, vcpu, map, len)) {
		c->from = VIR_FROM_CGROUP;
		return call_fail(
			c, VIR_ERR_SYSTEM_ERROR,
			"Unable to write to '/sys/fs/cgroup/cpuset/machine/%s.libvirt-qemu/"
			"vcpu%u/cpuset.cpus': Numerical result out of range",
			c->guest->config->name, vcpu);
	}
	after = model_affinity(driver_model(), c->id, vcpu);
	c->noop = !memcmp(before, after, maplen);
	if (!c->noop)
		play_event(driver_play(),
			   (struct trace_event){
				   .kind = TRACE_PIN,
				   .guest = c->guest->config->name,
				   .pin = {vcpu, cpumap_format(after, maplen, list, sizeof(list)),
					   TRACE_BY_PROGRAM}});
	events_pinned(place, (int)vcpu, after, maplen);
	return 0;
}

static int pin(struct domain *domain, const char *function, unsigned int vcpu,
	       const unsigned char *map, int len, unsigned int flags)
{
	struct call c;
	char list[CPULIST_MAX];

	if (call_begin_domain(&c, function, domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:s, s:i}", "vcpu", (int)vcpu, "cpumap",
		       map && len > 0 ? cpumap_format(map, (size_t)len, list, sizeof(list)) : "",
		       "flags", (int)flags);
	if (call_check_pointer(&c, map, "cpumap") || call_check_positive(&c, len, "maplen") ||
	    call_check_flags(&c, flags, IMPACT))
		return call_int(&c, -1);
	if (call_check_impact(&c, domain->place, &flags))
		return call_int(&c, -1);
	if (vcpu >= model_guest_vcpus(driver_model(), c.id))
		return call_int(&c,
				call_fail(&c, VIR_ERR_INVALID_ARG,
					  "vcpu %u is out of range of %s cpu count %u", vcpu,
					  flags & VIR_DOMAIN_AFFECT_LIVE ? "live" : "persistent",
					  model_guest_vcpus(driver_model(), c.id)));
	if (!cpumap_count(map, (size_t)len))
		return call_int(&c,
				call_fail(&c, VIR_ERR_INVALID_ARG, "Empty cpu list for pinning"));
	if (flags & VIR_DOMAIN_AFFECT_LIVE && pin_live(&c, domain->place, vcpu, map, (size_t)len))
		return call_int(&c, -1);
	if (flags & VIR_DOMAIN_AFFECT_CONFIG && set_config_map(&c, vcpu, map, (size_t)len))
		return call_int(&c, -1);
	return call_int(&c, 0);
}

int driver_domain_pin_vcpu(struct domain *domain, unsigned int vcpu, unsigned char *map, int len)
{
	return pin(domain, "virDomainPinVcpu", vcpu, map, len, VIR_DOMAIN_AFFECT_LIVE);
}

int driver_domain_pin_vcpu_flags(struct domain *domain, unsigned int vcpu, unsigned char *map,
				 int len, unsigned int flags)
{
	return pin(domain, "virDomainPinVcpuFlags", vcpu, map, len, flags);
}

/* The threads of QEMU that are not vCPUs take no time in the model: their pins are only kept. */
static int pin_emulator(struct call *c, size_t place, const unsigned char *map, size_t len)
{
	size_t maplen = model_maplen(driver_model());
	unsigned char pins[MODEL_PCPUS_MAX / 8] = {0};
	unsigned int online = 0;

	for (unsigned int i = 0; i < model_pcpus(driver_model()); i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(driver_model(), i, &pcpu);
		if (!cpumap_has(map, len, i))
			continue;
		cpumap_add(pins, i);
		online += pcpu.online;
	}
	if (!cpumap_count(map, len))
		return call_fail(c, VIR_ERR_INVALID_ARG, "Empty cpu list for pinning");
	if (!online)
		return call_fail(c, VIR_ERR_OPERATION_INVALID,
				 "failed to set cpuset.cpus in cgroup for emulator threads");
	if (!c->state->emulator_pins)
		c->state->emulator_pins = malloc(maplen);
	if (!c->state->emulator_pins)
		return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
	memcpy(c->state->emulator_pins, pins, maplen);
	events_pinned(place, -1, pins, maplen);
	return 0;
}

int driver_domain_pin_emulator(struct domain *domain, unsigned char *map, int len,
			       unsigned int flags)
{
	struct call c;
	char list[CPULIST_MAX];

	if (call_begin_domain(&c, "virDomainPinEmulator", domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:s, s:i}", "cpumap",
		       map && len > 0 ? cpumap_format(map, (size_t)len, list, sizeof(list)) : "",
		       "flags", (int)flags);
	if (call_check_pointer(&c, map, "cpumap") || call_check_positive(&c, len, "maplen") ||
	    call_check_flags(&c, flags, IMPACT) || call_check_impact(&c, domain->place, &flags))
		return call_int(&c, -1);
	return call_int(&c, pin_emulator(&c, domain->place, map, (size_t)len));
}

int driver_domain_get_emulator_pin_info(struct domain *domain, unsigned char *map, int len,
					unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetEmulatorPinInfo", domain, CALL_READS) ||
	    call_check_pointer(&c, map, "cpumap") || call_check_positive(&c, len, "maplen") ||
	    call_check_flags(&c, flags, IMPACT))
		return call_int(&c, -1);
	memset(map, 0, (size_t)len);
	if (c.state->emulator_pins)
		copy_map(map, (size_t)len, c.state->emulator_pins);
	for (unsigned int i = 0; !c.state->emulator_pins && i < model_pcpus(driver_model()) &&
				 i / 8 < (unsigned int)len;
	     i++)
		cpumap_add(map, i);
	return call_int(&c, 1);
}

/* --- where they run and may run --- */

int driver_domain_get_vcpus(struct domain *domain, virVcpuInfoPtr info, int most,
			    unsigned char *maps, int maplen)
{
	struct call c;
	int n;

	if (call_begin_domain(&c, "virDomainGetVcpus", domain, CALL_READS) ||
	    call_check_pointer(&c, info, "info") || call_check_positive(&c, most, "maxinfo"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:i}", "maxinfo", most, "maplen", maplen);
	if (maps && call_check_positive(&c, maplen, "maplen"))
		return call_int(&c, -1);
	if (!maps && maplen)
		return call_int(&c, call_fail_argument(&c, "maplen in %s must not be zero",
						       "virDomainGetVcpus"));
	if (!guest_running(domain->place))
		return call_int(&c,
				call_fail(&c, VIR_ERR_OPERATION_INVALID,
					  "cannot retrieve vcpu information for inactive domain"));
	n = (int)model_guest_vcpus(driver_model(), c.id);
	if (n > most)
		n = most;
	/* The remote driver clears all the room that it is given. */
	memset(info, 0, sizeof(*info) * (size_t)most);
	if (maps)
		memset(maps, 0, (size_t)most * (size_t)maplen);
	for (int i = 0; i < n; i++) {
		struct model_vcpu vcpu;

		model_vcpu_read(driver_model(), c.id, (unsigned int)i, &vcpu);
		info[i] = (virVcpuInfo){
			.number = (unsigned int)i,
			.state = VIR_VCPU_RUNNING,
			.cpuTime = vcpu.time_ns,
			.cpu = vcpu.pcpu,
		};
		if (maps)
			copy_map(maps + (size_t)i * (size_t)maplen, (size_t)maplen,
				 model_affinity(driver_model(), c.id, (unsigned int)i));
	}
	return call_int(&c, n);
}

int driver_domain_get_vcpu_pin_info(struct domain *domain, int most, unsigned char *maps,
				    int maplen, unsigned int flags)
{
	struct call c;
	bool live;
	int n;

	if (call_begin_domain(&c, "virDomainGetVcpuPinInfo", domain, CALL_READS) ||
	    call_check_pointer(&c, maps, "cpumaps") || call_check_positive(&c, most, "ncpumaps") ||
	    call_check_positive(&c, maplen, "maplen") || call_check_flags(&c, flags, IMPACT))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:i, s:i}", "ncpumaps", most, "maplen", maplen, "flags",
		       (int)flags);
	if (call_check_exclusive(&c, flags))
		return call_int(&c, -1);
	live = guest_running(domain->place);
	if (flags & VIR_DOMAIN_AFFECT_LIVE && !live)
		return call_int(&c, call_fail_off(&c));
	live = live && !(flags & VIR_DOMAIN_AFFECT_CONFIG);
	n = (int)model_guest_vcpus(driver_model(), c.id);
	if (n > most)
		n = most;
	for (int i = 0; i < n; i++) {
		unsigned char *map = maps + (size_t)i * (size_t)maplen;

		if (live)
			copy_map(map, (size_t)maplen,
				 model_affinity(driver_model(), c.id, (unsigned int)i));
		else
			read_config_map(&c, (unsigned int)i, map, (size_t)maplen);
	}
	return call_int(&c, n);
}

/* --- time of the whole guest --- */

void put_ullong(virTypedParameterPtr param, const char *field, uint64_t value)
{
	*param = (virTypedParameter){.type = VIR_TYPED_PARAM_ULLONG, .value.ul = value};
	strncpy(param->field, field, VIR_TYPED_PARAM_FIELD_LENGTH - 1);
}

/* cpu_time, user_time, system_time. */
static int total_times(struct call *c, virTypedParameterPtr params, unsigned int nparams)
{
	struct model_process process;

	if (nparams == 0)
		return 3;
	model_process_read(driver_model(), c->id, &process);
	put_ullong(&params[0], VIR_DOMAIN_CPU_STATS_CPUTIME, process.time_ns);
	if (nparams > 1)
		put_ullong(&params[1], VIR_DOMAIN_CPU_STATS_USERTIME, process.user_ns);
	if (nparams > 2)
		put_ullong(&params[2], VIR_DOMAIN_CPU_STATS_SYSTEMTIME, process.system_ns);
	return nparams > 3 ? 3 : (int)nparams;
}

static int per_pcpu_times(struct call *c, virTypedParameterPtr params, unsigned int nparams,
			  int start, unsigned int ncpus)
{
	unsigned int total = model_pcpus(driver_model());

	if (ncpus == 0)
		return (int)total;
	if (nparams == 0)
		return 2;
	c->from = VIR_FROM_CGROUP;
	if ((unsigned int)start >= total)
		return call_fail(c, VIR_ERR_INVALID_ARG, "start_cpu %d larger than maximum of %u",
				 start, total - 1);
	if (driver_play()->scenario.host.cgroup == 2)
		return call_fail(c, VIR_ERR_OPERATION_UNSUPPORTED,
				 "operation 'getCpuacctPercpuUsage' not supported for backend "
				 "'cgroup V2'");
	if (follow_times(c))
		return -1;
	if (ncpus > total - (unsigned int)start)
		ncpus = total - (unsigned int)start;
	for (unsigned int i = 0; i < ncpus; i++) {
		uint64_t ns = c->state->pcpu_ns[(unsigned int)start + i];

		put_ullong(&params[i * nparams], VIR_DOMAIN_CPU_STATS_CPUTIME, ns);
		if (nparams > 1)
			put_ullong(&params[i * nparams + 1], VIR_DOMAIN_CPU_STATS_VCPUTIME, ns);
	}
	return nparams > 2 ? 2 : (int)nparams;
}

/* The total is one CPU's worth; an array is given for what is asked, for no more CPUs than RPC
 * carries. */
static int check_range(struct call *c, virTypedParameterPtr params, unsigned int nparams, int start,
		       unsigned int ncpus)
{
	if (start == -1 && ncpus != 1)
		return call_fail_argument(c, "ncpus must be 1 when start_cpu is -1");
	if (start < -1)
		return call_fail_argument(c, "start_cpu in %s must be zero or greater",
					  c->function);
	if (nparams && call_check_pointer(c, params, "params"))
		return -1;
	if (params && (!nparams || !ncpus))
		return call_fail_argument(c, "params in %s must be NULL", c->function);
	if (ncpus <= CPUS_PER_CALL)
		return 0;
	c->from = VIR_FROM_REMOTE;
	return call_fail(c, VIR_ERR_RPC, "ncpus count exceeds maximum: %u > %u", ncpus,
			 CPUS_PER_CALL);
}

int driver_domain_get_cpu_stats(struct domain *domain, virTypedParameterPtr params,
				unsigned int nparams, int start, unsigned int ncpus,
				unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetCPUStats", domain, CALL_READS))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:i, s:i}", "nparams", (int)nparams, "start_cpu", start, "ncpus",
		       (int)ncpus);
	if (check_range(&c, params, nparams, start, ncpus))
		return call_int(&c, -1);
	if (call_check_flags(&c, flags, VIR_TYPED_PARAM_STRING_OKAY))
		return call_int(&c, -1);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	if (params)
		memset(params, 0, sizeof(*params) * nparams * ncpus);
	return call_int(&c, start == -1 ? total_times(&c, params, nparams)
					: per_pcpu_times(&c, params, nparams, start, ncpus));
}
