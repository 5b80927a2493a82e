/* SPDX-License-Identifier: MIT */
/* Arrays that grow. */
#ifndef BALLAST_ARRAY_H
#define BALLAST_ARRAY_H

#include <stddef.h>

/*
 * One more element, of zeros, at the end of *array (the address of a pointer), which has *count
 * elements and room for *size. NULL when out of memory, with everything as it was.
 */
void *array_add(void *array, size_t *count, size_t *size, size_t element);

#endif
