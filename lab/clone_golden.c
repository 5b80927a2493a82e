/* SPDX-License-Identifier: MIT */
/* The folder of a golden guest: `ram` and `digest`. */
#include "clone_golden.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One line: "xxh3 DIGEST SIZE". */
static int read_digest(struct golden *g, const char *folder, char *error)
{
	char path[PATH_MAX];
	FILE *file;
	int fields;

	snprintf(path, sizeof(path), "%s/digest", folder);
	file = fopen(path, "re");
	if (!file)
		return saved_refuse(error, "%s: %s", path, strerror(errno));
	fields = fscanf(file, "xxh3 %16" SCNx64 " %20" SCNu64, &g->digest, &g->size);
	fclose(file);
	if (fields != 2)
		return saved_refuse(error, "%s: not of the form 'xxh3 DIGEST SIZE'", path);
	return 0;
}

int golden_open(struct golden *g, const char *folder, char error[SAVED_ERROR_MAX])
{
	char path[PATH_MAX];

	memset(g, 0, sizeof(*g));
	g->saved.fd = -1;
	snprintf(path, sizeof(path), "%s/ram", folder);
	if (read_digest(g, folder, error) < 0 || saved_open(&g->saved, path, error) < 0)
		return -1;
	if (g->saved.size != g->size) {
		saved_refuse(error, "%s: is %" PRIu64 " bytes, was saved with %" PRIu64, path,
			     g->saved.size, g->size);
	} else if (saved_identify(g->saved.xml, &g->identity, error) == 0) {
		return 0;
	}
	golden_close(g);
	return -1;
}

int golden_verify(const struct golden *g, char error[SAVED_ERROR_MAX])
{
	uint64_t digest;

	if (saved_digest(g->saved.fd, 0, &digest) < 0)
		return saved_refuse(error, "reading it: %s", strerror(errno));
	if (digest != g->digest)
		return saved_refuse(error, "its contents changed since it was saved");
	return 0;
}

void golden_close(struct golden *g)
{
	saved_close(&g->saved);
	saved_identity_free(&g->identity);
}

static int write_digest(const char *folder, uint64_t digest, uint64_t size)
{
	char path[PATH_MAX];
	FILE *file;
	int failed;

	snprintf(path, sizeof(path), "%s/digest", folder);
	file = fopen(path, "we");
	if (!file)
		return -1;
	failed = fprintf(file, "xxh3 %016" PRIx64 " %" PRIu64 "\n", digest, size) < 0;
	if (fclose(file) != 0 || failed) {
		failed = errno;
		unlink(path);
		errno = failed;
		return -1;
	}
	return 0;
}

int golden_seal(const char *folder, char error[SAVED_ERROR_MAX])
{
	char path[PATH_MAX];
	struct saved saved;
	uint64_t digest;
	int status = 0;

	snprintf(path, sizeof(path), "%s/ram", folder);
	if (saved_open(&saved, path, error) < 0)
		return -1;
	if (saved_digest(saved.fd, 0, &digest) < 0 ||
	    write_digest(folder, digest, saved.size) < 0) {
		saved_refuse(error, "%s: %s", folder, strerror(errno));
		status = -1;
	}
	saved_close(&saved);
	return status;
}
