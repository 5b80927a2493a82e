/* SPDX-License-Identifier: MIT */
/* Timers that send signals, and waiting for signals, in libc's place. */
#undef _FORTIFY_SOURCE
#include "clock.h"
#include "real.h"
#include "sched.h"
#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* --- alarm and setitimer --- */

static void fire_alarm(struct sched_timer *timer, uint64_t times)
{
	(void)timer;
	(void)times;
	sched_signal(SIGALRM);
}

static struct sched_timer alarm_timer = {
	.deadline_ns = SCHED_NEVER, .woken_ns = SCHED_NEVER, .fire = fire_alarm};

static struct itimerval alarm_left(void)
{
	struct itimerval left = {.it_interval = ns_timeval(alarm_timer.interval_ns)};
	uint64_t now = sched_now();

	if (alarm_timer.deadline_ns != SCHED_NEVER)
		left.it_value = ns_timeval(
			alarm_timer.deadline_ns > now ? alarm_timer.deadline_ns - now : 1000);
	return left;
}

EXPORT int setitimer(__itimer_which_t which, const struct itimerval *restrict new,
		     struct itimerval *restrict old)
{
	static bool added;
	uint64_t value_ns;

	if (!sched_started() || which != ITIMER_REAL)
		return real(setitimer)(which, new, old);
	if (old)
		*old = alarm_left();
	if (!new)
		return 0;
	if (!added)
		sched_timer_add(&alarm_timer);
	added = true;
	value_ns = timeval_ns(&new->it_value);
	sched_timer_set(&alarm_timer, value_ns ? deadline_in(value_ns) : SCHED_NEVER,
			timeval_ns(&new->it_interval));
	return 0;
}

EXPORT int getitimer(__itimer_which_t which, struct itimerval *left)
{
	if (!sched_started() || which != ITIMER_REAL)
		return real(getitimer)(which, left);
	*left = alarm_left();
	return 0;
}

EXPORT unsigned int alarm(unsigned int seconds)
{
	struct itimerval new = {.it_value.tv_sec = seconds}, old;

	if (!sched_started())
		return real(alarm)(seconds);
	setitimer(ITIMER_REAL, &new, &old);
	return (unsigned int)(old.it_value.tv_sec + (old.it_value.tv_usec > 0));
}

EXPORT useconds_t ualarm(useconds_t us, useconds_t interval)
{
	struct itimerval new = {.it_value = ns_timeval(us * 1000ULL),
				.it_interval = ns_timeval(interval * 1000ULL)};
	struct itimerval old;

	if (!sched_started())
		return real(ualarm)(us, interval);
	setitimer(ITIMER_REAL, &new, &old);
	return (useconds_t)(old.it_value.tv_sec * 1000000 + old.it_value.tv_usec);
}

/* --- POSIX timers --- */

struct virtual_timer {
	struct sched_timer timer;
	clockid_t clock;
	int signal; /* 0: none */
};

static void fire_signal(struct sched_timer *timer, uint64_t times)
{
	const struct virtual_timer *t = (struct virtual_timer *)timer;

	(void)times;
	if (t->signal)
		sched_signal(t->signal);
}

EXPORT int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict out)
{
	struct virtual_timer *t;
	uint64_t base_ns;

	if (!sched_started())
		return real(timer_create)(clock, event, out);
	if (!clock_base(clock, &base_ns) || (event && event->sigev_notify == SIGEV_THREAD)) {
		errno = ENOTSUP;
		return -1;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -1;
	t->clock = clock;
	t->signal = !event ? SIGALRM : event->sigev_notify == SIGEV_NONE ? 0 : event->sigev_signo;
	t->timer.fire = fire_signal;
	sched_timer_add(&t->timer);
	*out = t;
	return 0;
}

EXPORT int timer_gettime(timer_t timer, struct itimerspec *left)
{
	const struct virtual_timer *t = timer;
	uint64_t now;

	if (!sched_started())
		return real(timer_gettime)(timer, left);
	now = sched_now();
	*left = (struct itimerspec){.it_interval = ns_timespec(t->timer.interval_ns)};
	if (t->timer.deadline_ns != SCHED_NEVER)
		left->it_value =
			ns_timespec(t->timer.deadline_ns > now ? t->timer.deadline_ns - now : 1);
	return 0;
}

EXPORT int timer_settime(timer_t timer, int flags, const struct itimerspec *restrict new,
			 struct itimerspec *restrict old)
{
	struct virtual_timer *t = timer;
	uint64_t deadline_ns = SCHED_NEVER;

	if (!sched_started())
		return real(timer_settime)(timer, flags, new, old);
	if (old)
		timer_gettime(timer, old);
	if (new->it_value.tv_sec || new->it_value.tv_nsec)
		deadline_ns = flags & TIMER_ABSTIME ? clock_deadline(t->clock, &new->it_value)
						    : deadline_in(timespec_ns(&new->it_value));
	sched_timer_set(&t->timer, deadline_ns, timespec_ns(&new->it_interval));
	return 0;
}

EXPORT int timer_delete(timer_t timer)
{
	struct virtual_timer *t = timer;

	if (!sched_started())
		return real(timer_delete)(timer);
	sched_timer_remove(&t->timer);
	free(t);
	return 0;
}

EXPORT int pthread_kill(pthread_t thread, int number)
{
	int status = real(pthread_kill)(thread, number);

	if (!status && number && sched_started())
		sched_thread_signaled(thread, number);
	return status;
}

/* --- masks and waiting for signals --- */

EXPORT int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	int status = real(pthread_sigmask)(how, set, old);

	sched_mask_changed();
	return status;
}

EXPORT int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	int status = real(sigprocmask)(how, set, old);

	sched_mask_changed();
	return status;
}

EXPORT int sigsuspend(const sigset_t *mask)
{
	sigset_t saved;

	if (!sched_started())
		return real(sigsuspend)(mask);
	pthread_sigmask(SIG_SETMASK, mask, &saved);
	pause();
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	errno = EINTR;
	return -1;
}

static int wait_signal(const sigset_t *set, siginfo_t *info, uint64_t deadline_ns)
{
	static const struct timespec at_once;
	const struct sched_wait wait = {.deadline_ns = deadline_ns, .signals = set};
	int number;

	while ((number = real(sigtimedwait)(set, info, &at_once)) < 0 && errno == EAGAIN) {
		switch (sched_wait(&wait)) {
		case SCHED_TIMEOUT:
			errno = EAGAIN;
			return -1;
		case SCHED_SIGNAL:
			errno = EINTR;
			return -1;
		default:
			break;
		}
	}
	return number;
}

EXPORT int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
			const struct timespec *restrict timeout)
{
	if (!sched_started())
		return real(sigtimedwait)(set, info, timeout);
	return wait_signal(set, info, timeout ? deadline_in(timespec_ns(timeout)) : SCHED_NEVER);
}

EXPORT int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info)
{
	if (!sched_started())
		return real(sigwaitinfo)(set, info);
	return wait_signal(set, info, SCHED_NEVER);
}

EXPORT int sigwait(const sigset_t *restrict set, int *restrict out)
{
	int number;

	if (!sched_started())
		return real(sigwait)(set, out);
	do {
		number = wait_signal(set, NULL, SCHED_NEVER);
	} while (number < 0 && errno == EINTR);
	if (number < 0)
		return errno;
	*out = number;
	return 0;
}
