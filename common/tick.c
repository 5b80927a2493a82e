/* SPDX-License-Identifier: MIT */
/* The clock of a loop: absolute monotonic deadlines, and the quit flag. */
#include "tick.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t tick_quit;
static int quit_fd = -1; /* only for the signal handler, which takes no argument */

static void on_signal(int number)
{
	int saved = errno;
	const uint64_t one = 1;
	ssize_t ignored;

	tick_quit = number;
	ignored = write(quit_fd, &one, sizeof(one)); /* full means it is readable already */
	(void)ignored;
	errno = saved;
}

int tick_signals(void)
{
	struct sigaction quit = {.sa_handler = on_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (quit_fd < 0)
		return -1;
	sigemptyset(&quit.sa_mask);
	if (sigaction(SIGTERM, &quit, NULL) || sigaction(SIGINT, &quit, NULL) ||
	    sigaction(SIGHUP, &quit, NULL) || sigaction(SIGPIPE, &ignore, NULL))
		return -1;
	return quit_fd;
}

double tick_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void ticker_start(struct ticker *ticker, double interval_s)
{
	ticker->interval_s = interval_s;
	ticker->next_s = tick_now_s();
}

unsigned int ticker_advance(struct ticker *ticker, double now_s)
{
	double late;

	ticker->next_s += ticker->interval_s;
	if (ticker->next_s > now_s)
		return 0;
	late = floor((now_s - ticker->next_s) / ticker->interval_s) + 1;
	ticker->next_s += late * ticker->interval_s;
	return late < 1e9 ? (unsigned int)late : 1000000000U;
}
