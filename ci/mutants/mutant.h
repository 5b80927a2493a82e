/* SPDX-License-Identifier: MIT */
/*
 * Programs that do one thing wrong, to prove the checkers awake: each expectation has a mutant that
 * fails it. They use plain libvirt calls, as a submission would, and so run in every world.
 */
#ifndef BALLAST_MUTANT_H
#define BALLAST_MUTANT_H

#include <libvirt/libvirt.h>

#define GUESTS_MAX 64

/* What a mutant's tick is given. Guests by name, so that a tick finds them where the last one did.
 */
struct view {
	virConnectPtr conn;
	unsigned int tick; /* from 0 */
	double interval_s;
	virDomainPtr guests[GUESTS_MAX];
	int nguests;
	int pcpus; /* 0…pcpus−1 */
};

struct mutant {
	const char *name;
	const char *what; /* it does wrong */
	void (*tick)(const struct view *view);
};

/* Seconds since the program began, by its ticks. */
double mutant_time_s(const struct view *view);

/* Pins the vCPU of that number, counted over all guests, to one pCPU, or with −1 to all. */
void mutant_pin(const struct view *view, int vcpu, int pcpu);

/* How many vCPUs all guests have. */
int mutant_vcpus(const struct view *view);

/* Some of a guest's memory figures, KiB; 0 where not known. */
struct mutant_memory {
	unsigned long long actual, usable, maximum;
};
struct mutant_memory mutant_memory(virDomainPtr guest);

void mutant_set_memory(virDomainPtr guest, unsigned long long kib);

/* The main of a program "NAME INTERVAL" (or --list): runs that mutant's tick every interval. */
int mutant_main(int argc, char *argv[], const struct mutant *mutants, int count);

/* Ticks for both kinds of program. */
void mutant_nothing(const struct view *view);  /* looks, and does nothing */
void mutant_exits(const struct view *view);    /* ends by itself at its third tick */
void mutant_crashes(const struct view *view);  /* aborts at its third tick */
void mutant_hangs(const struct view *view);    /* waits for ever from its third tick on */
void mutant_stubborn(const struct view *view); /* does not stop when told to */
void mutant_burns(const struct view *view);    /* keeps a CPU busy between its ticks */
void mutant_pauses(const struct view *view);   /* pauses all guests at its fourth tick */
void mutant_resets(const struct view *view);   /* reboots all guests at its fourth tick */

void mutant_spins(const struct view *view);   /* computes for ever from its third tick on */
void mutant_forks(const struct view *view);   /* runs another program at its third tick */
void mutant_babbles(const struct view *view); /* prints bytes that are no text */

#define MUTANTS_OF_BOTH                                                                            \
	{"nothing", "looks, and does nothing", mutant_nothing},                                    \
		{"exits", "ends by itself at its third tick", mutant_exits},                       \
		{"crashes", "aborts at its third tick", mutant_crashes},                           \
		{"hangs", "waits for ever from its third tick on", mutant_hangs},                  \
		{"stubborn", "does not stop when told to", mutant_stubborn},                       \
		{"burns", "keeps a CPU busy between its ticks", mutant_burns},                     \
		{"spins", "computes for ever from its third tick on", mutant_spins},               \
		{"forks", "runs another program at its third tick", mutant_forks},                 \
		{"babbles", "prints bytes that are no text", mutant_babbles},                      \
		{"pauses", "pauses all guests at its fourth tick", mutant_pauses},                 \
	{                                                                                          \
		"resets", "reboots all guests at its fourth tick", mutant_resets                   \
	}

#endif
