/* SPDX-License-Identifier: MIT */
/* The loop of `ballast top`: look, draw, wait for a key or the next look. */
#include "curses.h"
#include "log.h"
#include "output.h"
#include "source.h"
#include "tick.h"
#include "units.h"

#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A trace that is still written is looked at again this often. */
#define GROW_S 0.5

#define SPEED_MOST  64.0
#define SPEED_LEAST 0.125

static const char usage[] =
	"usage: ballast top [options] [TRACE]\n"
	"Shows pCPUs, moves, guests and memory as they are, once a second; or plays a trace.\n"
	"  --all               every guest of the host, on a connection that can change nothing\n"
	"  --prefix P          the lab's guests P1, P2, ... alone\n"
	"  -c, --connect URI   the hypervisor (qemu:///system)\n"
	"  --interval S        seconds between looks (1)\n"
	"  --once              one look at the whole, as text\n"
	"  --count N           so many looks\n"
	"  --json              with --once: as JSON\n"
	"  --csv FILE          a line for each look, as virt-top has it; - is stdout\n"
	"  --sort ORDER        name, usage, wait, memory or unused\n"
	"  --filter TEXT       guests with that in their names\n"
	"  --reserve SIZE      what a guest should have unused (100M)\n"
	"  --host-reserve SIZE what the host keeps (200M, or 2% of its memory)\n"
	"  --no-colour         as without colours; so does $NO_COLOR\n"
	"of a trace:\n"
	"  --at S              begin there, or show that with --once (its end)\n"
	"  --speed FACTOR      of the playing (1)\n"
	"  --help, --version; the key h has the keys.\n";

struct prompt {
	char key; /* what it is for; 0: there is none */
	char text[TOP_LINE_MAX / 2];
};

struct top {
	struct live_args live_args;
	const char *trace, *csv_path;
	bool once, json, colour;
	double interval_s, at_s, speed;
	long count; /* 0: no end */

	struct live *live; /* one of both */
	struct played *played;
	struct top_model model;
	struct top_view view;
	struct top_screen screen;
	struct prompt prompt;
	FILE *csv;
	bool curses, paused, quit;
	bool host_reserve_given;
	size_t look; /* of a trace */
	double due_s;
	long looks;
};

/* --- options --- */

enum {
	ALL = 256,
	PREFIX,
	INTERVAL,
	ONCE,
	COUNT,
	JSON,
	CSV,
	SORT,
	FILTER,
	RESERVE,
	HOST_RESERVE,
	NO_COLOUR,
	AT,
	SPEED,
	LOADS,
	HELP,
	VERSION
};

static const struct option options[] = {{"all", no_argument, NULL, ALL},
					{"prefix", required_argument, NULL, PREFIX},
					{"connect", required_argument, NULL, 'c'},
					{"interval", required_argument, NULL, INTERVAL},
					{"once", no_argument, NULL, ONCE},
					{"count", required_argument, NULL, COUNT},
					{"json", no_argument, NULL, JSON},
					{"csv", required_argument, NULL, CSV},
					{"sort", required_argument, NULL, SORT},
					{"filter", required_argument, NULL, FILTER},
					{"reserve", required_argument, NULL, RESERVE},
					{"host-reserve", required_argument, NULL, HOST_RESERVE},
					{"no-colour", no_argument, NULL, NO_COLOUR},
					{"no-color", no_argument, NULL, NO_COLOUR},
					{"at", required_argument, NULL, AT},
					{"speed", required_argument, NULL, SPEED},
					{"loads", required_argument, NULL, LOADS},
					{"help", no_argument, NULL, HELP},
					{"version", no_argument, NULL, VERSION},
					{0}};

static enum top_sort read_sort(const char *text)
{
	for (int i = 0; top_sort_words[i]; i++) {
		if (!strcmp(text, top_sort_words[i]))
			return (enum top_sort)i;
	}
	die(EXIT_USAGE, "--sort %s: name, usage, wait, memory and unused are the orders", text);
}

static double read_seconds(const char *option, const char *text, double least, double most)
{
	double s;

	if (parse_number(text, least, most, &s))
		die(EXIT_USAGE, "--%s %s: must be a number from %g to %g%s", option, text, least,
		    most, strchr(text, ',') ? ", with a point and no comma" : "");
	return s;
}

static void read_option(struct top *t, int option)
{
	switch (option) {
	case ALL:
		t->live_args.all = true;
		break;
	case PREFIX:
		t->live_args.prefix = optarg;
		break;
	case 'c':
		t->live_args.uri = optarg;
		t->live_args.uri_given = true;
		break;
	case INTERVAL:
		t->interval_s = read_seconds("interval", optarg, 0.1, 3600);
		break;
	case COUNT:
		if (parse_integer(optarg, 1, LONG_MAX, &t->count))
			die(EXIT_USAGE, "--count %s: must be a whole number from 1", optarg);
		break;
	case ONCE:
		t->once = true;
		break;
	case JSON:
		t->json = true;
		break;
	case CSV:
		t->csv_path = optarg;
		break;
	case SORT:
		t->view.sort = read_sort(optarg);
		break;
	case FILTER:
		snprintf(t->view.filter, sizeof(t->view.filter), "%s", optarg);
		break;
	case RESERVE:
		if (parse_size(optarg, &t->view.reserve_kib))
			die(EXIT_USAGE, "--reserve %s: must be a size such as 100M", optarg);
		break;
	case HOST_RESERVE:
		if (parse_size(optarg, &t->view.host_reserve_kib))
			die(EXIT_USAGE, "--host-reserve %s: must be a size such as 200M", optarg);
		t->host_reserve_given = true;
		break;
	case NO_COLOUR:
		t->colour = false;
		break;
	case AT:
		t->at_s = read_seconds("at", optarg, 0, 1e7);
		break;
	case SPEED:
		t->speed = read_seconds("speed", optarg, SPEED_LEAST, SPEED_MOST);
		break;
	case LOADS:
		t->live_args.loads = optarg;
		break;
	case HELP:
		fputs(usage, stdout);
		exit(EXIT_PASS);
	case VERSION:
		puts("ballast top (Ballast) " BALLAST_VERSION);
		exit(EXIT_PASS);
	default:
		exit(EXIT_USAGE); /* getopt has said what is wrong */
	}
}

static void read_options(struct top *t, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1)
		read_option(t, option);
	if (optind < argc)
		t->trace = argv[optind++];
	if (optind < argc)
		die(EXIT_USAGE, "%s: one trace is played", argv[optind]);
	if (t->json && !t->once)
		die(EXIT_USAGE, "--json goes with --once");
	if (t->trace && (t->live_args.all || t->live_args.uri_given))
		die(EXIT_USAGE, "%s is a trace: --all and --connect are for a hypervisor",
		    t->trace);
	if (!t->trace && t->at_s >= 0)
		die(EXIT_USAGE, "--at goes with a trace");
	if (t->csv_path && strcmp(t->csv_path, "-") != 0) {
		t->csv = fopen(t->csv_path, "we");
		if (!t->csv)
			die(EXIT_USAGE, "--csv %s cannot be written", t->csv_path);
	} else if (t->csv_path) {
		t->csv = stdout;
	}
}

/* --- looks --- */

/* The look of a trace that was there at that time. */
static size_t look_at_time(const struct played *p, double t_s)
{
	size_t look = 0;

	while (look + 1 < played_looks(p) && played_time(p, look + 1) <= t_s + 1e-6)
		look++;
	return look;
}

static void say_pace(struct top *t)
{
	if (t->live)
		snprintf(t->view.pace, sizeof(t->view.pace), "%severy %g s",
			 t->paused ? "paused, " : "", t->interval_s);
	else if (t->look + 1 == played_looks(t->played))
		snprintf(t->view.pace, sizeof(t->view.pace), "%s",
			 played_ended(t->played) ? "end" : "as it is written");
	else
		snprintf(t->view.pace, sizeof(t->view.pace), t->paused ? "paused" : "%gx",
			 t->speed);
}

static void take_look(struct top *t)
{
	char error[TOP_ERROR_MAX];
	int status = t->live ? live_look(t->live, &t->model, error)
			     : played_show(t->played, t->look, &t->model);

	if (status && !t->live)
		die(EXIT_LAB, "out of memory");
	if (status && !t->curses && !tick_quit)
		die(EXIT_LAB, "%s", error);
	if (status)
		snprintf(t->view.message, sizeof(t->view.message), "%.*s", TOP_LINE_MAX - 1, error);
	t->looks++;
	if (!t->host_reserve_given) {
		t->view.host_reserve_kib = 200 * KIB_PER_MIB;
		if (t->model.host_total_kib / 50 > (int64_t)t->view.host_reserve_kib)
			t->view.host_reserve_kib = (uint64_t)t->model.host_total_kib / 50;
	}
}

static void write_csv(struct top *t)
{
	char host[64] = "", clock[32];
	time_t now = time(NULL);
	struct tm local;

	if (!t->csv)
		return;
	gethostname(host, sizeof(host) - 1);
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
	if (t->played)
		snprintf(clock, sizeof(clock), "%.1f", t->model.t_s);
	top_csv(t->csv, &t->model, t->played ? played_name(t->played) : host, clock);
	if (ferror(t->csv))
		t->quit = true;
}

/* As wide as the terminal, or as $COLUMNS says. */
static int text_width(void)
{
	const char *columns = getenv("COLUMNS");
	long width = 80;

	if (columns)
		(void)parse_integer(columns, 20, TOP_WIDTH_MAX, &width);
	return (int)width;
}

static void show(struct top *t)
{
	char row[TOP_WIDTH_MAX + 1];

	say_pace(t);
	if (t->curses) {
		curses_size(&t->view.width, &t->view.height);
	} else {
		t->view.width = text_width();
		t->view.height = 0;
	}
	if (t->prompt.key)
		snprintf(t->view.message, sizeof(t->view.message), "%s_", t->prompt.text);
	if (top_draw(&t->screen, &t->model, &t->view))
		die(EXIT_LAB, "out of memory");
	if (t->curses) {
		curses_show(&t->screen, t->view.height);
		return;
	}
	for (int i = 0; i < t->screen.rows; i++)
		puts(top_row(&t->screen, i, row));
	fflush(stdout);
}

/* --- keys --- */

static void say(struct top *t, const char *text)
{
	snprintf(t->view.message, sizeof(t->view.message), "%.*s", TOP_LINE_MAX - 1, text);
}

static void select_guest(struct top *t, long step)
{
	const char *name = top_step(&t->screen, &t->model, t->view.selected, step);

	if (name)
		snprintf(t->view.selected, sizeof(t->view.selected), "%s", name);
}

/* What a prompt has in front of what is typed. */
static size_t prompt_length(const struct prompt *p)
{
	const char *colon = strstr(p->text, "? ");

	return colon ? (size_t)(colon + 2 - p->text) : 0;
}

static void ask(struct top *t, char key, const char *what)
{
	if (key != '/' && t->played) {
		say(t, "a trace can be played, not changed");
		return;
	}
	if (key != '/' && !t->view.selected[0])
		select_guest(t, 0);
	t->prompt.key = key;
	snprintf(t->prompt.text, sizeof(t->prompt.text), "%s%s%.40s? ", what, key == '/' ? "" : " ",
		 key == '/' ? "" : t->view.selected);
}

static void answer(struct top *t)
{
	const char *text = t->prompt.text + prompt_length(&t->prompt);
	char message[TOP_ERROR_MAX] = "";

	if (t->prompt.key == '/')
		snprintf(t->view.filter, sizeof(t->view.filter), "%s", text);
	else if (t->prompt.key == 'p')
		live_pin(t->live, t->view.selected, text, message);
	else if (t->prompt.key == 'm')
		live_memory(t->live, t->view.selected, text, message);
	else if (t->prompt.key == 'l')
		live_load(t->live, t->view.selected, text, message);
	t->prompt.key = 0;
	say(t, message);
}

static void type(struct top *t, int key)
{
	size_t len = strlen(t->prompt.text);

	if (key == TOP_KEY_ENTER) {
		answer(t);
	} else if (key == TOP_KEY_ESCAPE) {
		t->prompt.key = 0;
		say(t, "");
	} else if (key == TOP_KEY_BACKSPACE) {
		if (len > prompt_length(&t->prompt))
			t->prompt.text[len - 1] = '\0';
	} else if (key >= ' ' && key <= '~' && len + 1 < sizeof(t->prompt.text)) {
		t->prompt.text[len] = (char)key;
		t->prompt.text[len + 1] = '\0';
	}
}

/* Keys that a trace has beside the others. True: it was one. */
static bool play_key(struct top *t, int key)
{
	size_t last = played_looks(t->played) - 1, look = t->look;

	if (key == '.' || key == 's')
		look = look < last ? look + 1 : last;
	else if (key == ',' || key == 'b')
		look = look > 0 ? look - 1 : 0;
	else if (key == 'g' || key == TOP_KEY_HOME)
		look = 0;
	else if (key == 'G' || key == TOP_KEY_END)
		look = last;
	else if (key == '+' || key == '=')
		t->speed = fmin(t->speed * 2, SPEED_MOST);
	else if (key == '-')
		t->speed = fmax(t->speed / 2, SPEED_LEAST);
	else
		return false;
	if (look != t->look) {
		t->paused = t->paused || key == '.' || key == ',' || key == 's' || key == 'b';
		t->look = look;
		take_look(t);
	}
	t->due_s = tick_now_s(); /* the time to the next is counted anew */
	return true;
}

static void sort_by(struct top *t, enum top_sort sort)
{
	t->view.sort = sort;
	t->view.offset = 0;
}

static void press(struct top *t, int key)
{
	static const struct {
		char key;
		enum top_sort sort;
	} sorts[] = {{'N', TOP_BY_NAME},
		     {'P', TOP_BY_USAGE},
		     {'W', TOP_BY_WAIT},
		     {'M', TOP_BY_MEMORY},
		     {'F', TOP_BY_UNUSED}};
	char message[TOP_ERROR_MAX];
	int page = t->screen.shown ? (int)t->screen.shown : 1;

	if (t->prompt.key) {
		type(t, key);
		return;
	}
	say(t, "");
	for (size_t i = 0; i < sizeof(sorts) / sizeof(*sorts); i++) {
		if (key == sorts[i].key)
			sort_by(t, sorts[i].sort);
	}
	if (t->view.help && key != 'q')
		t->view.help = false;
	else if (key == 'q')
		t->quit = true;
	else if (key == 'h' || key == '?')
		t->view.help = true;
	else if (key == ' ')
		t->paused = !t->paused, t->due_s = tick_now_s();
	else if (key == TOP_KEY_UP || key == 'k')
		select_guest(t, -1);
	else if (key == TOP_KEY_DOWN || key == 'j')
		select_guest(t, 1);
	else if (key == TOP_KEY_PAGE_UP)
		select_guest(t, -page);
	else if (key == TOP_KEY_PAGE_DOWN)
		select_guest(t, page);
	else if (key == 'o')
		sort_by(t, (enum top_sort)((t->view.sort + 1) % TOP_SORTS));
	else if (key == 'r')
		t->view.reverse = !t->view.reverse;
	else if (key == '/')
		ask(t, '/', "filter");
	else if (key == 'p')
		ask(t, 'p', "pCPUs of");
	else if (key == 'm')
		ask(t, 'm', "memory of");
	else if (key == 'l')
		ask(t, 'l', "load of");
	else if (key == 'e' && t->live &&
		 (live_load(t->live, t->view.selected, "idle", message), true))
		say(t, message);
	else if (t->played)
		play_key(t, key);
}

static void take_keys(struct top *t)
{
	int key;

	while (!t->quit && (key = curses_key()) != TOP_KEY_NONE)
		press(t, key);
}

/* --- the loop --- */

static int resized[2] = {-1, -1};

static void on_resize(int signal)
{
	(void)signal;
	/* What wakes the loop; that there is no room for more means that it is awake. */
	if (write(resized[1], "", 1) < 0)
		return;
}

/* Until then, a key, a signal or another size of the terminal. */
static void wait_played(double until_s, int quit_fd)
{
	struct pollfd fds[] = {
		{quit_fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {resized[0], POLLIN, 0}};
	double left_s = until_s - tick_now_s();
	char drain[64];

	if (left_s > 0 && poll(fds, resized[0] >= 0 ? 3 : 1, (int)ceil(left_s * 1000)) > 0 &&
	    fds[2].revents && read(resized[0], drain, sizeof(drain)) < 0)
		return;
}

/* What is due of a trace. */
static void play(struct top *t)
{
	double now_s = tick_now_s();

	while (!t->paused && t->look + 1 < played_looks(t->played)) {
		double gap_s =
			played_time(t->played, t->look + 1) - played_time(t->played, t->look);

		if (t->due_s + gap_s / t->speed > now_s)
			return;
		t->due_s += gap_s / t->speed;
		t->look++;
		take_look(t);
		write_csv(t);
	}
	if (t->look + 1 == played_looks(t->played)) {
		if (played_grow(t->played))
			take_look(t); /* what it knew is read anew */
		t->due_s = now_s;
	}
}

static double next_s(const struct top *t)
{
	double gap_s;

	if (t->look + 1 == played_looks(t->played))
		return tick_now_s() + (played_ended(t->played) ? 3600 : GROW_S);
	if (t->paused)
		return tick_now_s() + 3600;
	gap_s = played_time(t->played, t->look + 1) - played_time(t->played, t->look);
	return t->due_s + gap_s / t->speed;
}

static bool is_over(const struct top *t)
{
	bool played_out = t->played && !t->curses && played_ended(t->played) &&
			  t->look + 1 == played_looks(t->played);

	return t->quit || tick_quit || (t->count && t->looks > t->count) || played_out;
}

static void loop_played(struct top *t, int quit_fd)
{
	t->due_s = tick_now_s();
	for (;;) {
		if (t->curses || !t->csv || t->csv != stdout)
			show(t);
		if (is_over(t))
			return;
		wait_played(next_s(t), quit_fd);
		if (t->curses)
			take_keys(t);
		play(t);
	}
}

static void loop_live(struct top *t)
{
	struct ticker ticker;

	ticker_start(&ticker, t->interval_s);
	while (!is_over(t)) {
		ticker_advance(&ticker, tick_now_s());
		while (!t->quit && !tick_quit && tick_now_s() < ticker.next_s) {
			live_wait(t->live, ticker.next_s);
			if (t->curses) {
				take_keys(t);
				show(t);
			}
		}
		if (t->paused || tick_quit || t->quit)
			continue;
		take_look(t);
		write_csv(t);
		if (t->curses || t->csv != stdout)
			show(t);
	}
}

/* One look takes two: usage is what changed between them. */
static void once(struct top *t)
{
	if (t->live) {
		take_look(t);
		live_wait(t->live, tick_now_s() + t->interval_s);
		if (tick_quit)
			return;
	}
	take_look(t);
	if (t->csv)
		write_csv(t);
	else if (!t->json)
		show(t);
	else if (top_json(stdout, &t->model))
		die(EXIT_LAB, "the JSON cannot be written");
}

/* The screen, if there is a terminal that can show one. */
static void begin_screen(struct top *t)
{
	const char *term = getenv("TERM");
	struct sigaction action = {.sa_handler = on_resize, .sa_flags = SA_RESTART};

	if (t->once || t->csv == stdout || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    !term || !strcmp(term, "dumb") || pipe(resized) || curses_begin(t->colour))
		return;
	t->curses = true;
	atexit(curses_end);
	sigaction(SIGWINCH, &action, NULL);
	if (t->live)
		live_watch_input(t->live, resized[0]);
}

int main(int argc, char **argv)
{
	struct top t = {.live_args = {.uri = "qemu:///system", .prefix = "", .loads = ""},
			.colour = !getenv("NO_COLOR"),
			.interval_s = 1,
			.at_s = -1,
			.speed = 1,
			.view = {.reserve_kib = 100 * KIB_PER_MIB}};
	int quit_fd = -1;

	log_init("ballast top", false);
	read_options(&t, argc, argv);
	t.live_args.interval_s = t.interval_s;
	if (t.trace) {
		quit_fd = tick_signals();
		t.played = played_open(t.trace);
		t.view.playing = true;
		snprintf(t.view.source, sizeof(t.view.source), "%s", played_name(t.played));
		if (t.at_s >= 0)
			t.look = look_at_time(t.played, t.at_s);
		else if (t.once)
			t.look = played_looks(t.played) - 1;
	} else {
		t.live = live_open(&t.live_args);
		snprintf(t.view.source, sizeof(t.view.source), "%s%s", t.live_args.uri,
			 t.live_args.all ? ", all guests" : "");
	}
	if (t.csv)
		top_csv_head(t.csv);
	begin_screen(&t);
	if (t.once) {
		once(&t);
	} else {
		take_look(&t);
		if (t.played) {
			write_csv(&t);
			loop_played(&t, quit_fd);
		} else {
			if (t.curses)
				show(&t);
			loop_live(&t);
		}
	}
	curses_end();
	if (t.live)
		live_close(t.live);
	if (t.played)
		played_close(t.played);
	top_model_clear(&t.model);
	top_screen_free(&t.screen);
	return tick_quit ? 128 + tick_quit : EXIT_PASS;
}
