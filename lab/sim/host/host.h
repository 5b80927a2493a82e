/* SPDX-License-Identifier: MIT */
/*
 * The simulated host as a process of its own: it plays the scenario, answers libvirt's protocol on
 * a socket as libvirtd does, and tells the processes of a run what time it is and whose turn it is.
 * One thread; the files of this folder share struct host.
 */
#ifndef BALLAST_SIM_HOST_H
#define BALLAST_SIM_HOST_H

#include "clock/control.h"
#include "lab/rpc/link.h"
#include "world/play.h"

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

/* How fast the run's time goes. */
enum pace {
	PACE_AUTO,    /* virtual, as long as every process that talks to libvirt can have that */
	PACE_VIRTUAL, /* as fast as the model can be computed; others are refused */
	PACE_REAL,    /* as the machine's clock */
};

struct host_config {
	enum pace pace;
	struct play_config play;
	double charge;	   /* virtual seconds per CPU second of the program */
	double patience_s; /* CPU seconds without waiting once, or three times that of wall time */
	bool verbose;
	char **program; /* NULL-terminated */
	const char *path;
	const char *closed; /* why nothing can be preloaded into it; NULL: it can */
	const char *copy;   /* the submission, where the program is to see nothing else; or NULL */
	long limit_s;	    /* by the machine's clock, of a program in a sandbox; 0: none */
};

/* Plays the scenario with the program. The exit status of the run, after one line where it is not
 * 0. */
int host_run(const struct host_config *config);

/* --- inside --- */

enum process_state {
	PROCESS_ANNOUNCED, /* its parent told of it; it has not spoken */
	PROCESS_READY,	   /* its turn comes */
	PROCESS_RUNNING,
	PROCESS_IDLE,
	PROCESS_ENDING,	 /* its connection is closed; it is not gone yet */
	PROCESS_OUTSIDE, /* nothing can be preloaded into it: it has the machine's clock */
};

struct process {
	struct process *next; /* in order of creation */
	int fd;
	int pidfd; /* −1: not known */
	pid_t pid;
	enum process_state state;
	uint64_t since;	      /* when it came into this state, in order of events */
	uint64_t asked_ns;    /* PROCESS_IDLE: what it waits for at most */
	uint64_t deadline_ns; /* the same, late by what the scenario says */
	uint64_t yielded_ns;  /* when it last asked for no time at all */
	unsigned int yields;  /* how often since then without time having moved */
	uint64_t seen;	      /* the change it knows of */
	unsigned int hellos;  /* how often it began: once, and once more for each program in it */
	double ending_s;      /* the machine's clock, when it began to end */
};

struct connection;
struct task;

struct host {
	const struct host_config *config;
	struct play play;
	struct control_page *page;
	int page_fd;
	int output[2]; /* what the program prints */
	off_t passed_on[2];
	char folder[PATH_MAX]; /* the run's own; removed afterwards */
	pid_t pid;	       /* the program's first process, or its sandbox's */
	pid_t group;	       /* of the program, as soon as it has spoken */
	int report;	       /* where a sandbox says why it ended the program; −1: none */
	int reach;	       /* its guard, reach.h; −1: none */
	int signals;
	bool asked;  /* it was told to stop */
	bool over;   /* the run is */
	int status;  /* of the run */
	bool loaded; /* the program has spoken */
	bool program_ended;
	/* The machine's clock and the run's, since when the one follows the other. */
	bool paced;
	double paced_s;
	uint64_t paced_ns;
	double looked_s; /* when its processes last looked what others without a clock do */
	/* turns.c */
	struct process *processes;
	struct process *turn; /* who runs; NULL: nobody */
	uint32_t hellos;
	uint64_t events;  /* orders what happens at the same time */
	uint64_t changes; /* of what a process may wait for without a clock */
	/* daemon.c */
	int listening[2]; /* read-write, read-only; −1: down */
	struct connection *connections;
	struct task *tasks;
};

/* End the run, with one line in the trace and on stderr: by a fault of the program, and as it
 * cannot be simulated. */
void host_refuse(struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
void host_stop(struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The simulation itself failed. */
void host_fail(struct host *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Moves time on to until_ns or to what comes before: news, a whole second, the scenario's end. */
void host_advance(struct host *h, uint64_t until_ns);
/* From now on time goes as the machine's, for a process that has no other; why: one line. */
void host_pace(struct host *h, const char *why);
uint64_t host_now(const struct host *h);
double host_now_s(const struct host *h);
void host_take_output(struct host *h, bool last);

/* The only one there is, for what knows of none (seam.c). */
extern struct host *the_host;

/* --- turns.c --- */

/* The program's first process; its end of the connection, or −1. */
int turns_begin(struct host *h);
/* Gives the turn to whoever can run, after moving time as far as it takes, unless somebody has it.
 */
void turns_settle(struct host *h);
/* Where time goes as the machine's: on to next at most. False: it is not there yet. */
bool turns_follow_clock(struct host *h, uint64_t next);
/* How long to listen until something is due, ms. */
int turns_patience_ms(const struct host *h, int most_ms);
/* Looks for messages for at most so long; false: there were none. */
bool turns_listen(struct host *h, int wait_ms);
/* Whether it is of the run and has the simulated clock. */
bool turns_knows(const struct host *h, pid_t pid);
/* It is of the run and has not: time goes as the machine's, or the run ends; why: without a full
 * stop. */
void turns_leave(struct host *h, pid_t pid, const char *why);
void turns_end(struct host *h);

/* --- daemon.c --- */

int daemon_begin(struct host *h);
/* Serves what came; true if a process may have got something. */
bool daemon_serve(struct host *h);
/* The next moment at which an answer is due. */
uint64_t daemon_next(const struct host *h);
/* libvirtd goes down: its connections are dead. */
void daemon_restart(struct host *h);
void daemon_end(struct host *h);
#endif
