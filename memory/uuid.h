/* SPDX-License-Identifier: MIT */
/* UUIDs as text. Pure. */
#ifndef BALLAST_MEMORY_UUID_H
#define BALLAST_MEMORY_UUID_H

#include "plan.h"

#define UUID_TEXT_LEN 37

/* "6f1c…-…": returns text. */
char *uuid_format(const unsigned char uuid[MEM_UUID_LEN], char text[UUID_TEXT_LEN]);

/* The canonical form only. 0, or −1. */
int uuid_parse(const char *text, unsigned char uuid[MEM_UUID_LEN]);

#endif
