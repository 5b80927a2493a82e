/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a run and the simulated host say to each other: whose turn it is, and what
 * time it is. Each process has a connection of its own (SOCK_SEQPACKET, one struct to a packet),
 * inherited at a descriptor that its environment names. The host answers CONTROL_HELLO, _IDLE,
 * _SPEND, _FILE and _FOLDER and _VIEW; nothing else is ever sent unasked.
 */
#ifndef BALLAST_SIM_CONTROL_H
#define BALLAST_SIM_CONTROL_H

#include "host_files.h"

#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

/* Names the descriptor in a process's environment. */
#define CONTROL_ENV "BALLAST_CLOCK"

/* Our descriptors in a process start here, out of the way of its own; lower where the limit is. */
static inline int control_fd_first(void)
{
	long most = sysconf(_SC_OPEN_MAX);

	return most > 1000 ? 900 : most > 0 ? (int)most / 2 : 100;
}

enum control_kind {
	/* from a process */
	CONTROL_HELLO, /* a new one, or a new program in one; answered with the page's descriptor */
	CONTROL_IDLE,  /* all its threads wait, until ns at most; number: whether any ran since it
			  was  asked. Answered when it may go on. */
	CONTROL_CHILD, /* it is going to have a child, whose connection comes with this; number:
			  that has no simulated clock, and text says why */
	CONTROL_OUTSIDE, /* it becomes a program that has none: text */
	CONTROL_SPEND,	 /* it computed for ns of CPU time, which is charged */
	CONTROL_FILE,	 /* text: a path of the host's; answered with a descriptor where number is
			    HOST_FILE_MADE */
	CONTROL_FOLDER,	 /* text: a path; answered with a descriptor of lines "d NAME" and "f NAME"
			  */
	CONTROL_VIEW,	 /* answered with a struct host_view in text */
	CONTROL_STOP,	 /* it is to be ended by a fault of its own: text says which */
	CONTROL_REFUSE,	 /* it cannot be simulated: text says why */
	/* from the host */
	CONTROL_WELCOME, /* number: of the process, in order of creation */
	CONTROL_GO,
	CONTROL_ANSWER,
};

struct control {
	uint32_t kind;
	uint32_t number;
	uint64_t ns;
	char text[1024];
};

/* Read-only memory of every process. */
struct control_page {
	_Atomic uint64_t now_ns; /* virtual time */
	uint64_t seed;
	double charge; /* virtual seconds per second of CPU time; 0: computing takes no time */
	uint64_t output_device, output_inode; /* where the run's stdout goes */
	char folder[256];		      /* of the sockets libvirt-sock and libvirt-sock-ro */
};

#endif
