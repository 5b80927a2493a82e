/* SPDX-License-Identifier: MIT */
/* A screen on a terminal, by ncurses. */
#ifndef BALLAST_TOP_CURSES_H
#define BALLAST_TOP_CURSES_H

#include "screen.h"

enum {
	TOP_KEY_NONE = 0,
	TOP_KEY_UP = 256,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
	TOP_KEY_RESIZE
};

/* Takes the terminal; curses_end() gives it back as it was, also where nothing was taken. 0, −1: it
 * is one that ncurses cannot draw on. */
int curses_begin(bool colour);
void curses_end(void);

void curses_size(int *width, int *height);
void curses_show(const struct top_screen *screen, int height);

/* The next key that was pressed, at once; TOP_KEY_NONE: none. */
int curses_key(void);

#endif
