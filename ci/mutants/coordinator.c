/* SPDX-License-Identifier: MIT */
/* Coordinators that do one thing wrong. */
#include "mutant.h"

#define MIB 1024ULL

static unsigned long long clamp(unsigned long long kib, unsigned long long least,
				unsigned long long most)
{
	if (kib > most)
		return most;
	return kib < least ? least : kib;
}

static unsigned long long used(const struct mutant_memory *m)
{
	return m->actual > m->usable ? m->actual - m->usable : m->actual;
}

/* What is right, but for the steps: what it uses and 250M, at once in both directions. */
static void drops(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++) {
		struct mutant_memory m = mutant_memory(view->guests[i]);

		mutant_set_memory(view->guests[i],
				  clamp(used(&m) + 250 * MIB, 250 * MIB, m.maximum));
	}
}

/* Too little for everybody, gradually: what it uses and 15M. */
static void starves(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++) {
		struct mutant_memory m = mutant_memory(view->guests[i]);
		unsigned long long least = m.actual > 350 * MIB ? m.actual - 150 * MIB : 200 * MIB;

		mutant_set_memory(view->guests[i], clamp(used(&m) + 15 * MIB, least, m.maximum));
	}
}

/* Guests far below what they need to live. */
static void crushes(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++)
		mutant_set_memory(view->guests[i], 130 * MIB);
}

/* Takes from the first guest what it uses, once it uses much. */
static void kills(const struct view *view)
{
	struct mutant_memory m;

	if (!view->nguests)
		return;
	m = mutant_memory(view->guests[0]);
	if (used(&m) > 400 * MIB)
		mutant_set_memory(view->guests[0], clamp(used(&m) / 2, 200 * MIB, m.maximum));
}

/* Squeezes the first guest for a moment, in which its load dies. */
static void pinches(const struct view *view)
{
	if (view->tick == 4 && view->nguests)
		mutant_set_memory(view->guests[0], 205 * MIB);
	if (view->tick == 5 && view->nguests)
		mutant_set_memory(view->guests[0], 700 * MIB);
}

/* Serves everybody, takes nothing back. */
static void hoards(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++) {
		struct mutant_memory m = mutant_memory(view->guests[i]);

		if (m.usable < 250 * MIB)
			mutant_set_memory(view->guests[i],
					  clamp(m.actual + 300 * MIB, 0, m.maximum));
	}
}

/* All there is to everybody. */
static void eats(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++)
		mutant_set_memory(view->guests[i], mutant_memory(view->guests[i]).maximum);
}

/* Everything to the first, little to the others. */
static void favours(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++)
		mutant_set_memory(view->guests[i], i ? 350 * MIB : 1000 * MIB);
}

/* Switches the statistics off, so that they stay as good as they were, and does nothing. */
static void deafens(const struct view *view)
{
	for (int i = 0; i < view->nguests; i++)
		virDomainSetMemoryStatsPeriod(view->guests[i], 0, VIR_DOMAIN_AFFECT_LIVE);
}

static const struct mutant mutants[] = {
	MUTANTS_OF_BOTH,
	{"drops", "releases in one step", drops},
	{"starves", "leaves guests too little", starves},
	{"crushes", "takes guests below the floor", crushes},
	{"kills", "takes from a guest what it uses", kills},
	{"pinches", "squeezes one guest for a moment", pinches},
	{"hoards", "takes nothing back", hoards},
	{"eats", "gives every guest its maximum", eats},
	{"favours", "gives one guest more than the others", favours},
	{"deafens", "switches the statistics off", deafens},
};

int main(int argc, char *argv[])
{
	return mutant_main(argc, argv, mutants, sizeof(mutants) / sizeof(*mutants));
}
