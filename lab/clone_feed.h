/* SPDX-License-Identifier: MIT */
/*
 * Brings a clone's own head and the golden guest's stream to libvirt. As a pipe (a FIFO in the file
 * system) that libvirt and QEMU read as they would a file: the RAM of N clones is then read from
 * the one golden file in the page cache, and nothing is copied or left on the disk. As a copy,
 * where libvirt wants a real file.
 */
#ifndef BALLAST_CLONE_FEED_H
#define BALLAST_CLONE_FEED_H

#include "clone_saved.h"

#include <pthread.h>
#include <stdbool.h>

/* Whether the golden file is what it was when it was saved: known only once all of it was read. */
struct feed_gate {
	pthread_mutex_t lock;
	pthread_cond_t decided;
	enum { GATE_WAIT, GATE_GOOD, GATE_BAD } state;
};

void feed_gate_init(struct feed_gate *gate);
void feed_gate_decide(struct feed_gate *gate, bool good);

/* Waits for the decision. */
bool feed_gate_good(struct feed_gate *gate);

struct feed {
	const struct saved *saved;
	struct feed_gate *gate;
	const unsigned char *head;
	size_t head_len;
	const char *path;
	pthread_t thread;
	pthread_mutex_t lock;
	int stop_fd; /* readable once it is to end */
	bool opened; /* libvirt reads */
	bool cancelled;
};

/*
 * Makes the pipe at path and starts feeding it. The end of the stream is held back until the gate
 * is decided, and never comes if it is bad, so that no guest runs on damaged RAM. 0, −1 with errno.
 * The members saved, gate, head, head_len and path are the caller's and must stay until
 * feed_stop().
 */
int feed_start(struct feed *feed);

/* Ends feeding, read or not, and removes the pipe. */
void feed_stop(struct feed *feed);

/*
 * A whole save file at path, which must not exist: shares the blocks of the golden one where the
 * file system can, copies inside the kernel where not. 0, −1 with errno and nothing left.
 */
int feed_copy(const struct saved *saved, const unsigned char *head, size_t head_len,
	      const char *path);

/*
 * Removes a pipe or copy that a killed process left. Whoever is still blocked opening the pipe
 * (libvirtd) is let go first. 0, also where there is none; −1 with errno.
 */
int feed_clear(const char *path);

#endif
