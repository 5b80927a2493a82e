/* SPDX-License-Identifier: MIT */
/* The XML of the host's capabilities and of domains, with what programs are known to look at. */
#include "driver.h"

#include "units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- capabilities --- */

static bool of_core(const struct model_pcpu *pcpu, unsigned int core)
{
	return pcpu->core == core;
}

static void put_cpu(FILE *out, unsigned int id, const struct model_pcpu *pcpu)
{
	unsigned char siblings[MODEL_PCPUS_MAX / 8] = {0};
	char list[CPULIST_MAX];

	for (unsigned int i = 0; i < model_pcpus(driver_model()); i++) {
		struct model_pcpu other;

		model_pcpu_read(driver_model(), i, &other);
		if (other.online && of_core(&other, pcpu->core))
			cpumap_add(siblings, i);
	}
	fprintf(out,
		"            <cpu id='%u' socket_id='%u' die_id='0' core_id='%u' siblings='%s'/>\n",
		id, pcpu->node, pcpu->core,
		cpumap_format(siblings, sizeof(siblings), list, sizeof(list)));
}

static void put_cell(FILE *out, unsigned int node)
{
	struct model_pcpu pcpu;
	unsigned int count = 0;
	uint64_t total_kib, free_kib;

	for (unsigned int i = 0; i < model_pcpus(driver_model()); i++) {
		model_pcpu_read(driver_model(), i, &pcpu);
		count += pcpu.online && pcpu.node == node;
	}
	model_node_memory_read(driver_model(), node, &total_kib, &free_kib);
	fprintf(out,
		"        <cell id='%u'>\n          <memory unit='KiB'>%" PRIu64 "</memory>\n"
		"          <cpus num='%u'>\n",
		node, total_kib, count);
	for (unsigned int i = 0; i < model_pcpus(driver_model()); i++) {
		model_pcpu_read(driver_model(), i, &pcpu);
		if (pcpu.online && pcpu.node == node)
			put_cpu(out, i, &pcpu);
	}
	fputs("          </cpus>\n        </cell>\n", out);
}

char *xml_capabilities(void)
{
	const struct scenario_host *host = &driver_play()->scenario.host;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fprintf(out,
		"<capabilities>\n\n  <host>\n"
		"    <uuid>00000000-0000-4000-8000-62616c6c6173</uuid>\n    <cpu>\n"
		"      <arch>x86_64</arch>\n"
		"      <topology sockets='1' dies='1' cores='%u' threads='%u'/>\n    </cpu>\n"
		"    <topology>\n      <cells num='%u'>\n",
		host->pcpus / host->nodes / host->threads_per_core, host->threads_per_core,
		host->nodes);
	for (unsigned int i = 0; i < host->nodes; i++)
		put_cell(out, i);
	fputs("      </cells>\n    </topology>\n  </host>\n\n  <guest>\n    "
	      "<os_type>hvm</os_type>\n"
	      "    <arch name='x86_64'>\n      <wordsize>64</wordsize>\n"
	      "      <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
	      "      <domain type='qemu'/>\n    </arch>\n  </guest>\n\n</capabilities>\n",
	      out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- domains --- */

/* Pins as they are (live) or as they will be; a vCPU that may run everywhere has none. */
static void put_pins(FILE *out, const struct world_guest *guest, const struct driver_guest *state,
		     bool live)
{
	size_t maplen = model_maplen(driver_model());
	unsigned int pcpus = model_pcpus(driver_model());
	char list[CPULIST_MAX];

	for (unsigned int i = 0; i < guest->config->vcpus; i++) {
		const unsigned char *map = state->pins ? state->pins + i * maplen : NULL;
		int pin = guest->config->pins[i];

		if (live)
			map = model_affinity(driver_model(), guest->id, i);
		if (map && cpumap_count(map, maplen) < pcpus)
			fprintf(out, "    <vcpupin vcpu='%u' cpuset='%s'/>\n", i,
				cpumap_format(map, maplen, list, sizeof(list)));
		else if (!map && pin >= 0)
			fprintf(out, "    <vcpupin vcpu='%u' cpuset='%d'/>\n", i, pin);
	}
}

static void put_cputune(FILE *out, const struct world_guest *guest,
			const struct driver_guest *state, bool live)
{
	unsigned int shares = guest_shares(guest->id);
	double quota_pct = model_quota(driver_model(), guest->id);

	fputs("  <cputune>\n", out);
	if (model_shares(driver_model(), guest->id) != 1024)
		fprintf(out, "    <shares>%u</shares>\n", shares);
	if (quota_pct > 0)
		fprintf(out, "    <period>%u</period>\n    <quota>%lld</quota>\n", state->period_us,
			llround(quota_pct * state->period_us / 100));
	put_pins(out, guest, state, live);
	fputs("  </cputune>\n", out);
}

static void put_devices(FILE *out, const struct world_guest *guest)
{
	unsigned int period = model_stats_period(driver_model(), guest->id);

	fputs("  <devices>\n    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
	      "    <channel type='unix'>\n"
	      "      <target type='virtio' name='org.qemu.guest_agent.0'/>\n    </channel>\n",
	      out);
	if (!model_has_balloon(driver_model(), guest->id))
		fputs("    <memballoon model='none'/>\n", out);
	else if (period)
		fprintf(out,
			"    <memballoon model='virtio' freePageReporting='on'>\n"
			"      <stats period='%u'/>\n    </memballoon>\n",
			period);
	else
		fputs("    <memballoon model='virtio' freePageReporting='on'/>\n", out);
	fputs("  </devices>\n", out);
}

char *xml_domain(size_t place, bool live)
{
	const struct world_guest *guest = world_guest(driver_world(), place);
	const struct driver_guest *state = guest_at(place);
	struct model_memory memory = {.actual_kib = state->memory_kib};
	char uuid[VIR_UUID_STRING_BUFLEN];
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	if (live)
		model_memory_read(driver_model(), guest->id, &memory);
	fputs("<domain type='qemu'", out);
	if (live)
		fprintf(out, " id='%d'", state->id);
	fprintf(out, ">\n  <name>%s</name>\n  <uuid>%s</uuid>\n", guest->config->name,
		uuid_format(guest->uuid, uuid));
	metadata_print(out, place, live);
	fprintf(out,
		"  <memory unit='KiB'>%" PRIu64 "</memory>\n  <currentMemory unit='KiB'>%" PRIu64
		"</currentMemory>\n  <vcpu placement='static'>%u</vcpu>\n",
		state->maximum_kib, memory.actual_kib, guest->config->vcpus);
	put_cputune(out, guest, state, live);
	fputs("  <os>\n    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n  </os>\n"
	      "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n"
	      "  <on_crash>destroy</on_crash>\n",
	      out);
	put_devices(out, guest);
	fputs("</domain>\n", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
