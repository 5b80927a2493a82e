/* SPDX-License-Identifier: MIT */
/* What the program prints, line by line into the trace. */
#include "output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stream {
	enum trace_stream stream;
	off_t taken; /* bytes of the file that have been read */
	char *part;  /* a line whose end has not come yet */
	size_t len, size;
};

static struct stream streams[] = {{.stream = TRACE_STDOUT}, {.stream = TRACE_STDERR}};

static bool keep(struct stream *s, const char *text, size_t len)
{
	if (s->len + len > s->size) {
		size_t size = (s->len + len) * 2;
		char *bigger = realloc(s->part, size);

		if (!bigger)
			return false;
		s->part = bigger;
		s->size = size;
	}
	memcpy(s->part + s->len, text, len);
	s->len += len;
	return true;
}

static void put_part(struct play *p, struct stream *s)
{
	play_output(p, s->stream, s->part, s->len);
	s->len = 0;
}

static void take_text(struct play *p, struct stream *s, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		if (end && !s->len)
			play_output(p, s->stream, text, n);
		else if (keep(s, text, n) && end)
			put_part(p, s);
		n += end ? 1 : 0;
		text += n;
		len -= n;
	}
}

static bool take_stream(struct play *p, struct stream *s, int fd, bool last)
{
	char buf[65536];
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), s->taken)) > 0) {
		s->taken += n;
		take_text(p, s, buf, (size_t)n);
		if (s->taken > (off_t)OUTPUT_MAX)
			return false;
	}
	if (last && s->len)
		put_part(p, s);
	return true;
}

bool output_take(struct play *p, int stdout_fd, int stderr_fd, bool last)
{
	return take_stream(p, &streams[0], stdout_fd, last) &&
	       take_stream(p, &streams[1], stderr_fd, last);
}
