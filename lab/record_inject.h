/* SPDX-License-Identifier: MIT */
/* The injector as the recorder's child: started, given its t = 0, listened to, ended. */
#ifndef BALLAST_RECORD_INJECT_H
#define BALLAST_RECORD_INJECT_H

#include "record.h"
#include "record_child.h"

struct injector {
	struct child child;
	int in_fd;  /* its stdin */
	int out_fd; /* its stdout */
};

/* A pin that the injector said it is about to make. */
struct announcement {
	char guest[SCENARIO_NAME_MAX];
	unsigned int vcpu;
	char affinity[128];
	double at_s; /* CLOCK_MONOTONIC */
};

struct announcements {
	struct injector *from;
	struct announcement items[256];
	size_t n;
	char line[256];
	size_t len;
};

/* What it is started with. */
struct injector_args {
	const char *path;
	const char *uri;
	const char *scenario;
	const char *prefix;
	const char *trace;
};

/* Starts it and waits until it has prepared the guests. 0, −1 after a line on stderr. */
int injector_start(struct injector *in, const struct injector_args *args);

/* Tells it when t = 0 is. 0, −1. */
int injector_go(struct injector *in, double epoch_s);

/* Whether a change of affinity that was just seen is the injector's; it is forgotten then. */
bool injector_claims(struct announcements *a, const char *guest, unsigned int vcpu,
		     const char *affinity);

/* Keeps reading what it says, so that it never waits for us. */
void injector_read(struct announcements *a);

/* Whether it ended although it was not time. */
bool injector_died(struct injector *in);

/* Waits until it has ended the loads and itself; hurries it up where that takes too long. An exit
 * status. */
int injector_finish(struct injector *in, struct announcements *a, bool interrupted);

#endif
