/* SPDX-License-Identifier: MIT */
/* The head of a save file of libvirt's, and the head of a clone that is made from it. */
#include "fuzz.h"

#include "lab/clone_saved.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct saved s = {0};
	char error[SAVED_ERROR_MAX];

	if (saved_parse(&s, data, size, size + 4096, error))
		return 0;
	struct saved_identity id = {0}, to = {.name = "other"};
	char *xml = saved_rename(s.xml, &to, error);

	if (xml) {
		size_t len;

		free(saved_head(&s, xml, &len));
		free(xml);
	}
	if (saved_identify(s.xml, &id, error) == 0)
		saved_identity_free(&id);
	saved_close(&s);
	return 0;
}
