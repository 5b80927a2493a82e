/* SPDX-License-Identifier: MIT */
/*
 * Connections and domains as the program holds them. Their memory is never given back to the system
 * and used again as late as possible, so that a handle that was freed is known for one.
 */
#include "api.h"

#include <stdlib.h>
#include <string.h>

/* Not what the real library looks for in its own objects (0xCAFExxxx), so it refuses ours. */
#define MAGIC_CONNECT 0xba11a501U
#define MAGIC_DOMAIN  0xba11a502U
#define MAGIC_FREED   0xba11a500U

/* Freed handles of a kind, first in first out. While fewer than this lie there new ones are made.
 */
#define REST 1024

struct slot {
	uint32_t magic;
	struct slot *next;
};

struct pool {
	size_t size;
	struct slot *first, **last;
	size_t count;
};

static struct pool connects = {.size = sizeof(struct _virConnect)};
static struct pool domains = {.size = sizeof(struct _virDomain)};
static virConnectPtr open_connects;

static void *take(struct pool *pool)
{
	struct slot *slot = pool->first;

	if (pool->count <= REST)
		return calloc(1, pool->size);
	pool->first = slot->next;
	pool->count--;
	return memset(slot, 0, pool->size);
}

static void put(struct pool *pool, void *handle)
{
	struct slot *slot = handle;

	slot->magic = MAGIC_FREED;
	slot->next = NULL;
	if (!pool->count)
		pool->last = &pool->first;
	*pool->last = slot;
	pool->last = &slot->next;
	pool->count++;
}

/* --- connections --- */

virConnectPtr connect_new(const char *uri, bool readonly)
{
	virConnectPtr conn = take(&connects);

	if (!conn)
		return NULL;
	conn->uri = strdup(uri);
	if (!conn->uri) {
		put(&connects, conn);
		return NULL;
	}
	conn->magic = MAGIC_CONNECT;
	conn->references = 1;
	conn->readonly = readonly;
	conn->eventfd = -1;
	conn->watch = -1;
	conn->pending_end = &conn->pending;
	conn->next = open_connects;
	open_connects = conn;
	return conn;
}

bool connect_valid(virConnectPtr conn)
{
	return conn && conn->magic == MAGIC_CONNECT;
}

virConnectPtr connect_first(void)
{
	return open_connects;
}

unsigned int connect_release(virConnectPtr conn)
{
	if (--conn->references)
		return conn->references;
	events_release(conn);
	for (virConnectPtr *at = &open_connects; *at; at = &(*at)->next) {
		if (*at == conn) {
			*at = conn->next;
			break;
		}
	}
	free(conn->uri);
	virResetError(&conn->last_error);
	put(&connects, conn);
	return 0;
}

/* --- domains --- */

virDomainPtr domain_new(virConnectPtr conn, size_t place)
{
	const struct world_guest *guest = world_guest(api_world(), place);
	virDomainPtr domain = take(&domains);

	if (!domain)
		return NULL;
	domain->magic = MAGIC_DOMAIN;
	domain->references = 1;
	domain->conn = conn;
	domain->place = place;
	domain->id = guest_at(place)->id;
	domain->name = guest->config->name;
	memcpy(domain->uuid, guest->uuid, sizeof(domain->uuid));
	conn->references++;
	return domain;
}

bool domain_valid(virDomainPtr domain)
{
	return domain && domain->magic == MAGIC_DOMAIN;
}

unsigned int domain_release(virDomainPtr domain)
{
	virConnectPtr conn = domain->conn;

	if (--domain->references)
		return domain->references;
	put(&domains, domain);
	connect_release(conn);
	return 0;
}

/* --- virsh counts references with functions of libvirt's own, which know its objects only --- */

EXPORT void *virObjectRef(void *object);
EXPORT void virObjectUnref(void *object);
EXPORT void virObjectListFree(void *list);

EXPORT void *virObjectRef(void *object)
{
	if (connect_valid(object))
		((virConnectPtr)object)->references++;
	else if (domain_valid(object))
		((virDomainPtr)object)->references++;
	else
		return real(virObjectRef)(object);
	return object;
}

EXPORT void virObjectUnref(void *object)
{
	if (connect_valid(object))
		connect_release(object);
	else if (domain_valid(object))
		domain_release(object);
	else
		real(virObjectUnref)(object);
}

EXPORT void virObjectListFree(void *list)
{
	for (void **object = list; object && *object; object++)
		virObjectUnref(*object);
	free(list);
}
