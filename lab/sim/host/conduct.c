/* SPDX-License-Identifier: MIT */
/* A run from its beginning to its end: the program is started, watched and told to stop. */
#include "host.h"

#include "beside.h"
#include "lab/contain/command.h"
#include "launch.h"
#include "log.h"
#include "output.h"
#include "reach.h"
#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define LIBRARY "build/libballast-clock.so"

/* How often the program is looked at while it computes. */
#define WATCH_MS 20

/* Settings of a program in a sandbox: launch_fixed, its clock, and the end. */
#define SANDBOX_ENV_MAX 8

/* What is killed is gone before the run is over; it takes milliseconds. */
#define GONE_MOST_S 5.0

/* A program that does not even compute is given so many times its patience by the wall clock. */
#define HANG_PATIENCE 3

/* What programs see as their process id in the trace, so that traces are the same. */
#define PROGRAM_PID 1

struct host *the_host;

static double clock_s(clockid_t clock)
{
	struct timespec ts = {0};

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double host_now_s(const struct host *h)
{
	return (double)host_now(h) / 1e9;
}

uint64_t host_now(const struct host *h)
{
	return world_now(h->play.world);
}

/* --- the end --- */

__attribute__((format(printf, 3, 0))) static void end_with(struct host *h, enum play_end how,
							   const char *format, va_list args)
{
	char text[1100];

	if (h->over)
		return;
	h->over = true;
	h->status = how == PLAY_FAILURE ? EXIT_LAB : EXIT_USAGE;
	vsnprintf(text, sizeof(text), format, args);
	output_take(&h->play, h->output[0], h->output[1], true);
	play_event(&h->play, play_end_event(how, text));
	play_cut(&h->play);
	if (how == PLAY_FAILURE)
		log_warn("%s", text);
	else if (how == PLAY_FAULT)
		log_warn("%s: ended at t = %.3f s: %s", h->config->program[0], host_now_s(h), text);
	else
		log_warn("%s: %s", h->config->program[0], text);
}

void host_stop(struct host *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(h, PLAY_FAULT, format, args);
	va_end(args);
}

void host_refuse(struct host *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(h, PLAY_REFUSAL, format, args);
	va_end(args);
}

void host_fail(struct host *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(h, PLAY_FAILURE, format, args);
	va_end(args);
}

static void check_trace(struct host *h)
{
	if (h->play.trace_errno)
		host_fail(h, "%s: %s", h->config->play.trace, strerror(h->play.trace_errno));
}

/* --- what it prints --- */

static void pass_on(struct host *h)
{
	const int to[] = {STDOUT_FILENO, STDERR_FILENO};
	char buf[65536];

	for (int i = 0; h->config->verbose && i < 2; i++) {
		ssize_t n;

		while ((n = pread(h->output[i], buf, sizeof(buf), h->passed_on[i])) > 0) {
			h->passed_on[i] += n;
			if (write(to[i], buf, (size_t)n) != n)
				return;
		}
	}
}

void host_take_output(struct host *h, bool last)
{
	if (!output_take(&h->play, h->output[0], h->output[1], last))
		host_stop(h, "it prints without end: more than %u MiB", OUTPUT_MAX >> 20);
	check_trace(h);
}

static bool prints_without_end(const struct host *h)
{
	struct stat st;

	for (int i = 0; i < 2; i++) {
		if (fstat(h->output[i], &st) == 0 && st.st_size > (off_t)OUTPUT_MAX)
			return true;
	}
	return false;
}

/* The last line it wrote to stderr, for those who did not see it. */
static void say_last_words(const struct host *h)
{
	char text[512], *line;
	off_t size = lseek(h->output[1], 0, SEEK_END);
	off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = pread(h->output[1], text, sizeof(text) - 1, from);

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (h->config->verbose || n <= 0)
		return;
	text[n] = '\0';
	line = strrchr(text, '\n');
	log_warn("the last line on its stderr: %s", line ? line + 1 : text);
}

/* --- time --- */

/* Moves the world on by a second at most, so that whoever watches sees that it moves. */
static uint64_t advance(struct host *h, uint64_t until_ns)
{
	uint64_t second = (host_now(h) / MODEL_NS_PER_S + 1) * MODEL_NS_PER_S;
	uint64_t now = play_advance(&h->play, until_ns < second ? until_ns : second);

	h->page->now_ns = now;
	return now;
}

/* The program's process group; in a sandbox it is not that of the process we started. */
static pid_t group_of(const struct host *h)
{
	return h->group > 0 ? h->group : h->pid;
}

static void note_restart(struct host *h)
{
	struct trace_event event = trace_event(TRACE_FAULT, NULL);

	event.fault.what = "libvirtd restarts";
	play_event(&h->play, event);
}

void host_advance(struct host *h, uint64_t until_ns)
{
	uint64_t end = h->asked ? h->play.length_ns + PLAY_GRACE_NS : h->play.length_ns;
	uint64_t restart = faults_next_restart(&h->play.faults, host_now(h));
	unsigned int restarts = faults_restarts(&h->play.faults, host_now(h));
	uint64_t now;

	host_take_output(h, false);
	if (restart < end)
		end = restart;
	now = advance(h, until_ns < end ? until_ns : end);
	if (faults_restarts(&h->play.faults, now) != restarts) {
		note_restart(h);
		daemon_restart(h);
		h->changes++;
	}
	if (now >= h->play.length_ns && !h->asked) {
		h->asked = true;
		kill(-group_of(h), SIGTERM);
		h->changes++;
	} else if (now >= h->play.length_ns + PLAY_GRACE_NS) {
		kill(-group_of(h), SIGKILL);
		turns_end(h);
	}
}

void host_pace(struct host *h, const char *why)
{
	if (h->paced)
		return;
	h->paced = h->loaded = true;
	h->paced_s = clock_s(CLOCK_MONOTONIC);
	h->paced_ns = host_now(h);
	if (why)
		log_warn("%s: time goes as the machine's from t = %.3f s on", why, host_now_s(h));
}

/* --- the program's end --- */

/* Signals by which a program ends itself or is ended; others are crashes. */
static bool is_crash(const struct host *h, int wait_status)
{
	return WIFSIGNALED(wait_status) && !h->asked && WTERMSIG(wait_status) != SIGALRM &&
	       WTERMSIG(wait_status) != SIGTERM;
}

static void report_crash(struct host *h, int wait_status)
{
	const char *name = h->config->program[0];
	int signal = WTERMSIG(wait_status);

	h->over = true;
	h->status = EXIT_USAGE;
	play_cut(&h->play);
	log_warn("%s: crashed at t = %.3f s: %s (signal %d)", name, host_now_s(h),
		 strsignal(signal), signal);
	say_last_words(h);
}

/* What a sandbox says for itself. True: it ended the program, and so the run. */
static bool sandbox_ended(struct host *h)
{
	char reason[CONTAIN_REASON_MAX];

	switch (contain_report(h->report, reason)) {
	case CONTAIN_ENDED:
		return false;
	case CONTAIN_LIMIT:
		host_stop(h, "%s", reason);
		return true;
	case CONTAIN_MACHINE:
		host_refuse(h, "%s", reason);
		return true;
	default:
		host_fail(h, "the sandbox: %s", reason);
		return true;
	}
}

static void on_program_end(struct host *h, int wait_status)
{
	h->program_ended = true;
	if (sandbox_ended(h))
		return;
	if (!h->loaded) {
		h->over = true;
		h->status = EXIT_USAGE;
		play_cut(&h->play);
		log_warn("%s: ended before the simulation was loaded into it",
			 h->config->program[0]);
		say_last_words(h);
		return;
	}
	host_take_output(h, true);
	play_event(&h->play, trace_exit(wait_status, h->asked));
	if (is_crash(h, wait_status)) {
		report_crash(h, wait_status);
		return;
	}
	h->play.program_runs = false;
	h->play.on_event = NULL;
	h->over = true;
	play_finish(&h->play);
	if (h->play.trace_errno) {
		h->status = EXIT_LAB;
		log_warn("%s: %s", h->config->play.trace, strerror(h->play.trace_errno));
	}
}

static void reap(struct host *h)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != h->pid || h->over)
			continue;
		if (h->paced) /* up to now */
			turns_follow_clock(h, UINT64_MAX);
		on_program_end(h, status);
	}
}

/* --- the watch --- */

/* Signs of life of whoever has the turn, and when the last one of each kind was seen. */
struct watch {
	uint64_t events;
	double cpu_s, cpu_at_event_s, alive_s;
};

static double cpu_s(const struct host *h)
{
	clockid_t clock;

	if (!h->turn || clock_getcpuclockid(h->turn->pid, &clock))
		return 0;
	return clock_s(clock);
}

/* By a signal such as SIGSTOP. */
static bool is_stopped(const struct host *h)
{
	char path[64], text[512], *state;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", h->turn ? (int)h->turn->pid : 0);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	state = strrchr(text, ')'); /* the name may hold anything */
	return state && state[1] && (state[2] == 'T' || state[2] == 't');
}

static void look(struct host *h, struct watch *w)
{
	double now_s = clock_s(CLOCK_MONOTONIC), used_s = cpu_s(h);

	if (h->events != w->events)
		*w = (struct watch){h->events, used_s, used_s, now_s};
	if (used_s - w->cpu_s > 0.001) {
		w->cpu_s = used_s;
		w->alive_s = now_s;
	}
	if (h->paced) /* it may wait for what it likes */
		w->alive_s = now_s;
	if (prints_without_end(h))
		host_stop(h, "it prints without end");
	else if (used_s - w->cpu_at_event_s > h->config->patience_s)
		host_stop(h,
			  "it computes without end and never waits: its clock stands still while "
			  "it runs (--patience says for how long it may)");
	else if (now_s - w->alive_s > HANG_PATIENCE * h->config->patience_s && is_stopped(h))
		host_stop(h, "it stopped itself, and nobody is there to continue it");
	else if (now_s - w->alive_s > HANG_PATIENCE * h->config->patience_s)
		host_refuse(h, "ended at t = %.3f s: it hangs in something that is not simulated",
			    host_now_s(h));
}

static void on_signals(struct host *h)
{
	struct signalfd_siginfo info;

	while (read(h->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD && !h->over) {
			h->over = true;
			h->status = EXIT_LAB;
			play_cut(&h->play);
			log_warn("interrupted at t = %.3f s", host_now_s(h));
		}
	}
}

static void play_program(struct host *h)
{
	struct watch w = {.alive_s = clock_s(CLOCK_MONOTONIC)};

	while (!h->over) {
		turns_settle(h);
		if (h->over)
			break;
		if (turns_listen(h, turns_patience_ms(h, WATCH_MS))) {
			if (h->turn)
				continue;
		} else {
			pass_on(h);
			look(h, &w);
		}
		on_signals(h);
		reap(h);
	}
}

/* --- the beginning --- */

static int memory_file(struct host *h, const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		host_fail(h, "%s: %s", name, strerror(errno));
	return fd;
}

static void make_output(struct host *h)
{
	static const char *const names[] = {"stdout", "stderr"};
	struct stat st;

	for (int i = 0; i < 2; i++) {
		h->output[i] = memory_file(h, names[i]);
		fcntl(h->output[i], F_SETFL, O_APPEND);
	}
	if (fstat(h->output[0], &st) == 0) {
		h->page->output_device = st.st_dev;
		h->page->output_inode = st.st_ino;
	}
}

/* A page that we write and they read. */
static int make_page(struct host *h)
{
	char path[64];
	int fd = memory_file(h, "ballast-sim-page");

	if (fd < 0 || ftruncate(fd, sizeof(*h->page)))
		return -1;
	h->page = mmap(NULL, sizeof(*h->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h->page == MAP_FAILED)
		return -1;
	/* Its descriptor is a program's to open again: for reading, as long as we write. */
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	h->page_fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	h->page->seed = h->config->play.seed;
	h->page->charge = h->config->charge;
	if (snprintf(h->page->folder, sizeof(h->page->folder), "%s/libvirt",
		     h->config->copy ? "/run" : h->folder) >= (int)sizeof(h->page->folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return h->page_fd < 0 ? -1 : 0;
}

/* The library lies beside us, wherever that is. */
static int find_library(char path[PATH_MAX])
{
	return beside_program(path, LIBRARY) ? -1 : access(path, R_OK);
}

/* Spaces and colons part the names in LD_PRELOAD: the library goes by a link without. */
static int set_preload(struct host *h)
{
	const char *other = getenv("LD_PRELOAD");
	char library[PATH_MAX], link[PATH_MAX + 16], value[3 * PATH_MAX];

	if (find_library(library)) {
		host_fail(h, "%s: %s; run make", library, strerror(errno));
		return -1;
	}
	snprintf(link, sizeof(link), "%s/clock.so", h->folder);
	if (strpbrk(link, " :") || symlink(library, link)) {
		host_fail(h,
			  "%s cannot be preloaded: TMPDIR must be a path without spaces and colons",
			  library);
		return -1;
	}
	snprintf(value, sizeof(value), "%s%s%s", link, other && *other ? ":" : "",
		 other ? other : "");
	return setenv("LD_PRELOAD", value, 1);
}

static int set_environment(struct host *h, int fd)
{
	char number[16], asan[1024];
	const char *options = getenv("ASAN_OPTIONS");

	launch_environment(h->folder);
	if (h->config->closed) /* nor into what it starts */
		return 0;
	snprintf(number, sizeof(number), "%d", fd);
	setenv(CONTROL_ENV, number, 1);
	/* Its runtime need not come before ours. */
	snprintf(asan, sizeof(asan), "%s%sverify_asan_link_order=0", options ? options : "",
		 options && *options ? ":" : "");
	setenv("ASAN_OPTIONS", asan, 1);
	return set_preload(h);
}

/* The sandbox's command in the program's place. */
static int set_sandbox(struct host *h, int fd, const char **path, char ***arguments)
{
	char library[PATH_MAX], sockets[PATH_MAX + 16], control[32];
	const char *env[SANDBOX_ENV_MAX] = {control};

	if (find_library(library)) {
		host_fail(h, "%s: %s; run make", library, strerror(errno));
		return -1;
	}
	snprintf(sockets, sizeof(sockets), "%s/libvirt", h->folder);
	snprintf(control, sizeof(control), CONTROL_ENV "=%d", fd);
	for (int i = 0; launch_fixed[i]; i++)
		env[1 + i] = launch_fixed[i];
	h->report = contain_open_report();
	*arguments = contain_command(&(struct contain_command){
		.copy = h->config->copy,
		.libvirt = sockets,
		.preload = library,
		.keep = fd,
		.report = h->report,
		.env = env,
		.limit_s = h->config->limit_s,
		.path = h->config->path,
		.argv = h->config->program,
	});
	if (!*arguments) {
		host_fail(h, "lab/contain: %s; run make", strerror(errno));
		return -1;
	}
	*path = (*arguments)[0];
	return 0;
}

static int start_program(struct host *h)
{
	const char *path = h->config->path;
	char **arguments = h->config->program;
	sigset_t set;
	int fd = turns_begin(h), moved, guard[2];

	moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD, control_fd_first());
	if (moved < 0) {
		host_fail(h, "socket pair: %s", strerror(errno));
		return -1;
	}
	close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (h->config->copy ? set_sandbox(h, moved, &path, &arguments) : set_environment(h, moved))
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, guard)) {
		host_fail(h, "socket pair: %s", strerror(errno));
		return -1;
	}
	h->pid = fork();
	if (h->pid == 0) {
		close(guard[0]);
		/* In the sandbox there is nothing to reach. */
		if (!h->config->copy)
			reach_hand_over(guard[1]);
		launch_program(path, arguments, h->output[0], h->output[1]);
		dprintf(STDERR_FILENO, "cannot be run: %s\n", strerror(errno));
		_exit(EXIT_USAGE);
	}
	close(moved);
	if (h->pid < 0) {
		host_fail(h, "fork: %s", strerror(errno));
		return -1;
	}
	setpgid(h->pid, h->pid);
	close(guard[1]);
	if (!h->config->copy && (h->reach = reach_take_over(guard[0])) < 0)
		host_fail(h, "the program's connections cannot be guarded: seccomp(2) is not "
			     "allowed here");
	close(guard[0]);
	if (h->config->closed)
		host_pace(h, h->config->closed);
	else if (h->config->pace == PACE_REAL)
		host_pace(h, NULL);
	return h->over ? -1 : 0;
}

static int make_folder(struct host *h)
{
	const char *temporary = getenv("TMPDIR");

	snprintf(h->folder, sizeof(h->folder), "%.4000s/ballast-sim.XXXXXX",
		 temporary ? temporary : "/tmp");
	if (mkdtemp(h->folder))
		return 0;
	host_fail(h, "%s: %s", h->folder, strerror(errno));
	return -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int begin(struct host *h)
{
	char error[PLAY_ERROR_MAX];

	if (play_open(&h->play, &h->config->play, error, &h->status)) {
		log_warn("%s", error);
		h->over = true;
		return -1;
	}
	h->play.program_runs = true;
	h->status = EXIT_PASS;
	if (make_folder(h))
		return -1;
	if (make_page(h)) {
		host_fail(h, "shared memory: %s", strerror(errno));
		return -1;
	}
	make_output(h);
	if (daemon_begin(h))
		return -1;
	seam_begin(h);
	play_event(&h->play, (struct trace_event){.kind = TRACE_PROGRAM_START,
						  .program_start = {PROGRAM_PID}});
	return start_program(h);
}

/* A sandbox ends with the process that made it, a moment later. */
static void end_program(struct host *h)
{
	double end_s = clock_s(CLOCK_MONOTONIC) + GONE_MOST_S;
	struct pollfd child = {.fd = h->signals, .events = POLLIN};

	if (h->config->copy && h->program_ended)
		return; /* with all of it */
	kill(-h->pid, SIGKILL);
	kill(-group_of(h), SIGKILL);
	while (h->config->copy && clock_s(CLOCK_MONOTONIC) < end_s) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			break;
		if (pid == 0)
			poll(&child, 1, 10);
	}
}

int host_run(const struct host_config *config)
{
	static struct host host;

	host = (struct host){.config = config,
			     .page_fd = -1,
			     .reach = -1,
			     .signals = -1,
			     .report = -1,
			     .output = {-1, -1},
			     .listening = {-1, -1}};
	the_host = &host;
	if (begin(&host) == 0)
		play_program(&host);
	if (host.pid > 0)
		end_program(&host);
	turns_end(&host);
	pass_on(&host);
	daemon_end(&host);
	play_free(&host.play);
	if (*host.folder)
		nftw(host.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return host.status;
}
