#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# After virConnResetLastError() virConnGetLastError() returns a pointer to an error whose code is 0, where
# virGetLastError() returns NULL after virResetLastError(): "if (error)" is right for one of the twins only.
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
	virSetErrorFunc(NULL, quiet);
	virConnectPtr conn = virConnectOpen("test:///default");
	if (virDomainLookupByName(conn, "nobody"))
		return 1;
	virResetLastError();
	virConnResetLastError(conn);
	virErrorPtr error = virConnGetLastError(conn);
	printf("of the thread: %s; of the connection: %s\n", virGetLastError() ? "error" : "NULL",
	       error ? error->code ? "error" : "an error of code 0" : "NULL");
	return 0;
}
END
inside gcc -o t t.c -lvirt
finding "of the thread: NULL; of the connection: NULL" \
	"of the thread: NULL; of the connection: an error of code 0" "$(inside ./t)"
