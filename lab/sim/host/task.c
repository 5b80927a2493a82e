/* SPDX-License-Identifier: MIT */
/* Calls that are being answered. */
#include "task.h"

#include <stdlib.h>
#include <ucontext.h>

/* The deepest call writes XML. */
#define STACK_SIZE (256 * 1024)

struct task {
	struct task *next;
	ucontext_t context, back;
	void (*run)(struct host *h, void *opaque);
	void *opaque;
	uint64_t until_ns;
	bool done;
	char stack[STACK_SIZE];
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/*
 * AddressSanitizer has to be told of each change of stacks. stay: what it keeps of the stack that
 * is left, NULL: that is left for good.
 */
#ifdef __SANITIZE_ADDRESS__
#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static void leave_stack(void **stay, const void *bottom, size_t size)
{
	__sanitizer_start_switch_fiber(stay, bottom, size);
}

static void enter_stack(void *stay, const void **bottom, size_t *size)
{
	__sanitizer_finish_switch_fiber(stay, bottom, size);
}

static void clear_stack(const void *bottom, size_t size)
{
	__asan_unpoison_memory_region(bottom, size);
}

/* libc's own: the sanitizer's warns of what it has been told. */
static void change(ucontext_t *from, const ucontext_t *to)
{
	static int (*swap)(ucontext_t * from, const ucontext_t *to);

	if (!swap)
		swap = (int (*)(ucontext_t *, const ucontext_t *))dlsym(
			dlopen("libc.so.6", RTLD_LAZY), "swapcontext");
	swap(from, to);
}
#else
static void leave_stack(void **stay, const void *bottom, size_t size)
{
	(void)stay;
	(void)bottom;
	(void)size;
}

static void enter_stack(void *stay, const void **bottom, size_t *size)
{
	(void)stay;
	(void)bottom;
	(void)size;
}

static void clear_stack(const void *bottom, size_t size)
{
	(void)bottom;
	(void)size;
}

static void change(ucontext_t *from, const ucontext_t *to)
{
	swapcontext(from, to);
}
#endif

static const void *main_stack; /* the one go_on() is called on */
static size_t main_size;

static struct task *current;
static struct task *spare; /* one that is done, for the next */

static void run_current(void)
{
	struct task *t = current;

	enter_stack(NULL, &main_stack, &main_size);
	t->run(the_host, t->opaque);
	t->done = true;
	leave_stack(NULL, main_stack, main_size);
	change(&t->context, &t->back);
}

/* Until it is done or waits. */
static void go_on(struct task *t)
{
	void *stay = NULL;

	current = t;
	leave_stack(&stay, t->stack, sizeof(t->stack));
	change(&t->back, &t->context);
	enter_stack(stay, NULL, NULL);
	current = NULL;
}

static void keep(struct task *t)
{
	free(spare);
	spare = t;
}

bool task_start(struct host *h, void (*run)(struct host *h, void *opaque), void *opaque)
{
	struct task *t = spare ? spare : malloc(sizeof(*t));

	if (!t)
		return false;
	spare = NULL;
	t->run = run;
	t->opaque = opaque;
	t->done = false;
	clear_stack(t->stack, sizeof(t->stack));
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = sizeof(t->stack);
	t->context.uc_link = NULL;
	makecontext(&t->context, run_current, 0);
	go_on(t);
	if (t->done) {
		keep(t);
		return true;
	}
	t->next = h->tasks;
	h->tasks = t;
	return true;
}

void task_wait(struct host *h, uint64_t until_ns)
{
	struct task *t = current;
	void *stay = NULL;

	(void)h;
	t->until_ns = until_ns;
	leave_stack(&stay, main_stack, main_size);
	change(&t->context, &t->back);
	enter_stack(stay, &main_stack, &main_size);
}

static struct task *first(const struct host *h)
{
	struct task *earliest = h->tasks;

	for (struct task *t = h->tasks; t; t = t->next) {
		if (t->until_ns < earliest->until_ns)
			earliest = t;
	}
	return earliest;
}

uint64_t task_next(const struct host *h)
{
	const struct task *t = first(h);

	return t ? t->until_ns : UINT64_MAX;
}

bool task_resume_due(struct host *h)
{
	struct task *t = first(h);

	if (!t || t->until_ns > host_now(h))
		return false;
	go_on(t);
	if (!t->done)
		return true;
	for (struct task **at = &h->tasks; *at; at = &(*at)->next) {
		if (*at != t)
			continue;
		*at = t->next;
		break;
	}
	keep(t);
	return true;
}

/*
 * A call that still waits has memory on its stack that only it could free, and it cannot be ended
 * in the middle: it is kept with its stack, for the process ends soon.
 */
static struct task *unended;

void task_end_all(struct host *h)
{
	while (h->tasks) {
		struct task *t = h->tasks;

		h->tasks = t->next;
		t->next = unended;
		unended = t;
	}
	free(spare);
	spare = NULL;
}
