/* SPDX-License-Identifier: MIT */
/* Schedulers that do one thing wrong. */
#include "mutant.h"

/* Each vCPU to its place at once, before there is any load: no more moves than are needed. */
static void foresees(const struct view *view)
{
	if (view->tick == 0)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, i / 2 % view->pcpus);
}

/* Everything on the first pCPU. */
static void piles(const struct view *view)
{
	if (view->tick == 0)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, 0);
}

/* One vCPU alone, all others on the last pCPU. */
static void lopsided(const struct view *view)
{
	if (view->tick == 0)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, i == 0 ? 0 : view->pcpus - 1);
}

/* Evenly at every tick, and each time on other pCPUs. */
static void thrashes(const struct view *view)
{
	for (int i = mutant_vcpus(view); i-- > 0;)
		mutant_pin(view, i, (i + (int)view->tick) % view->pcpus);
}

/* One vCPU goes round for ever. */
static void fidgets(const struct view *view)
{
	mutant_pin(view, 0, (int)view->tick % view->pcpus);
}

/* Evenly, once, but only after 25 s. */
static void late(const struct view *view)
{
	if (mutant_time_s(view) >= 25 && mutant_time_s(view) < 25 + view->interval_s)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, i % view->pcpus);
}

/* Evenly in the end, but each vCPU on every pCPU before. */
static void detours(const struct view *view)
{
	if (mutant_time_s(view) < 6 || mutant_time_s(view) >= 6 + view->interval_s)
		return;
	for (int round = view->pcpus; round-- > 0;)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, (i + round) % view->pcpus);
}

/* Every vCPU may run anywhere. */
static void frees(const struct view *view)
{
	if (view->tick == 0)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, -1);
}

/* Evenly by number, whatever the loads are: heavy ones meet. */
static void counts(const struct view *view)
{
	if (view->tick == 0)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, i % view->pcpus);
}

/* Evenly, but the first vCPU, which may run anywhere. */
static void leaves(const struct view *view)
{
	if (view->tick == 0)
		for (int i = mutant_vcpus(view); i-- > 1;)
			mutant_pin(view, i, i % view->pcpus);
}

/* Evenly, but only each guest's first vCPU. */
static void firsts(const struct view *view)
{
	int vcpus = view->nguests ? mutant_vcpus(view) / view->nguests : 0;

	if (view->tick == 0)
		for (int i = 0; i < view->nguests; i++)
			mutant_pin(view, i * vcpus, i % view->pcpus);
}

/* All on the first pCPU before there is any load, evenly once there is. */
static void gathers(const struct view *view)
{
	for (int i = mutant_vcpus(view); i-- > 0;)
		if (view->tick == 0)
			mutant_pin(view, i, 0);
		else if (view->tick == 4)
			mutant_pin(view, i, i % view->pcpus);
}

/* Evenly, but each unpinned on the way, to and fro. */
static void sneaks(const struct view *view)
{
	if (view->tick != 3 && view->tick != 4)
		return;
	for (int i = mutant_vcpus(view); i-- > 0;) {
		mutant_pin(view, i, -1);
		mutant_pin(view, i, (i + (view->tick == 3)) % view->pcpus);
	}
}

/* Leaves it to Linux, and pins in the last moment. */
static void posts(const struct view *view)
{
	if (mutant_time_s(view) >= 22 && mutant_time_s(view) < 22 + view->interval_s)
		for (int i = mutant_vcpus(view); i-- > 0;)
			mutant_pin(view, i, i % view->pcpus);
}

/* Evenly, and the same again at every tick: that is no change. */
static void repeats(const struct view *view)
{
	for (int i = mutant_vcpus(view); mutant_time_s(view) >= 6 && i-- > 0;)
		mutant_pin(view, i, i % view->pcpus);
}

static const struct mutant mutants[] = {
	MUTANTS_OF_BOTH,
	{"foresees", "places two on each pCPU before there is any load", foresees},
	{"piles", "puts everything on the first pCPU", piles},
	{"lopsided", "gives one vCPU a pCPU and all others another", lopsided},
	{"thrashes", "moves everything at every tick", thrashes},
	{"fidgets", "moves one vCPU round for ever", fidgets},
	{"late", "balances after 25 s", late},
	{"detours", "balances by way of every other pCPU", detours},
	{"frees", "lets every vCPU run anywhere", frees},
	{"counts", "balances numbers, not loads", counts},
	{"leaves", "leaves one vCPU where it may run anywhere", leaves},
	{"firsts", "pins each guest's first vCPU only", firsts},
	{"gathers", "piles up before the load and parts after", gathers},
	{"sneaks", "moves each vCPU unpinned on the way", sneaks},
	{"posts", "pins in the last moment", posts},
	{"repeats", "pins all again at every tick, which is no change", repeats},
};

int main(int argc, char *argv[])
{
	return mutant_main(argc, argv, mutants, sizeof(mutants) / sizeof(*mutants));
}
