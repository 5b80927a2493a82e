/* SPDX-License-Identifier: MIT */
/* What the program prints, line by line into the trace. */
#include "output.h"

#include "shared.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stream {
	const char *name;
	off_t taken; /* bytes of the file that have been read */
	char *part;  /* a line whose end has not come yet */
	size_t len, size;
};

static struct stream streams[] = {{.name = "stdout"}, {.name = "stderr"}};

static json_t *text_of(const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	char *ascii;

	if (string)
		return string;
	/* Not UTF-8, and JSON has nothing else. */
	ascii = malloc(len + 1);
	if (!ascii)
		return NULL;
	for (size_t i = 0; i < len; i++)
		ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	string = json_stringn(ascii, len);
	free(ascii);
	return string;
}

static void put_line(struct play *p, const struct stream *s, const char *text, size_t len)
{
	play_event(p, "program_output",
		   json_pack("{s:s, s:o}", "stream", s->name, "line", text_of(text, len)));
}

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
	put_line(p, s, s->part, s->len);
	s->len = 0;
}

static void take_text(struct play *p, struct stream *s, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		if (end && !s->len)
			put_line(p, s, text, n);
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
		if (s->taken > (off_t)SHARED_OUTPUT_MAX)
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
