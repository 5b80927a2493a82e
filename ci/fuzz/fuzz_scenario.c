/* SPDX-License-Identifier: MIT */
/* A scenario file, and its guests on a host of four pCPUs. */
#include "fuzz.h"

#include "scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int pcpus[] = {0, 1, 2, 3};
	struct scenario s = {0};
	char error[SCENARIO_ERROR_MAX];

	if (scenario_read(&s, fuzz_file(data, size), error))
		return 0;
	scenario_resolve(&s, pcpus, sizeof(pcpus) / sizeof(*pcpus), "aos_vm", error);
	scenario_free(&s);
	return 0;
}
