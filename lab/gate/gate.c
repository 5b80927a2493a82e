/* SPDX-License-Identifier: MIT */
/* The gate: stands where libvirtd's sockets are and lets through what a controller needs; gate(8).
 */
#include "client.h"

#include "log.h"
#include "tick.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 64 /* more wait to be accepted */
#define SOCKETS	    2
#define PATH_SIZE   128 /* a socket's path has at most 107 bytes */

/* The sockets a client looks for, and behind each those of libvirtd or of its QEMU part alone. */
static const struct {
	const char *name, *alone;
} sockets[SOCKETS] = {
	{"libvirt-sock", "virtqemud-sock"},
	{"libvirt-sock-ro", "virtqemud-sock-ro"},
};

struct args {
	const char *listen, *daemon, *prefix, *trace, *epoch;
	bool verbose;
};

struct loop {
	struct gate gate;
	const struct args *args;
	int listeners[SOCKETS];
	struct gate_client *clients[CLIENTS_MAX];
	size_t nclients;
	bool stdin_open, stop;
	struct pollfd polled[2 + SOCKETS + 2 * CLIENTS_MAX];
};

static void usage(FILE *to)
{
	fputs("usage: gate --listen FOLDER [--daemon FOLDER] [--prefix P] [--trace FILE] "
	      "[--epoch-ns N]\n"
	      "\n"
	      "  -l, --listen FOLDER  makes the sockets libvirt-sock and libvirt-sock-ro there\n"
	      "  -d, --daemon FOLDER  where libvirtd's own are (/run/libvirt)\n"
	      "  -p, --prefix P       of the names of guests that may be changed (aos_vm)\n"
	      "  -t, --trace FILE     appends each call to a trace\n"
	      "  -e, --epoch-ns N     CLOCK_MONOTONIC at the trace's start; - reads it from stdin, "
	      "whose\n"
	      "                       end ends the gate\n"
	      "  -v, --verbose\n"
	      "  -h, --help\n",
	      to);
}

static void parse_args(struct args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"daemon", required_argument, NULL, 'd'},
		{"prefix", required_argument, NULL, 'p'},
		{"trace", required_argument, NULL, 't'},
		{"epoch-ns", required_argument, NULL, 'e'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "l:d:p:t:e:vh", options, NULL)) != -1) {
		switch (option) {
		case 'l':
			args->listen = optarg;
			break;
		case 'd':
			args->daemon = optarg;
			break;
		case 'p':
			args->prefix = optarg;
			break;
		case 't':
			args->trace = optarg;
			break;
		case 'e':
			args->epoch = optarg;
			break;
		case 'v':
			args->verbose = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_PASS);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (!args->listen || optind < argc) {
		usage(stderr);
		exit(EXIT_USAGE);
	}
	if (!*args->prefix)
		die(EXIT_USAGE, "--prefix: an empty one would be every guest's");
}

static double parse_epoch(const char *text)
{
	char *end;

	errno = 0;
	long long ns = strtoll(text, &end, 10);

	if (errno || end == text || (*end && *end != '\n') || ns < 0)
		die(EXIT_USAGE, "--epoch-ns %s: not nanoseconds of the monotonic clock", text);
	return (double)ns / 1e9;
}

/* A path in a folder; false if it is too long. */
static bool path_in(char path[PATH_SIZE], const char *folder, const char *name)
{
	return snprintf(path, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE;
}

static void open_sockets(struct loop *l)
{
	char path[PATH_SIZE];

	for (int i = 0; i < SOCKETS; i++) {
		errno = ENAMETOOLONG;
		l->listeners[i] = path_in(path, l->args->listen, sockets[i].name)
					  ? rpc_listen(path, 0666)
					  : -1;
		if (l->listeners[i] < 0)
			die(EXIT_LAB, "%s/%s: %s", l->args->listen, sockets[i].name,
			    strerror(errno));
	}
}

static void close_sockets(struct loop *l)
{
	char path[PATH_SIZE];

	for (int i = 0; i < SOCKETS; i++) {
		close(l->listeners[i]);
		if (path_in(path, l->args->listen, sockets[i].name))
			unlink(path);
	}
}

/* A connection to the socket of libvirtd that stands behind that of ours, or −1. */
static int connect_daemon(const struct loop *l, int socket)
{
	char path[PATH_SIZE];
	int fd = path_in(path, l->args->daemon, sockets[socket].name) ? rpc_connect(path) : -1;

	if (fd < 0 && errno == ENOENT && path_in(path, l->args->daemon, sockets[socket].alone))
		fd = rpc_connect(path);
	return fd;
}

static void accept_client(struct loop *l, int socket)
{
	int fd = accept4(l->listeners[socket], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	int daemon = connect_daemon(l, socket);
	struct gate_client *c = daemon < 0 ? NULL : gate_client_open(&l->gate, fd, daemon);

	if (c) {
		l->clients[l->nclients++] = c;
		return;
	}
	log_verbose("a client finds no libvirtd in %s: %s", l->args->daemon, strerror(errno));
	if (daemon >= 0)
		close(daemon);
	close(fd);
}

/* stdin: the epoch, and at its end the gate's. */
static void read_stdin(struct loop *l)
{
	char text[64];
	ssize_t n = read(0, text, sizeof(text) - 1);

	if (n <= 0) {
		l->stdin_open = false;
		l->stop = true;
		return;
	}
	text[n] = '\0';
	l->gate.report.epoch_s = parse_epoch(text);
}

static struct pollfd polled(int fd, short events)
{
	return (struct pollfd){.fd = fd, .events = events};
}

/* Fills in what to wait for; how many. */
static nfds_t prepare(struct loop *l, int signals, bool *more)
{
	nfds_t n = 0;

	l->polled[n++] = polled(signals, POLLIN);
	l->polled[n++] = polled(l->stdin_open ? 0 : -1, POLLIN);
	for (int i = 0; i < SOCKETS; i++)
		l->polled[n++] = polled(l->nclients < CLIENTS_MAX ? l->listeners[i] : -1, POLLIN);
	*more = false;
	for (size_t i = 0; i < l->nclients; i++) {
		const struct gate_client *c = l->clients[i];

		*more |= c->more;
		l->polled[n++] = polled(c->program.fd, gate_client_program_events(c));
		l->polled[n++] = polled(c->daemon.fd, gate_client_daemon_events(c));
	}
	return n;
}

/* Gone while it is not being read: nobody is left to answer. */
static bool hung_up(const struct pollfd *p)
{
	return p->revents & (POLLHUP | POLLERR) && !(p->events & POLLIN);
}

static void serve_clients(struct loop *l)
{
	size_t kept = 0, n = l->nclients;

	for (size_t i = 0; i < n; i++) {
		struct gate_client *c = l->clients[i];
		const struct pollfd *p = &l->polled[2 + SOCKETS + 2 * i];
		bool active = p[0].revents || p[1].revents || c->more;

		if (active && (hung_up(&p[0]) || hung_up(&p[1]) || gate_client_serve(c) < 0))
			gate_client_close(c);
		else
			l->clients[kept++] = c;
	}
	l->nclients = kept;
}

static void serve(struct loop *l, int signals)
{
	while (!tick_quit && !l->stop) {
		bool more;
		nfds_t n = prepare(l, signals, &more);

		if (poll(l->polled, n, more ? 0 : -1) < 0)
			continue;
		if (l->polled[1].revents)
			read_stdin(l);
		serve_clients(l);
		for (int i = 0; i < SOCKETS; i++)
			if (l->polled[2 + i].revents && l->nclients < CLIENTS_MAX)
				accept_client(l, i);
	}
}

int main(int argc, char **argv)
{
	struct args args = {.daemon = "/run/libvirt", .prefix = "aos_vm"};
	struct trace_writer trace = {.fd = -1};
	static struct loop l;

	log_init("gate", false);
	parse_args(&args, argc, argv);
	log_init("gate", args.verbose);
	l.args = &args;
	l.gate.guests.prefix = args.prefix;
	if (args.epoch && strcmp(args.epoch, "-") == 0)
		l.stdin_open = true;
	else if (args.epoch)
		l.gate.report.epoch_s = parse_epoch(args.epoch);
	if (args.trace && trace_append(&trace, args.trace) < 0)
		die(EXIT_LAB, "%s: %s", args.trace, strerror(errno));
	l.gate.report.trace = args.trace ? &trace : NULL;
	int signals = tick_signals();

	if (signals < 0)
		die(EXIT_LAB, "signals: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	open_sockets(&l);
	puts("ready");
	fflush(stdout);
	serve(&l, signals);
	for (size_t i = 0; i < l.nclients; i++)
		gate_client_close(l.clients[i]);
	close_sockets(&l);
	gate_guests_free(&l.gate.guests);
	rpc_args_free(&l.gate.args);
	rpc_out_free(&l.gate.out);
	if (args.trace)
		trace_close(&trace);
	log_verbose("%llu calls, %llu refused", (unsigned long long)l.gate.report.calls,
		    (unsigned long long)l.gate.report.refused);
	return EXIT_PASS;
}
