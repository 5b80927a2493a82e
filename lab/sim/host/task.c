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

static struct task *current;
static struct task *spare; /* one that is done, for the next */

static void run_current(void)
{
	struct task *t = current;

	t->run(the_host, t->opaque);
	t->done = true;
	swapcontext(&t->context, &t->back);
}

/* Until it is done or waits. */
static void go_on(struct task *t)
{
	current = t;
	swapcontext(&t->back, &t->context);
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

	(void)h;
	t->until_ns = until_ns;
	swapcontext(&t->context, &t->back);
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

void task_end_all(struct host *h)
{
	while (h->tasks) {
		struct task *t = h->tasks;

		h->tasks = t->next;
		free(t);
	}
	free(spare);
	spare = NULL;
}
