/* SPDX-License-Identifier: MIT */
/* The program's threads in virtual time: who runs, who waits for what, and when time moves. */
#undef _FORTIFY_SOURCE
#include "sched.h"

#include "model/rng.h"
#include "real.h"
#include "sim.h"

#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum thread_state {
	READY,	 /* could run */
	RUNNING, /* has the turn */
	WAITING,
	OUTSIDE, /* in the kernel, waiting for what we do not know */
	ENDED,
};

struct sched_thread {
	struct sched_thread *next; /* in order of creation */
	pthread_t handle;
	pid_t tid;
	enum thread_state state;
	uint64_t since; /* when it came into this state, in order of events */
	int go;		/* a futex: it may run */
	struct sched_wait wait;
	enum sched_result result;
	sigset_t mask;
	uint64_t signals;    /* to be raised before it goes on; bit n: signal n */
	uint64_t charged_ns; /* its CPU time that has been charged */
	unsigned int destructions;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sched_thread *threads;
static struct sched_timer *timers;
static uint64_t events; /* orders what happens at the same time */
static unsigned int nthreads, waiters, outside;
static bool turn_free; /* nobody runs: all that do not wait are outside */
static bool started;
static pthread_key_t at_end; /* runs thread_ended() */
static __thread struct sched_thread *self;

/* --- the lock, with signals held off: a handler may call us --- */

static void take(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	real(pthread_sigmask)(SIG_SETMASK, &all, saved);
	real(pthread_mutex_lock)(&lock);
}

static void release(const sigset_t *saved)
{
	real(pthread_mutex_unlock)(&lock);
	real(pthread_sigmask)(SIG_SETMASK, saved, NULL);
}

static long futex(int *word, int operation, int value)
{
	return real(syscall)(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void set_state(struct sched_thread *thread, enum thread_state state)
{
	if (thread->state == WAITING)
		waiters--;
	if (state == WAITING)
		waiters++;
	thread->state = state;
	thread->since = ++events;
}

static void make_ready(struct sched_thread *thread, enum sched_result result)
{
	thread->result = result;
	set_state(thread, READY);
}

/* --- signals --- */

static bool masks(const struct sched_thread *thread, int number)
{
	return sigismember(&thread->mask, number) == 1;
}

static bool fatal_by_default(int number)
{
	return number != SIGCHLD && number != SIGURG && number != SIGWINCH && number != SIGCONT;
}

/* The lock is held. */
void sched_signal(int number)
{
	struct sched_thread *taker = threads;
	struct sigaction action;

	while (taker && (taker->state == ENDED || taker->state == OUTSIDE || masks(taker, number)))
		taker = taker->next;
	if (!taker) { /* pending, for sigwait() and signalfd() */
		real(kill)(getpid(), number);
		return;
	}
	sigaction(number, NULL, &action);
	if (action.sa_handler == SIG_IGN)
		return;
	if (action.sa_handler == SIG_DFL) {
		if (fatal_by_default(number))
			sim_killed(number);
		return;
	}
	taker->signals |= 1ULL << number;
	if (taker->state == WAITING)
		make_ready(taker, SCHED_SIGNAL);
}

/* In the thread that takes them, without the lock: handlers may do what they like. */
static void raise_signals(struct sched_thread *thread)
{
	while (thread->signals) {
		int number = __builtin_ctzll(thread->signals);

		thread->signals &= ~(1ULL << number);
		real(syscall)(SYS_tgkill, getpid(), thread->tid, number);
	}
}

void sched_mask_changed(void)
{
	if (started && self)
		real(pthread_sigmask)(SIG_SETMASK, NULL, &self->mask);
}

/* --- what is due --- */

/*
 * A wake-up never comes on its deadline: Linux lets timers slack by 50 µs, and the woken has to be
 * put on a pCPU. By the run's seed and the deadline alone, so that it is the same each time.
 */
#define LATE_LEAST_NS 20000
#define LATE_RANGE_NS 60000

static uint64_t woken_ns(uint64_t deadline_ns)
{
	struct rng rng;

	if (deadline_ns == SCHED_NEVER)
		return SCHED_NEVER;
	rng = rng_seed(sim_seed(), deadline_ns);
	return deadline_ns + LATE_LEAST_NS + rng_below(&rng, LATE_RANGE_NS);
}

static void fire_timers(uint64_t now)
{
	struct sched_timer *next;

	for (struct sched_timer *timer = timers; timer; timer = next) {
		uint64_t times = 1;

		next = timer->next;
		if (timer->woken_ns > now)
			continue;
		if (timer->interval_ns) {
			times += (now - timer->deadline_ns) / timer->interval_ns;
			timer->deadline_ns += times * timer->interval_ns;
		} else {
			timer->deadline_ns = SCHED_NEVER;
		}
		timer->woken_ns = woken_ns(timer->deadline_ns);
		timer->fire(timer, times);
	}
}

static struct sched_thread *first_due(uint64_t now)
{
	struct sched_thread *first = NULL;

	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state != WAITING || t->wait.deadline_ns > now)
			continue;
		if (!first || t->wait.deadline_ns < first->wait.deadline_ns ||
		    (t->wait.deadline_ns == first->wait.deadline_ns && t->since < first->since))
			first = t;
	}
	return first;
}

static void expire(uint64_t now)
{
	struct sched_thread *t;

	fire_timers(now);
	while ((t = first_due(now)))
		make_ready(t, SCHED_TIMEOUT);
}

/* Who waits for a signal gets it; others that do not mask it are interrupted. */
static void check_signal(int number, void (*handler)(int))
{
	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state == WAITING && t->wait.signals &&
		    sigismember(t->wait.signals, number) == 1) {
			make_ready(t, SCHED_WOKEN);
			return;
		}
	}
	if (handler == SIG_IGN || (handler == SIG_DFL && !fatal_by_default(number)))
		return;
	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state == WAITING && !masks(t, number)) {
			make_ready(t, SCHED_SIGNAL);
			return;
		}
	}
}

/* Signals that others sent: threads that wait mask all, so they are pending. */
static void check_signals(void)
{
	sigset_t pending;

	sigpending(&pending);
	if (sigisemptyset(&pending))
		return;
	for (int number = 1; number < SIGRTMAX; number++) {
		struct sigaction action;

		if (sigismember(&pending, number) == 1 && sigaction(number, NULL, &action) == 0)
			check_signal(number, action.sa_handler);
	}
}

static bool has_come(struct sched_wait *wait)
{
	return (wait->nfds && real(poll)(wait->fds, wait->nfds, 0) > 0) ||
	       (wait->ready && wait->ready(wait->opaque));
}

/* What may have come while nobody here ran. */
static void check_waits(void)
{
	check_signals();
	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state == WAITING && has_come(&t->wait))
			make_ready(t, SCHED_WOKEN);
	}
}

static uint64_t next_deadline(void)
{
	uint64_t next = SCHED_NEVER;

	for (struct sched_timer *timer = timers; timer; timer = timer->next) {
		if (timer->woken_ns < next)
			next = timer->woken_ns;
	}
	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state == WAITING && t->wait.deadline_ns < next)
			next = t->wait.deadline_ns;
	}
	return next;
}

/* --- the turn --- */

static struct sched_thread *first_ready(void)
{
	struct sched_thread *first = NULL;

	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state == READY && (!first || t->since < first->since))
			first = t;
	}
	return first;
}

/*
 * Gives the turn to whoever can run, after moving time as far as it takes. While a thread is in the
 * kernel time stands, as what it does next may wake others: it takes the turn when it is back. The
 * lock is held.
 */
static void hand_on(const struct sched_thread *from)
{
	struct sched_thread *next;

	while (!(next = first_ready())) {
		uint64_t deadline;

		check_waits();
		if (first_ready())
			continue;
		if (outside) {
			turn_free = true;
			return;
		}
		deadline = next_deadline();
		sim_advance(deadline);
		expire(sim_now());
	}
	set_state(next, RUNNING);
	sim_goes_on();
	if (next == from)
		return;
	next->go = 1;
	futex(&next->go, FUTEX_WAKE, 1);
}

/* The lock is held; the thread parks next. */
static void arrive(struct sched_thread *thread, enum sched_result result)
{
	make_ready(thread, result);
	if (turn_free) {
		turn_free = false;
		hand_on(NULL);
	}
}

/* Until the turn comes, without the lock and with all signals held off: those that come are looked
 * for when it is clear whose turn it is. */
static void park(struct sched_thread *thread)
{
	while (!__atomic_load_n(&thread->go, __ATOMIC_ACQUIRE))
		futex(&thread->go, FUTEX_WAIT, 0);
	thread->go = 0;
}

static void park_and_release(struct sched_thread *thread, const sigset_t *saved)
{
	real(pthread_mutex_unlock)(&lock);
	park(thread);
	real(pthread_sigmask)(SIG_SETMASK, saved, NULL);
}

/* --- threads --- */

static struct sched_thread *add_thread(void)
{
	struct sched_thread *thread = calloc(1, sizeof(*thread));
	struct sched_thread **last = &threads;

	if (!thread)
		return NULL;
	while (*last)
		last = &(*last)->next;
	*last = thread;
	nthreads++;
	arrive(thread, SCHED_WOKEN);
	return thread;
}

static void remove_thread(struct sched_thread *thread)
{
	for (struct sched_thread **at = &threads; *at; at = &(*at)->next) {
		if (*at != thread)
			continue;
		*at = thread->next;
		nthreads--;
		return;
	}
}

static void wake(const void *key, unsigned int n)
{
	while (n--) {
		struct sched_thread *first = NULL;

		for (struct sched_thread *t = threads; t; t = t->next) {
			if (t->state == WAITING && t->wait.key == key &&
			    (!first || t->since < first->since))
				first = t;
		}
		if (!first)
			return;
		make_ready(first, SCHED_WOKEN);
	}
}

/* Thread-specific data goes last among its like, as locks may be taken by the others. */
static void thread_ended(void *opaque)
{
	struct sched_thread *thread = opaque;
	sigset_t saved;

	if (++thread->destructions < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(at_end, thread);
		return;
	}
	take(&saved);
	set_state(thread, ENDED);
	remove_thread(thread);
	wake(thread, UINT32_MAX);
	if (threads)
		hand_on(NULL);
	release(&saved);
	self = NULL;
	free(thread);
}

/* What this thread has computed up to now is not charged. */
static void forgive(struct sched_thread *thread)
{
	struct timespec cpu;

	real(clock_gettime)(CLOCK_THREAD_CPUTIME_ID, &cpu);
	thread->charged_ns = (uint64_t)cpu.tv_sec * MODEL_NS_PER_S + (uint64_t)cpu.tv_nsec;
}

static void settle(struct sched_thread *thread)
{
	self = thread;
	thread->handle = pthread_self();
	thread->tid = (pid_t)real(syscall)(SYS_gettid);
	pthread_setspecific(at_end, thread);
	forgive(thread);
}

void sched_start(void)
{
	struct sched_thread *thread;

	if (pthread_key_create(&at_end, thread_ended) || !(thread = add_thread()))
		sim_fail("out of memory");
	set_state(thread, RUNNING);
	settle(thread);
	started = true;
	sched_mask_changed();
}

bool sched_started(void)
{
	return started;
}

struct sched_thread *sched_thread_new(void)
{
	struct sched_thread *thread;
	sigset_t saved;

	take(&saved);
	thread = add_thread();
	if (thread)
		thread->mask = saved;
	release(&saved);
	return thread;
}

void sched_thread_name(struct sched_thread *thread, pthread_t handle)
{
	thread->handle = handle;
}

bool sched_thread_join(pthread_t handle)
{
	struct sched_wait wait = {.deadline_ns = SCHED_NEVER};
	struct sched_thread *thread = threads;

	while (thread && !pthread_equal(thread->handle, handle))
		thread = thread->next;
	if (!thread)
		return true;
	wait.key = thread;
	sched_wait(&wait);
	return false;
}

void sched_thread_drop(struct sched_thread *thread)
{
	sigset_t saved;

	take(&saved);
	remove_thread(thread);
	release(&saved);
	free(thread);
}

void sched_thread_enter(struct sched_thread *thread)
{
	sigset_t saved;

	settle(thread);
	take(&saved);
	park_and_release(thread, &saved);
	raise_signals(thread);
}

/* The calling thread. One that was not made by pthread_create() is taken in when it first comes
 * here. */
static struct sched_thread *me(void)
{
	struct sched_thread *thread = self;

	if (thread)
		return thread;
	thread = sched_thread_new();
	if (!thread)
		sim_fail("out of memory");
	sched_thread_enter(thread);
	return thread;
}

bool sched_contended(void)
{
	return waiters > 0;
}

void sched_outside_begin(void)
{
	struct sched_thread *thread = me();
	sigset_t saved;

	take(&saved);
	set_state(thread, OUTSIDE);
	outside++;
	hand_on(NULL);
	release(&saved);
}

void sched_outside_end(void)
{
	struct sched_thread *thread = me();
	sigset_t saved;

	take(&saved);
	outside--;
	arrive(thread, SCHED_WOKEN);
	park_and_release(thread, &saved);
	raise_signals(thread);
}

/* --- waiting --- */

static void charge(struct sched_thread *thread)
{
	struct timespec cpu;
	uint64_t used_ns;
	sigset_t saved;

	if (!(sim_charge_factor() > 0))
		return;
	real(clock_gettime)(CLOCK_THREAD_CPUTIME_ID, &cpu);
	used_ns = (uint64_t)cpu.tv_sec * MODEL_NS_PER_S + (uint64_t)cpu.tv_nsec;
	take(&saved);
	sim_charge(used_ns - thread->charged_ns);
	expire(sim_now());
	release(&saved);
	/* What the host took to answer is not the program's. */
	forgive(thread);
	raise_signals(thread);
}

uint64_t sched_now(void)
{
	charge(me());
	return sim_now();
}

enum sched_result sched_wait(const struct sched_wait *wait)
{
	struct sched_thread *thread = me();
	sigset_t saved;
	bool running;

	charge(thread);
	take(&saved);
	thread->wait = *wait;
	if (wait->deadline_ns != SCHED_NEVER && wait->deadline_ns > sim_now())
		thread->wait.deadline_ns = woken_ns(wait->deadline_ns);
	set_state(thread, WAITING);
	hand_on(thread);
	running = thread->state == RUNNING;
	if (running)
		release(&saved);
	else
		park_and_release(thread, &saved);
	raise_signals(thread);
	return thread->result;
}

void sched_wake(const void *key, unsigned int n)
{
	sigset_t saved;

	take(&saved);
	wake(key, n);
	release(&saved);
}

void sched_interrupt(pthread_t handle)
{
	sigset_t saved;

	take(&saved);
	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state == WAITING && pthread_equal(t->handle, handle))
			make_ready(t, SCHED_SIGNAL);
	}
	release(&saved);
}

void sched_thread_signaled(pthread_t handle, int number)
{
	sigset_t saved;

	take(&saved);
	for (struct sched_thread *t = threads; t; t = t->next) {
		if (t->state != WAITING || !pthread_equal(t->handle, handle))
			continue;
		if (t->wait.signals && sigismember(t->wait.signals, number) == 1)
			make_ready(t, SCHED_WOKEN);
		else if (!masks(t, number))
			make_ready(t, SCHED_SIGNAL);
	}
	release(&saved);
}

void sched_forked(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	threads = self;
	self->next = NULL;
	self->tid = (pid_t)real(syscall)(SYS_gettid);
	nthreads = 1;
	waiters = outside = 0;
	turn_free = false;
	timers = NULL;
	forgive(self);
}

/* --- timers --- */

void sched_timer_add(struct sched_timer *timer)
{
	sigset_t saved;

	take(&saved);
	timer->deadline_ns = timer->woken_ns = SCHED_NEVER;
	timer->next = timers;
	timers = timer;
	release(&saved);
}

void sched_timer_remove(struct sched_timer *timer)
{
	sigset_t saved;

	take(&saved);
	for (struct sched_timer **at = &timers; *at; at = &(*at)->next) {
		if (*at == timer) {
			*at = timer->next;
			break;
		}
	}
	release(&saved);
}

void sched_timer_set(struct sched_timer *timer, uint64_t deadline_ns, uint64_t interval_ns)
{
	sigset_t saved;

	take(&saved);
	timer->deadline_ns = deadline_ns;
	timer->woken_ns = woken_ns(deadline_ns);
	timer->interval_ns = interval_ns;
	release(&saved);
}
