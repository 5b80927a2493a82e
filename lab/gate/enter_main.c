/* SPDX-License-Identifier: MIT */
/* enter FOLDER PROGRAM [ARGUMENT]…: runs a program whose only libvirt is the gate in FOLDER;
 * gate(8). */
#include "enter.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	log_init("enter", false);
	if (argc < 3)
		die(EXIT_USAGE, "usage: enter FOLDER PROGRAM [ARGUMENT]...");
	if (gate_enter(argv[1]) < 0)
		die(EXIT_LAB, "cannot make %s the only libvirt: %s", argv[1], strerror(errno));
	execvp(argv[2], argv + 2);
	die(EXIT_LAB, "%s: %s", argv[2], strerror(errno));
}
