/* SPDX-License-Identifier: MIT */
/* A set of texts, a hash table with open addressing. */
#include "pool.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 64 /* a power of two, as all sizes */

struct pool {
	char **slots;
	size_t size, used;
};

struct pool *pool_new(void)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool)
		pool->slots = calloc(SLOTS_FIRST, sizeof(*pool->slots));
	if (!pool || !pool->slots) {
		free(pool);
		return NULL;
	}
	pool->size = SLOTS_FIRST;
	return pool;
}

/* FNV-1a. */
static uint64_t hash(const char *text)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h;
}

/* Where text is, or would be. */
static char **find(char **slots, size_t size, const char *text)
{
	size_t at = (size_t)hash(text) & (size - 1);

	while (slots[at] && strcmp(slots[at], text) != 0)
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static int grow(struct pool *pool)
{
	char **bigger = calloc(2 * pool->size, sizeof(*bigger));

	if (!bigger)
		return -1;
	for (size_t i = 0; i < pool->size; i++)
		if (pool->slots[i])
			*find(bigger, 2 * pool->size, pool->slots[i]) = pool->slots[i];
	free(pool->slots);
	pool->slots = bigger;
	pool->size *= 2;
	return 0;
}

const char *pool_text(struct pool *pool, const char *text)
{
	char **slot;

	if (2 * (pool->used + 1) > pool->size && grow(pool))
		return NULL;
	slot = find(pool->slots, pool->size, text);
	if (!*slot) {
		*slot = strdup(text);
		pool->used += *slot != NULL;
	}
	return *slot;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->size; i++)
		free(pool->slots[i]);
	free(pool->slots);
	free(pool);
}
