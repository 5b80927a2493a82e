/* SPDX-License-Identifier: MIT */
/* A set of texts: each stands in memory once, however often it was put in, until all are freed. */
#ifndef BALLAST_POOL_H
#define BALLAST_POOL_H

struct pool;

/* NULL: out of memory. */
struct pool *pool_new(void);

/* The pool's copy of text, the same for equal texts; NULL: out of memory. */
const char *pool_text(struct pool *pool, const char *text);

void pool_free(struct pool *pool);

#endif
