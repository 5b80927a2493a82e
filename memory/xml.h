/* SPDX-License-Identifier: MIT */
/* What the coordinator needs out of a domain's XML. Pure: text in, structs out. */
#ifndef BALLAST_MEMORY_XML_H
#define BALLAST_MEMORY_XML_H

#include <stdbool.h>
#include <stdint.h>

/* Of the element in a guest's metadata that holds its settings. */
#define XML_POLICY_NAMESPACE "urn:ballast:policy:1"

struct xml_guest {
	bool balloon;	     /* it has a balloon device … */
	bool mixed;	     /* … which is not all that sizes it: virtio-mem */
	bool taken;	     /* the host hands all of its memory over at once */
	int period_s;	     /* of its statistics; 0: off */
	bool managed;	     /* false: <policy manage="no"/> in its metadata */
	int64_t reserve_kib; /* <policy reserve="…" floor="…" weight="…"/>; 0: not given */
	int64_t floor_kib;
	int weight;
	const char *wrong; /* an attribute that cannot be understood and is left out, or NULL */
};

/* 0, or −1 if it is no XML: *guest then is one that has a balloon and no settings. */
int xml_read_guest(const char *domain, struct xml_guest *guest);

#endif
