/* SPDX-License-Identifier: MIT */
/* For the fuzz targets, one a file: outside text in the form in which a parser takes it. */
#ifndef BALLAST_FUZZ_H
#define BALLAST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* libFuzzer calls this with each input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the bytes with a NUL behind them, allocated. */
char *fuzz_text(const uint8_t *data, size_t size);

/* Returns the path of a file in memory with the bytes in it; the next call replaces it. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* Returns a stream that swallows all that is written to it. */
FILE *fuzz_sink(void);

#endif
