/* SPDX-License-Identifier: MIT */
/* The model as rows of characters, of any size. Pure: what shows them is curses.c, or stdout. */
#ifndef BALLAST_TOP_SCREEN_H
#define BALLAST_TOP_SCREEN_H

#include "model.h"

#define TOP_WIDTH_MAX  512
#define TOP_LINE_MAX   128
#define TOP_PCPUS_ROWS 8 /* as many pCPUs have a row each, if there is room */

enum top_sort { TOP_BY_NAME, TOP_BY_USAGE, TOP_BY_WAIT, TOP_BY_MEMORY, TOP_BY_UNUSED, TOP_SORTS };
extern const char *const top_sort_words[]; /* ends with NULL */

/* How somebody wants to see it. */
struct top_view {
	int width, height; /* height 0: as many rows as it takes */
	enum top_sort sort;
	bool reverse;
	char filter[TOP_NAME_MAX]; /* names with this in them; "": all */
	char selected[TOP_NAME_MAX];
	size_t offset;		   /* rows of the guests' table above the top */
	uint64_t reserve_kib;	   /* what a guest should have unused */
	uint64_t host_reserve_kib; /* what the host keeps */
	bool playing;		   /* a trace: without agents, with its own clock */
	bool help;
	char source[TOP_LINE_MAX];  /* where the looks come from */
	char pace[32];		    /* "every 1 s", "paused", "4 x" */
	char message[TOP_LINE_MAX]; /* the last line; "": the keys */
};

enum { TOP_BOLD = 1 << 4, TOP_REVERSE = 1 << 5, TOP_COLOUR = 7 }; /* COLOUR: 0 is the terminal's */
enum { TOP_RED = 7 };						  /* 1 to 6 are guests' */

struct top_cell {
	char c; /* printable ASCII */
	unsigned char look;
};

struct top_screen {
	int width, rows;
	size_t size; /* cells there is room for */
	struct top_cell *cells;
	size_t *order; /* indices of the guests that pass the filter, as they are sorted */
	size_t norder, order_size;
	size_t shown; /* guests that have a row */
};

/* Draws. Moves view's offset so that the selected guest is seen. 0; −1: no memory. */
int top_draw(struct top_screen *screen, const struct top_model *m, struct top_view *view);

/* The guest that is so many places from the selected one, or the nearest; NULL: there is none. */
const char *top_step(const struct top_screen *screen, const struct top_model *m,
		     const char *selected, long step);

/* A row as text without blanks at its end. buf has width + 1 bytes. */
char *top_row(const struct top_screen *screen, int row, char *buf);

void top_screen_free(struct top_screen *screen);

#endif
