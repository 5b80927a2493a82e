/* SPDX-License-Identifier: MIT */
/*
 * What people and programs write about a domain: its title, its description, and elements of their
 * own XML namespaces. Of the one that runs and of the persistent definition; a start copies this to
 * that.
 */
#include "driver.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#define LAB_ELEMENT "<ballast:guest xmlns:ballast=\"urn:ballast:lab:1\" image=\"simulated\"/>"

struct driver_metadata {
	char *title, *description;
	xmlDocPtr elements; /* below its root */
};

static void metadata_free(struct driver_metadata *m)
{
	if (!m)
		return;
	free(m->title);
	free(m->description);
	xmlFreeDoc(m->elements);
	free(m);
}

static xmlDocPtr parse(const char *text)
{
	return xmlReadMemory(text, (int)strlen(text), NULL, NULL,
			     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static struct driver_metadata *metadata_new(const char *root)
{
	struct driver_metadata *m = calloc(1, sizeof(*m));

	if (!m || !(m->elements = parse(root)))
		driver_fail("out of memory");
	return m;
}

static struct driver_metadata *metadata_copy(const struct driver_metadata *from)
{
	struct driver_metadata *m = metadata_new("<metadata/>");

	m->title = from->title ? strdup(from->title) : NULL;
	m->description = from->description ? strdup(from->description) : NULL;
	xmlFreeDoc(m->elements);
	m->elements = xmlCopyDoc(from->elements, 1);
	return m;
}

/* --- elements --- */

static xmlNodePtr find(const struct driver_metadata *m, const char *uri)
{
	for (xmlNodePtr node = xmlDocGetRootElement(m->elements)->children; node;
	     node = node->next) {
		if (node->ns && node->ns->href && !strcmp((const char *)node->ns->href, uri))
			return node;
	}
	return NULL;
}

static char *node_text(xmlDocPtr doc, xmlNodePtr node)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	char *text = NULL;

	if (buffer && xmlNodeDump(buffer, doc, node, 0, 1) >= 0)
		text = strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return text;
}

static void disclaim(xmlNodePtr node, const xmlNs *ns)
{
	if (node->ns == ns)
		node->ns = NULL;
	for (xmlNodePtr child = node->children; child; child = child->next) {
		if (child->type == XML_ELEMENT_NODE)
			disclaim(child, ns);
	}
}

/* Given out without its namespace, as libvirt does. */
static char *element_text(const struct driver_metadata *m, const char *uri)
{
	xmlNodePtr node = find(m, uri), copy = node ? xmlDocCopyNode(node, m->elements, 1) : NULL;
	char *text;

	if (!copy)
		return NULL;
	for (xmlNsPtr *at = &copy->nsDef; *at; at = &(*at)->next) {
		xmlNsPtr ns = *at;

		if (strcmp((const char *)ns->href, uri))
			continue;
		*at = ns->next;
		disclaim(copy, ns);
		xmlFreeNs(ns);
		break;
	}
	text = node_text(m->elements, copy);
	xmlFreeNode(copy);
	return text;
}

static void drop_element(struct driver_metadata *m, const char *uri)
{
	xmlNodePtr old = find(m, uri);

	if (!old)
		return;
	xmlUnlinkNode(old);
	xmlFreeNode(old);
}

static void claim(xmlNodePtr node, xmlNsPtr ns)
{
	if (!node->ns)
		xmlSetNs(node, ns);
	for (xmlNodePtr child = node->children; child; child = child->next) {
		if (child->type == XML_ELEMENT_NODE)
			claim(child, ns);
	}
}

/* What has no namespace of its own gets the one it is set for. −1: it is no XML. */
static int put_element(struct driver_metadata *m, const char *text, const char *key,
		       const char *uri)
{
	xmlDocPtr doc = parse(text);
	xmlNodePtr node = doc ? xmlDocGetRootElement(doc) : NULL;

	if (!node) {
		xmlFreeDoc(doc);
		return -1;
	}
	claim(node, xmlNewNs(node, (const xmlChar *)uri, (const xmlChar *)key));
	drop_element(m, uri);
	xmlAddChild(xmlDocGetRootElement(m->elements), xmlDocCopyNode(node, m->elements, 1));
	xmlFreeDoc(doc);
	return 0;
}

/* --- what they have now --- */

static void forget(struct driver_metadata **m)
{
	metadata_free(*m);
	*m = NULL;
}

static void put_policy(struct driver_metadata *m, const char *attributes)
{
	char text[WORLD_POLICY_MAX + 32];

	snprintf(text, sizeof(text), "<policy %s/>", attributes ? attributes : "");
	if (!attributes)
		drop_element(m, POLICY_NAMESPACE);
	else if (put_element(m, text, "policy", POLICY_NAMESPACE))
		driver_fail("policy %s: cannot be an element", attributes);
}

/*
 * What has happened in the world meanwhile. Not at once: libxml2 takes locks of its own, and events
 * come while the threads' is held.
 */
static void catch_up(size_t place, struct driver_guest *guest)
{
	if (guest->stopped || guest->replaced)
		forget(&guest->live_metadata);
	if (guest->replaced)
		forget(&guest->config_metadata);
	if (!guest->config_metadata)
		guest->config_metadata = metadata_new("<metadata>" LAB_ELEMENT "</metadata>");
	if (guest->policy_set) {
		const char *policy = world_guest(driver_world(), place)->policy;

		put_policy(guest->config_metadata, policy);
		if (guest->live_metadata)
			put_policy(guest->live_metadata, policy);
	}
	guest->stopped = guest->replaced = guest->policy_set = false;
}

static struct driver_metadata *metadata_of(size_t place, bool live)
{
	struct driver_guest *guest = guest_at(place);

	catch_up(place, guest);
	if (!live)
		return guest->config_metadata;
	if (!guest->live_metadata)
		guest->live_metadata = metadata_copy(guest->config_metadata);
	return guest->live_metadata;
}

/* --- for the domain's XML --- */

static void put_text(FILE *out, const char *element, const char *text)
{
	xmlChar *escaped = text ? xmlEncodeSpecialChars(NULL, (const xmlChar *)text) : NULL;

	if (escaped)
		fprintf(out, "  <%s>%s</%s>\n", element, (const char *)escaped, element);
	xmlFree(escaped);
}

void metadata_print(FILE *out, size_t place, bool live)
{
	const struct driver_metadata *m = metadata_of(place, live);

	put_text(out, "title", m->title);
	put_text(out, "description", m->description);
	fputs("  <metadata>\n", out);
	for (xmlNodePtr node = xmlDocGetRootElement(m->elements)->children; node;
	     node = node->next) {
		char *text = node_text(m->elements, node);

		fprintf(out, "    %s\n", text ? text : "");
		free(text);
	}
	fputs("  </metadata>\n", out);
}

/* --- the calls --- */

static int check_none(struct call *c, const void *pointer, const char *name)
{
	return pointer ? call_fail_argument(c, "%s in %s must be NULL", name, c->function) : 0;
}

static int check_type(struct call *c, int type, const char *metadata, const char *key,
		      const char *uri)
{
	switch (type) {
	case VIR_DOMAIN_METADATA_TITLE:
		if (metadata && strchr(metadata, '\n'))
			return call_fail_argument(c, "metadata title can't contain newlines");
		/* fallthrough */
	case VIR_DOMAIN_METADATA_DESCRIPTION:
		return check_none(c, uri, "uri") || check_none(c, key, "key") ? -1 : 0;
	case VIR_DOMAIN_METADATA_ELEMENT:
		if (call_check_pointer(c, uri, "uri"))
			return -1;
		return metadata ? call_check_pointer(c, key, "key") : 0;
	default:
		c->from = VIR_FROM_DOMAIN;
		return call_fail(c, VIR_ERR_INVALID_ARG, "unknown metadata type '%d'", type);
	}
}

char *driver_domain_get_metadata(struct domain *domain, int type, const char *uri,
				 unsigned int flags)
{
	const struct driver_metadata *m;
	char *text = NULL;
	struct call c;

	if (call_begin_domain(&c, "virDomainGetMetadata", domain, CALL_READS))
		return call_pointer(&c, NULL, NULL);
	call_arguments(&c, "{s:i, s:s*, s:i}", "type", type, "uri", uri, "flags", (int)flags);
	c.from = VIR_FROM_DOMAIN;
	if (flags & ~IMPACT)
		call_fail_argument(&c,
				   "unsupported flags (0x%x) in function virDomainObjGetMetadata",
				   flags & ~IMPACT);
	if (c.code || call_check_exclusive(&c, flags) || check_type(&c, type, NULL, NULL, uri) ||
	    call_check_impact(&c, domain->place, &flags))
		return call_pointer(&c, NULL, NULL);
	m = metadata_of(domain->place, flags & VIR_DOMAIN_AFFECT_LIVE);
	if (type == VIR_DOMAIN_METADATA_ELEMENT)
		text = element_text(m, uri);
	else if (type == VIR_DOMAIN_METADATA_TITLE)
		text = m->title ? strdup(m->title) : NULL;
	else
		text = m->description ? strdup(m->description) : NULL;
	if (!text)
		call_fail(&c, VIR_ERR_NO_DOMAIN_METADATA,
			  "Requested metadata element is not present");
	return call_pointer(&c, text, text);
}

static int call_fail_xml(struct call *c)
{
	const xmlError *error = xmlGetLastError();

	c->from = VIR_FROM_DOMAIN;
	return call_fail(c, VIR_ERR_XML_DETAIL, "(metadata_xml):%d: %s", error ? error->line : 1,
			 error && error->message ? error->message : "it cannot be parsed");
}

static int set(struct call *c, size_t place, bool live, int type, const char *metadata,
	       const char *key, const char *uri)
{
	struct driver_metadata *m = metadata_of(place, live);
	char **text = type == VIR_DOMAIN_METADATA_TITLE ? &m->title : &m->description;

	if (type == VIR_DOMAIN_METADATA_ELEMENT) {
		if (!metadata)
			drop_element(m, uri);
		else if (put_element(m, metadata, key, uri))
			return call_fail_xml(c);
		return 0;
	}
	free(*text);
	*text = metadata && *metadata ? strdup(metadata) : NULL;
	return 0;
}

int driver_domain_set_metadata(struct domain *domain, int type, const char *metadata,
			       const char *key, const char *uri, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainSetMetadata", domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:s*, s:s*, s:s*, s:i}", "type", type, "metadata", metadata,
		       "key", key, "uri", uri, "flags", (int)flags);
	if (call_check_flags(&c, flags, IMPACT) || check_type(&c, type, metadata, key, uri) ||
	    call_check_impact(&c, domain->place, &flags))
		return call_int(&c, -1);
	for (int live = 1; live >= 0; live--) {
		unsigned int wanted = live ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;

		if (flags & wanted && set(&c, domain->place, live, type, metadata, key, uri))
			return call_int(&c, -1);
	}
	events_metadata(domain->place, type, uri);
	return call_int(&c, 0);
}
