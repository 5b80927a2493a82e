/* SPDX-License-Identifier: MIT */
/* Replies of a guest agent, and /proc files of a guest. */
#include "fuzz.h"

#include "workloads/agent_reply.h"
#include "workloads/inside.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), error[AGENT_ERROR_MAX];
	json_t *ret = agent_reply_parse(text, error);
	struct agent_result result = {0};
	struct inside inside;

	if (ret) {
		size_t len;
		bool eof;

		if (agent_result_parse(ret, &result, error) == 0)
			agent_result_free(&result);
		free(agent_read_parse(ret, &len, &eof, error));
		json_decref(ret);
	}
	inside_parse(text, text, text, &inside);
	free(text);
	return 0;
}
