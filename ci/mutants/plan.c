/* SPDX-License-Identifier: MIT */
/*
 * A program that knows everything: it does at each moment what a file tells it, one deed a line,
 * "SECONDS pin GUEST VCPU PCPU" or "SECONDS size GUEST MIB", in order of time.
 */
#include "units.h"

#include <libvirt/libvirt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PCPUS_MAX 1024
#define LOOK_S	  1.0 /* it looks at the guests as often, as any such program does */

struct deed {
	double t_s;
	char what[8], guest[64];
	unsigned int number, pcpu;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_until(double t_s)
{
	struct timespec to = {.tv_sec = (time_t)t_s, .tv_nsec = (long)((t_s - floor(t_s)) * 1e9)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &to, NULL))
		;
}

static int next_deed(FILE *plan, struct deed *deed)
{
	char line[256];

	if (!fgets(line, sizeof(line), plan))
		return 0;
	if (sscanf(line, "%lf %7s %63s %u %u", &deed->t_s, deed->what, deed->guest, &deed->number,
		   &deed->pcpu) >= 4)
		return 1;
	fprintf(stderr, "plan: not a deed: %s", line);
	exit(2);
}

static int act(virConnectPtr conn, const struct deed *deed)
{
	virDomainPtr guest = virDomainLookupByName(conn, deed->guest);
	unsigned char map[PCPUS_MAX / 8] = {0};
	int status;

	if (!guest || deed->pcpu >= PCPUS_MAX)
		return -1;
	if (!strcmp(deed->what, "pin")) {
		cpumap_add(map, deed->pcpu);
		status = virDomainPinVcpu(guest, deed->number, map, (int)deed->pcpu / 8 + 1);
	} else {
		status = virDomainSetMemory(guest, 1024UL * deed->number);
	}
	virDomainFree(guest);
	return status;
}

int main(int argc, char *argv[])
{
	FILE *plan = argc == 2 ? fopen(argv[1], "re") : NULL;
	virConnectPtr conn = virConnectOpen("qemu:///system");
	struct deed deed = {0};
	double start_s = now_s(), look_s = 0;
	int more;

	if (!plan || !conn) {
		fprintf(stderr, "usage: %s PLAN\n", argv[0]);
		return 2;
	}
	more = next_deed(plan, &deed);
	for (;;) {
		double t_s = more ? fmin(deed.t_s, look_s) : look_s;

		sleep_until(start_s + t_s);
		virConnectNumOfDomains(conn);
		for (; more && deed.t_s <= t_s; more = next_deed(plan, &deed))
			if (act(conn, &deed))
				fprintf(stderr, "plan: %s %s failed\n", deed.what, deed.guest);
		if (t_s >= look_s)
			look_s += LOOK_S;
	}
}
