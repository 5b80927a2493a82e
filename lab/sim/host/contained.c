/* SPDX-License-Identifier: MIT */
/* See contained.h. */
#include "contained.h"

#include "launch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 64

struct words {
	char **word;
	size_t n;
};

/* The word, or made from a format with one string. */
__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (w->word && vasprintf(&w->word[w->n], format, args) < 0)
		w->word[w->n] = NULL;
	w->n++;
	va_end(args);
}

static bool find_contain(char path[PATH_MAX])
{
	static const char beside[] = "/../contain/build/contain";
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(beside));

	if (n < 0)
		return false;
	path[n] = '\0';
	strcpy(strrchr(path, '/'), beside);
	return access(path, X_OK) == 0;
}

char **contained_command(const struct host *h, const char *library, int clock, int report)
{
	struct words w = {0};
	char contain[PATH_MAX];
	size_t nargs = 0;

	if (!find_contain(contain))
		return NULL;
	while (h->config->program[nargs])
		nargs++;
	w.word = calloc(WORDS_MAX + nargs, sizeof(*w.word));
	add(&w, "%s", contain);
	add(&w, "run");
	add(&w, "--copy=%s", h->config->copy);
	add(&w, "--libvirt=%s/libvirt", h->folder);
	add(&w, "--preload=%s", library);
	add(&w, "--keep=%d", clock);
	add(&w, "--report=%d", report);
	add(&w, "--setenv=" CONTROL_ENV "=%d", clock);
	for (const char *const *fixed = launch_fixed; *fixed; fixed++)
		add(&w, "--setenv=%s", *fixed);
	if (h->config->limit_s > 0)
		add(&w, "--time=%ld", h->config->limit_s);
	add(&w, "--");
	add(&w, "%s", h->config->path);
	for (size_t i = 1; i < nargs; i++)
		add(&w, "%s", h->config->program[i]);
	return w.word;
}

bool contained_ended(struct host *h)
{
	char text[256], *why;
	ssize_t n = h->report < 0 ? 0 : pread(h->report, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	why = strchr(text, ' ');
	if (!why)
		return false;
	*why++ = '\0';
	if (!strcmp(text, "limit"))
		host_stop(h, "%s", why);
	else if (!strcmp(text, "machine"))
		host_refuse(h, "%s", why);
	else
		host_fail(h, "the sandbox: %s", why);
	return true;
}
