/* SPDX-License-Identifier: MIT */
/* A public libvirt function that is not simulated: says so and fails the way its type does. */
#ifndef BALLAST_SIM_STUB_H
#define BALLAST_SIM_STUB_H

#include "preload/real.h"

#include <stddef.h>

/* Of call.c; api.h would bring libvirt's own declarations of the functions. */
int call_unsupported(const char *function);

#define STUB_INT(name)                                                                             \
	EXPORT int name(void);                                                                     \
	EXPORT int name(void)                                                                      \
	{                                                                                          \
		return call_unsupported(#name);                                                    \
	}

#define STUB_POINTER(name)                                                                         \
	EXPORT void *name(void);                                                                   \
	EXPORT void *name(void)                                                                    \
	{                                                                                          \
		call_unsupported(#name);                                                           \
		return NULL;                                                                       \
	}

#define STUB_VOID(name)                                                                            \
	EXPORT void name(void);                                                                    \
	EXPORT void name(void)                                                                     \
	{                                                                                          \
		call_unsupported(#name);                                                           \
	}

#endif
