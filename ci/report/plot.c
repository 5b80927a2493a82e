/* SPDX-License-Identifier: MIT */
/* Plots of traces: gnuplot is given the data and a few lines of script, and writes SVG. */
#include "render.h"

#include "trace.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* More lines than this in one plot cannot be told apart. */
#define LINES_MAX 16

static void put_header(FILE *script, double length_s)
{
	fprintf(script,
		"set terminal svg size 900,520 dynamic font 'sans-serif,12' background rgb "
		"'white'\n"
		"set encoding utf8\nset grid lc rgb '#dddddd'\nset border lc rgb '#888888'\n"
		"set key outside right top samplen 1.5 noenhanced\nset lmargin at screen %g\nset "
		"rmargin at screen %g\nset xrange "
		"[0:%g]\nset multiplot layout "
		"2,1\n",
		PLOT_LEFT, PLOT_RIGHT, length_s);
}

/* Names go into gnuplot's double-quoted strings: what means something there is left out. */
static void put_name(FILE *script, const char *name)
{
	for (; *name; name++)
		fputc(isalnum((unsigned char)*name) || strchr("-._", *name) ? *name : ' ', script);
}

/* Loads that begin, as thin lines over the whole height; pins as ticks along the top. */
static void put_events(FILE *script, const struct trace *trace)
{
	double last_s = -1;

	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *event = &trace->events[i];

		if (event->kind != TRACE_LOAD || event->t_s - last_s < 0.5)
			continue;
		last_s = event->t_s;
		fprintf(script,
			"set arrow from %g, graph 0 to %g, graph 1 nohead lc rgb '#bbbbbb' dt 2\n",
			last_s, last_s);
	}
}

/* --- CPU: usage per pCPU above, each vCPU's pCPU below --- */

/* A block of data per pCPU: time, what guests used, what everything used. */
static void put_usage(FILE *script, const struct trace *trace, size_t lines)
{
	for (size_t c = 0; c < lines; c++) {
		fprintf(script, "$usage%zu << EOD\n", c);
		for (size_t i = 0; i < trace->nsamples; i++) {
			const struct trace_sample *s = &trace->samples[i];

			if (c >= s->npcpus)
				continue;
			fprintf(script, "%g %g %g\n", s->t_s,
				s->pcpus[c].guests_pct >= 0 ? s->pcpus[c].guests_pct
							    : s->pcpus[c].usage_pct,
				s->pcpus[c].usage_pct);
		}
		fprintf(script, "EOD\n");
	}
	fprintf(script, "set ylabel 'on each pCPU, %%'\nset yrange [0:105]\nplot ");
	for (size_t c = 0; c < lines; c++)
		fprintf(script,
			"%s$usage%zu using 1:2 with lines lw 2 lt %zu title 'guests on pCPU %d', "
			"$usage%zu using 1:3 with lines lw 0.7 lt %zu dt 3 title 'everything on "
			"%d'",
			c ? ", " : "", c, c + 1, trace->samples[0].pcpus[c].id, c, c + 1,
			trace->samples[0].pcpus[c].id);
	fprintf(script, "\n");
}

static void put_places(FILE *script, const struct trace *trace, size_t lines)
{
	const struct trace_sample *first = &trace->samples[0];

	for (size_t g = 0; g < lines; g++) {
		fprintf(script, "$place%zu << EOD\n", g);
		for (size_t i = 0; i < trace->nsamples; i++) {
			const struct trace_guest *guest =
				trace_find_guest(&trace->samples[i], first->guests[g].name);

			/* Drawn a little apart, so that guests on the same pCPU can be told from
			 * each other. */
			if (guest && guest->nvcpus && guest->vcpus[0].pcpu >= 0)
				fprintf(script, "%g %g\n", trace->samples[i].t_s,
					guest->vcpus[0].pcpu +
						0.6 * ((double)g + 0.5) / (double)lines - 0.3);
		}
		fprintf(script, "EOD\n");
	}
	fprintf(script,
		"set ylabel 'runs on pCPU'\nset yrange [-0.5:%d.5]\nset ytics 1\nset xlabel "
		"'seconds'\nplot ",
		first->pcpus[first->npcpus - 1].id);
	for (size_t g = 0; g < lines; g++) {
		fprintf(script, "%s$place%zu with steps lw 2 title \"", g ? ", " : "", g);
		put_name(script, first->guests[g].name);
		fprintf(script, "\"");
	}
	fprintf(script, "\n");
}

/* --- memory: each guest's size above, what it has to spare below --- */

static void put_sizes(FILE *script, const struct trace *trace, size_t lines)
{
	const struct trace_sample *first = &trace->samples[0];

	for (size_t g = 0; g < lines; g++) {
		fprintf(script, "$size%zu << EOD\n", g);
		for (size_t i = 0; i < trace->nsamples; i++) {
			const struct trace_guest *guest =
				trace_find_guest(&trace->samples[i], first->guests[g].name);

			if (guest && guest->memory.actual_kib >= 0)
				fprintf(script, "%g %g\n", trace->samples[i].t_s,
					(double)guest->memory.actual_kib / 1024);
		}
		fprintf(script, "EOD\n");
	}
	fprintf(script, "set ylabel 'size, MiB'\nset yrange [0:*]\nplot ");
	for (size_t g = 0; g < lines; g++) {
		fprintf(script, "%s$size%zu with lines lw 2 title \"", g ? ", " : "", g);
		put_name(script, first->guests[g].name);
		fprintf(script, "\"");
	}
	fprintf(script, "\n");
}

static void put_spare(FILE *script, const struct trace *trace, size_t lines)
{
	const struct trace_sample *first = &trace->samples[0];

	for (size_t g = 0; g < lines; g++) {
		fprintf(script, "$spare%zu << EOD\n0 NaN\n",
			g); /* a block without a point is an error */
		for (size_t i = 0; i < trace->nevents; i++) {
			const struct trace_event *event = &trace->events[i];

			if (event->kind == TRACE_INSIDE &&
			    !strcmp(event->guest, first->guests[g].name))
				fprintf(script, "%g %g\n", event->t_s,
					fmax((double)event->inside.free_kib,
					     (double)event->inside.available_kib) /
						1024);
		}
		fprintf(script, "EOD\n");
	}
	fprintf(script,
		"set ylabel 'unused or usable, MiB'\nset yrange [0:*]\nset xlabel 'seconds'\n"
		"plot 100 lc rgb '#cc0000' dt 3 notitle");
	for (size_t g = 0; g < lines; g++) {
		fprintf(script, ", $spare%zu with lines lw 2 lt %zu title \"", g, g + 1);
		put_name(script, first->guests[g].name);
		fprintf(script, "\"");
	}
	fprintf(script, "\n");
}

static void put_script(FILE *script, const struct trace *trace, bool cpu)
{
	const struct trace_sample *first = &trace->samples[0];
	size_t guests = first->nguests < LINES_MAX ? first->nguests : LINES_MAX;
	size_t pcpus = first->npcpus < LINES_MAX ? first->npcpus : LINES_MAX;

	put_header(script, trace->samples[trace->nsamples - 1].t_s);
	put_events(script, trace);
	if (cpu) {
		put_usage(script, trace, pcpus);
		put_places(script, trace, guests);
	} else {
		put_sizes(script, trace, guests);
		put_spare(script, trace, guests);
	}
}

/* --- gnuplot --- */

/* What gnuplot says once a plot is done, and whether it is one. */
#define DONE "ballast-plot-done "

/* Its start takes longer than a plot: one gnuplot draws all of a page. */
struct plotter {
	pid_t pid;
	int socket;
	FILE *from;
};

struct plotter *plotter_start(void)
{
	struct plotter *plotter = calloc(1, sizeof(*plotter));
	posix_spawn_file_actions_t files;
	int ends[2];

	if (!plotter)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		free(plotter);
		return NULL;
	}
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	/* Nobody's own settings are read. */
	if (posix_spawnp(&plotter->pid, "gnuplot", &files, NULL,
			 (char *[]){"gnuplot", "-d", "-", NULL}, environ))
		plotter->pid = -1;
	posix_spawn_file_actions_destroy(&files);
	close(ends[1]);
	plotter->socket = ends[0];
	plotter->from = fdopen(ends[0], "r");
	if (!plotter->from || plotter->pid < 0) {
		plotter_end(plotter);
		return NULL;
	}
	return plotter;
}

void plotter_end(struct plotter *plotter)
{
	if (!plotter)
		return;
	if (plotter->from)
		fclose(plotter->from);
	else
		close(plotter->socket);
	if (plotter->pid > 0)
		waitpid(plotter->pid, NULL, 0);
	free(plotter);
}

/* gnuplot's SVG of the script without its XML declaration and DOCTYPE, which do not belong inside
 * HTML; −1 where it made none that is whole. */
static int draw(struct plotter *plotter, const char *script, FILE *out)
{
	bool inside = false, whole = false, good = false;
	char *line = NULL, *svg = NULL, command[256];
	size_t size = 0, len = 0;
	FILE *kept = open_memstream(&svg, &len);
	int n = snprintf(command, sizeof(command),
			 "load '%s'\nunset multiplot\nunset output\nreset\nset print '-'\n"
			 "print '" DONE "', GPVAL_ERRNO\n",
			 script);

	if (!kept)
		return -1;
	if (send(plotter->socket, command, (size_t)n, MSG_NOSIGNAL) == n) {
		while (getline(&line, &size, plotter->from) > 0) {
			if (!strncmp(line, DONE, strlen(DONE))) {
				good = atoi(line + strlen(DONE)) == 0;
				break;
			}
			inside |= !strncmp(line, "<svg", 4);
			if (inside && !whole)
				fputs(line, kept);
			whole |= inside && strstr(line, "</svg>");
		}
	}
	free(line);
	if (!fclose(kept) && good && whole)
		fwrite(svg, 1, len, out);
	free(svg);
	return good && whole ? 0 : -1;
}

int plot_trace(struct plotter *plotter, const char *path, const char *kind, FILE *out,
	       double *length_s, char why[256])
{
	char script_path[] = "/tmp/ballast-plot-XXXXXX", error[TRACE_ERROR_MAX];
	struct trace trace = {0};
	FILE *script;
	int fd, status = -1;

	if (trace_read(&trace, path, error)) {
		snprintf(why, 256, "%.255s", error);
		return -1;
	}
	fd = mkstemp(script_path);
	script = fd < 0 ? NULL : fdopen(fd, "w");
	if (!script || !trace.nsamples || !trace.samples[0].nguests || !trace.samples[0].npcpus) {
		snprintf(why, 256,
			 trace.nsamples ? "no file for gnuplot's script"
					: "the trace has no samples");
	} else {
		put_script(script, &trace, !strcmp(kind, "cpu"));
		*length_s = trace.samples[trace.nsamples - 1].t_s;
		fflush(script);
		status = plotter ? draw(plotter, script_path, out) : -1;
		if (status)
			snprintf(why, 256, "gnuplot made no plot; is gnuplot-nox installed?");
	}
	if (script)
		fclose(script);
	if (fd >= 0)
		unlink(script_path);
	trace_free(&trace);
	return status;
}
