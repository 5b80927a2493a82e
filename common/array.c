/* SPDX-License-Identifier: MIT */
/* Arrays that grow. */
#include "array.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 16

void *array_add(void *array, size_t *count, size_t *size, size_t element)
{
	void *elements, *last;

	/* Any pointer to an object may be copied as bytes, whatever it points to. */
	memcpy(&elements, array, sizeof(elements));
	if (*count == *size) {
		size_t bigger = *size ? *size + *size / 2 : FIRST_SIZE;

		elements = reallocarray(elements, bigger, element);
		if (!elements)
			return NULL;
		memcpy(array, &elements, sizeof(elements));
		*size = bigger;
	}
	last = (char *)elements + *count * element;
	memset(last, 0, element);
	++*count;
	return last;
}
