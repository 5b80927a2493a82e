/* SPDX-License-Identifier: MIT */
/* Reading clocks and sleeping, in libc's place. */
#undef _FORTIFY_SOURCE
#include "clock.h"

#include "real.h"
#include "sched.h"
#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <unistd.h>

/* --- conversions --- */

bool clock_base(clockid_t clock, uint64_t *base_ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*base_ns = SIM_REALTIME_NS;
		return true;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*base_ns = SIM_MONOTONIC_NS;
		return true;
	default:
		return false;
	}
}

bool timespec_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < (long)MODEL_NS_PER_S;
}

/* Longer than any scenario: 100 years. */
#define LONG_S 3153600000ULL

uint64_t timespec_ns(const struct timespec *ts)
{
	if (ts->tv_sec < 0)
		return 0;
	if ((uint64_t)ts->tv_sec > LONG_S)
		return LONG_S * MODEL_NS_PER_S;
	return (uint64_t)ts->tv_sec * MODEL_NS_PER_S + (uint64_t)ts->tv_nsec;
}

struct timespec ns_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / MODEL_NS_PER_S),
				 .tv_nsec = (long)(ns % MODEL_NS_PER_S)};
}

uint64_t timeval_ns(const struct timeval *tv)
{
	struct timespec ts = {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * 1000};

	return timespec_ns(&ts);
}

struct timeval ns_timeval(uint64_t ns)
{
	return (struct timeval){.tv_sec = (time_t)(ns / MODEL_NS_PER_S),
				.tv_usec = (suseconds_t)(ns % MODEL_NS_PER_S / 1000)};
}

uint64_t clock_deadline(clockid_t clock, const struct timespec *at)
{
	uint64_t base_ns = 0, at_ns = timespec_ns(at);

	clock_base(clock, &base_ns);
	return at_ns > base_ns ? at_ns - base_ns : 0;
}

uint64_t deadline_in(uint64_t ns)
{
	return sched_now() + ns;
}

/* --- clocks --- */

/* A program that looks at the clock until it has moved would look for ever. */
static uint64_t read_now(void)
{
	sim_count_call();
	return sched_now();
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t base_ns;

	if (!sched_started())
		return real(clock_gettime)(clock, ts);
	if (clock_base(clock, &base_ns)) {
		*ts = ns_timespec(base_ns + read_now());
		return 0;
	}
	/* CPU time: none is used unless computing is charged. */
	if (sim_charge_factor() > 0)
		return real(clock_gettime)(clock, ts);
	*ts = (struct timespec){0};
	return 0;
}

EXPORT time_t time(time_t *out)
{
	struct timespec ts;

	if (!sched_started())
		return real(time)(out);
	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	if (!sched_started())
		return real(gettimeofday)(tv, zone);
	*tv = ns_timeval(SIM_REALTIME_NS + read_now());
	if (zone)
		*(struct timezone *)zone = (struct timezone){0};
	return 0;
}

EXPORT int timespec_get(struct timespec *ts, int base)
{
	if (!sched_started() || base != TIME_UTC)
		return real(timespec_get)(ts, base);
	clock_gettime(CLOCK_REALTIME, ts);
	return base;
}

EXPORT int clock_settime(clockid_t clock, const struct timespec *ts)
{
	if (!sched_started())
		return real(clock_settime)(clock, ts);
	errno = EPERM;
	return -1;
}

EXPORT int settimeofday(const struct timeval *tv, const struct timezone *zone)
{
	if (!sched_started())
		return real(settimeofday)(tv, zone);
	errno = EPERM;
	return -1;
}

EXPORT clock_t clock(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts))
		return -1;
	return ts.tv_sec * CLOCKS_PER_SEC + ts.tv_nsec / (1000000000 / CLOCKS_PER_SEC);
}

EXPORT clock_t times(struct tms *out)
{
	long ticks = sysconf(_SC_CLK_TCK);

	if (!sched_started())
		return real(times)(out);
	if (out) {
		*out = (struct tms){0};
		if (sim_charge_factor() > 0)
			real(times)(out);
	}
	return (clock_t)((SIM_MONOTONIC_NS + read_now()) / (MODEL_NS_PER_S / (uint64_t)ticks));
}

EXPORT int getrusage(__rusage_who_t who, struct rusage *usage)
{
	int status = real(getrusage)(who, usage);

	if (status == 0 && sched_started() && !(sim_charge_factor() > 0)) {
		usage->ru_utime = (struct timeval){0};
		usage->ru_stime = (struct timeval){0};
	}
	return status;
}

/* --- sleeping --- */

/* Sleeps until a virtual time; 0 or EINTR. */
static int sleep_until(uint64_t deadline_ns)
{
	const struct sched_wait wait = {.deadline_ns = deadline_ns};
	enum sched_result result = SCHED_WOKEN;

	sim_count_call();
	pthread_testcancel();
	while (result == SCHED_WOKEN)
		result = sched_wait(&wait);
	pthread_testcancel();
	return result == SCHED_SIGNAL ? EINTR : 0;
}

static uint64_t left_ns(uint64_t deadline_ns)
{
	uint64_t now = sim_now();

	return deadline_ns > now ? deadline_ns - now : 0;
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
			   struct timespec *left)
{
	uint64_t base_ns, deadline_ns;
	int status;

	if (!sched_started())
		return real(clock_nanosleep)(clock, flags, request, left);
	if (!clock_base(clock, &base_ns))
		return ENOTSUP;
	if (!timespec_valid(request))
		return EINVAL;
	if (flags & TIMER_ABSTIME)
		return sleep_until(clock_deadline(clock, request));
	deadline_ns = deadline_in(timespec_ns(request));
	status = sleep_until(deadline_ns);
	if (status && left)
		*left = ns_timespec(left_ns(deadline_ns));
	return status;
}

EXPORT int nanosleep(const struct timespec *request, struct timespec *left)
{
	int status;

	if (!sched_started())
		return real(nanosleep)(request, left);
	status = clock_nanosleep(CLOCK_MONOTONIC, 0, request, left);
	if (!status)
		return 0;
	errno = status;
	return -1;
}

EXPORT unsigned int sleep(unsigned int seconds)
{
	struct timespec ts = {.tv_sec = seconds}, left = {0};

	if (!sched_started())
		return real(sleep)(seconds);
	if (nanosleep(&ts, &left) == 0)
		return 0;
	return (unsigned int)(left.tv_sec + (left.tv_nsec >= 500000000));
}

EXPORT int usleep(useconds_t us)
{
	struct timespec ts = ns_timespec(us * 1000ULL);

	return sched_started() ? nanosleep(&ts, NULL) : real(usleep)(us);
}

EXPORT int pause(void)
{
	const struct sched_wait wait = {.deadline_ns = SCHED_NEVER};

	if (!sched_started())
		return real(pause)();
	pthread_testcancel();
	while (sched_wait(&wait) != SCHED_SIGNAL)
		;
	pthread_testcancel();
	errno = EINTR;
	return -1;
}

EXPORT int sched_yield(void)
{
	const struct sched_wait wait = {.deadline_ns = 0};

	if (!sched_started())
		return real(sched_yield)();
	sim_count_call();
	sched_wait(&wait);
	return 0;
}
