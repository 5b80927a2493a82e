/* SPDX-License-Identifier: MIT */
/* UUIDs as text. Pure. */
#ifndef BALLAST_UUID_H
#define BALLAST_UUID_H

#define UUID_LEN      16
#define UUID_TEXT_LEN 37

/* "6f1c…-…": returns text. */
char *uuid_format(const unsigned char uuid[UUID_LEN], char text[UUID_TEXT_LEN]);

/* The canonical form only. 0, or −1. */
int uuid_parse(const char *text, unsigned char uuid[UUID_LEN]);

#endif
