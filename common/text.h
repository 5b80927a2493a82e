/* SPDX-License-Identifier: MIT */
/* Text from outside, of any bytes, made fit for JSON and for people. */
#ifndef BALLAST_TEXT_H
#define BALLAST_TEXT_H

#include <jansson.h>
#include <stddef.h>

/*
 * Replaces what is not UTF-8 among the first len bytes, NUL bytes and a character that is cut off
 * included, by question marks, and control characters other than tab and newline as well. Whatever
 * is well-formed stays as it is.
 */
void text_clean(char *text, size_t len);

/* Text, or bytes, as a JSON string, cleaned; NULL when out of memory only. */
json_t *text_json(const char *text);
json_t *text_json_bytes(const char *bytes, size_t len);

#endif
