/* SPDX-License-Identifier: MIT */
/* Guests by UUID. */
#include "guests.h"

#include <stdlib.h>
#include <string.h>

static struct gate_guest *find(const struct gate_guests *g, const unsigned char *uuid)
{
	for (size_t i = 0; i < g->n; i++)
		if (!memcmp(g->list[i]->uuid, uuid, RPC_UUID_LEN))
			return g->list[i];
	return NULL;
}

struct gate_guest *gate_guests_find(const struct gate_guests *g, const unsigned char *uuid,
				    double now_s)
{
	struct gate_guest *guest = find(g, uuid);

	return guest && (guest->ours || now_s < guest->asked_s + GATE_FOREIGN_S) ? guest : NULL;
}

/* A new guest at the list's end, or NULL. */
static struct gate_guest *append(struct gate_guests *g)
{
	if (g->n == g->size) {
		size_t size = g->size ? 2 * g->size : 16;
		struct gate_guest **list = realloc(g->list, size * sizeof(*list));

		if (!list)
			return NULL;
		g->list = list;
		g->size = size;
	}
	struct gate_guest *guest = calloc(1, sizeof(*guest));

	if (guest)
		g->list[g->n++] = guest;
	return guest;
}

struct gate_guest *gate_guests_learn(struct gate_guests *g, const struct rpc_domain *dom,
				     bool tagged, double now_s)
{
	struct gate_guest *guest = find(g, dom->uuid);

	if (!guest) {
		char *name = strdup(dom->name);

		guest = name ? append(g) : NULL;
		if (!guest) {
			free(name);
			return NULL;
		}
		memcpy(guest->uuid, dom->uuid, RPC_UUID_LEN);
		guest->name = name;
	}
	guest->ours = tagged && !strncmp(dom->name, g->prefix, strlen(g->prefix));
	guest->asked_s = now_s;
	return guest;
}

void gate_guests_free(struct gate_guests *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->list[i]->name);
		free(g->list[i]);
	}
	free(g->list);
	g->list = NULL;
	g->n = g->size = 0;
}
