/* SPDX-License-Identifier: MIT */
/* Says what to look at, by the expectation that failed. */
#include "feedback.h"

#include "grade_doc.h"

#include <stdio.h>
#include <string.h>

static const struct hint {
	const char *name;
	const char *look_at;
} hints[] = {
	{"program_alive", "the last lines that the program printed, and how it ended"},
	{"guests_run", "the calls that pause, stop or limit a guest"},
	{"program_cpu", "whether each turn of the loop sleeps for the interval"},
	{"spread", "which vCPUs share the busiest pCPU while another has room"},
	{"stddev", "which vCPUs share the busiest pCPU while another has room"},
	{"demand_spread", "what each guest wants, not what it gets: on a full pCPU the two differ"},
	{"fairness", "which pCPU the guest that got least is on, and what it shares it with"},
	{"balance_within",
	 "how many intervals pass before the program moves anything, and how many "
	 "it moves in one"},
	{"moves", "which of the moves changed nothing for the better"},
	{"pins", "pins that repeat the affinity that a vCPU already has"},
	{"pins_after_balance", "what makes the program act once the pCPUs are alike"},
	{"pinned", "vCPUs that the program leaves free to run anywhere"},
	{"oom", "how much the guest had unused in the seconds before, and when it was given more"},
	{"unused", "how fast the guest's load grew, and how much it was given each interval"},
	{"waste", "what kept the program from giving what the host had"},
	{"reach", "when the guest was given memory, and how much at a time"},
	{"given_back", "whether guests that use little are shrunk at all, and how fast"},
	{"near_target", "guests that keep far more than they use"},
	{"similar", "whether guests with the same load are treated alike"},
	{"release_step", "how much is taken from a guest in one interval"},
	{"floor", "the least size that the program lets a guest have"},
	{"host_reserve", "whether the host's own available memory is read before giving"},
};

static const char *look_at(const char *name)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		if (!strcmp(hints[i].name, name))
			return hints[i].look_at;
	return NULL;
}

const char *feedback_of(const json_t *finding, char *buf, size_t len)
{
	const json_t *from = json_object_get(finding, "from_s"),
		     *to = json_object_get(finding, "to_s");
	const char *because = doc_text(finding, "because");
	const char *hint = look_at(doc_text(finding, "name"));
	char when[64] = "";

	buf[0] = '\0';
	if (!doc_is(finding, "result", "fail"))
		return buf;
	if (because[0]) {
		snprintf(buf, len, "It follows from %s: mend that first.", because);
		return buf;
	}
	if (from && to && json_number_value(to) > json_number_value(from))
		snprintf(when, sizeof(when), "Seen from %.0f s to %.0f s: look at ",
			 json_number_value(from), json_number_value(to));
	else if (from)
		snprintf(when, sizeof(when), "Seen at %.0f s: look at ", json_number_value(from));
	else
		snprintf(when, sizeof(when), "Look at ");
	if (hint)
		snprintf(buf, len, "%s%s.", when, hint);
	return buf;
}
