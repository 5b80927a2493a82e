/* SPDX-License-Identifier: MIT */
/* The first line of a trace: what ran where, on which guests. */
#include "record_header.h"

#include "evidence.h"
#include "labguest.h"
#include "log.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static const char *keep(struct record_header *h, const char *text)
{
	const char *kept = pool_text(h->texts, text);

	if (!kept)
		die(EXIT_LAB, "out of memory");
	return kept;
}

/* What libvirt knows of a guest better than the scenario. */
static void describe_guest(struct record_header *h, struct recorder *r,
			   const struct scenario_guest *guest, struct trace_header_guest *to)
{
	char error[LABGUEST_ERROR_MAX], uuid[VIR_UUID_STRING_BUFLEN] = "";
	virDomainPtr dom = labguest_find(r->session.conn, guest->name, error);
	virDomainInfo info;
	char *xml;

	if (!dom)
		die(EXIT_LAB, "%s", error);
	if (virDomainIsActive(dom) != 1 && !scenario_starts_off(guest))
		die(EXIT_LAB, "guest %s does not run; `lab up` starts guests", guest->name);
	if (virDomainGetInfo(dom, &info) < 0 || virDomainGetUUIDString(dom, uuid) < 0)
		die(EXIT_LAB, "guest %s: %s", guest->name, virGetLastErrorMessage());
	xml = virDomainGetXMLDesc(dom, 0);
	h->header.host_accel = xml && strstr(xml, "<domain type='kvm'") ? "kvm" : "tcg";
	free(xml);
	to->uuid = keep(h, uuid);
	to->memory_kib = (int64_t)info.memory;
	to->maximum_kib = (int64_t)info.maxMem;
	virDomainFree(dom);
}

static const char *version_text(struct record_header *h, unsigned long version)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu.%lu.%lu", version / 1000000, version / 1000 % 1000,
		 version % 1000);
	return keep(h, text);
}

static void describe_host(struct record_header *h, struct recorder *r)
{
	unsigned long libvirt = 0, qemu = 0;
	virNodeInfo node = {.memory = 0};
	struct utsname host;

	uname(&host);
	h->header.host_name = keep(h, host.nodename);
	h->header.host_kernel = keep(h, host.release);
	/* What of these is not known is 0; nothing is judged by them. */
	if (virNodeGetInfo(r->session.conn, &node) < 0 ||
	    virConnectGetLibVersion(r->session.conn, &libvirt) < 0 ||
	    virConnectGetVersion(r->session.conn, &qemu) < 0)
		virResetLastError();
	h->header.host_memory_kib = (int64_t)node.memory;
	h->header.version_libvirt = version_text(h, libvirt);
	h->header.version_qemu = version_text(h, qemu);
}

void record_header(struct record_header *h, struct recorder *r, char **program)
{
	const struct scenario *s = &r->scenario;
	time_t now = time(NULL);
	char started[32];

	h->texts = pool_new();
	if (!h->texts || evidence_header(&h->header, s, r->pcpus, r->npcpus))
		die(EXIT_LAB, "out of memory");
	h->header.world = TRACE_WORLD_REAL;
	strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	h->header.started = keep(h, started);
	h->header.program = (const char **)program;
	while (program[h->header.nprogram])
		h->header.nprogram++;
	describe_host(h, r);
	for (size_t i = 0; i < s->nguests; i++)
		describe_guest(h, r, &s->guests[i], &h->header.guests[i]);
}

void record_header_free(struct record_header *h)
{
	evidence_free(&h->header);
	pool_free(h->texts);
}
