/* SPDX-License-Identifier: MIT */
/* One line of a load over time, as in a scenario and as on inject's command line; the guests it is
 * for. */
#include "fuzz.h"

#include "scenario.h"
#include "timeline.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), error[SCENARIO_ERROR_MAX];
	struct phase phase;

	phase_parse(text, &phase, error);
	phase_parse_load(text, &phase, error);
	if (guests_valid(text))
		guests_match(text, 1, guests_highest(text));
	free(text);
	return 0;
}
