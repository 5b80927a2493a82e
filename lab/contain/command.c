/* SPDX-License-Identifier: MIT */
/* See command.h. */
#include "command.h"

#include "beside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 64

struct words {
	char **word;
	size_t n;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	w->failed |= vasprintf(&w->word[w->n++], format, args) < 0;
	va_end(args);
}

static int find_contain(char path[PATH_MAX])
{
	return beside_program(path, "../contain/build/contain") ? -1 : access(path, X_OK);
}

static void add_options(struct words *w, const struct contain_command *c)
{
	add(w, "--copy=%s", c->copy);
	add(w, "--libvirt=%s", c->libvirt);
	add(w, "--report=%d", c->report);
	if (c->preload)
		add(w, "--preload=%s", c->preload);
	if (c->keep >= 0)
		add(w, "--keep=%d", c->keep);
	if (c->limit_s > 0)
		add(w, "--time=%ld", c->limit_s);
	for (const char *const *env = c->env; env && *env; env++)
		add(w, "--setenv=%s", *env);
}

char **contain_command(const struct contain_command *c)
{
	struct words w = {0};
	char contain[PATH_MAX];
	size_t nargs = 0;

	if (find_contain(contain))
		return NULL;
	while (c->argv[nargs])
		nargs++;
	w.word = calloc(WORDS_MAX + nargs, sizeof(*w.word));
	if (!w.word)
		return NULL;
	add(&w, "%s", contain);
	add(&w, "run");
	add_options(&w, c);
	add(&w, "--");
	add(&w, "%s", c->path);
	for (size_t i = 1; i < nargs; i++)
		add(&w, "%s", c->argv[i]);
	if (w.failed) {
		errno = ENOMEM;
		return NULL;
	}
	return w.word;
}

int contain_open_report(void)
{
	return memfd_create("report", 0);
}

enum contain_end contain_report(int report, char reason[CONTAIN_REASON_MAX])
{
	static const char *const words[] = {[CONTAIN_LIMIT] = "limit ",
					    [CONTAIN_MACHINE] = "machine ",
					    [CONTAIN_NOT_RUN] = "not-run "};
	char text[CONTAIN_REASON_MAX + 16];
	ssize_t n = report < 0 ? 0 : pread(report, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	for (int end = CONTAIN_LIMIT; end <= CONTAIN_NOT_RUN; end++) {
		size_t len = strlen(words[end]);

		if (strncmp(text, words[end], len))
			continue;
		snprintf(reason, CONTAIN_REASON_MAX, "%.*s", CONTAIN_REASON_MAX - 1, text + len);
		return (enum contain_end)end;
	}
	return CONTAIN_ENDED;
}
