/* SPDX-License-Identifier: MIT */
/* The part of `ballast` that works in guests through their agents: exec, copy, reset. */
#include "guest.h"

#include "labguest.h"
#include "log.h"
#include "tick.h"

#include <getopt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: guest [-c URI] exec [--stdin] GUEST COMMAND [ARGS...]\n"
			    "       guest [-c URI] copy FROM TO\n"
			    "       guest [-c URI] reset [--prefix P]\n"
			    "This is a part of `ballast`; use that.\n";

virDomainPtr guest_get(virConnectPtr conn, const char *name)
{
	char error[LABGUEST_ERROR_MAX];
	virDomainPtr dom = labguest_find(conn, name, error);

	if (!dom)
		die(EXIT_USAGE, "%s", error);
	if (virDomainIsActive(dom) != 1)
		die(EXIT_USAGE, "guest %s does not run; `ballast up` starts guests", name);
	return dom;
}

static void ignore_error(void *opaque, virErrorPtr error)
{
	(void)opaque;
	(void)error;
}

static virConnectPtr connect_to(const char *uri)
{
	virConnectPtr conn;

	virSetErrorFunc(NULL, ignore_error); /* it would print every error a second time */
	conn = virConnectOpen(uri);
	if (!conn)
		die(EXIT_LAB, "cannot connect to %s: %s; see `ballast doctor`", uri,
		    virGetLastErrorMessage());
	tick_signals();
	return conn;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"connect", required_argument, NULL, 'c'},
						{"prefix", required_argument, NULL, 'p'},
						{"stdin", no_argument, NULL, 'i'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	const char *uri = "qemu:///system", *prefix = "";
	bool with_stdin = false;
	virConnectPtr conn;
	char **words;
	int option, n, status;

	log_init("ballast", false);
	while ((option = getopt_long(argc, argv, "+c:p:i", options, NULL)) != -1) {
		if (option == 'c')
			uri = optarg;
		else if (option == 'p')
			prefix = optarg;
		else if (option == 'i')
			with_stdin = true;
		else if (option == 'h')
			return fputs(usage, stdout), EXIT_PASS;
		else
			return EXIT_USAGE; /* getopt has said what is wrong */
	}
	words = argv + optind;
	n = argc - optind;
	if (n == 1 && !strcmp(words[0], "reset"))
		return guest_reset(uri, prefix);
	if (!(n >= 3 && !strcmp(words[0], "exec")) && !(n == 3 && !strcmp(words[0], "copy")))
		return fputs(usage, stderr), EXIT_USAGE;
	conn = connect_to(uri);
	status = words[0][0] == 'e' ? guest_exec(conn, words[1], words + 2, with_stdin)
				    : guest_copy(conn, words[1], words[2]);
	virConnectClose(conn);
	return status;
}
