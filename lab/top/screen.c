/* SPDX-License-Identifier: MIT */
/* Lays the model out: head, pCPUs, host memory, guests, keys. */
#include "screen.h"

#include "units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const top_sort_words[] = {"name", "usage", "wait", "memory", "unused", NULL};

/* Where a wide screen has the guests' memory as bars, and how wide they are at least. */
#define MEMORY_COLUMN 92
#define MEMORY_LEAST  16

/* --- drawing --- */

static struct top_cell *cell(struct top_screen *s, int row, int column)
{
	return row >= 0 && row < s->rows && column >= 0 && column < s->width
		       ? &s->cells[row * s->width + column]
		       : NULL;
}

static void put(struct top_screen *s, int row, int column, char c, int look)
{
	struct top_cell *at = cell(s, row, column);

	if (at)
		*at = (struct top_cell){c >= ' ' && c <= '~' ? c : '?', (unsigned char)look};
}

/* Writes so many columns at most; returns the column behind it. */
static int print(struct top_screen *s, int row, int column, int look, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static int print(struct top_screen *s, int row, int column, int look, const char *format, ...)
{
	char text[TOP_WIDTH_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (const char *c = text; *c; c++)
		put(s, row, column++, *c, look);
	return column;
}

static int new_row(struct top_screen *s)
{
	size_t need = (size_t)(s->rows + 1) * (size_t)s->width;

	if (need > s->size) {
		size_t more = need * 2;
		struct top_cell *bigger = realloc(s->cells, more * sizeof(*bigger));

		if (!bigger)
			return -1;
		s->cells = bigger;
		s->size = more;
	}
	for (int i = 0; i < s->width; i++)
		s->cells[s->rows * s->width + i] = (struct top_cell){' ', 0};
	return s->rows++;
}

char *top_row(const struct top_screen *screen, int row, char *buf)
{
	int end = 0;

	for (int i = 0; i < screen->width; i++) {
		buf[i] = screen->cells[row * screen->width + i].c;
		if (buf[i] != ' ')
			end = i + 1;
	}
	buf[end] = '\0';
	return buf;
}

void top_screen_free(struct top_screen *screen)
{
	free(screen->cells);
	free(screen->order);
	memset(screen, 0, sizeof(*screen));
}

/* --- what figures look like --- */

static const char *size_text(int64_t kib, char *buf, size_t len)
{
	if (kib < 0)
		snprintf(buf, len, "-");
	else if (kib < 10 * 1024)
		snprintf(buf, len, "%ldK", (long)kib);
	else if (kib < 10000 * 1024L)
		snprintf(buf, len, "%ldM", (long)((kib + 512) / 1024));
	else
		snprintf(buf, len, "%.1fG", (double)kib / 1048576);
	return buf;
}

static const char *percent_text(double pct, bool most, char *buf, size_t len)
{
	if (pct < 0)
		snprintf(buf, len, "-");
	else
		snprintf(buf, len, "%s%.*f", most ? "<" : "", most || pct >= 999.95 ? 0 : 1, pct);
	return buf;
}

/* --- order --- */

struct order {
	const struct top_model *m;
	enum top_sort sort;
	bool reverse;
};

/* What is wanted at the top has the highest key. */
static double key_of(const struct top_guest *g, enum top_sort sort)
{
	switch (sort) {
	case TOP_BY_USAGE:
		return g->usage_pct;
	case TOP_BY_WAIT:
		return g->wait_pct;
	case TOP_BY_MEMORY:
		return (double)g->memory.actual_kib;
	case TOP_BY_UNUSED:
		return g->memory.unused_kib < 0 ? -1e18 : -(double)g->memory.unused_kib;
	default:
		return 0;
	}
}

static int compare(const void *a, const void *b, void *opaque)
{
	const struct order *o = opaque;
	const struct top_guest *x = &o->m->guests[*(const size_t *)a],
			       *y = &o->m->guests[*(const size_t *)b];
	double kx = key_of(x, o->sort), ky = key_of(y, o->sort);
	int order = kx > ky ? -1 : kx < ky;

	if (!order)
		return o->reverse && o->sort == TOP_BY_NAME ? strverscmp(y->name, x->name)
							    : strverscmp(x->name, y->name);
	return o->reverse ? -order : order;
}

static int put_in_order(struct top_screen *s, const struct top_model *m,
			const struct top_view *view)
{
	struct order order = {m, view->sort, view->reverse};

	if (s->order_size < m->nguests) {
		size_t *bigger = realloc(s->order, m->nguests * sizeof(*bigger));

		if (!bigger)
			return -1;
		s->order = bigger;
		s->order_size = m->nguests;
	}
	s->norder = 0;
	for (size_t i = 0; i < m->nguests; i++) {
		if (m->guests[i].seen && strcasestr(m->guests[i].name, view->filter))
			s->order[s->norder++] = i;
	}
	if (s->norder)
		qsort_r(s->order, s->norder, sizeof(*s->order), compare, &order);
	return 0;
}

const char *top_step(const struct top_screen *screen, const struct top_model *m,
		     const char *selected, long step)
{
	long at = -1;

	if (!screen->norder)
		return NULL;
	for (size_t i = 0; i < screen->norder; i++) {
		if (!strcmp(m->guests[screen->order[i]].name, selected))
			at = (long)i;
	}
	at = at < 0 ? 0 : at + step;
	if (at >= (long)screen->norder)
		at = (long)screen->norder - 1;
	return m->guests[screen->order[at < 0 ? 0 : at]].name;
}

/* --- the parts of the screen --- */

/* "aos_vm3/0 0>1 1.2 s ago" as far as there is room. */
static void draw_moves(struct top_screen *s, const struct top_model *m, int column)
{
	int row = s->rows - 1;

	column = print(s, row, column, 0, "  moves %zu", m->nmoves);
	for (size_t i = 0; i < TOP_MOVES && i < m->nmoves; i++) {
		const struct top_move *move = &m->moves[i];
		char text[TOP_LINE_MAX], vcpu[16] = "";
		ssize_t guest = top_model_find(m, move->guest, 0);

		if (guest >= 0 && m->guests[guest].nvcpus > 1)
			snprintf(vcpu, sizeof(vcpu), "/%u", move->vcpu);
		snprintf(text, sizeof(text), "%s%s %s>%s %.0fs ago", move->guest, vcpu, move->from,
			 move->to, m->t_s > move->t_s ? m->t_s - move->t_s : 0);
		if (column + 2 + (int)strlen(text) > s->width)
			break;
		/* What moved since the look before stands out. */
		column = print(s, row, column, m->t_s - move->t_s <= m->elapsed_s ? TOP_BOLD : 0,
			       "%s%s", i ? ", " : ": ", text);
	}
}

static int draw_head(struct top_screen *s, const struct top_model *m, const struct top_view *view)
{
	size_t nguests = 0, nvcpus = 0;
	char clock[64];
	int row = new_row(s), column;

	if (row < 0)
		return -1;
	for (size_t i = 0; i < m->nguests; i++) {
		nguests += m->guests[i].seen;
		nvcpus += m->guests[i].seen ? m->guests[i].nvcpus : 0;
	}
	snprintf(clock, sizeof(clock), "%s  t %.1f s", view->pace, m->t_s);
	column = print(s, row, 0, TOP_BOLD, "ballast top");
	print(s, row, column, 0, " - %.*s", s->width > 40 ? s->width - 36 : 4, view->source);
	if (s->width - (int)strlen(clock) > column)
		print(s, row, s->width - (int)strlen(clock), 0, "%s", clock);
	row = new_row(s);
	if (row < 0)
		return -1;
	column = print(s, row, 0, 0, "%zu guest%s, %zu vCPU%s, %zu pCPU%s  ", nguests,
		       nguests == 1 ? "" : "s", nvcpus, nvcpus == 1 ? "" : "s", m->npcpus,
		       m->npcpus == 1 ? "" : "s");
	if (m->spread >= 0)
		column = print(s, row, column,
			       m->spread > TOP_SPREAD ? TOP_BOLD | TOP_RED : TOP_BOLD,
			       "spread %.1f%s%d", m->spread,
			       m->spread > TOP_SPREAD ? " > " : " <= ", TOP_SPREAD);
	draw_moves(s, m, column);
	return 0;
}

/* Cells of a bar: how many of width stand for what up to sum_pct is. */
static int cells_of(double sum_pct, int width)
{
	double n = sum_pct / 100 * width + 0.5;

	return n < 0 ? 0 : n > width ? width : (int)n;
}

static void draw_pcpu(struct top_screen *s, const struct top_model *m, const struct top_pcpu *p,
		      int row, int column, int width)
{
	char used[16], wanted[16];
	int bar = width - 31, at = 0, end;
	/* A vCPU that may go anywhere was seen at one moment: no more is drawn than ran there. */
	double sum = 0, factor = p->guests_pct > p->usage_pct ? p->usage_pct / p->guests_pct : 1;

	column = print(s, row, column, 0, "pCPU%4d [", p->id);
	for (size_t i = 0; i < p->nparts; i++) {
		const struct top_guest *g = &m->guests[p->parts[i].guest];

		sum += p->parts[i].usage_pct * factor;
		for (end = cells_of(sum, bar); at < end; at++)
			put(s, row, column + at, g->symbol, g->colour);
	}
	/* What is not the guests' own, then what is wanted beyond. */
	for (end = cells_of(p->usage_pct, bar); at < end; at++)
		put(s, row, column + at, '=', 0);
	if (p->demand_open && at == bar && bar > 0)
		put(s, row, column + bar - 1, '>', TOP_BOLD | TOP_RED);
	column = print(s, row, column + bar, 0, "] ");
	column = print(s, row, column, 0, "%5s%%",
		       percent_text(p->usage_pct, false, used, sizeof(used)));
	if (p->demand_open)
		print(s, row, column, TOP_BOLD | TOP_RED, " wants %s",
		      percent_text(p->demand_pct, true, wanted, sizeof(wanted)));
}

/* With many pCPUs several stand in a row, and those that find no room are counted. */
static int draw_pcpus(struct top_screen *s, const struct top_model *m, const struct top_view *view)
{
	int rows = view->height ? view->height / 3 : (int)m->npcpus, each, width, row = 0;

	rows = rows < 1 ? 1 : rows > TOP_PCPUS_ROWS ? TOP_PCPUS_ROWS : rows;
	if (!view->height)
		rows = (int)m->npcpus;
	each = rows ? ((int)m->npcpus + rows - 1) / rows : 1;
	if (each > s->width / 40)
		each = s->width / 40 ? s->width / 40 : 1;
	width = s->width / each;
	for (size_t i = 0; i < m->npcpus; i++) {
		if (i % (size_t)each == 0) {
			if ((int)i / each >= rows)
				break;
			row = new_row(s);
			if (row < 0)
				return -1;
		}
		draw_pcpu(s, m, &m->pcpus[i], row, (int)(i % (size_t)each) * width,
			  width - (each > 1));
	}
	if (rows * each < (int)m->npcpus)
		print(s, s->rows - 1, s->width - 16, TOP_BOLD, " +%d pCPUs more",
		      (int)m->npcpus - rows * each);
	return 0;
}

static int draw_host_memory(struct top_screen *s, const struct top_model *m,
			    const struct top_view *view)
{
	char total[16], available[16], reserve[16];
	bool low = (uint64_t)m->host_available_kib < view->host_reserve_kib;
	int row, column, bar = s->width - 52, used, mark;

	if (m->host_total_kib <= 0 || m->host_available_kib < 0)
		return 0;
	row = new_row(s);
	if (row < 0)
		return -1;
	column = print(s, row, 0, 0, "host mem [");
	used = cells_of(100.0 * (double)(m->host_total_kib - m->host_available_kib) /
				(double)m->host_total_kib,
			bar);
	mark = bar - 1 -
	       cells_of(100.0 * (double)view->host_reserve_kib / (double)m->host_total_kib, bar);
	for (int i = 0; i < used; i++)
		put(s, row, column + i, '=', low ? TOP_RED : 0);
	if (mark >= 0)
		put(s, row, column + mark, '|', TOP_BOLD);
	column = print(s, row, column + (bar > 0 ? bar : 0), 0, "] ");
	column = print(s, row, column, low ? TOP_BOLD | TOP_RED : 0, "%s free",
		       size_text(m->host_available_kib, available, sizeof(available)));
	print(s, row, column, 0, " of %s, reserve %s%s",
	      size_text(m->host_total_kib, total, sizeof(total)),
	      size_text((int64_t)view->host_reserve_kib, reserve, sizeof(reserve)), low ? "!" : "");
	return 0;
}

static void draw_titles(struct top_screen *s, const struct top_view *view, int row)
{
	for (int i = 0; i < s->width; i++)
		put(s, row, i, ' ', TOP_REVERSE);
	print(s, row, 0, TOP_REVERSE, "  %-13s %2s %-6s %5s %5s %5s %5s %6s %6s %5s %s", "GUEST",
	      "VC", "PINS", "USE%", "WANT%", "SIZE", "USED", "UNUSED", "TARGET", "MAX",
	      view->playing	? "LOAD"
	      : s->width >= 100 ? "AGENT  LOAD"
				: "AGENT");
	if (s->width - MEMORY_COLUMN - 2 >= MEMORY_LEAST)
		print(s, row, MEMORY_COLUMN + 1, TOP_REVERSE, "MEMORY");
}

static void draw_end(struct top_screen *s, const struct top_guest *g, const struct top_view *view,
		     int row, int column, int look)
{
	const char *agent = g->agent < 0 ? "-" : g->agent ? "up" : "down";

	if (g->warning[0])
		print(s, row, column, TOP_BOLD | TOP_RED, "%s", g->warning);
	else if (view->playing)
		print(s, row, column, look, "%.*s", s->width > column ? s->width - column : 0,
		      g->load);
	else if (s->width >= 100)
		print(s, row, column, look, "%-6s %s", g->state == TOP_PAUSED ? "paused" : agent,
		      g->load);
	else
		print(s, row, column, look, "%s", g->state == TOP_PAUSED ? "pause" : agent);
}

/* On a wide screen: # used, . unused, up to the maximum, and | where the target is. */
static void draw_memory(struct top_screen *s, const struct top_guest *g, int row, int look)
{
	int column = MEMORY_COLUMN, bar = s->width - MEMORY_COLUMN - 2, used, size, target;
	double whole = (double)g->maximum_kib;

	if (bar < MEMORY_LEAST || g->maximum_kib <= 0 || g->memory.actual_kib < 0)
		return;
	size = cells_of(100 * (double)g->memory.actual_kib / whole, bar);
	used = top_used_kib(g) < 0 ? size : cells_of(100 * (double)top_used_kib(g) / whole, bar);
	target = cells_of(100 * (double)g->target_kib / whole, bar) - 1;
	put(s, row, column++, '[', look);
	for (int i = 0; i < size; i++)
		put(s, row, column + i, i < used ? '#' : '.', look);
	if (g->target_kib >= 0 && target >= 0)
		put(s, row, column + target, '|', look | TOP_BOLD);
	put(s, row, column + bar, ']', look);
}

static void draw_guest(struct top_screen *s, const struct top_guest *g, const struct top_view *view,
		       int row)
{
	char pins[64], used[16], wanted[16], size[16], full[16], unused[16], target[16],
		maximum[16];
	bool selected = !strcmp(g->name, view->selected),
	     low = g->memory.unused_kib >= 0 && (uint64_t)g->memory.unused_kib < view->reserve_kib;
	int look = selected ? TOP_REVERSE : 0, column;

	for (int i = 0; selected && i < s->width; i++)
		put(s, row, i, ' ', look);
	put(s, row, 0, g->symbol, selected ? TOP_REVERSE : g->colour);
	if (g->foreign)
		put(s, row, 1, '~', look);
	column = print(s, row, 2, look, "%-13.13s %2zu %-6.6s %5s ", g->name, g->nvcpus,
		       top_pins(g, pins, sizeof(pins)),
		       percent_text(g->usage_pct, false, used, sizeof(used)));
	column = print(s, row, column, g->demand_open ? look | TOP_BOLD | TOP_RED : look, "%5s",
		       percent_text(g->demand_pct, g->demand_open, wanted, sizeof(wanted)));
	column = print(s, row, column, look, " %5s %5s ",
		       size_text(g->memory.actual_kib, size, sizeof(size)),
		       size_text(top_used_kib(g), full, sizeof(full)));
	column = print(s, row, column, low ? look | TOP_BOLD | TOP_RED : look, "%5s%c",
		       size_text(g->memory.unused_kib, unused, sizeof(unused)), low ? '!' : ' ');
	column = print(s, row, column, look, " %6s %5s ",
		       size_text(g->target_kib, target, sizeof(target)),
		       size_text(g->maximum_kib, maximum, sizeof(maximum)));
	draw_end(s, g, view, row, column, look);
	draw_memory(s, g, row, look);
}

/* So far that the selected guest is seen, and no further than needed. */
static void scroll(const struct top_screen *s, const struct top_model *m, struct top_view *view,
		   size_t room)
{
	for (size_t i = 0; i < s->norder; i++) {
		if (strcmp(m->guests[s->order[i]].name, view->selected) != 0)
			continue;
		if (i < view->offset)
			view->offset = i;
		else if (i >= view->offset + room)
			view->offset = i - room + 1;
	}
	if (view->offset + room > s->norder)
		view->offset = s->norder > room ? s->norder - room : 0;
}

static int draw_guests(struct top_screen *s, const struct top_model *m, struct top_view *view)
{
	int row = new_row(s);
	size_t room = s->norder;

	if (row < 0)
		return -1;
	draw_titles(s, view, row);
	if (view->height)
		room = view->height > s->rows + 1 ? (size_t)(view->height - s->rows - 1) : 0;
	scroll(s, m, view, room);
	s->shown = 0;
	for (size_t i = view->offset; i < s->norder && s->shown < room; i++, s->shown++) {
		row = new_row(s);
		if (row < 0)
			return -1;
		draw_guest(s, &m->guests[s->order[i]], view, row);
	}
	if (!s->norder) {
		row = new_row(s);
		if (row < 0)
			return -1;
		print(s, row, 2, 0, view->filter[0] ? "no guest's name has %s in it" : "no guests",
		      view->filter);
	}
	return 0;
}

static int draw_keys(struct top_screen *s, const struct top_view *view)
{
	int row;

	while (s->rows < view->height - 1) {
		if (new_row(s) < 0)
			return -1;
	}
	row = new_row(s);
	if (row < 0)
		return -1;
	if (view->message[0])
		print(s, row, 0, TOP_BOLD, "%s", view->message);
	else
		print(s, row, 0, 0, "%s by %s%s%s%s  h help  q quit",
		      view->playing ? "space pause  . , step  + - speed  "
				    : "p pin  m memory  l load  e end load  ",
		      top_sort_words[view->sort], view->reverse ? " reversed" : "",
		      view->filter[0] ? "  / " : "  / filter", view->filter);
	return 0;
}

static int draw_help(struct top_screen *s, const struct top_view *view)
{
	static const char *const lines[] = {
		"",
		"In the bars   each guest is its sign, = all else, > more is wanted than there is",
		"WANT%         USE%; <100 is up to a whole pCPU: the vCPU waits and never sleeps",
		"UNUSED!       less than a guest's reserve; | in the host's bar is its reserve",
		"MEMORY        on wide screens: # used, . unused, | target, up to the maximum",
		"~             not the lab's guest: shown, never changed",
		"",
		"up down j k PgUp PgDn   select a guest",
		"N P W M F               order by name, usage, wait, memory, unused; o the next",
		"r   reverse             /   filter by name",
		"p   pin: 1, 0-1, or 0:1 for vCPU 0 alone",
		"m   memory: 512M        l   start a load: cpu 40%     e   end the loads",
		"q   quit                space   pause",
		"of a trace:   . a step on, , a step back, + faster, - slower, g start, G end",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		int row;

		if (view->height && s->rows >= view->height)
			break;
		row = new_row(s);
		if (row < 0)
			return -1;
		print(s, row, 0, 0, "%s", lines[i]);
	}
	return 0;
}

int top_draw(struct top_screen *screen, const struct top_model *m, struct top_view *view)
{
	screen->width = view->width < 20	      ? 20
			: view->width > TOP_WIDTH_MAX ? TOP_WIDTH_MAX
						      : view->width;
	screen->rows = 0;
	if (put_in_order(screen, m, view) || draw_head(screen, m, view))
		return -1;
	if (view->help)
		return draw_help(screen, view);
	if (draw_pcpus(screen, m, view) || draw_host_memory(screen, m, view) ||
	    draw_guests(screen, m, view))
		return -1;
	return view->height ? draw_keys(screen, view) : 0;
}
