/* SPDX-License-Identifier: MIT */
/* A screen on a terminal, by ncurses. */
#include "curses.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A key that begins with Escape sends the rest at once. */
#define ESCAPE_MS 25

static bool begun, coloured;

int curses_begin(bool colour)
{
	static const short guests[] = {COLOR_CYAN, COLOR_GREEN,	  COLOR_YELLOW,
				       COLOR_BLUE, COLOR_MAGENTA, COLOR_WHITE};
	SCREEN *screen;

	set_escdelay(ESCAPE_MS);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -1;
	begun = true;
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	coloured = colour && has_colors();
	if (coloured) {
		start_color();
		use_default_colors();
		/* The sign stands on the guest's colour, in black. */
		for (short i = 0; i < 6; i++)
			init_pair((short)(i + 1), COLOR_BLACK, guests[i]);
		init_pair(TOP_RED, COLOR_RED, -1);
	}
	return 0;
}

void curses_end(void)
{
	if (begun)
		endwin();
	begun = false;
}

void curses_size(int *width, int *height)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0 &&
	    (size.ws_col != COLS || size.ws_row != LINES))
		resizeterm(size.ws_row, size.ws_col);
	*width = COLS;
	*height = LINES;
}

static chtype look_of(unsigned char look)
{
	chtype attributes = 0;

	if (look & TOP_BOLD)
		attributes |= A_BOLD;
	if (look & TOP_REVERSE)
		attributes |= A_REVERSE;
	if (coloured && (look & TOP_COLOUR))
		attributes |= COLOR_PAIR(look & TOP_COLOUR);
	return attributes;
}

void curses_show(const struct top_screen *screen, int height)
{
	erase();
	for (int row = 0; row < height && row < screen->rows; row++) {
		const struct top_cell *cells = screen->cells + row * screen->width;

		/* The terminal's last cell would scroll it. */
		for (int i = 0; i < screen->width - (row == height - 1); i++)
			mvaddch(row, i, (chtype)(unsigned char)cells[i].c | look_of(cells[i].look));
	}
	refresh();
}

int curses_key(void)
{
	int key = getch();

	switch (key) {
	case ERR:
		return TOP_KEY_NONE;
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_HOME:
		return TOP_KEY_HOME;
	case KEY_END:
		return TOP_KEY_END;
	case KEY_ENTER:
	case '\r':
	case '\n':
		return TOP_KEY_ENTER;
	case KEY_BACKSPACE:
	case 127:
	case '\b':
		return TOP_KEY_BACKSPACE;
	case 27:
		return TOP_KEY_ESCAPE;
	case KEY_RESIZE:
		return TOP_KEY_RESIZE;
	default:
		return key > 0 && key < 256 ? key : TOP_KEY_RESIZE;
	}
}
