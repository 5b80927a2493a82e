/* SPDX-License-Identifier: MIT */
/* What the coordinator needs out of a domain's XML, by libxml2. */
#include "xml.h"

#include "plan.h"
#include "units.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <string.h>

#define POLICY "/domain/metadata/policy:policy"

/* The text the path leads to, to be freed with xmlFree(); or NULL. */
static xmlChar *read_text(xmlXPathContextPtr context, const char *path)
{
	xmlXPathObjectPtr found = xmlXPathEval((const xmlChar *)path, context);
	xmlChar *text = NULL;

	if (found && found->nodesetval && found->nodesetval->nodeNr > 0)
		text = xmlNodeGetContent(found->nodesetval->nodeTab[0]);
	xmlXPathFreeObject(found);
	return text;
}

static void read_size(xmlXPathContextPtr context, const char *name, struct xml_guest *guest,
		      int64_t *out)
{
	char path[64];
	xmlChar *text;
	uint64_t kib = 0;

	snprintf(path, sizeof(path), POLICY "/@%s", name);
	text = read_text(context, path);
	if (text && (parse_size((const char *)text, &kib) || kib == 0 || kib > MEM_KIB_MOST))
		guest->wrong = name;
	else
		*out = (int64_t)kib;
	xmlFree(text);
}

static void read_policy(xmlXPathContextPtr context, struct xml_guest *guest)
{
	xmlChar *manage = read_text(context, POLICY "/@manage");
	xmlChar *weight = read_text(context, POLICY "/@weight");
	long value = 0;

	guest->managed = !manage || strcmp((const char *)manage, "no") != 0;
	if (manage && guest->managed && strcmp((const char *)manage, "yes") != 0)
		guest->wrong = "manage";
	read_size(context, "reserve", guest, &guest->reserve_kib);
	read_size(context, "floor", guest, &guest->floor_kib);
	if (weight && parse_integer((const char *)weight, 1, MEM_WEIGHT_MOST, &value))
		guest->wrong = "weight";
	guest->weight = (int)value;
	xmlFree(manage);
	xmlFree(weight);
}

static void read_balloon(xmlXPathContextPtr context, struct xml_guest *guest)
{
	xmlChar *model = read_text(context, "/domain/devices/memballoon/@model");
	xmlChar *period = read_text(context, "/domain/devices/memballoon/stats/@period");
	long value = 0;

	guest->balloon = model && strcmp((const char *)model, "none") != 0;
	if (period && parse_integer((const char *)period, 0, INT32_MAX, &value) == 0)
		guest->period_s = (int)value;
	xmlFree(model);
	xmlFree(period);
}

static bool has(xmlXPathContextPtr context, const char *path)
{
	xmlXPathObjectPtr found = xmlXPathEval((const xmlChar *)path, context);
	bool any = found && found->nodesetval && found->nodesetval->nodeNr > 0;

	xmlXPathFreeObject(found);
	return any;
}

/* What cannot be given back page by page: huge pages, what is locked or preallocated, and what a
 * device of the host may write to. */
static void read_memory(xmlXPathContextPtr context, struct xml_guest *guest)
{
	guest->mixed = has(context, "/domain/devices/memory[@model='virtio-mem']");
	guest->taken = has(context, "/domain/memoryBacking/hugepages") ||
		       has(context, "/domain/memoryBacking/locked") ||
		       has(context, "/domain/memoryBacking/allocation[@mode='immediate']") ||
		       has(context, "/domain/devices/hostdev[@type='pci' or @type='mdev']") ||
		       has(context, "/domain/devices/interface[@type='hostdev']");
}

int xml_read_guest(const char *domain, struct xml_guest *guest)
{
	xmlXPathContextPtr context = NULL;
	xmlDocPtr doc;

	*guest = (struct xml_guest){.balloon = true, .managed = true};
	doc = xmlReadMemory(domain, (int)strlen(domain), NULL, NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (doc)
		context = xmlXPathNewContext(doc);
	if (context) {
		xmlXPathRegisterNs(context, (const xmlChar *)"policy",
				   (const xmlChar *)XML_POLICY_NAMESPACE);
		read_balloon(context, guest);
		read_memory(context, guest);
		read_policy(context, guest);
		xmlXPathFreeContext(context);
	}
	xmlFreeDoc(doc);
	return context ? 0 : -1;
}
