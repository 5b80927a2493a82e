/* SPDX-License-Identifier: MIT */
/* Runs in the simulated host: whatever waits takes virtual time, as much as it asked for and no
 * real time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Seconds to the microsecond, so that sums of them are exact. */
static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)(ts.tv_sec * 1000000 + ts.tv_nsec / 1000) / 1e6;
}

/* What took d seconds took that, and up to 0.1 ms for each wake-up. */
#define assert_took(begun_s, d)                                                                    \
	assert_true(now_s() - (begun_s) > (d)-2e-6 && now_s() - (begun_s) < (d) + 2e-3)

static struct timespec after(clockid_t clock, double seconds)
{
	struct timespec ts;
	long ns;

	clock_gettime(clock, &ts);
	ns = ts.tv_nsec + (long)(seconds * 1e9);
	ts.tv_sec += ns / 1000000000;
	ts.tv_nsec = ns % 1000000000;
	return ts;
}

/* --- clocks --- */

static void test_clocks_agree(void **state)
{
	struct timespec realtime, monotonic, boottime;
	struct timeval tv;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &realtime);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boottime);
	gettimeofday(&tv, NULL);
	assert_int_equal(realtime.tv_sec, time(NULL));
	assert_int_equal(realtime.tv_sec, tv.tv_sec);
	assert_int_equal(boottime.tv_sec, monotonic.tv_sec);
	/* The fixed date a run begins at, and how long the host has been up. */
	assert_int_equal(realtime.tv_sec - monotonic.tv_sec, 1767225600 - 86400);
}

static void test_computing_takes_no_time(void **state)
{
	double begun = now_s();
	volatile unsigned long sum = 0;

	(void)state;
	for (unsigned long i = 0; i < 20000000; i++)
		sum += i;
	assert_true(sum > 0);
	assert_took(begun, 0);
	assert_int_equal(clock(), 0);
}

/* --- sleeping --- */

static void test_sleeps(void **state)
{
	struct timespec ts = {.tv_nsec = 250000000}, at;
	double begun = now_s();

	(void)state;
	assert_int_equal(sleep(1), 0);
	assert_took(begun, 1);
	usleep(500000);
	assert_took(begun, 1.5);
	nanosleep(&ts, NULL);
	assert_took(begun, 1.75);
	clock_nanosleep(CLOCK_REALTIME, 0, &ts, NULL);
	assert_took(begun, 2);
	at = after(CLOCK_MONOTONIC, 3);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	assert_took(begun, 5);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL); /* has passed */
	assert_took(begun, 5);
	thrd_sleep(&ts, NULL);
	assert_took(begun, 5.25);
	ts.tv_nsec = 1000000000;
	assert_int_equal(nanosleep(&ts, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

/* Never on the deadline, as a loop on libev or Ruby's scheduler needs: and not all equally late. */
static void test_wakes_late(void **state)
{
	struct itimerspec once = {0};
	int timer = timerfd_create(CLOCK_MONOTONIC, 0), different = 0;
	long before = -1;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct timespec at = after(CLOCK_MONOTONIC, 0.5), now;
		uint64_t times;
		long late;

		if (i % 2) {
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		} else {
			once.it_value = at;
			timerfd_settime(timer, TFD_TIMER_ABSTIME, &once, NULL);
			assert_int_equal(read(timer, &times, sizeof(times)), sizeof(times));
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		late = (now.tv_sec - at.tv_sec) * 1000000000 + now.tv_nsec - at.tv_nsec;
		assert_in_range(late, 1, 1000000);
		different += late != before;
		before = late;
	}
	assert_true(different > 20);
	close(timer);
}

/* --- descriptors --- */

static void test_poll_and_select(void **state)
{
	int fd = eventfd(0, 0);
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	struct timespec ts = {.tv_sec = 2};
	struct timeval tv = {.tv_sec = 3};
	double begun = now_s();
	fd_set set;

	(void)state;
	assert_int_equal(poll(&pollfd, 1, 1000), 0);
	assert_took(begun, 1);
	assert_int_equal(ppoll(&pollfd, 1, &ts, NULL), 0);
	assert_took(begun, 3);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	assert_int_equal(select(fd + 1, &set, NULL, NULL, &tv), 0);
	assert_took(begun, 6);
	assert_int_equal(tv.tv_sec, 0); /* nothing is left of it */
	eventfd_write(fd, 1);
	FD_SET(fd, &set);
	assert_int_equal(poll(&pollfd, 1, -1), 1);
	assert_int_equal(pselect(fd + 1, &set, NULL, NULL, NULL, NULL), 1);
	assert_took(begun, 6);
	assert_int_equal(poll(NULL, 0, 500), 0);
	assert_took(begun, 6.5);
	close(fd);
}

static void test_epoll_and_timerfd(void **state)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};
	struct itimerspec every = {.it_value.tv_sec = 2, .it_interval.tv_sec = 1}, left;
	double begun = now_s();
	uint64_t times;

	(void)state;
	epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
	assert_int_equal(timerfd_settime(timer, 0, &every, NULL), 0);
	assert_int_equal(epoll_wait(epoll, &event, 1, 500), 0);
	assert_took(begun, 0.5);
	timerfd_gettime(timer, &left);
	assert_int_equal(left.it_value.tv_sec, 1);
	assert_in_range(left.it_value.tv_nsec, 498000000, 500000000);
	assert_int_equal(epoll_wait(epoll, &event, 1, -1), 1);
	assert_took(begun, 2);
	assert_int_equal(read(timer, &times, sizeof(times)), sizeof(times));
	assert_int_equal(times, 1);
	usleep(3200000); /* three of them pass */
	assert_int_equal(read(timer, &times, sizeof(times)), sizeof(times));
	assert_int_equal(times, 3);
	assert_int_equal(read(timer, &times, sizeof(times)),
			 sizeof(times)); /* waits for the next */
	assert_took(begun, 6);
	close(timer);
	close(epoll);
}

/* --- signals --- */

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
	handled = number;
}

static void test_alarm_ends_a_sleep(void **state)
{
	struct itimerval soon = {.it_value.tv_usec = 300000};
	double begun = now_s();

	(void)state;
	signal(SIGALRM, on_signal);
	alarm(2);
	assert_int_equal(sleep(10), 8);
	assert_took(begun, 2);
	assert_int_equal(handled, SIGALRM);
	handled = 0;
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(poll(NULL, 0, 1000), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(handled, SIGALRM);
	assert_took(begun, 2.3);
	alarm(5);
	assert_int_equal(alarm(0), 5);
	sleep(6); /* it was taken back */
	assert_took(begun, 8.3);
}

static void test_posix_timer_and_sigwait(void **state)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec in = {.it_value.tv_sec = 4};
	double begun = now_s();
	timer_t timer;
	sigset_t set;
	int number;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	timer_settime(timer, 0, &in, NULL);
	assert_int_equal(sigwait(&set, &number), 0);
	assert_int_equal(number, SIGUSR1);
	assert_took(begun, 4);
	timer_delete(timer);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void test_signalfd(void **state)
{
	struct signalfd_siginfo info;
	double begun = now_s();
	sigset_t set;
	int fd;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, 0);
	alarm(3);
	assert_int_equal(read(fd, &info, sizeof(info)), sizeof(info));
	assert_int_equal(info.ssi_signo, SIGALRM);
	assert_took(begun, 3);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* --- threads --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int shared_value;

static void *sleep_then_signal(void *opaque)
{
	(void)opaque;
	sleep(3);
	pthread_mutex_lock(&mutex);
	shared_value = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void test_condition(void **state)
{
	double begun = now_s();
	struct timespec at;
	pthread_t thread;

	(void)state;
	pthread_mutex_lock(&mutex);
	at = after(CLOCK_REALTIME, 1.5);
	assert_int_equal(pthread_cond_timedwait(&cond, &mutex, &at), ETIMEDOUT);
	assert_took(begun, 1.5);
	pthread_create(&thread, NULL, sleep_then_signal, NULL);
	while (!shared_value)
		assert_int_equal(pthread_cond_wait(&cond, &mutex), 0);
	assert_took(begun, 4.5);
	at = after(CLOCK_MONOTONIC, 1);
	assert_int_equal(pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &at), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	assert_took(begun, 5.5);
}

static void *hold_mutex(void *opaque)
{
	pthread_mutex_lock(&mutex);
	sem_post(opaque);
	sleep(2);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void test_locks(void **state)
{
	double begun = now_s();
	pthread_t thread;
	struct timespec at;
	sem_t held;

	(void)state;
	sem_init(&held, 0, 0);
	at = after(CLOCK_REALTIME, 0.5);
	assert_int_equal(sem_timedwait(&held, &at), -1);
	assert_int_equal(errno, ETIMEDOUT);
	pthread_create(&thread, NULL, hold_mutex, &held);
	sem_wait(&held);
	assert_took(begun, 0.5);
	at = after(CLOCK_REALTIME, 1);
	assert_int_equal(pthread_mutex_timedlock(&mutex, &at), ETIMEDOUT);
	assert_took(begun, 1.5);
	pthread_mutex_lock(&mutex);
	assert_took(begun, 2.5);
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	sem_destroy(&held);
}

static char order[64];
static size_t order_len;

static void *tick(void *opaque)
{
	int number = (int)(intptr_t)opaque;

	for (int i = 0; i < 4; i++) {
		sleep((unsigned int)number);
		order[order_len++] = (char)('0' + number);
	}
	return NULL;
}

/* Threads that wait for different times come back in the order of their deadlines, every time. */
static void test_threads_take_turns(void **state)
{
	double begun = now_s();
	pthread_t threads[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, tick, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_took(begun, 12);
	/* At 1, 2, 3, … s; among equals who began to wait first: 1 · 2 1 · 3 1 · 2 1 · 3 2 · 2 · 3
	 * · 3. */
	assert_string_equal(order, "121312132233");
}

static int run_c11(void *opaque)
{
	struct timespec second = {.tv_sec = 1};

	thrd_sleep(&second, NULL);
	mtx_lock(opaque);
	shared_value = 42;
	mtx_unlock(opaque);
	return 7;
}

static void test_c11_threads(void **state)
{
	double begun = now_s();
	thrd_t thread;
	mtx_t lock;
	int result;

	(void)state;
	mtx_init(&lock, mtx_plain);
	assert_int_equal(thrd_create(&thread, run_c11, &lock), thrd_success);
	assert_int_equal(thrd_join(thread, &result), thrd_success);
	assert_int_equal(result, 7);
	assert_int_equal(shared_value, 42);
	assert_took(begun, 1);
	mtx_destroy(&lock);
}

static void *write_late(void *opaque)
{
	sleep(2);
	assert_int_equal(write(*(int *)opaque, "x", 1), 1);
	return NULL;
}

/* A pipe between threads wakes the reader when the writer's time has come. */
static void test_pipe_between_threads(void **state)
{
	double begun = now_s();
	pthread_t thread;
	int ends[2];
	char c;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pthread_create(&thread, NULL, write_late, &ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_took(begun, 2);
	pthread_join(thread, NULL);
	close(ends[0]);
	close(ends[1]);
}

static void *wait_for_ever(void *opaque)
{
	(void)opaque;
	pause();
	return NULL;
}

static void test_cancel(void **state)
{
	pthread_t thread;
	void *result;

	(void)state;
	pthread_create(&thread, NULL, wait_for_ever, NULL);
	sleep(1);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	assert_ptr_equal(result, PTHREAD_CANCELED);
}

static pthread_barrier_t barrier;

static void *meet(void *opaque)
{
	sleep(1);
	pthread_barrier_wait(&barrier);
	return opaque;
}

static void test_barrier(void **state)
{
	double begun = now_s();
	pthread_t thread;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, meet, NULL);
	sleep(1);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	assert_took(begun, 1);
}

/* --- what the host says of itself: 6 pCPUs, 2 of them offline, 8 GiB --- */

static void read_file(const char *path, char *buf, size_t len)
{
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(buf, 1, len - 1, file);
	buf[n] = '\0';
	fclose(file);
}

static void test_host(void **state)
{
	char text[4096], again[4096];
	unsigned long total = 0;
	struct sysinfo info;
	int fd;

	(void)state;
	assert_int_equal(sysconf(_SC_NPROCESSORS_ONLN), 4);
	assert_int_equal(sysconf(_SC_NPROCESSORS_CONF), 6);
	assert_int_equal(get_nprocs(), 4);
	read_file("/sys/devices/system/cpu/online", text, sizeof(text));
	assert_string_equal(text, "0-3\n");
	read_file("/sys/devices/system/cpu/present", text, sizeof(text));
	assert_string_equal(text, "0-5\n");
	read_file("/sys/devices/system/cpu/offline", text, sizeof(text));
	assert_string_equal(text, "4-5\n");
	read_file("/proc/meminfo", text, sizeof(text));
	assert_int_equal(sscanf(text, "MemTotal: %lu kB", &total), 1);
	assert_int_equal(total, 8UL << 20);
	assert_int_equal(sysinfo(&info), 0);
	assert_int_equal(info.totalram * info.mem_unit / 1024, total);
	assert_int_equal(open("/sys/devices/system/cpu/cpu7/online", O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(open("/proc/meminfo", O_RDWR), -1);
	/* An open file tells of the present when it is read from the start. */
	fd = open("/proc/uptime", O_RDONLY);
	assert_true(read(fd, text, sizeof(text)) > 0);
	sleep(1);
	lseek(fd, 0, SEEK_SET);
	assert_true(read(fd, again, sizeof(again)) > 0);
	assert_true(strtod(again, NULL) - strtod(text, NULL) == 1.0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks_agree),
		cmocka_unit_test(test_computing_takes_no_time),
		cmocka_unit_test(test_sleeps),
		cmocka_unit_test(test_wakes_late),
		cmocka_unit_test(test_poll_and_select),
		cmocka_unit_test(test_epoll_and_timerfd),
		cmocka_unit_test(test_alarm_ends_a_sleep),
		cmocka_unit_test(test_posix_timer_and_sigwait),
		cmocka_unit_test(test_signalfd),
		cmocka_unit_test(test_condition),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_threads_take_turns),
		cmocka_unit_test(test_c11_threads),
		cmocka_unit_test(test_pipe_between_threads),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
