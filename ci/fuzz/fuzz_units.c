/* SPDX-License-Identifier: MIT */
/* Numbers with units, and CPU lists: a map holds as many CPUs as are counted in it. */
#include "fuzz.h"

#include "units.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	unsigned char map[32] = {0};
	double number;
	long integer;
	uint64_t kib;

	parse_number(text, -1e9, 1e9, &number);
	if (parse_integer(text, -5, 5, &integer) == 0 && (integer < -5 || integer > 5))
		abort();
	parse_seconds(text, &number);
	parse_size(text, &kib);
	parse_rate(text, &kib);
	if (parse_percent(text, 100, &number) == 0 && !(number >= 0 && number <= 100))
		abort();
	if (cpumap_parse(text, map, sizeof(map)) == 0 &&
	    cpumap_count(map, sizeof(map)) > 8 * sizeof(map))
		abort();
	free(text);
	return 0;
}
