/* SPDX-License-Identifier: MIT */
/*
 * Runs a scenario in the simulated host, with an unmodified program: checks both, starts the
 * program with the library preloaded, watches that it gets on, and says in one line what went wrong
 * if it did.
 */
#include "host/host.h"
#include "launch.h"
#include "log.h"
#include "world/play.h"
#include "program.h"
#include "preload/shared.h"
#include "text.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIBRARY "build/libballast-sim.so"

/* How often the program is looked at; it costs nothing against what it finds. */
#define WATCH_MS 20

/*
 * CPU time without waiting once after which a program is taken to be in an endless loop. A second
 * of the largest host, 10,000 vCPUs on 1,024 pCPUs, costs the model 25 ms: what takes so long is
 * the program's own. Without even CPU time it hangs; a busy machine may keep it waiting for some.
 */
#define PATIENCE_S    10
#define HANG_PATIENCE 3 /* times that, by the wall clock */

static const char usage[] =
	"usage: run [options] SCENARIO [-- PROGRAM ARGS...]\n"
	"Plays a scenario in the simulated host; with a program, against libvirt and a clock that "
	"are\n"
	"simulated, too. See ballast-sim(7).\n"
	"  --seed N         another run of chance (default 1)\n"
	"  --trace FILE     write what was seen\n"
	"  --prefix P       names of the guests are P1, P2, ... (default aos_vm)\n"
	"  --charge FACTOR  computing takes FACTOR times its CPU time (default 0: none)\n"
	"  --patience S     CPU seconds a program may compute without waiting once (default 10)\n"
	"  --socket         the host is a process of its own: programs may have children\n"
	"  --all-calls      trace calls that never leave the program, too\n"
	"  -v, --verbose    pass on what the program prints\n"
	"  --help, --version\n";

struct run {
	struct play_config config;
	double charge, patience_s;
	bool all_calls, verbose;
	bool socket;	/* the host is a process of its own */
	char **program; /* NULL: none */
	char path[PATH_MAX];
	struct shared *shared;
	int shared_fd;
	char folder[PATH_MAX]; /* for the program's state files; removed afterwards */
	off_t passed_on[2];    /* of stdout, stderr */
	pid_t pid;
	int status;	     /* of the program, as wait(2) says */
	const char *stopped; /* why the watch ended it */
	bool unsimulated;    /* that is no fault of its own */
	bool interrupted;    /* we were told to stop */
};

/* --- options --- */

static uint64_t read_seed(const char *text)
{
	long seed;

	if (parse_integer(text, 0, 1L << 53, &seed))
		die(EXIT_USAGE, "--seed %s: should be a whole number from 0 to 2^53", text);
	return (uint64_t)seed;
}

static void read_options(struct run *r, int argc, char **argv)
{
	enum { SEED = 256, TRACE, PREFIX, CHARGE, PATIENCE, ALL_CALLS, SOCKET, HELP, VERSION };
	static const struct option options[] = {
		{"seed", required_argument, NULL, SEED},
		{"trace", required_argument, NULL, TRACE},
		{"prefix", required_argument, NULL, PREFIX},
		{"charge", required_argument, NULL, CHARGE},
		{"patience", required_argument, NULL, PATIENCE},
		{"all-calls", no_argument, NULL, ALL_CALLS},
		{"socket", no_argument, NULL, SOCKET},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	r->config = (struct play_config){.prefix = "aos_vm", .seed = 1};
	r->patience_s = PATIENCE_S;
	while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		switch (option) {
		case SEED:
			r->config.seed = read_seed(optarg);
			break;
		case TRACE:
			r->config.trace = optarg;
			break;
		case PREFIX:
			r->config.prefix = optarg;
			break;
		case CHARGE:
			if (parse_number(optarg, 0, 1000, &r->charge))
				die(EXIT_USAGE, "--charge %s: should be a number from 0 to 1000",
				    optarg);
			break;
		case PATIENCE:
			if (parse_number(optarg, 0.1, 1e6, &r->patience_s))
				die(EXIT_USAGE, "--patience %s: should be seconds, at least 0.1",
				    optarg);
			break;
		case ALL_CALLS:
			r->all_calls = true;
			break;
		case SOCKET:
			r->socket = true;
			break;
		case 'v':
			r->verbose = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(EXIT_PASS);
		case VERSION:
			puts("sim " BALLAST_VERSION);
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE); /* getopt has said what is wrong */
		}
	}
	if (optind >= argc)
		die(EXIT_USAGE, "no scenario was given; try --help");
	r->config.scenario = argv[optind];
	if (optind + 1 < argc)
		r->program = argv + optind + 1;
}

/* --- without a program --- */

static int play_alone(struct run *r)
{
	char error[PLAY_ERROR_MAX];
	struct play play;
	int status, failed;

	if (play_open(&play, &r->config, error, &status))
		die(status, "%s", error);
	play_finish(&play);
	failed = play.trace_errno;
	play_free(&play);
	if (failed)
		die(EXIT_LAB, "%s: %s", r->config.trace, strerror(failed));
	return EXIT_PASS;
}

/* --- getting ready --- */

static void copy_path(char to[PATH_MAX], const char *path)
{
	char folder[PATH_MAX];

	if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
		folder[0] = '\0';
	if (snprintf(to, PATH_MAX, "%s%s%s", folder, folder[0] ? "/" : "", path) >= PATH_MAX)
		die(EXIT_USAGE, "%s: too long a path", path);
}

/* A file in memory that the program inherits, at a number it does not expect to be its own. */
static int memory_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD, shared_fd_first());

	if (moved < 0)
		die(EXIT_LAB, "a file in memory: %s", strerror(errno));
	close(fd);
	return moved;
}

static void describe_program(struct run *r)
{
	json_t *arguments = json_array();
	char *text;

	for (char **argument = r->program; *argument; argument++) {
		if (json_array_append_new(arguments, text_json(*argument)))
			die(EXIT_LAB, "out of memory");
	}
	text = json_dumps(arguments, JSON_COMPACT);
	if (!text || strlen(text) >= sizeof(r->shared->program))
		die(EXIT_USAGE, "%s: too many arguments", r->program[0]);
	strcpy(r->shared->program, text);
	free(text);
	json_decref(arguments);
}

static void share(struct run *r)
{
	r->shared_fd = memory_file("ballast-sim-shared");
	if (ftruncate(r->shared_fd, sizeof(*r->shared)))
		die(EXIT_LAB, "shared memory: %s", strerror(errno));
	r->shared =
		mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE, MAP_SHARED, r->shared_fd, 0);
	if (r->shared == MAP_FAILED)
		die(EXIT_LAB, "shared memory: %s", strerror(errno));
	copy_path(r->shared->scenario, r->config.scenario);
	if (r->config.trace)
		copy_path(r->shared->trace, r->config.trace);
	if (strlen(r->config.prefix) >= sizeof(r->shared->prefix))
		die(EXIT_USAGE, "--prefix %s: too long", r->config.prefix);
	strcpy(r->shared->prefix, r->config.prefix);
	describe_program(r);
	r->shared->seed = r->config.seed;
	r->shared->charge = r->charge;
	r->shared->all_calls = r->all_calls;
	r->shared->stdout_fd = memory_file("stdout");
	r->shared->stderr_fd = memory_file("stderr");
	fcntl(r->shared->stdout_fd, F_SETFL, O_APPEND);
	fcntl(r->shared->stderr_fd, F_SETFL, O_APPEND);
}

/* Everything that can be known to be wrong before the program starts. */
static void check(struct run *r)
{
	struct play_config config = r->config;
	char error[PLAY_ERROR_MAX];
	struct play play;
	int status;

	if (program_check(r->program[0], r->path, error))
		die(EXIT_USAGE, "%s", error);
	config.program = NULL;
	if (play_open(&play, &config, error, &status))
		die(status, "%s", error);
	play_free(&play);
}

/* The library lies beside us, wherever that is. */
static void find_library(char path[PATH_MAX])
{
	char folder[PATH_MAX - sizeof(LIBRARY) - 1];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	char *slash;

	if (n < 0)
		die(EXIT_LAB, "/proc/self/exe: %s", strerror(errno));
	folder[n] = '\0';
	slash = strrchr(folder, '/');
	*slash = '\0';
	snprintf(path, PATH_MAX, "%s/%s", folder, LIBRARY);
	if (access(path, R_OK))
		die(EXIT_LAB, "%s: %s; run make", path, strerror(errno));
}

/* Spaces and colons part the names in LD_PRELOAD: a path that has some goes by a link without. */
static void preload(const struct run *r, const char *library)
{
	const char *other = getenv("LD_PRELOAD");
	char link[sizeof(r->folder) + sizeof(LIBRARY)], value[3 * PATH_MAX];

	if (strpbrk(library, " :")) {
		snprintf(link, sizeof(link), "%s/%s", r->folder, basename(library));
		if (strpbrk(link, " :") || symlink(library, link)) {
			rmdir(r->folder);
			die(EXIT_LAB,
			    "%s cannot be preloaded: a path without spaces and colons is "
			    "needed, of this tree or in TMPDIR",
			    library);
		}
		library = link;
	}
	snprintf(value, sizeof(value), "%s%s%s", library, other && *other ? ":" : "",
		 other ? other : "");
	setenv("LD_PRELOAD", value, 1);
}

static void set_environment(struct run *r)
{
	const char *temporary = getenv("TMPDIR");
	char number[16], library[PATH_MAX];

	find_library(library);
	snprintf(number, sizeof(number), "%d", r->shared_fd);
	setenv(SHARED_ENV, number, 1);
	snprintf(r->folder, sizeof(r->folder), "%.4000s/ballast-sim.XXXXXX",
		 temporary ? temporary : "/tmp");
	if (!mkdtemp(r->folder))
		die(EXIT_LAB, "%s: %s", r->folder, strerror(errno));
	launch_environment(r->folder);
	preload(r, library);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* --- the program --- */

static void pass_on(struct run *r)
{
	const int from[] = {r->shared->stdout_fd, r->shared->stderr_fd};
	const int to[] = {STDOUT_FILENO, STDERR_FILENO};
	char buf[65536];

	for (int i = 0; r->verbose && i < 2; i++) {
		ssize_t n;

		while ((n = pread(from[i], buf, sizeof(buf), r->passed_on[i])) > 0) {
			r->passed_on[i] += n;
			if (write(to[i], buf, (size_t)n) != n)
				return;
		}
	}
}

static bool prints_without_end(const struct run *r)
{
	return lseek(r->shared->stdout_fd, 0, SEEK_END) > (off_t)SHARED_OUTPUT_MAX ||
	       lseek(r->shared->stderr_fd, 0, SEEK_END) > (off_t)SHARED_OUTPUT_MAX;
}

static double clock_s(clockid_t clock)
{
	struct timespec ts = {0};

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A program's signs of life, and when the last one of each kind was seen. */
struct watch {
	clockid_t cpu;
	uint64_t turns;
	double cpu_at_turn_s; /* its CPU time when it last waited */
	double cpu_s;
	double alive_s; /* when it last waited or used CPU time */
};

/* Why the program must be ended, or NULL. */
static const char *look(const struct run *r, struct watch *w)
{
	double cpu_s = clock_s(w->cpu), now_s = clock_s(CLOCK_MONOTONIC);

	if (r->shared->turns != w->turns) {
		w->turns = r->shared->turns;
		w->cpu_at_turn_s = cpu_s;
		w->alive_s = now_s;
	}
	if (cpu_s - w->cpu_s > 0.001) {
		w->cpu_s = cpu_s;
		w->alive_s = now_s;
	}
	if (prints_without_end(r))
		return "it prints without end";
	if (cpu_s - w->cpu_at_turn_s > r->patience_s)
		return "it computes without end and never waits: its clock stands still while it "
		       "runs (--patience says for how long it may)";
	return NULL;
}

/* Neither waits for its clock nor uses CPU time. */
static bool hangs_outside(const struct run *r, const struct watch *w)
{
	return clock_s(CLOCK_MONOTONIC) - w->alive_s > HANG_PATIENCE * r->patience_s;
}

static void end_program(const struct run *r)
{
	kill(-r->pid, SIGKILL);
	kill(r->pid, SIGKILL);
}

/* Until the program has ended. */
static void watch_program(struct run *r)
{
	struct watch w = {.alive_s = clock_s(CLOCK_MONOTONIC)};
	struct pollfd signals = {.events = POLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC);
	clock_getcpuclockid(r->pid, &w.cpu);
	while (waitpid(r->pid, &r->status, WNOHANG) == 0) {
		struct signalfd_siginfo info;

		pass_on(r);
		if (poll(&signals, 1, WATCH_MS) > 0) {
			if (read(signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info) &&
			    info.ssi_signo != SIGCHLD) {
				r->interrupted = true;
				end_program(r);
			}
		} else if (!r->stopped && !r->interrupted) {
			r->stopped = look(r, &w);
			if (!r->stopped && hangs_outside(r, &w)) {
				r->stopped = "it hangs in something that is not simulated";
				r->unsimulated = true;
			}
			if (r->stopped)
				end_program(r);
		}
	}
	pass_on(r);
	close(signals.fd);
}

static void start_program(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->pid = fork();
	if (r->pid < 0)
		die(EXIT_LAB, "fork: %s", strerror(errno));
	if (r->pid > 0)
		return;
	launch_program(r->path, r->program, r->shared->stdout_fd, r->shared->stderr_fd);
	snprintf(r->shared->message, sizeof(r->shared->message), "cannot be run: %s",
		 strerror(errno));
	r->shared->state = SHARED_STOPPED;
	_exit(EXIT_USAGE);
}

/* --- what became of it --- */

/* What it wrote to stderr since it last waited, of much the end. */
static void add_last_words(const struct run *r, struct trace_writer *trace, double t_s)
{
	char text[4096], *line = text, *end;
	off_t size = lseek(r->shared->stderr_fd, 0, SEEK_END);
	off_t from = (off_t)r->shared->stderr_taken, least = size - (off_t)sizeof(text);
	ssize_t n = pread(r->shared->stderr_fd, text, sizeof(text), from > least ? from : least);

	for (; n > 0; n -= end + 1 - line, line = end + 1) {
		end = memchr(line, '\n', (size_t)n);
		if (!end)
			end = line + n;
		trace_write_output(trace, t_s, TRACE_STDERR, line, (size_t)(end - line));
	}
}

/* A program that ended without telling: the trace, kept up to there, says so. */
static void add_exit(const struct run *r)
{
	struct trace_event event = trace_exit(r->status, false);
	struct trace_writer trace;

	if (r->unsimulated) {
		event = trace_event(TRACE_UNSIMULATED, NULL);
		event.unsimulated.text = r->stopped;
	} else {
		event.program_exit.reason = r->stopped;
	}

	if (!r->config.trace || trace_append(&trace, r->shared->trace))
		return;
	event.t_s = (double)r->shared->now_ns / 1e9;
	add_last_words(r, &trace, event.t_s);
	trace_write_event(&trace, &event);
	trace_close(&trace);
}

/* The last line it wrote to stderr, for those who did not see it. */
static void say_last_words(const struct run *r)
{
	char text[512];
	off_t size = lseek(r->shared->stderr_fd, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = pread(r->shared->stderr_fd, text, sizeof(text) - 1, from);
	char *line;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (r->verbose || n <= 0)
		return;
	text[n] = '\0';
	line = strrchr(text, '\n');
	log_warn("the last line on its stderr: %s", line ? line + 1 : text);
}

static int report(const struct run *r)
{
	const char *name = r->program[0];
	double t_s = (double)r->shared->now_ns / 1e9;

	switch ((int)r->shared->state) {
	case SHARED_FINISHED:
		return EXIT_PASS;
	case SHARED_STOPPED:
		log_warn("%s: %s", name, r->shared->message);
		return EXIT_USAGE;
	case SHARED_FAILED:
		log_warn("%s", r->shared->message);
		return EXIT_LAB;
	default:
		break;
	}
	if (r->interrupted) {
		log_warn("interrupted at t = %.3f s", t_s);
		return EXIT_LAB;
	}
	if (!r->shared->loaded && !r->stopped) {
		log_warn("%s: ended before the simulation was loaded into it", name);
		say_last_words(r);
		return EXIT_USAGE;
	}
	add_exit(r);
	if (r->stopped)
		log_warn("%s: ended at t = %.3f s: %s", name, t_s, r->stopped);
	else if (WIFSIGNALED(r->status))
		log_warn("%s: crashed at t = %.3f s: %s (signal %d)", name, t_s,
			 strsignal(WTERMSIG(r->status)), WTERMSIG(r->status));
	else
		log_warn("%s: left the simulation at t = %.3f s with status %d", name, t_s,
			 WEXITSTATUS(r->status));
	say_last_words(r);
	return EXIT_USAGE;
}

/* The program's arguments as JSON; to be freed. */
static char *program_json(char **program)
{
	json_t *arguments = json_array();
	char *text;

	for (; *program; program++)
		json_array_append_new(arguments, text_json(*program));
	text = json_dumps(arguments, JSON_COMPACT);
	json_decref(arguments);
	return text;
}

static int run_on_socket(struct run *r)
{
	struct host_config config = {
		.play = r->config,
		.charge = r->charge,
		.patience_s = r->patience_s,
		.all_calls = r->all_calls,
		.verbose = r->verbose,
		.program = r->program,
		.path = r->path,
	};
	char error[PROGRAM_ERROR_MAX];
	char *json = program_json(r->program);
	int status;

	if (program_check(r->program[0], r->path, error))
		die(EXIT_USAGE, "%s", error);
	config.play.program = json;
	status = host_run(&config);
	free(json);
	return status;
}

int main(int argc, char **argv)
{
	struct run r = {.shared_fd = -1};
	int status;

	log_init("sim", false);
	read_options(&r, argc, argv);
	if (!r.program)
		return play_alone(&r);
	if (r.socket)
		return run_on_socket(&r);
	share(&r);
	check(&r);
	set_environment(&r);
	start_program(&r);
	watch_program(&r);
	status = report(&r);
	nftw(r.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return status;
}
