/* SPDX-License-Identifier: MIT */
/* The file of what is to be put back. */
#include "fuzz.h"

#include "cpu/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct saved saved = {0};
	char error[STATE_ERROR_MAX];

	if (state_read(fuzz_file(data, size), &saved, error) == 0)
		state_free(&saved);
	return 0;
}
