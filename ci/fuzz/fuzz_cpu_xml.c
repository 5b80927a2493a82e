/* SPDX-License-Identifier: MIT */
/* libvirt's capabilities and a guest's definition, as the scheduler reads them. */
#include "fuzz.h"

#include "cpu/xml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct xml_pcpu *pcpus = NULL;
	struct xml_guest guest = {0};

	if (xml_read_topology(text, &pcpus) >= 0)
		free(pcpus);
	xml_read_guest(text, &guest);
	free(text);
	return 0;
}
