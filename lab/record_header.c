/* SPDX-License-Identifier: MIT */
/* The first line of a trace: what ran where, on which guests. */
#include "record_header.h"

#include "labguest.h"
#include "log.h"
#include "text.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* One guest for the header; the scenario's figures where libvirt has none. */
static json_t *describe_guest(struct recorder *r, const struct scenario_guest *guest,
			      const char **accel)
{
	char error[LABGUEST_ERROR_MAX], uuid[VIR_UUID_STRING_BUFLEN] = "";
	virDomainPtr dom = labguest_find(r->session.conn, guest->name, error);
	bool starts_off = guest->nphases > 0 && guest->phases[0].verb == PHASE_START;
	virDomainInfo info;
	json_t *object;
	char *xml;

	if (!dom)
		die(EXIT_LAB, "%s", error);
	if (virDomainIsActive(dom) != 1 && !starts_off)
		die(EXIT_LAB, "guest %s does not run; `lab up` starts guests", guest->name);
	if (virDomainGetInfo(dom, &info) < 0 || virDomainGetUUIDString(dom, uuid) < 0)
		die(EXIT_LAB, "guest %s: %s", guest->name, virGetLastErrorMessage());
	xml = virDomainGetXMLDesc(dom, 0);
	*accel = xml && strstr(xml, "<domain type='kvm'") ? "kvm" : "tcg";
	free(xml);
	object = json_pack("{s:s, s:s, s:i, s:I, s:I}", "name", guest->name, "uuid", uuid, "vcpus",
			   (int)guest->vcpus, "memory_kib", (json_int_t)info.memory, "maximum_kib",
			   (json_int_t)info.maxMem);
	virDomainFree(dom);
	return object;
}

static json_t *describe_version(unsigned long version)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu.%lu.%lu", version / 1000000, version / 1000 % 1000,
		 version % 1000);
	return json_string(text);
}

json_t *record_header(struct recorder *r, char *const *program)
{
	const struct scenario *s = &r->scenario;
	json_t *guests = json_array(), *argv = json_array(), *pcpus = json_array();
	unsigned long libvirt = 0, qemu = 0;
	const char *accel = "tcg";
	virNodeInfo node = {.memory = 0};
	struct utsname host;
	time_t now = time(NULL);
	char started[32];

	for (size_t i = 0; i < s->nguests; i++)
		json_array_append_new(guests, describe_guest(r, &s->guests[i], &accel));
	for (size_t i = 0; i < r->npcpus; i++)
		json_array_append_new(pcpus, json_integer(r->pcpus[i]));
	for (; *program; program++)
		json_array_append_new(argv, text_json(*program));
	uname(&host);
	strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	/* What of these is not known is 0; nothing is judged by them. */
	if (virNodeGetInfo(r->session.conn, &node) < 0 ||
	    virConnectGetLibVersion(r->session.conn, &libvirt) < 0 ||
	    virConnectGetVersion(r->session.conn, &qemu) < 0)
		virResetLastError();
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:o, s:{s:s, s:o, s:I, s:s, s:s}, "
			 "s:o, s:{s:s, s:o, s:o}}",
			 "scenario", s->name, "kind", s->kind == SCENARIO_CPU ? "cpu" : "memory",
			 "world", "real", "started", started, "sample_s", s->sample_s, "interval_s",
			 s->interval_s, "length_s", s->length_s, "program", argv, "host", "name",
			 host.nodename, "pcpus", pcpus, "memory_kib", (json_int_t)node.memory,
			 "kernel", host.release, "accel", accel, "guests", guests, "versions",
			 "ballast", BALLAST_VERSION, "libvirt", describe_version(libvirt), "qemu",
			 describe_version(qemu));
}
