/* SPDX-License-Identifier: MIT */
/* A trace, and the scenario in its header. */
#include "fuzz.h"

#include "evidence.h"
#include "scenario.h"
#include "trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace trace = {0};
	struct scenario s = {0};
	char error[TRACE_ERROR_MAX], scenario_error[SCENARIO_ERROR_MAX];

	if (trace_read(&trace, fuzz_file(data, size), error))
		return 0;
	if (evidence_scenario(&s, &trace, "fuzz", scenario_error) == 0)
		scenario_free(&s);
	trace_free(&trace);
	return 0;
}
