/* SPDX-License-Identifier: MIT */
/* The first line of a trace: what ran where, on which guests. */
#include "header.h"

#include "evidence.h"
#include "log.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static const char *keep(struct run_header *h, const char *text)
{
	const char *kept = pool_text(h->texts, text);

	h->failed = h->failed || !kept;
	return kept;
}

/* What libvirt knows of a guest better than the scenario. 0, −1 after a line on stderr. */
static int describe_guest(struct run_header *h, virDomainPtr dom,
			  const struct scenario_guest *guest, struct trace_header_guest *to)
{
	char uuid[VIR_UUID_STRING_BUFLEN] = "";
	virDomainInfo info;
	char *xml;

	if (virDomainIsActive(dom) != 1 && !scenario_starts_off(guest)) {
		log_warn("guest %s does not run; `ballast up` starts guests", guest->name);
		return -1;
	}
	if (virDomainGetInfo(dom, &info) < 0 || virDomainGetUUIDString(dom, uuid) < 0) {
		log_warn("guest %s: %s", guest->name, virGetLastErrorMessage());
		return -1;
	}
	xml = virDomainGetXMLDesc(dom, 0);
	h->header.host_accel = xml && strstr(xml, "<domain type='kvm'") ? "kvm" : "tcg";
	free(xml);
	to->uuid = keep(h, uuid);
	to->memory_kib = (int64_t)info.memory;
	to->maximum_kib = (int64_t)info.maxMem;
	return 0;
}

static const char *version_text(struct run_header *h, unsigned long version)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu.%lu.%lu", version / 1000000, version / 1000 % 1000,
		 version % 1000);
	return keep(h, text);
}

static void describe_host(struct run_header *h, struct recorder *r)
{
	unsigned long libvirt = 0, qemu = 0;
	virNodeInfo node = {.memory = 0};
	struct utsname host;

	uname(&host);
	h->header.host_name = keep(h, host.nodename);
	h->header.host_kernel = keep(h, host.release);
	/* What of these is not known is 0; nothing is judged by them. */
	if (virNodeGetInfo(r->machines->session.conn, &node) < 0 ||
	    virConnectGetLibVersion(r->machines->session.conn, &libvirt) < 0 ||
	    virConnectGetVersion(r->machines->session.conn, &qemu) < 0)
		virResetLastError();
	h->header.host_memory_kib = (int64_t)node.memory;
	h->header.version_libvirt = version_text(h, libvirt);
	h->header.version_qemu = version_text(h, qemu);
}

int run_header(struct run_header *h, struct recorder *r, char **program)
{
	const struct machines *m = r->machines;
	time_t now = time(NULL);
	char started[32];
	int status = 0;

	h->texts = pool_new();
	if (!h->texts || evidence_header(&h->header, &m->scenario, m->pcpus, m->npcpus)) {
		log_warn("out of memory");
		return -1;
	}
	h->header.world = TRACE_WORLD_REAL;
	strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	h->header.started = keep(h, started);
	h->header.program = (const char **)program;
	while (program[h->header.nprogram])
		h->header.nprogram++;
	describe_host(h, r);
	for (size_t i = 0; i < m->scenario.nguests && status == 0; i++)
		status =
			describe_guest(h, m->doms[i], &m->scenario.guests[i], &h->header.guests[i]);
	if (h->failed)
		log_warn("out of memory");
	return h->failed ? -1 : status;
}

void run_header_free(struct run_header *h)
{
	evidence_free(&h->header);
	pool_free(h->texts);
}
