/* SPDX-License-Identifier: MIT */
/* A log of --json that is put through the policy again. */
#include "fuzz.h"

#include "cpu/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[JOURNAL_ERROR_MAX];

	journal_replay(fuzz_file(data, size), fuzz_sink(), error);
	return 0;
}
