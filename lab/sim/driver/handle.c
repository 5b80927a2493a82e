/* SPDX-License-Identifier: MIT */
/* Clients of libvirtd, and the domains that they name. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

static struct client *clients;

struct client *client_new(const char *uri, bool readonly)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client)
		client->uri = strdup(uri);
	if (!client || !client->uri) {
		free(client);
		return NULL;
	}
	client->readonly = readonly;
	client->pending_end = &client->pending;
	client->next = clients;
	clients = client;
	return client;
}

struct client *client_first(void)
{
	return clients;
}

void client_free(struct client *client)
{
	events_forget(client);
	for (struct client **at = &clients; *at; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			break;
		}
	}
	free(client->uri);
	free(client);
}

struct domain *domain_new(struct client *client, size_t place)
{
	const struct world_guest *guest = world_guest(driver_world(), place);
	struct domain *domain = calloc(1, sizeof(*domain));

	if (!domain)
		return NULL;
	domain->conn = client;
	domain->place = place;
	domain->id = guest_at(place)->id;
	domain->name = guest->config->name;
	memcpy(domain->uuid, guest->uuid, sizeof(domain->uuid));
	return domain;
}
