/* SPDX-License-Identifier: MIT */
/* What the scheduler needs out of libvirt's XML, by libxml2. */
#include "xml.h"

#include "units.h"

#include <math.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

/* libvirt's default for <period>, µs. */
#define PERIOD_DEFAULT 100000.0

/* The largest id a list of CPUs may name. */
#define IDS_MOST 65536

struct document {
	xmlDocPtr doc;
	xmlXPathContextPtr context;
};

static int document_open(struct document *d, const char *text)
{
	d->context = NULL;
	d->doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
			       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (d->doc)
		d->context = xmlXPathNewContext(d->doc);
	if (!d->context) {
		xmlFreeDoc(d->doc);
		return -1;
	}
	return 0;
}

static void document_close(struct document *d)
{
	xmlXPathFreeContext(d->context);
	xmlFreeDoc(d->doc);
}

static double read_number(const struct document *d, const char *path, double otherwise)
{
	xmlXPathObjectPtr found = xmlXPathEval((const xmlChar *)path, d->context);
	double value = otherwise;

	if (found && found->nodesetval && found->nodesetval->nodeNr > 0) {
		xmlChar *text = xmlNodeGetContent(found->nodesetval->nodeTab[0]);

		if (text)
			parse_number((const char *)text, -1e15, 1e15, &value);
		xmlFree(text);
	}
	xmlXPathFreeObject(found);
	return value;
}

static int read_attribute(xmlNodePtr node, const char *name, int otherwise)
{
	xmlChar *text = xmlGetProp(node, (const xmlChar *)name);
	long value = otherwise;

	if (text)
		parse_integer((const char *)text, -1, IDS_MOST, &value);
	xmlFree(text);
	return (int)value;
}

/* The CPU list in an attribute as a map of IDS_MOST bits (to be freed), or NULL. */
static unsigned char *read_list(xmlNodePtr node, const char *name)
{
	xmlChar *text = xmlGetProp(node, (const xmlChar *)name);
	unsigned char *map = text ? calloc(1, IDS_MOST / 8) : NULL;

	if (map && cpumap_parse((const char *)text, map, IDS_MOST / 8)) {
		free(map);
		map = NULL;
	}
	xmlFree(text);
	return map;
}

static int lowest(const unsigned char *map)
{
	for (unsigned int id = 0; id < IDS_MOST; id++) {
		if (cpumap_has(map, IDS_MOST / 8, id))
			return (int)id;
	}
	return -1;
}

static int compare_ids(const void *a, const void *b)
{
	const struct xml_pcpu *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int read_cpus(const struct document *d, struct xml_pcpu **pcpus)
{
	xmlXPathObjectPtr found = xmlXPathEval(
		(const xmlChar *)"/capabilities/host/topology/cells/cell/cpus/cpu", d->context);
	int total = found && found->nodesetval ? found->nodesetval->nodeNr : 0, n = 0;

	*pcpus = calloc((size_t)total + 1, sizeof(**pcpus));
	for (int i = 0; *pcpus && i < total; i++) {
		xmlNodePtr cpu = found->nodesetval->nodeTab[i];
		unsigned char *siblings = read_list(cpu, "siblings");
		struct xml_pcpu *pcpu = &(*pcpus)[n];

		pcpu->id = read_attribute(cpu, "id", -1);
		pcpu->core = siblings ? lowest(siblings) : -1;
		pcpu->cache = -1;
		pcpu->node = read_attribute(cpu->parent->parent, "id", -1);
		free(siblings);
		n += pcpu->id >= 0;
	}
	xmlXPathFreeObject(found);
	if (!*pcpus)
		return -1;
	qsort(*pcpus, (size_t)n, sizeof(**pcpus), compare_ids);
	return n;
}

/* Banks of the highest level there is; a bank is known by its position among them. */
static void read_caches(const struct document *d, struct xml_pcpu *pcpus, int n)
{
	xmlXPathObjectPtr found =
		xmlXPathEval((const xmlChar *)"/capabilities/host/cache/bank", d->context);
	int total = found && found->nodesetval ? found->nodesetval->nodeNr : 0, top = 0;

	for (int i = 0; i < total; i++) {
		int level = read_attribute(found->nodesetval->nodeTab[i], "level", 0);

		top = level > top ? level : top;
	}
	for (int i = 0; i < total; i++) {
		xmlNodePtr bank = found->nodesetval->nodeTab[i];
		unsigned char *map = read_list(bank, "cpus");

		for (int k = 0; map && k < n && read_attribute(bank, "level", 0) == top; k++) {
			if (cpumap_has(map, IDS_MOST / 8, (unsigned int)pcpus[k].id))
				pcpus[k].cache = i;
		}
		free(map);
	}
	xmlXPathFreeObject(found);
}

int xml_read_topology(const char *capabilities, struct xml_pcpu **pcpus)
{
	struct document d;
	int n;

	*pcpus = NULL;
	if (document_open(&d, capabilities))
		return -1;
	n = read_cpus(&d, pcpus);
	if (n > 0)
		read_caches(&d, *pcpus, n);
	document_close(&d);
	return n;
}

/* The one node of numatune's nodeset, or −1 where it is none or several. */
static int read_node(const struct document *d)
{
	xmlXPathObjectPtr found =
		xmlXPathEval((const xmlChar *)"/domain/numatune/memory", d->context);
	unsigned char *map = NULL;
	int node = -1;

	if (found && found->nodesetval && found->nodesetval->nodeNr > 0)
		map = read_list(found->nodesetval->nodeTab[0], "nodeset");
	if (map && cpumap_count(map, IDS_MOST / 8) == 1)
		node = lowest(map);
	free(map);
	xmlXPathFreeObject(found);
	return node;
}

/* Is there any such node? */
static bool has_node(const struct document *d, const char *path)
{
	xmlXPathObjectPtr found = xmlXPathEval((const xmlChar *)path, d->context);
	bool has = found && found->nodesetval && found->nodesetval->nodeNr > 0;

	xmlXPathFreeObject(found);
	return has;
}

/* Real-time vCPUs: those for which the kernel's fifo or rr is asked, batch and idle are not. */
static void read_realtime(const struct document *d, struct xml_guest *guest)
{
	xmlXPathObjectPtr found = xmlXPathEval(
		(const xmlChar *)"/domain/cputune/vcpusched[@scheduler='fifo' or @scheduler='rr']",
		d->context);
	int total = found && found->nodesetval ? found->nodesetval->nodeNr : 0;

	for (int i = 0; i < total; i++) {
		unsigned char *map = read_list(found->nodesetval->nodeTab[i], "vcpus");

		for (size_t byte = 0; map && byte < sizeof(guest->realtime); byte++)
			guest->realtime[byte] |= map[byte];
		free(map);
	}
	xmlXPathFreeObject(found);
}

int xml_read_guest(const char *domain, struct xml_guest *guest)
{
	struct document d;
	double weight, quota, period;

	*guest = (struct xml_guest){.managed = true, .weight = 1, .cap_pct = 100, .node = -1};
	if (document_open(&d, domain))
		return -1;
	xmlXPathRegisterNs(d.context, (const xmlChar *)"policy",
			   (const xmlChar *)XML_POLICY_NAMESPACE);
	guest->managed = !has_node(&d, "/domain/metadata/policy:policy[@manage='no']");
	weight = read_number(&d, "/domain/cputune/shares", XML_SHARES_DEFAULT) / XML_SHARES_DEFAULT;
	if (weight > 0)
		guest->weight = weight;
	quota = read_number(&d, "/domain/cputune/quota", -1);
	period = read_number(&d, "/domain/cputune/period", PERIOD_DEFAULT);
	if (quota > 0 && period > 0 && quota < period)
		guest->cap_pct =
			round(quota / period * 1e8) / 1e6; /* no more digits than a log keeps */
	guest->node = read_node(&d);
	guest->emulator_pinned =
		has_node(&d, "/domain/cputune/emulatorpin") || has_node(&d, "/domain/vcpu/@cpuset");
	read_realtime(&d, guest);
	document_close(&d);
	return 0;
}
