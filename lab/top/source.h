/* SPDX-License-Identifier: MIT */
/* Where looks come from: a hypervisor, or a trace that is played. */
#ifndef BALLAST_TOP_SOURCE_H
#define BALLAST_TOP_SOURCE_H

#include "model.h"

#define TOP_ERROR_MAX 256

/* --- a hypervisor --- */

struct live;

struct live_args {
	const char *uri;
	bool uri_given;
	bool all;	    /* foreign guests too, on a connection that can change nothing */
	const char *prefix; /* lab guests of that prefix alone; "": all */
	const char *loads;  /* folder of the programs that run in guests */
	double interval_s;
};

/* Connects; ends the program with one line where that cannot be done. */
struct live *live_open(const struct live_args *args);
void live_close(struct live *live);

/*
 * Looks, tells the model of what was seen and which vCPUs were pinned anew since the look before.
 * The first look has no usage yet. 0; −1: nobody answers (there is another try at the next look),
 * text in error.
 */
int live_look(struct live *live, struct top_model *m, char error[TOP_ERROR_MAX]);

/* Waits until then, a signal, or input on stdin and fd once that is wanted; what comes on fd is
 * thrown away. */
void live_watch_input(struct live *live, int fd);
void live_wait(struct live *live, double deadline_s);

/*
 * Changes of the lab's own guests. text is as the user gave it: "1", "0-1" or "0:1"; "512M"; "cpu
 * 40%". Each returns 0 with what was done in message, −1 with why not.
 */
int live_pin(struct live *live, const char *guest, const char *text, char message[TOP_ERROR_MAX]);
int live_memory(struct live *live, const char *guest, const char *text,
		char message[TOP_ERROR_MAX]);
int live_load(struct live *live, const char *guest, const char *text, char message[TOP_ERROR_MAX]);

/* --- a trace --- */

struct played;

/* Reads a trace; ends the program with one line where it is none. One that is still being written
 * grows at played_grow(). */
struct played *played_open(const char *path);
void played_close(struct played *p);

size_t played_looks(const struct played *p);
double played_time(const struct played *p, size_t look); /* t_s of a look */
bool played_ended(const struct played *p);		 /* it has its end */
const char *played_name(const struct played *p);	 /* the scenario's */

/* Puts the model to that look, forth or back. 0; −1: no memory. */
int played_show(struct played *p, size_t look, struct top_model *m);

/* Reads the file again if it has grown. True: there is more. */
bool played_grow(struct played *p);

#endif
