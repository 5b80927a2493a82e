/* SPDX-License-Identifier: MIT */
/* A trace is evidence by itself: the scenario goes into its header, and comes back from there. */
#include "evidence.h"

#include <stdlib.h>
#include <string.h>

int evidence_header(struct trace_header *header, const struct scenario *s, const int *pcpus,
		    size_t npcpus)
{
	*header = (struct trace_header){.npcpus = npcpus};
	trace_forget(trace_header_fields, header);
	trace_forget(trace_header_host_fields, header);
	header->scenario = s->name;
	header->scenario_text = s->text;
	header->prefix = s->prefix;
	header->kind = s->kind == SCENARIO_CPU ? TRACE_KIND_CPU : TRACE_KIND_MEMORY;
	header->sample_s = s->sample_s;
	header->interval_s = s->interval_s;
	header->length_s = s->length_s;
	header->version_ballast = BALLAST_VERSION;
	header->pcpus = calloc(npcpus + 1, sizeof(*header->pcpus));
	header->guests = calloc(s->nguests + 1, sizeof(*header->guests));
	if (!header->pcpus || !header->guests) {
		evidence_free(header);
		return -1;
	}
	memcpy(header->pcpus, pcpus, npcpus * sizeof(*pcpus));
	for (size_t i = 0; i < s->nguests; i++)
		header->guests[header->nguests++] = (struct trace_header_guest){
			.name = s->guests[i].name,
			.vcpus = s->guests[i].vcpus,
			.memory_kib = (int64_t)s->guests[i].memory_kib,
			.maximum_kib = (int64_t)s->guests[i].maximum_kib,
		};
	return 0;
}

void evidence_free(struct trace_header *header)
{
	free(header->pcpus);
	free(header->guests);
	memset(header, 0, sizeof(*header));
}

/* Whether the guests that the header lists are those of the scenario it keeps. */
static int check_guests(const struct scenario *s, const struct trace_header *h,
			char error[SCENARIO_ERROR_MAX])
{
	size_t i = 0;

	while (i < s->nguests && i < h->nguests && !strcmp(s->guests[i].name, h->guests[i].name) &&
	       s->guests[i].vcpus == h->guests[i].vcpus)
		i++;
	if (i == s->nguests && i == h->nguests)
		return 0;
	snprintf(error, SCENARIO_ERROR_MAX,
		 "%.100s: the header's guests are not those of its scenario: guest %zu differs",
		 s->path, i + 1);
	return -1;
}

int evidence_scenario(struct scenario *s, const struct trace *trace, const char *path,
		      char error[SCENARIO_ERROR_MAX])
{
	const struct trace_header *h = &trace->header;
	char origin[SCENARIO_ERROR_MAX];

	snprintf(origin, sizeof(origin), "%.100s: its scenario", path);
	if (scenario_read_text(s, h->scenario, h->scenario_text, origin, error))
		return -1;
	if (scenario_resolve(s, h->pcpus, h->npcpus, h->prefix, error) ||
	    check_guests(s, h, error)) {
		scenario_free(s);
		return -1;
	}
	return 0;
}

/* The next line that is neither empty nor a comment, without spaces at its end; *text moves behind
 * it. False at the end. */
static bool next_line(const char **text, unsigned int *number, const char **line, size_t *len)
{
	while (**text) {
		const char *start = *text;
		size_t n = strcspn(start, "\n"), indent = strspn(start, " \t");

		*text = start + n + (start[n] == '\n');
		++*number;
		while (n && strchr(" \t", start[n - 1]))
			n--;
		*line = start;
		*len = n;
		if (n && start[indent] != '#' && start[indent] != ';')
			return true;
	}
	*line = "";
	*len = 0;
	return false;
}

int evidence_same(const struct trace *trace, const char *path, char error[SCENARIO_ERROR_MAX])
{
	const char *theirs = trace->header.scenario_text, *ours, *a, *b;
	unsigned int number = 0, ignored = 0;
	struct scenario s;
	size_t alen, blen;
	int status = 0;

	if (scenario_read(&s, path, error))
		return -1;
	ours = s.text;
	for (bool more = true; more && !status;) {
		bool first = next_line(&ours, &number, &a, &alen);
		bool second = next_line(&theirs, &ignored, &b, &blen);

		more = first || second;
		if (alen == blen && !memcmp(a, b, alen))
			continue;
		snprintf(error, SCENARIO_ERROR_MAX,
			 "%.100s:%u: %s%.*s%s is not what the trace was recorded with: %s%.*s%s",
			 path, number, first ? "\"" : "the end", (int)(alen < 100 ? alen : 100), a,
			 first ? "\"" : "", second ? "\"" : "nothing more",
			 (int)(blen < 100 ? blen : 100), b, second ? "\"" : "");
		status = -1;
	}
	scenario_free(&s);
	return status;
}
