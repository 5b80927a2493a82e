/* SPDX-License-Identifier: MIT */
/* Weights of domains, and the most their vCPUs get: cpu_shares, vcpu_period, vcpu_quota. */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCHEDULE_PARAMS 9

/* The weights of cgroup v1 and v2, and what the model has for the default of either. */
static const struct {
	unsigned int usual, least, most;
} weights[] = {{1024, 2, 262144}, {100, 1, 10000}};
#define MODEL_SHARES 1024

static unsigned int cgroup(void)
{
	return driver_play()->scenario.host.cgroup - 1;
}

unsigned int guest_shares(unsigned int id)
{
	unsigned int usual = weights[cgroup()].usual;

	return (model_shares(driver_model(), id) * usual + MODEL_SHARES / 2) / MODEL_SHARES;
}

static void set_shares(unsigned int id, uint64_t shares)
{
	unsigned int usual = weights[cgroup()].usual;

	model_set_shares(driver_model(), id,
			 (unsigned int)((shares * MODEL_SHARES + usual / 2) / usual));
}

static int check_shares(struct call *c, uint64_t shares)
{
	unsigned int least = weights[cgroup()].least, most = weights[cgroup()].most;

	if (shares >= least && shares <= most)
		return 0;
	c->from = VIR_FROM_CGROUP;
	return call_fail(c, VIR_ERR_INVALID_ARG, "shares '%llu' must be in range [%u, %u]",
			 (unsigned long long)shares, least, most);
}

char *driver_domain_get_scheduler_type(struct domain *domain, int *nparams)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetSchedulerType", domain, CALL_READS))
		return call_pointer(&c, NULL, NULL);
	if (nparams)
		*nparams = SCHEDULE_PARAMS;
	return call_pointer(&c, strdup("posix"), "posix");
}

/* The guest's weight and caps; only the vCPUs' can be other than the default. */
static int read_schedule(const struct call *c, virTypedParameter all[SCHEDULE_PARAMS])
{
	static const char *const periods[] = {
		VIR_DOMAIN_SCHEDULER_VCPU_PERIOD, VIR_DOMAIN_SCHEDULER_EMULATOR_PERIOD,
		VIR_DOMAIN_SCHEDULER_GLOBAL_PERIOD, VIR_DOMAIN_SCHEDULER_IOTHREAD_PERIOD};
	static const char *const quotas[] = {
		VIR_DOMAIN_SCHEDULER_VCPU_QUOTA, VIR_DOMAIN_SCHEDULER_EMULATOR_QUOTA,
		VIR_DOMAIN_SCHEDULER_GLOBAL_QUOTA, VIR_DOMAIN_SCHEDULER_IOTHREAD_QUOTA};
	double quota_pct = model_quota(driver_model(), c->id);
	int n = 0;

	put_ullong(&all[n++], VIR_DOMAIN_SCHEDULER_CPU_SHARES, guest_shares(c->id));
	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
		unsigned int period_us = i == 0 ? c->state->period_us : CPU_PERIOD_US;

		put_ullong(&all[n++], periods[i], period_us);
		put_ullong(&all[n], quotas[i], 0);
		all[n].type = VIR_TYPED_PARAM_LLONG;
		all[n++].value.l =
			i == 0 && quota_pct > 0 ? llround(quota_pct * period_us / 100) : -1;
	}
	return n;
}

static int scheduler_parameters(struct domain *domain, const char *function,
				virTypedParameterPtr params, int *nparams, unsigned int flags)
{
	virTypedParameter all[SCHEDULE_PARAMS];
	struct call c;
	int n;

	if (call_begin_domain(&c, function, domain, CALL_READS) ||
	    call_check_pointer(&c, params, "params") ||
	    call_check_pointer(&c, nparams, "nparams") ||
	    call_check_positive(&c, *nparams, "*nparams") ||
	    call_check_flags(&c, flags, IMPACT | VIR_TYPED_PARAM_STRING_OKAY) ||
	    call_check_exclusive(&c, flags))
		return call_int(&c, -1);
	n = read_schedule(&c, all);
	if (*nparams > n)
		*nparams = n;
	memcpy(params, all, (size_t)*nparams * sizeof(*params));
	return call_int(&c, 0);
}

int driver_domain_get_scheduler_parameters(struct domain *domain, virTypedParameterPtr params,
					   int *nparams)
{
	return scheduler_parameters(domain, "virDomainGetSchedulerParameters", params, nparams, 0);
}

int driver_domain_get_scheduler_parameters_flags(struct domain *domain, virTypedParameterPtr params,
						 int *nparams, unsigned int flags)
{
	return scheduler_parameters(domain, "virDomainGetSchedulerParametersFlags", params, nparams,
				    flags);
}

/* --- setting them --- */

static const struct {
	const char *name;
	int type;
	long long least, most;
} settable[] = {
	{VIR_DOMAIN_SCHEDULER_CPU_SHARES, VIR_TYPED_PARAM_ULLONG, 0, 0}, /* check_shares() */
	{VIR_DOMAIN_SCHEDULER_VCPU_PERIOD, VIR_TYPED_PARAM_ULLONG, 1000, 1000000},
	{VIR_DOMAIN_SCHEDULER_VCPU_QUOTA, VIR_TYPED_PARAM_LLONG, 1000, 17592186044415},
};

/* The emulator's, the I/O threads' and the whole domain's have no part in the model. */
static int check_parameter(struct call *c, const virTypedParameter *param)
{
	for (size_t i = 0; i < sizeof(settable) / sizeof(settable[0]); i++) {
		if (strcmp(param->field, settable[i].name))
			continue;
		if (param->type != settable[i].type)
			return call_fail(c, VIR_ERR_INVALID_ARG, "invalid type for parameter '%s'",
					 param->field);
		if (!strcmp(param->field, VIR_DOMAIN_SCHEDULER_CPU_SHARES))
			return check_shares(c, param->value.ul);
		if (param->type == VIR_TYPED_PARAM_LLONG && param->value.l < 0)
			return 0; /* none */
		if (param->value.l < settable[i].least || param->value.l > settable[i].most)
			return call_fail(c, VIR_ERR_INVALID_ARG,
					 "value of '%s' is out of range [%lld, %lld]", param->field,
					 settable[i].least, settable[i].most);
		return 0;
	}
	return call_fail(c, VIR_ERR_INVALID_ARG, "parameter '%s' not supported", param->field);
}

/* As the recorder of real guests notes it: a quota that is one, and shares. */
static void trace_limit(const struct call *c, const virTypedParameter *param)
{
	if (param->value.l > 0)
		play_event(driver_play(),
			   (struct trace_event){.kind = TRACE_LIMIT,
						.guest = c->guest->config->name,
						.limit = {param->field, param->value.l}});
}

static void set_parameter(const struct call *c, size_t place, const virTypedParameter *param)
{
	double quota_pct = model_quota(driver_model(), c->id);

	if (!strcmp(param->field, VIR_DOMAIN_SCHEDULER_CPU_SHARES)) {
		set_shares(c->id, param->value.ul);
		trace_limit(c, param);
		events_tuned(place, VIR_DOMAIN_TUNABLE_CPU_CPU_SHARES, VIR_TYPED_PARAM_ULLONG,
			     param->value.l);
	} else if (!strcmp(param->field, VIR_DOMAIN_SCHEDULER_VCPU_PERIOD)) {
		/* The quota stays what it is in time. */
		model_set_quota(driver_model(), c->id,
				quota_pct * c->state->period_us / (double)param->value.ul);
		c->state->period_us = (unsigned int)param->value.ul;
		events_tuned(place, VIR_DOMAIN_TUNABLE_CPU_VCPU_PERIOD, VIR_TYPED_PARAM_ULLONG,
			     param->value.l);
	} else {
		model_set_quota(driver_model(), c->id,
				param->value.l > 0
					? 100.0 * (double)param->value.l / c->state->period_us
					: 0);
		trace_limit(c, param);
		events_tuned(place, VIR_DOMAIN_TUNABLE_CPU_VCPU_QUOTA, VIR_TYPED_PARAM_LLONG,
			     param->value.l);
	}
}

static int set_parameters(struct domain *domain, const char *function, virTypedParameterPtr params,
			  int nparams, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_WRITES) ||
	    call_check_pointer(&c, params, "params") ||
	    call_check_positive(&c, nparams, "nparams") || call_check_flags(&c, flags, IMPACT) ||
	    call_check_impact(&c, domain->place, &flags))
		return call_int(&c, -1);
	for (int i = 0; i < nparams; i++) {
		call_arguments(&c, "{s:I}", params[i].field, (json_int_t)params[i].value.l);
		if (check_parameter(&c, &params[i]))
			return call_int(&c, -1);
	}
	if (!(flags & VIR_DOMAIN_AFFECT_LIVE))
		return call_int(&c, call_fail(&c, VIR_ERR_OPERATION_UNSUPPORTED,
					      "the simulated host weighs what runs"));
	for (int i = 0; i < nparams; i++)
		set_parameter(&c, domain->place, &params[i]);
	return call_int(&c, 0);
}

int driver_domain_set_scheduler_parameters(struct domain *domain, virTypedParameterPtr params,
					   int nparams)
{
	return set_parameters(domain, "virDomainSetSchedulerParameters", params, nparams,
			      VIR_DOMAIN_AFFECT_LIVE);
}

int driver_domain_set_scheduler_parameters_flags(struct domain *domain, virTypedParameterPtr params,
						 int nparams, unsigned int flags)
{
	return set_parameters(domain, "virDomainSetSchedulerParametersFlags", params, nparams,
			      flags);
}
