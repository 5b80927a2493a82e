/* SPDX-License-Identifier: MIT */
/*
 * Threads, locks, conditions and semaphores, in libc's place. Only one thread runs at a time, so
 * each lock is tried, and where that fails the thread waits in virtual time for the one that gives
 * it back.
 */
#undef _FORTIFY_SOURCE
#include "clock.h"
#include "real.h"
#include "sched.h"
#include "sim.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

/* --- threads --- */

struct start {
	struct sched_thread *thread;
	void *(*run)(void *);
	int (*run_c11)(void *);
	void *argument;
};

static void *thread_main(void *opaque)
{
	struct start start = *(struct start *)opaque;

	free(opaque);
	sched_thread_enter(start.thread);
	if (start.run_c11)
		return (void *)(intptr_t)start.run_c11(start.argument);
	return start.run(start.argument);
}

static int create(pthread_t *handle, const pthread_attr_t *attr, struct start start)
{
	struct start *copy = malloc(sizeof(*copy));
	int status = EAGAIN;

	start.thread = copy ? sched_thread_new() : NULL;
	if (start.thread) {
		*copy = start;
		status = real(pthread_create)(handle, attr, thread_main, copy);
		if (!status) {
			sched_thread_name(start.thread, *handle);
			return 0;
		}
		sched_thread_drop(start.thread);
	}
	free(copy);
	return status;
}

EXPORT int pthread_create(pthread_t *restrict handle, const pthread_attr_t *restrict attr,
			  void *(*run)(void *), void *restrict argument)
{
	if (!sched_started())
		return real(pthread_create)(handle, attr, run, argument);
	return create(handle, attr, (struct start){.run = run, .argument = argument});
}

EXPORT int pthread_join(pthread_t handle, void **result)
{
	while (sched_started() && !pthread_equal(handle, pthread_self()) &&
	       !sched_thread_join(handle))
		pthread_testcancel();
	return real(pthread_join)(handle, result);
}

/* A cancelled thread that waits must get its turn to find out. */
EXPORT int pthread_cancel(pthread_t handle)
{
	int status = real(pthread_cancel)(handle);

	if (sched_started())
		sched_interrupt(handle);
	return status;
}

EXPORT int thrd_create(thrd_t *handle, thrd_start_t run, void *argument)
{
	int status;

	if (!sched_started())
		return real(thrd_create)(handle, run, argument);
	status = create(handle, NULL, (struct start){.run_c11 = run, .argument = argument});
	return status == 0 ? thrd_success : status == ENOMEM ? thrd_nomem : thrd_error;
}

EXPORT int thrd_join(thrd_t handle, int *result)
{
	void *value;

	if (pthread_join(handle, &value))
		return thrd_error;
	if (result)
		*result = (int)(intptr_t)value;
	return thrd_success;
}

EXPORT int thrd_sleep(const struct timespec *request, struct timespec *left)
{
	int status = clock_nanosleep(CLOCK_REALTIME, 0, request, left);

	return status == 0 ? 0 : status == EINTR ? -1 : -2;
}

EXPORT void thrd_yield(void)
{
	sched_yield();
}

/* --- locks --- */

/* Waits until somebody gives key back; false: the deadline came first. */
static bool wait_for(const void *key, uint64_t deadline_ns)
{
	const struct sched_wait wait = {.key = key, .deadline_ns = deadline_ns};

	return sched_wait(&wait) != SCHED_TIMEOUT;
}

static void given_back(const void *key)
{
	if (sched_started() && sched_contended())
		sched_wake(key, 1);
}

static int lock_mutex(pthread_mutex_t *mutex, uint64_t deadline_ns)
{
	int status;

	while ((status = real(pthread_mutex_trylock)(mutex)) == EBUSY) {
		/* Its owner asks again: an error or a deadlock, as the mutex's kind says. */
		if (mutex->__data.__owner == (int)real(syscall)(SYS_gettid) &&
		    (mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK_NP)
			return EDEADLK;
		if (!wait_for(mutex, deadline_ns))
			return ETIMEDOUT;
	}
	return status;
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	return sched_started() ? lock_mutex(mutex, SCHED_NEVER) : real(pthread_mutex_lock)(mutex);
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
				   const struct timespec *restrict at)
{
	if (!sched_started())
		return real(pthread_mutex_timedlock)(mutex, at);
	return lock_mutex(mutex, clock_deadline(CLOCK_REALTIME, at));
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *restrict mutex, clockid_t clock,
				   const struct timespec *restrict at)
{
	if (!sched_started())
		return real(pthread_mutex_clocklock)(mutex, clock, at);
	return lock_mutex(mutex, clock_deadline(clock, at));
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int status = real(pthread_mutex_unlock)(mutex);

	given_back(mutex);
	return status;
}

static int lock_shared(pthread_rwlock_t *lock, int (*try)(pthread_rwlock_t *), uint64_t deadline_ns)
{
	int status;

	while ((status = try(lock)) == EBUSY) {
		if (!wait_for(lock, deadline_ns))
			return ETIMEDOUT;
	}
	return status;
}

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	if (!sched_started())
		return real(pthread_rwlock_rdlock)(lock);
	return lock_shared(lock, real(pthread_rwlock_tryrdlock), SCHED_NEVER);
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	if (!sched_started())
		return real(pthread_rwlock_wrlock)(lock);
	return lock_shared(lock, real(pthread_rwlock_trywrlock), SCHED_NEVER);
}

EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict lock,
				      const struct timespec *restrict at)
{
	if (!sched_started())
		return real(pthread_rwlock_timedrdlock)(lock, at);
	return lock_shared(lock, real(pthread_rwlock_tryrdlock),
			   clock_deadline(CLOCK_REALTIME, at));
}

EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict lock,
				      const struct timespec *restrict at)
{
	if (!sched_started())
		return real(pthread_rwlock_timedwrlock)(lock, at);
	return lock_shared(lock, real(pthread_rwlock_trywrlock),
			   clock_deadline(CLOCK_REALTIME, at));
}

EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	int status = real(pthread_rwlock_unlock)(lock);

	if (sched_started() && sched_contended())
		sched_wake(lock, UINT32_MAX);
	return status;
}

EXPORT int pthread_spin_lock(pthread_spinlock_t *lock)
{
	if (!sched_started())
		return real(pthread_spin_lock)(lock);
	while (pthread_spin_trylock(lock) == EBUSY)
		wait_for((const void *)lock, SCHED_NEVER);
	return 0;
}

EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock)
{
	int status = real(pthread_spin_unlock)(lock);

	given_back((const void *)lock);
	return status;
}

/* What waits inside is not known; the threads meet in the kernel. */
EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	int status;

	if (!sched_started())
		return real(pthread_barrier_wait)(barrier);
	sched_outside_begin();
	status = real(pthread_barrier_wait)(barrier);
	sched_outside_end();
	return status;
}

/* --- conditions: nobody else runs between giving up the mutex and waiting --- */

static int wait_cond(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_ns)
{
	bool in_time;

	pthread_testcancel();
	pthread_mutex_unlock(mutex);
	in_time = wait_for(cond, deadline_ns);
	lock_mutex(mutex, SCHED_NEVER);
	pthread_testcancel();
	return in_time ? 0 : ETIMEDOUT;
}

/* The clock a condition was made for. glibc keeps it in bit 1 of this word. */
static clockid_t cond_clock(const pthread_cond_t *cond)
{
	return cond->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

EXPORT int pthread_cond_wait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex)
{
	if (!sched_started())
		return real(pthread_cond_wait)(cond, mutex);
	return wait_cond(cond, mutex, SCHED_NEVER);
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
				  const struct timespec *restrict at)
{
	if (!sched_started())
		return real(pthread_cond_timedwait)(cond, mutex, at);
	if (!timespec_valid(at))
		return EINVAL;
	return wait_cond(cond, mutex, clock_deadline(cond_clock(cond), at));
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
				  clockid_t clock, const struct timespec *restrict at)
{
	if (!sched_started())
		return real(pthread_cond_clockwait)(cond, mutex, clock, at);
	if (!timespec_valid(at))
		return EINVAL;
	return wait_cond(cond, mutex, clock_deadline(clock, at));
}

EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
	if (!sched_started())
		return real(pthread_cond_signal)(cond);
	given_back(cond);
	return 0;
}

EXPORT int pthread_cond_broadcast(pthread_cond_t *cond)
{
	if (!sched_started())
		return real(pthread_cond_broadcast)(cond);
	if (sched_contended())
		sched_wake(cond, UINT32_MAX);
	return 0;
}

/* C11's are the same objects under other names. */
static int c11(int status)
{
	return status == 0	     ? thrd_success
	       : status == ETIMEDOUT ? thrd_timedout
	       : status == EBUSY     ? thrd_busy
				     : thrd_error;
}

EXPORT int mtx_lock(mtx_t *mutex)
{
	return c11(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

EXPORT int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict at)
{
	return c11(pthread_mutex_timedlock((pthread_mutex_t *)mutex, at));
}

EXPORT int mtx_unlock(mtx_t *mutex)
{
	return c11(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

EXPORT int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
	return c11(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex));
}

EXPORT int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex,
			 const struct timespec *restrict at)
{
	return c11(pthread_cond_clockwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex,
					  CLOCK_REALTIME, at));
}

EXPORT int cnd_signal(cnd_t *cond)
{
	return c11(pthread_cond_signal((pthread_cond_t *)cond));
}

EXPORT int cnd_broadcast(cnd_t *cond)
{
	return c11(pthread_cond_broadcast((pthread_cond_t *)cond));
}

/* --- semaphores --- */

/* Another process may have posted it. */
static bool is_posted(void *sem)
{
	int value;

	return sem_getvalue(sem, &value) == 0 && value > 0;
}

static int wait_sem(sem_t *sem, uint64_t deadline_ns)
{
	pthread_testcancel();
	while (sem_trywait(sem)) {
		const struct sched_wait wait = {
			.key = sem, .deadline_ns = deadline_ns, .ready = is_posted, .opaque = sem};
		enum sched_result result;

		if (errno != EAGAIN)
			return -1;
		result = sched_wait(&wait);
		pthread_testcancel();
		if (result == SCHED_WOKEN)
			continue;
		errno = result == SCHED_SIGNAL ? EINTR : ETIMEDOUT;
		return -1;
	}
	return 0;
}

EXPORT int sem_wait(sem_t *sem)
{
	return sched_started() ? wait_sem(sem, SCHED_NEVER) : real(sem_wait)(sem);
}

EXPORT int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict at)
{
	if (!sched_started())
		return real(sem_timedwait)(sem, at);
	return wait_sem(sem, clock_deadline(CLOCK_REALTIME, at));
}

EXPORT int sem_clockwait(sem_t *restrict sem, clockid_t clock, const struct timespec *restrict at)
{
	if (!sched_started())
		return real(sem_clockwait)(sem, clock, at);
	return wait_sem(sem, clock_deadline(clock, at));
}

EXPORT int sem_post(sem_t *sem)
{
	int status = real(sem_post)(sem);

	given_back(sem);
	return status;
}

/* --- the futexes of GLib, libstdc++ and Rust, which make the system call themselves --- */

static long futex_wait(const int *word, int expected, uint64_t deadline_ns)
{
	const struct sched_wait wait = {.key = word, .deadline_ns = deadline_ns};

	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected) {
		errno = EAGAIN;
		return -1;
	}
	switch (sched_wait(&wait)) {
	case SCHED_TIMEOUT:
		errno = ETIMEDOUT;
		return -1;
	case SCHED_SIGNAL:
		errno = EINTR;
		return -1;
	default:
		return 0;
	}
}

static long futex_call(const long arg[6], bool *handled)
{
	const int *word = (const int *)arg[0];
	const struct timespec *timeout = (const struct timespec *)arg[3];
	int operation = (int)arg[1];
	clockid_t clock = operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	uint64_t deadline_ns = SCHED_NEVER;

	*handled = true;
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		if (timeout)
			deadline_ns = deadline_in(timespec_ns(timeout));
		return futex_wait(word, (int)arg[2], deadline_ns);
	case FUTEX_WAIT_BITSET:
		if (timeout)
			deadline_ns = clock_deadline(clock, timeout);
		return futex_wait(word, (int)arg[2], deadline_ns);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		if (sched_contended())
			sched_wake(word, (unsigned int)arg[2]);
		return 0;
	default:
		*handled = false;
		return 0;
	}
}

EXPORT long syscall(long number, ...)
{
	long arg[6], result;
	bool handled;
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_getrandom && sched_started())
		return getrandom((void *)arg[0], (size_t)arg[1], (unsigned int)arg[2]);
	if (number == SYS_futex && sched_started()) {
		result = futex_call(arg, &handled);
		if (handled)
			return result;
	}
	return real(syscall)(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
