/* SPDX-License-Identifier: MIT */
/* A guest's definition, as the coordinator reads it. */
#include "fuzz.h"

#include "memory/xml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct xml_guest guest = {0};

	xml_read_guest(text, &guest);
	free(text);
	return 0;
}
