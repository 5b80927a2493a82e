/* SPDX-License-Identifier: MIT */
/*
 * Runs in the simulated host, on test_calls.scenario, with libvirt's own client library: every
 * function that is answered, what wrong use gets (codes as a real libvirt 9.0 gave them for the
 * same calls), and events.
 */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* test_calls.scenario: 10 pCPUs of which 8 and 9 are offline, 2 nodes, 16 GiB; guest 1 has 2 vCPUs
 * pinned to pCPU 0, guest 3 is off until t = 20 s. */
#define GUESTS	 4
#define VCPUS	 2
#define MEMORY	 (512UL << 10)
#define MAXIMUM	 (2048UL << 10)
#define OFF_NAME "aos_vm3"
#define POLICY	 "urn:ballast:policy:1"

#define COMMAND(name, arguments) "{\"execute\":\"" name "\",\"arguments\":" arguments "}"
#define PING			 "{\"execute\":\"guest-ping\"}"

static virConnectPtr conn;
static virDomainPtr guest, off;

static void ignore_error(void *opaque, virErrorPtr error)
{
	(void)opaque;
	(void)error;
}

static int set_up(void **state)
{
	(void)state;
	virSetErrorFunc(NULL, ignore_error);
	if (virEventRegisterDefaultImpl() < 0)
		return -1;
	conn = virConnectOpen("qemu:///system");
	guest = conn ? virDomainLookupByName(conn, "aos_vm1") : NULL;
	off = conn ? virDomainLookupByName(conn, OFF_NAME) : NULL;
	return guest && off ? 0 : -1;
}

static int take_down(void **state)
{
	(void)state;
	virDomainFree(guest);
	virDomainFree(off);
	return virConnectClose(conn); /* 0: nobody holds it any more */
}

/* --- wrong use --- */

#define assert_error(call, expected)                                                               \
	do {                                                                                       \
		virResetLastError();                                                               \
		(void)(call);                                                                      \
		if (virGetLastErrorCode() != (expected))                                           \
			fail_msg("%s: error %d (%s), not %d", #call, virGetLastErrorCode(),        \
				 virGetLastErrorMessage(), expected);                              \
	} while (0)

static void test_wrong_pins(void **state)
{
	unsigned char map[16] = {1}, none[16] = {0}, beyond[16] = {0};

	(void)state;
	beyond[15] = 0x80;
	assert_error(virDomainPinVcpu(guest, 0, NULL, 1), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinVcpu(guest, 0, map, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinVcpu(guest, VCPUS, map, 1), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinVcpu(guest, 0, none, 16), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinVcpu(guest, 0, beyond, 16), VIR_ERR_SYSTEM_ERROR);
	assert_error(virDomainPinVcpu(off, 0, map, 1), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainPinVcpuFlags(guest, 0, map, 1, 64), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinVcpuFlags(off, 0, map, 1, VIR_DOMAIN_AFFECT_LIVE),
		     VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainPinVcpu(NULL, 0, map, 1), VIR_ERR_INVALID_DOMAIN);
}

static void test_wrong_memory(void **state)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];

	(void)state;
	assert_error(virDomainSetMemory(guest, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMemory(guest, MAXIMUM + 1), VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMemory(off, MEMORY), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainSetMemoryFlags(guest, MEMORY, 64), VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMemoryFlags(guest, MAXIMUM,
					     VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_MEM_MAXIMUM),
		     VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainMemoryStats(off, stats, 4, 0), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainMemoryStats(guest, stats, 4, 1), VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMemoryStatsPeriod(guest, -1, 0), VIR_ERR_INVALID_ARG);
}

static void test_wrong_questions(void **state)
{
	virDomainStatsRecordPtr *records;
	virTypedParameter params[4];
	unsigned char maps[16];
	virDomainPtr none[] = {NULL};
	virVcpuInfo info[4];
	virNodeCPUStats cpu_times[4];
	int n = 3, ids[4];

	(void)state;
	assert_error(virConnectOpen("nosuch:///system"), VIR_ERR_NO_CONNECT);
	assert_error(virDomainLookupByName(conn, "nobody"), VIR_ERR_NO_DOMAIN);
	assert_error(virDomainLookupByName(conn, NULL), VIR_ERR_INVALID_ARG);
	assert_error(virDomainLookupByID(conn, 99), VIR_ERR_NO_DOMAIN);
	assert_error(virDomainLookupByID(conn, -1), VIR_ERR_INVALID_ARG);
	assert_error(virDomainLookupByUUIDString(conn, "no uuid"), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetVcpus(guest, NULL, 1, NULL, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetVcpus(guest, info, 2, maps, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetVcpus(off, info, 2, NULL, 0), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainGetVcpuPinInfo(guest, 1, maps, 1, 3), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetVcpusFlags(guest, 64), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetVcpusFlags(off, VIR_DOMAIN_AFFECT_LIVE),
		     VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainGetCPUStats(guest, params, 3, -1, 2, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetCPUStats(guest, params, 2, 0, 200, 0), VIR_ERR_RPC);
	/* As on every host with cgroup v2. */
	assert_error(virDomainGetCPUStats(guest, params, 1, 0, 1, 0),
		     VIR_ERR_OPERATION_UNSUPPORTED);
	assert_error(virConnectGetAllDomainStats(conn, 1U << 20, &records,
						 VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS),
		     VIR_ERR_ARGUMENT_UNSUPPORTED);
	assert_error(virConnectGetAllDomainStats(conn, 0, NULL, 0), VIR_ERR_INVALID_ARG);
	assert_error(virConnectListAllDomains(conn, NULL, 1U << 20), VIR_ERR_INVALID_ARG);
	n = 4;
	assert_error(virNodeGetCPUStats(conn, 99, cpu_times, &n, 0), VIR_ERR_INVALID_ARG);
	assert_error(virNodeGetMemoryStats(conn, 7, NULL, &n, 0), VIR_ERR_INVALID_ARG);
	assert_error(virConnectGetURI(NULL), VIR_ERR_INVALID_CONN);
	assert_error(virDomainCreate(guest), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainDestroy(off), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainResume(guest), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainDestroyFlags(guest, 64), VIR_ERR_INVALID_ARG);
	assert_error(virDomainReboot(guest, 64), VIR_ERR_INVALID_ARG);
	assert_error(virDomainReset(guest, 1), VIR_ERR_INVALID_ARG);
	assert_error(virConnectOpen(":::"), VIR_ERR_INTERNAL_ERROR);
	assert_error(virConnectListDomains(conn, ids, -1), VIR_ERR_INVALID_ARG);
	assert_error(virConnectGetMaxVcpus(conn, "nosuch"), VIR_ERR_INVALID_ARG);
	assert_error(virDomainListGetStats(none, 0, &records, 0), VIR_ERR_INVALID_ARG);
	assert_error(virNodeGetCPUStats(conn, -5, NULL, &n, 0), VIR_ERR_INVALID_ARG);
	assert_error(virNodeGetMemoryStats(conn, -5, NULL, &n, 0), VIR_ERR_INVALID_ARG);
	assert_error(virNodeGetCPUMap(conn, NULL, NULL, 1), VIR_ERR_INVALID_ARG);
	assert_error(virConnectDomainEventDeregisterAny(conn, 999), VIR_ERR_INVALID_ARG);
}

static void test_freed_handles(void **state)
{
	virConnectPtr other = virConnectOpen(NULL);
	virDomainPtr domain = virDomainLookupByName(other, "aos_vm2");
	virDomainInfo info;

	(void)state;
	assert_int_equal(virConnectClose(other), 1); /* the domain holds it */
	assert_int_equal(virDomainFree(domain), 0);
	assert_error(virDomainFree(domain), VIR_ERR_INVALID_DOMAIN);
	assert_error(virDomainGetInfo(domain, &info), VIR_ERR_INVALID_DOMAIN);
	assert_error(virConnectClose(other), VIR_ERR_INVALID_CONN);
	assert_error(virConnectNumOfDomains(other), VIR_ERR_INVALID_CONN);
}

static void test_read_only(void **state)
{
	virConnectPtr other = virConnectOpenReadOnly("qemu:///system");
	virDomainPtr domain = virDomainLookupByName(other, "aos_vm1");
	unsigned char map[] = {1};

	(void)state;
	assert_error(virDomainPinVcpu(domain, 0, map, 1), VIR_ERR_OPERATION_DENIED);
	assert_error(virDomainSetMemory(domain, MEMORY), VIR_ERR_OPERATION_DENIED);
	assert_error(virDomainSuspend(domain), VIR_ERR_OPERATION_DENIED);
	assert_error(virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_SECURE), VIR_ERR_OPERATION_DENIED);
	assert_int_equal(virDomainIsActive(domain), 1);
	virDomainFree(domain);
	assert_int_equal(virConnectClose(other), 0);
}

/* --- errors --- */

static int reported;

static void count_error(void *opaque, virErrorPtr error)
{
	reported += error->code == *(int *)opaque;
}

static void test_errors(void **state)
{
	int code = VIR_ERR_NO_DOMAIN;
	virError copy = {0};
	virErrorPtr saved;

	(void)state;
	virSetErrorFunc(&code, count_error);
	assert_null(virDomainLookupByName(conn, "nobody"));
	assert_int_equal(reported, 1);
	assert_string_equal(virGetLastErrorMessage(),
			    "Domain not found: no domain with matching name 'nobody'");
	assert_int_equal(virGetLastErrorDomain(), VIR_FROM_QEMU);
	assert_int_equal(virGetLastError()->level, VIR_ERR_ERROR);
	assert_int_equal(virCopyLastError(&copy), VIR_ERR_NO_DOMAIN);
	saved = virSaveLastError();
	assert_int_equal(saved->code, VIR_ERR_NO_DOMAIN);
	assert_int_equal(virConnGetLastError(conn)->code, VIR_ERR_NO_DOMAIN);
	assert_int_equal(virConnectIsAlive(conn), 1); /* a call that works takes the error away */
	assert_null(virGetLastError());
	virConnResetLastError(conn);
	assert_true(!virConnGetLastError(conn) || !virConnGetLastError(conn)->code);
	virConnSetErrorFunc(conn, &code, count_error);
	virSetErrorFunc(NULL, ignore_error);
	assert_null(virDomainLookupByName(conn, "nobody"));
	assert_int_equal(reported, 2);
	virConnSetErrorFunc(conn, NULL, NULL);
	virResetError(&copy);
	virFreeError(saved);
}

/* --- connections and lists --- */

static void test_connection(void **state)
{
	unsigned long version;
	char *text;

	(void)state;
	text = virConnectGetURI(conn);
	assert_string_equal(text, "qemu:///system");
	free(text);
	text = virConnectGetHostname(conn);
	assert_string_equal(text, "ballast-sim");
	free(text);
	assert_string_equal(virConnectGetType(conn), "QEMU");
	assert_int_equal(virConnectGetVersion(conn, &version), 0);
	assert_int_equal(virConnectGetLibVersion(conn, &version), 0);
	assert_int_equal(version, LIBVIR_VERSION_NUMBER);
	assert_int_equal(virConnectIsAlive(conn), 1);
	assert_int_equal(virConnectIsSecure(conn), 1);
	assert_int_equal(virConnectIsEncrypted(conn), 0);
	assert_int_equal(virConnectSetKeepAlive(conn, 5, 3), 0);
	assert_true(virConnectGetMaxVcpus(conn, NULL) > 0);
	assert_int_equal(virConnectRef(conn), 0);
	assert_true(virConnectClose(conn) > 0);
}

static void test_lists(void **state)
{
	virDomainPtr *list;
	char *names[8];
	int ids[8];
	bool seen[GUESTS + 1] = {false};

	(void)state;
	assert_int_equal(virConnectNumOfDomains(conn), GUESTS - 1);
	assert_int_equal(virConnectNumOfDefinedDomains(conn), 1);
	assert_int_equal(virConnectListDomains(conn, ids, 8), GUESTS - 1);
	assert_int_equal(virConnectListDomains(conn, ids, 2), 2);
	assert_int_equal(virConnectListDefinedDomains(conn, names, 8), 1);
	assert_string_equal(names[0], OFF_NAME);
	free(names[0]);
	assert_int_equal(virConnectListAllDomains(conn, NULL, 0), GUESTS);
	assert_int_equal(virConnectListAllDomains(conn, NULL, VIR_CONNECT_LIST_DOMAINS_TRANSIENT),
			 0);
	assert_int_equal(virConnectListAllDomains(conn, NULL, VIR_CONNECT_LIST_DOMAINS_SHUTOFF), 1);
	assert_int_equal(virConnectListAllDomains(conn, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE),
			 GUESTS - 1);
	for (int i = 0; i < GUESTS - 1; i++) {
		virDomainPtr again = virDomainLookupByID(conn, (int)virDomainGetID(list[i]));

		assert_non_null(again);
		assert_string_equal(virDomainGetName(again), virDomainGetName(list[i]));
		seen[virDomainGetID(list[i])] = true;
		virDomainFree(again);
		virDomainFree(list[i]);
	}
	assert_true(seen[1] && seen[2] && seen[3]);
	free(list);
}

/* --- domains --- */

static void test_identity(void **state)
{
	char text[VIR_UUID_STRING_BUFLEN];
	unsigned char uuid[VIR_UUID_BUFLEN];
	virDomainPtr again;

	(void)state;
	assert_int_equal(virDomainGetUUIDString(guest, text), 0);
	assert_int_equal(virDomainGetUUID(guest, uuid), 0);
	again = virDomainLookupByUUIDString(conn, text);
	assert_string_equal(virDomainGetName(again), "aos_vm1");
	assert_int_equal(virDomainRef(again), 0);
	virDomainFree(again);
	virDomainFree(again);
	again = virDomainLookupByUUID(conn, uuid);
	assert_string_equal(virDomainGetName(again), "aos_vm1");
	assert_ptr_equal(virDomainGetConnect(again), conn);
	virDomainFree(again);
	assert_int_equal(virDomainGetID(off), (unsigned int)-1);
}

static void test_state(void **state)
{
	int is, why, autostart;
	virDomainInfo info;
	virDomainControlInfo control;
	char *type;

	(void)state;
	assert_int_equal(virDomainIsActive(guest), 1);
	assert_int_equal(virDomainIsActive(off), 0);
	assert_int_equal(virDomainIsPersistent(guest), 1);
	assert_int_equal(virDomainIsUpdated(guest), 0);
	assert_int_equal(virDomainHasManagedSaveImage(guest, 0), 0);
	assert_int_equal(virDomainGetState(guest, &is, &why, 0), 0);
	assert_int_equal(is, VIR_DOMAIN_RUNNING);
	assert_int_equal(virDomainGetState(off, &is, NULL, 0), 0);
	assert_int_equal(is, VIR_DOMAIN_SHUTOFF);
	assert_int_equal(virDomainGetInfo(guest, &info), 0);
	assert_int_equal(info.state, VIR_DOMAIN_RUNNING);
	assert_int_equal(info.nrVirtCpu, VCPUS);
	assert_int_equal(info.maxMem, MAXIMUM);
	assert_int_equal(info.memory, MEMORY);
	assert_int_equal(virDomainGetMaxMemory(guest), MAXIMUM);
	assert_int_equal(virDomainGetMaxVcpus(guest), VCPUS);
	assert_int_equal(virDomainGetVcpusFlags(off, VIR_DOMAIN_VCPU_MAXIMUM), VCPUS);
	assert_int_equal(virDomainGetControlInfo(guest, &control, 0), 0);
	assert_int_equal(virDomainSetAutostart(guest, 1), 0);
	assert_int_equal(virDomainGetAutostart(guest, &autostart), 0);
	assert_int_equal(autostart, 1);
	assert_int_equal(virDomainSetAutostart(guest, 0), 0);
	type = virDomainGetOSType(guest);
	assert_string_equal(type, "hvm");
	free(type);
}

static void test_xml(void **state)
{
	char *xml = virDomainGetXMLDesc(guest, 0);

	(void)state;
	assert_non_null(strstr(xml, "<name>aos_vm1</name>"));
	assert_non_null(strstr(xml, "urn:ballast:lab:1"));
	assert_non_null(strstr(xml, "<vcpupin vcpu='1' cpuset='0'/>"));
	assert_non_null(strstr(xml, "<memory unit='KiB'>2097152</memory>"));
	assert_non_null(strstr(xml, "<memballoon model='virtio'"));
	free(xml);
	xml = virConnectGetCapabilities(conn);
	assert_non_null(strstr(xml, "<cells num='2'>"));
	assert_non_null(strstr(xml, "<cpu id='7'"));
	assert_null(strstr(xml, "<cpu id='8'")); /* offline */
	free(xml);
}

/* Pausing, stopping and starting a guest; its id is another one afterwards. */
static void test_changing_state(void **state)
{
	virDomainPtr victim = virDomainLookupByName(conn, "aos_vm4");
	unsigned int id = virDomainGetID(victim);
	int is;

	(void)state;
	assert_int_equal(virDomainSuspend(victim), 0);
	virDomainGetState(victim, &is, NULL, 0);
	assert_int_equal(is, VIR_DOMAIN_PAUSED);
	assert_int_equal(virDomainResume(victim), 0);
	assert_int_equal(virDomainReboot(victim, 0), 0);
	assert_int_equal(virDomainDestroy(victim), 0);
	assert_int_equal(virDomainIsActive(victim), 0);
	assert_int_equal(virDomainCreate(victim), 0);
	assert_true(virDomainGetID(victim) > id);
	virDomainFree(victim);
}

/* --- vCPUs --- */

static void test_vcpus(void **state)
{
	unsigned char maps[2 * 2], map[] = {0x0c, 0}, one[2];
	virVcpuInfo info[VCPUS + 2];
	unsigned char wide[2 * (VCPUS + 2)];
	unsigned long long before;

	(void)state;
	/* Room for more than there are is cleared. */
	memset(info, 0x55, sizeof(info));
	memset(wide, 0x55, sizeof(wide));
	assert_int_equal(virDomainGetVcpus(guest, info, VCPUS + 2, wide, 2), VCPUS);
	assert_int_equal(info[VCPUS + 1].cpu, 0);
	assert_int_equal(info[VCPUS + 1].cpuTime, 0);
	for (size_t i = 2 * VCPUS; i < sizeof(wide); i++)
		assert_int_equal(wide[i], 0);
	assert_int_equal(virDomainGetVcpus(guest, info, VCPUS, maps, 2), VCPUS);
	assert_int_equal(info[1].number, 1);
	assert_int_equal(info[1].state, VIR_VCPU_RUNNING);
	assert_int_equal(maps[2], 1); /* both on pCPU 0 */
	before = info[0].cpuTime;
	sleep(2);
	assert_int_equal(virDomainGetVcpus(guest, info, VCPUS, NULL, 0), VCPUS);
	/* Two busy vCPUs share pCPU 0, which has a load of its own. */
	assert_in_range(info[0].cpuTime - before, 900000000, 1010000000);
	assert_int_equal(info[0].cpuTime % 10000000, 0); /* libvirt's steps */
	assert_int_equal(info[0].cpu, 0);
	assert_int_equal(virDomainPinVcpu(guest, 1, map, 1), 0);
	assert_int_equal(virDomainGetVcpuPinInfo(guest, 2, maps, 2, 0), 2);
	assert_int_equal(maps[2], 0x0c);
	/* A map that is too short has the pCPUs that fit; the rest is cut. */
	map[0] = 0;
	map[1] = 0xff;
	assert_int_equal(virDomainPinVcpuFlags(guest, 1, map, 2, VIR_DOMAIN_AFFECT_CONFIG), 0);
	assert_int_equal(virDomainGetVcpuPinInfo(guest, 1, one, 1, 0), 1);
	assert_int_equal(virDomainGetVcpuPinInfo(guest, 2, maps, 2, VIR_DOMAIN_AFFECT_CONFIG), 2);
	assert_int_equal(maps[3] & 1, 1);
}

static void test_emulator_pins(void **state)
{
	unsigned char map[] = {0x0c, 0}, none[] = {0, 0}, offline[] = {0, 3}, is[2];

	(void)state;
	assert_int_equal(virDomainGetEmulatorPinInfo(guest, is, 2, 0), 1);
	assert_int_equal(is[0], 0xff);
	assert_int_equal(virDomainPinEmulator(guest, map, 2, 0), 0);
	assert_int_equal(virDomainGetEmulatorPinInfo(guest, is, 2, 0), 1);
	assert_int_equal(is[0], 0x0c);
	assert_int_equal(is[1], 0);
	assert_error(virDomainPinEmulator(guest, none, 2, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinEmulator(guest, offline, 2, 0), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainPinEmulator(guest, map, 2, 64), VIR_ERR_INVALID_ARG);
	assert_error(virDomainPinEmulator(off, map, 2, VIR_DOMAIN_AFFECT_LIVE),
		     VIR_ERR_OPERATION_INVALID);
}

/* What is set is told, and a quota holds: a fifth of a pCPU for each busy vCPU. */
static void test_weights(void **state)
{
	virTypedParameterPtr params = NULL, wrong = NULL;
	unsigned long long shares;
	int n = 0, nwrong = 0, most = 0;
	virTypedParameter is[9];
	virVcpuInfo before, after;

	(void)state;
	virTypedParamsAddULLong(&params, &n, &most, "cpu_shares", 200);
	virTypedParamsAddLLong(&params, &n, &most, "vcpu_quota", 20000);
	assert_int_equal(virDomainSetSchedulerParameters(guest, params, n), 0);
	n = 9;
	assert_int_equal(virDomainGetSchedulerParameters(guest, is, &n), 0);
	assert_int_equal(virTypedParamsGetULLong(is, n, "cpu_shares", &shares), 1);
	assert_int_equal(shares, 200); /* of cgroup v2: its default is 100 */
	virDomainGetVcpus(guest, &before, 1, NULL, 0);
	sleep(2);
	virDomainGetVcpus(guest, &after, 1, NULL, 0);
	assert_in_range(after.cpuTime - before.cpuTime, 380000000, 420000000);
	params[1].value.l = -1;
	assert_int_equal(virDomainSetSchedulerParametersFlags(guest, params, 2, 0), 0);
	params[0].value.ul = 1024;
	assert_int_equal(virDomainSetSchedulerParameters(guest, params, 1), 0);
	params[1].value.l = 1;
	assert_error(virDomainSetSchedulerParameters(guest, params, 2), VIR_ERR_INVALID_ARG);
	most = 0;
	virTypedParamsAddULLong(&wrong, &nwrong, &most, "nonsense", 1);
	assert_error(virDomainSetSchedulerParameters(guest, wrong, 1), VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetSchedulerParameters(off, params, 1), VIR_ERR_OPERATION_INVALID);
	assert_error(virDomainSetSchedulerParameters(guest, NULL, 1), VIR_ERR_INVALID_ARG);
	virTypedParamsFree(params, 2);
	virTypedParamsFree(wrong, nwrong);
}

static void test_cpu_time(void **state)
{
	virTypedParameter params[9];
	virVcpuInfo info[VCPUS];
	unsigned long long total, user, system_ns;
	int n = 9;
	char *type;

	(void)state;
	assert_int_equal(virDomainGetCPUStats(guest, NULL, 0, -1, 1, 0), 3);
	assert_int_equal(virDomainGetCPUStats(guest, params, 3, -1, 1, 0), 3);
	assert_int_equal(virTypedParamsGetULLong(params, 3, "cpu_time", &total), 1);
	/* Its boot is in it, and QEMU's other threads. */
	assert_true(total > 4000000000ULL);
	assert_int_equal(virDomainGetVcpus(guest, info, VCPUS, NULL, 0), VCPUS);
	assert_true(info[0].cpuTime > 3000000000ULL);
	assert_true(info[0].cpuTime + info[1].cpuTime < total);
	assert_int_equal(virTypedParamsGetULLong(params, 3, "user_time", &user), 1);
	assert_int_equal(virTypedParamsGetULLong(params, 3, "system_time", &system_ns), 1);
	assert_true(system_ns > 0 && system_ns < user);
	assert_int_equal(user + system_ns, total);
	assert_int_equal(virDomainGetSchedulerParameters(guest, params, &n), 0);
	assert_int_equal(virTypedParamsGetULLong(params, n, "cpu_shares", &total), 1);
	assert_int_equal(total, 100);
	type = virDomainGetSchedulerType(guest, &n);
	assert_string_equal(type, "posix");
	assert_int_equal(n, 9);
	free(type);
}

/* --- memory --- */

static unsigned long long stat_of(virDomainMemoryStatPtr stats, int n, int tag)
{
	for (int i = 0; i < n; i++) {
		if (stats[i].tag == tag)
			return stats[i].val;
	}
	fail_msg("no statistic %d", tag);
	return 0;
}

static void test_memory(void **state)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	unsigned long long made;
	int n;

	(void)state;
	assert_int_equal(virDomainSetMemoryStatsPeriod(guest, 1, VIR_DOMAIN_AFFECT_LIVE), 0);
	sleep(2);
	n = virDomainMemoryStats(guest, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
	assert_int_equal(stat_of(stats, n, VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON), MEMORY);
	made = stat_of(stats, n, VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE);
	assert_in_range(made, time(NULL) - 1, time(NULL));
	assert_true(stat_of(stats, n, VIR_DOMAIN_MEMORY_STAT_UNUSED) <
		    stat_of(stats, n, VIR_DOMAIN_MEMORY_STAT_AVAILABLE));
	assert_int_equal(virDomainSetMemory(guest, 2 * MEMORY), 0);
	sleep(5);
	assert_int_equal(virDomainMemoryStats(guest, stats, 1, 0),
			 1); /* no more than there is room for */
	assert_int_equal(stats[0].val, 2 * MEMORY);
	assert_int_equal(virDomainSetMemoryFlags(guest, MEMORY, VIR_DOMAIN_AFFECT_LIVE), 0);
	assert_int_equal(virDomainSetMemoryFlags(off, MEMORY / 2, VIR_DOMAIN_AFFECT_CONFIG), 0);
}

/* --- bulk statistics --- */

static void test_bulk(void **state)
{
	virDomainPtr both[] = {guest, off, NULL};
	virDomainStatsRecordPtr *records;
	unsigned long long number;
	unsigned int count;
	int is;

	(void)state;
	assert_int_equal(virConnectGetAllDomainStats(conn, 0, &records,
						     VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING),
			 GUESTS - 1);
	virDomainStatsRecordListFree(records);
	assert_int_equal(virDomainListGetStats(both,
					       VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_STATE |
						       VIR_DOMAIN_STATS_BALLOON,
					       &records, 0),
			 2);
	assert_string_equal(virDomainGetName(records[0]->dom), "aos_vm1");
	assert_int_equal(virTypedParamsGetUInt(records[0]->params, records[0]->nparams,
					       "vcpu.current", &count),
			 1);
	assert_int_equal(count, VCPUS);
	assert_int_equal(virTypedParamsGetULLong(records[0]->params, records[0]->nparams,
						 "vcpu.1.delay", &number),
			 1);
	assert_int_equal(virTypedParamsGetULLong(records[0]->params, records[0]->nparams,
						 "balloon.unused", &number),
			 1);
	assert_int_equal(
		virTypedParamsGetInt(records[1]->params, records[1]->nparams, "state.state", &is),
		1);
	assert_int_equal(is, VIR_DOMAIN_SHUTOFF);
	/* Figures of a guest that is off are left out, not 0. */
	assert_int_equal(virTypedParamsGetULLong(records[1]->params, records[1]->nparams,
						 "vcpu.0.time", &number),
			 0);
	virDomainStatsRecordListFree(records);
}

/* --- the host --- */

static void test_node(void **state)
{
	virNodeMemoryStats memory[4];
	virNodeCPUStats times[4];
	struct timespec up;
	double uptime_s;
	unsigned long long cells[2];
	virSecurityModel model;
	unsigned int online;
	unsigned char *map;
	virNodeInfo info;
	int n = 0;

	(void)state;
	assert_int_equal(virNodeGetInfo(conn, &info), 0);
	assert_int_equal(info.cpus, 8);
	assert_int_equal(info.nodes, 2);
	assert_int_equal(VIR_NODEINFO_MAXCPUS(info), 10);
	assert_int_equal(info.memory, 16UL << 20);
	assert_int_equal(virNodeGetCPUMap(conn, &map, &online, 0), 10);
	assert_int_equal(online, 8);
	assert_int_equal(map[0], 0xff);
	assert_int_equal(map[1], 0);
	free(map);
	assert_int_equal(virNodeGetCPUStats(conn, 0, NULL, &n, 0), 0);
	assert_int_equal(n, 4);
	assert_int_equal(virNodeGetCPUStats(conn, 0, times, &n, 0), 0);
	/* A day of uptime, most of it idle, and some use. */
	uptime_s = (double)(times[0].value + times[1].value + times[2].value) / 1e9;
	clock_gettime(CLOCK_BOOTTIME, &up);
	assert_true(uptime_s > (double)up.tv_sec - 1 && uptime_s < (double)up.tv_sec + 2);
	assert_true(times[0].value > 60000000000 && times[1].value > 60000000000);
	assert_true((double)times[2].value / 1e9 > 0.8 * uptime_s);
	assert_int_equal(virNodeGetCPUStats(conn, VIR_NODE_CPU_STATS_ALL_CPUS, times, &n, 0), 0);
	/* How many there are is asked before which pCPU. */
	n = 0;
	assert_int_equal(virNodeGetCPUStats(conn, 99, NULL, &n, 0), 0);
	assert_int_equal(n, 4);
	n = 0;
	assert_int_equal(virNodeGetMemoryStats(conn, -1, NULL, &n, 0), 0);
	assert_int_equal(n, 4);
	assert_int_equal(virNodeGetMemoryStats(conn, -1, memory, &n, 0), 0);
	assert_int_equal(memory[0].value, 16UL << 20);
	assert_int_equal(virNodeGetFreeMemory(conn), memory[1].value * 1024);
	assert_int_equal(virNodeGetCellsFreeMemory(conn, cells, 0, 2), 2);
	assert_int_equal(virNodeGetSecurityModel(conn, &model), 0);
}

/* --- events --- */

static int started, tuned, ballooned, closed;

static int on_lifecycle(virConnectPtr c, virDomainPtr domain, int event, int detail, void *opaque)
{
	(void)c;
	(void)detail;
	(void)opaque;
	if (!strcmp(virDomainGetName(domain), OFF_NAME))
		started += event == VIR_DOMAIN_EVENT_STARTED;
	return 0;
}

static void on_tunable(virConnectPtr c, virDomainPtr domain, virTypedParameterPtr params, int n,
		       void *opaque)
{
	(void)c;
	(void)domain;
	(void)opaque;
	tuned += n == 1 && !strcmp(params[0].field, "cputune.vcpupin1") &&
		 !strcmp(params[0].value.s, "2-3");
}

static void on_balloon(virConnectPtr c, virDomainPtr domain, unsigned long long actual,
		       void *opaque)
{
	(void)c;
	(void)domain;
	(void)opaque;
	ballooned += actual < MEMORY;
}

static void on_close(virConnectPtr c, int reason, void *opaque)
{
	(void)c;
	(void)opaque;
	closed += reason == VIR_CONNECT_CLOSE_REASON_EOF;
}

static void on_timeout(int timer, void *opaque)
{
	(void)timer;
	*(bool *)opaque = true;
}

static void run_events_for(int seconds)
{
	bool over = false;
	int timer = virEventAddTimeout(seconds * 1000, on_timeout, &over, NULL);

	while (!over)
		assert_int_equal(virEventRunDefaultImpl(), 0);
	virEventRemoveTimeout(timer);
}

static void test_events(void **state)
{
	virConnectPtr other = virConnectOpen("qemu:///system");
	unsigned char map[] = {0x0c};
	int ids[3];

	(void)state;
	ids[0] = virConnectDomainEventRegisterAny(other, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						  VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), NULL,
						  NULL);
	ids[1] =
		virConnectDomainEventRegisterAny(other, NULL, VIR_DOMAIN_EVENT_ID_TUNABLE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_tunable), NULL, NULL);
	ids[2] =
		virConnectDomainEventRegisterAny(other, NULL, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_balloon), NULL, NULL);
	assert_int_equal(virConnectRegisterCloseCallback(other, on_close, NULL, NULL), 0);
	assert_true(ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0);
	virDomainPinVcpu(guest, 1, map, 1);
	virDomainSetMemory(guest, MEMORY - (100UL << 10));
	assert_true(time(NULL) < 1767225600 + 20);
	run_events_for(15);
	assert_int_equal(started, 1); /* by the scenario */
	assert_int_equal(tuned, 1);
	assert_true(ballooned > 0);
	assert_int_equal(closed, 0);
	/* At 40 s libvirtd restarts: the connection is dead, a new one can be made once it is up.
	 */
	run_events_for(1767225600 + 41 - (int)time(NULL));
	assert_int_equal(closed, 1);
	assert_int_equal(virConnectIsAlive(other), 0);
	assert_error(virConnectNumOfDomains(other), VIR_ERR_INTERNAL_ERROR);
	assert_error(virConnectOpen(NULL), VIR_ERR_SYSTEM_ERROR);
	sleep(2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(virConnectDomainEventDeregisterAny(other, ids[i]), -1);
	assert_int_equal(virConnectUnregisterCloseCallback(other, on_close), -1);
	virConnectClose(other); /* what stays holds it */
	other = virConnectOpen(NULL);
	assert_int_equal(virConnectNumOfDomains(other), GUESTS);
	virConnectClose(other);
}

/* --- metadata --- */

static int policies, titles;

static void on_metadata(virConnectPtr c, virDomainPtr domain, int type, const char *uri,
			void *opaque)
{
	(void)c;
	(void)opaque;
	policies += type == VIR_DOMAIN_METADATA_ELEMENT && !strcmp(uri, POLICY) &&
		    !strcmp(virDomainGetName(domain), "aos_vm2");
	titles += type == VIR_DOMAIN_METADATA_TITLE && !uri;
}

/* What virDomainGetMetadata() says, which goes away with the next call. */
static const char *metadata(virDomainPtr domain, int type, const char *uri, unsigned int flags)
{
	static char kept[256];
	char *text = virDomainGetMetadata(domain, type, uri, flags);

	snprintf(kept, sizeof(kept), "%s", text ? text : "none");
	free(text);
	return kept;
}

static void check_metadata_of(virDomainPtr domain)
{
	const int element = VIR_DOMAIN_METADATA_ELEMENT, title = VIR_DOMAIN_METADATA_TITLE;
	char *xml;

	assert_int_equal(virDomainSetMetadata(domain, title, "a < b", NULL, NULL, 0), 0);
	assert_string_equal(metadata(domain, title, NULL, 0), "a < b");
	assert_string_equal(metadata(domain, title, NULL, VIR_DOMAIN_AFFECT_CONFIG), "none");
	assert_int_equal(virDomainSetMetadata(domain, element, "<x y='1'><z/></x>", "k", "urn:k",
					      VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG),
			 0);
	assert_string_equal(metadata(domain, element, "urn:k", 0), "<x y=\"1\">\n  <z/>\n</x>");
	xml = virDomainGetXMLDesc(domain, 0);
	assert_non_null(strstr(xml, "<title>a &lt; b</title>"));
	assert_non_null(strstr(xml, "<k:x xmlns:k=\"urn:k\" y=\"1\">"));
	free(xml);
	assert_int_equal(virDomainSetMetadata(domain, element, NULL, NULL, "urn:k", 0), 0);
	assert_string_equal(metadata(domain, element, "urn:k", 0), "none");
	assert_string_equal(metadata(domain, element, "urn:ballast:lab:1", 0),
			    "<guest image=\"simulated\"/>");
	assert_error(virDomainGetMetadata(domain, element, "urn:none", 0),
		     VIR_ERR_NO_DOMAIN_METADATA);
	assert_error(virDomainGetMetadata(domain, element, NULL, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetMetadata(domain, title, NULL, 3), VIR_ERR_INVALID_ARG);
	assert_error(virDomainGetMetadata(domain, 77, NULL, 0), VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMetadata(domain, title, "a\nb", NULL, NULL, 0),
		     VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMetadata(domain, element, "<x/>", NULL, "urn:k", 0),
		     VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetMetadata(domain, element, "<x", "k", "urn:k", 0),
		     VIR_ERR_XML_DETAIL);
}

static void test_metadata(void **state)
{
	virConnectPtr other = virConnectOpen("qemu:///system");
	virDomainPtr domain = virDomainLookupByName(other, "aos_vm2");
	int id;

	(void)state;
	id = virConnectDomainEventRegisterAny(other, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
					      VIR_DOMAIN_EVENT_CALLBACK(on_metadata), NULL, NULL);
	assert_string_equal(metadata(domain, VIR_DOMAIN_METADATA_ELEMENT, POLICY, 0),
			    "<policy manage=\"yes\" weight=\"2\"/>");
	check_metadata_of(domain);
	run_events_for(1767225600 + 51 - (int)time(NULL));
	assert_int_equal(policies, 1); /* by the scenario */
	assert_string_equal(metadata(domain, VIR_DOMAIN_METADATA_ELEMENT, POLICY, 0),
			    "<policy manage=\"no\"/>");
	assert_int_equal(titles, 1);
	assert_int_equal(virConnectDomainEventDeregisterAny(other, id), 0);
	virDomainFree(domain);
	assert_int_equal(virConnectClose(other), 0);
}

/* --- the guest agent --- */

static const char *agent(virDomainPtr domain, const char *command, int timeout)
{
	static char kept[8192];
	char *answer = virDomainQemuAgentCommand(domain, command, timeout, 0);

	snprintf(kept, sizeof(kept), "%s", answer ? answer : virGetLastErrorMessage());
	free(answer);
	return kept;
}

static void test_agent(void **state)
{
	virDomainPtr domain, readonly;
	virConnectPtr other = virConnectOpen("qemu:///system");
	virConnectPtr looking = virConnectOpenReadOnly("qemu:///system");
	time_t before;

	(void)state;
	domain = virDomainLookupByName(other, "aos_vm4");
	readonly = virDomainLookupByName(looking, "aos_vm4");
	assert_string_equal(agent(domain, PING, 5), "{\"return\":{}}");
	assert_string_equal(agent(domain, COMMAND("guest-sync", "{\"id\":7}"), 5),
			    "{\"return\":7}");
	assert_non_null(strstr(agent(domain, COMMAND("guest-info", "{}"), -1), "guest-ping"));
	assert_non_null(strstr(agent(domain, COMMAND("guest-get-memory-blocks", "{}"), 5),
			       "\"phys-index\":15"));
	assert_string_equal(
		agent(domain, COMMAND("guest-file-open", "{\"path\":\"/proc/meminfo\"}"), 5),
		"{\"return\":1000}");
	assert_non_null(strstr(agent(domain, COMMAND("guest-file-read", "{\"handle\":1000}"), 5),
			       "\"buf-b64\":\"TWVtVG90YWw6")); /* MemTotal: */
	assert_string_equal(agent(domain, COMMAND("guest-file-close", "{\"handle\":1000}"), 5),
			    "{\"return\":{}}");
	assert_error(agent(domain, COMMAND("guest-file-read", "{\"handle\":1000}"), 5),
		     VIR_ERR_INTERNAL_ERROR);
	/* It runs nothing, and says so. */
	assert_string_equal(agent(domain, COMMAND("guest-exec", "{\"path\":\"/bin/true\"}"), 5),
			    "internal error: unable to execute QEMU agent command 'guest-exec': "
			    "Command guest-exec has been disabled");
	assert_error(agent(domain, COMMAND("guest-sync", "{}"), 5), VIR_ERR_INTERNAL_ERROR);
	assert_error(agent(domain, COMMAND("guest-ping", "{\"x\":1}"), 5), VIR_ERR_INTERNAL_ERROR);
	assert_error(agent(domain, COMMAND("guest-nonsense", "{}"), 5), VIR_ERR_INTERNAL_ERROR);
	assert_error(agent(domain, "{", 5), VIR_ERR_INTERNAL_ERROR);
	assert_error(agent(domain, PING, -3), VIR_ERR_INVALID_ARG);
	assert_error(agent(readonly, PING, 5), VIR_ERR_OPERATION_DENIED);
	assert_int_equal(virDomainAgentSetResponseTimeout(domain, 5, 0), 0);
	/* A guest that is paused, hangs, comes round, boots. */
	virDomainSuspend(domain);
	assert_error(agent(domain, PING, 5), VIR_ERR_OPERATION_INVALID);
	virDomainResume(domain);
	sleep((unsigned int)(1767225600 + 61 - time(NULL)));
	before = time(NULL);
	assert_error(agent(domain, PING, 1), VIR_ERR_AGENT_UNRESPONSIVE);
	assert_int_equal(time(NULL) - before, 1);
	assert_string_equal(agent(domain, PING, -2), "{\"return\":{}}");
	assert_int_equal(time(NULL) - before, 3);
	/* As libvirt 9.0 was seen to do: the delimiter makes it give up on the agent. */
	assert_error(agent(domain, COMMAND("guest-sync-delimited", "{\"id\":1}"), 5),
		     VIR_ERR_INTERNAL_ERROR);
	assert_error(agent(domain, PING, 5), VIR_ERR_AGENT_UNRESPONSIVE);
	virDomainDestroy(domain);
	virDomainCreate(domain);
	assert_error(agent(domain, PING, 5), VIR_ERR_AGENT_UNRESPONSIVE);
	sleep(5); /* it boots */
	assert_string_equal(agent(domain, PING, 5), "{\"return\":{}}");
	virDomainFree(domain);
	virDomainFree(readonly);
	virConnectClose(other);
	virConnectClose(looking);
}

/* What there is none of: as libvirt 9.0.0 answers of a guest that has none. */
static void test_none(void **state)
{
	virNetworkPtr *networks = NULL;
	virStoragePoolPtr *pools = NULL;
	virDomainSnapshotPtr *snapshots = NULL;
	virDomainIOThreadInfoPtr *threads = NULL;
	virTypedParameterPtr events = NULL;
	virTypedParameter params[8] = {0};
	virDomainJobInfo job = {.type = -1};
	int n = 0, type = -1;

	(void)state;
	assert_int_equal(virConnectListAllNetworks(conn, &networks, 0), 0);
	assert_int_equal(virConnectListAllStoragePools(conn, &pools, 0), 0);
	assert_int_equal(virConnectNumOfNetworks(conn), 0);
	assert_int_equal(virConnectNumOfStoragePools(conn), 0);
	assert_int_equal(virDomainListAllSnapshots(guest, &snapshots, 0), 0);
	assert_int_equal(virDomainSnapshotNum(guest, 0), 0);
	assert_null(virDomainSnapshotCurrent(guest, 0));
	assert_string_equal(virGetLastErrorMessage(), "Domain snapshot not found: the domain does "
						      "not have a current snapshot");
	assert_int_equal(virDomainGetJobInfo(guest, &job), 0);
	assert_int_equal(job.type, VIR_DOMAIN_JOB_NONE);
	assert_int_equal(virDomainGetJobStats(guest, &type, &events, &n, 0), 0);
	assert_int_equal(type, VIR_DOMAIN_JOB_NONE);
	assert_int_equal(n, 0);
	assert_int_equal(virDomainGetIOThreadInfo(guest, &threads, 0), 0);
	assert_int_equal(virDomainGetMemoryParameters(guest, NULL, &n, 0), 0);
	assert_int_equal(n, 3);
	assert_int_equal(virDomainGetMemoryParameters(guest, params, &n, 0), 0);
	assert_string_equal(params[2].field, "swap_hard_limit");
	assert_true(params[2].value.ul == VIR_DOMAIN_MEMORY_PARAM_UNLIMITED);
	n = 2;
	assert_int_equal(virDomainGetNumaParameters(guest, params, &n, 0), 0);
	assert_int_equal(params[0].value.i, VIR_DOMAIN_NUMATUNE_MEM_STRICT);
	assert_string_equal(params[1].value.s, "");
	virTypedParamsClear(params, n);
	assert_int_equal(virDomainGetPerfEvents(guest, &events, &n, 0), 0);
	assert_int_equal(n, 22);
	assert_int_equal(events[0].type, VIR_TYPED_PARAM_BOOLEAN);
	virTypedParamsFree(events, n);
	free(networks);
	free(pools);
	free(snapshots);
	free(threads);
}

/* All vCPUs that a guest can have are there. */
static void test_set_vcpus(void **state)
{
	(void)state;
	assert_int_equal(virDomainSetVcpusFlags(guest, 2, VIR_DOMAIN_AFFECT_LIVE), 0);
	assert_error(virDomainSetVcpusFlags(guest, 64, VIR_DOMAIN_AFFECT_LIVE),
		     VIR_ERR_INVALID_ARG);
	assert_error(virDomainSetVcpus(off, 1), VIR_ERR_OPERATION_INVALID);
}

static void test_unsupported(void **state)
{
	virDomainPtr domain = guest;
	char *text;

	(void)state;
	assert_int_equal(virDomainSave(domain, "/nowhere"), -1);
	assert_int_equal(virGetLastErrorCode(), VIR_ERR_NO_SUPPORT);
	assert_string_equal(
		virGetLastErrorMessage(),
		"this function is not supported by the connection driver: virDomainSave");
	assert_null(virNetworkLookupByName(conn, "default"));
	assert_int_equal(virGetLastErrorCode(), VIR_ERR_NO_SUPPORT);
	assert_int_equal(virDomainQemuMonitorCommand(domain, "{}", &text, 0), -1);
	assert_int_equal(virGetLastErrorCode(), VIR_ERR_NO_SUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	      cmocka_unit_test(test_set_vcpus),
		cmocka_unit_test(test_unsupported),   cmocka_unit_test(test_wrong_pins),
		cmocka_unit_test(test_wrong_memory),  cmocka_unit_test(test_wrong_questions),
		cmocka_unit_test(test_freed_handles), cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_errors),	      cmocka_unit_test(test_connection),
		cmocka_unit_test(test_lists),	      cmocka_unit_test(test_identity),
		cmocka_unit_test(test_state),	      cmocka_unit_test(test_xml),
		cmocka_unit_test(test_vcpus),	      cmocka_unit_test(test_emulator_pins),
		cmocka_unit_test(test_cpu_time),      cmocka_unit_test(test_weights),
		cmocka_unit_test(test_memory),	      cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_node),	      cmocka_unit_test(test_changing_state),
		cmocka_unit_test(test_events),	      cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_agent),
	};

	/* Elsewhere it would take real guests for the model's. */
	if (!getenv("BALLAST_CLOCK")) {
		fputs("test_calls: runs on the simulated host only: ./run SCENARIO -- test_calls\n",
		      stderr);
		return 2;
	}
	return cmocka_run_group_tests(tests, set_up, take_down);
}
