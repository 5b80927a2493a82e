#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# libvirt's test driver takes virDomainPinVcpu() on its running domain, and refuses virDomainPinVcpuFlags() with the flag
# that says just that, VIR_DOMAIN_AFFECT_LIVE: a client that names the state it means cannot be tried on it.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch libvirt-dev=9.0.0-4+deb12u2 gcc libc6-dev
cat >"$root/tmp/t.c" <<'END'
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
static void quiet(void *data, virErrorPtr error) { (void)data; (void)error; }
int main(void)
{
	unsigned char map[] = {1};
	virSetErrorFunc(NULL, quiet);
	virConnectPtr conn = virConnectOpen("test:///default");
	virDomainPtr dom = virDomainLookupByName(conn, "test");
	int plain = virDomainPinVcpu(dom, 0, map, 1);
	int live = virDomainPinVcpuFlags(dom, 0, map, 1, VIR_DOMAIN_AFFECT_LIVE);
	printf("plain %d, live %d: %s\n", plain, live, virGetLastErrorMessage());
	return 0;
}
END
inside gcc -o t t.c -lvirt
finding "plain 0, live 0" \
	"plain 0, live -1: unsupported flags (0x1) in function testDomainPinVcpuFlags" "$(inside ./t)"
