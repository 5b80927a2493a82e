/* SPDX-License-Identifier: MIT */
/* A suite of scenarios with their points. */
#include "fuzz.h"

#include "ci/report/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suite suite = {0};
	char error[SUITE_ERROR_MAX];

	if (suite_read(&suite, fuzz_file(data, size), error) == 0)
		suite_free(&suite);
	return 0;
}
