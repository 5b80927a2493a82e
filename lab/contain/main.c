/* SPDX-License-Identifier: MIT */
/* Outside of a sandbox: makes it, passes signals in, and gives the command's status as its own. */
#include "contain.h"

#include "log.h"
#include "units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 4096
#define KEPT_MAX  8

/* What a sandbox may take where nobody says otherwise. */
#define RUN_LIMITS                                                                                 \
	{                                                                                          \
		.memory_mib = 512, .processes = 128, .file_mib = 64, .disk_mib = 64,               \
		.output_mib = 64                                                                   \
	}
#define BUILD_LIMITS                                                                               \
	{                                                                                          \
		.time_s = 300, .memory_mib = 2048, .processes = 256, .file_mib = 256,              \
		.disk_mib = 512, .output_mib = 16                                                  \
	}

static const char usage[] =
	"usage: contain build --copy DIR --built DIR [options] -- COMMAND ARGS...\n"
	"       contain run --copy DIR [options] -- PROGRAM ARGS...\n"
	"       contain check\n"
	"Builds or runs a stranger's program in bubblewrap; contain(1).\n"
	"  --copy DIR         the submission: all of the disk it sees beside the system\n"
	"  --built DIR        an empty folder that gets the submission as the build left it\n"
	"  --folder DIR       where in the submission the command begins\n"
	"  --libvirt DIR      the folder of libvirt's sockets, the only way out\n"
	"  --preload LIBRARY  a library that the program is started with\n"
	"  --link LIBRARY     what a build links with in the place of libvirt.so\n"
	"  --setenv NAME=VALUE\n"
	"  --keep FD          a descriptor that the program inherits\n"
	"  --report FD        gets a line if contain ended the command\n"
	"  --time S --memory MIB --processes N --file MIB --disk MIB --output MIB\n"
	"  --help, --version\n";

struct contain {
	struct contain_job job;
	struct contain_binds binds;
	const char *built;
	char *args[WORDS_MAX], *env[WORDS_MAX];
	int keep[KEPT_MAX], nkeep, report;
	int control, built_fd, signals;
	pid_t bwrap;
	char copy[PATH_MAX];
};

/* --- options --- */

static long number_of(const char *option, const char *text, long most)
{
	long number;

	if (parse_integer(text, 1, most, &number))
		die(EXIT_USAGE, "--%s %s: should be a whole number from 1 to %ld", option, text,
		    most);
	return number;
}

static void add_env(struct contain *c, const char *text)
{
	if (c->job.nenv == WORDS_MAX || !strchr(text, '='))
		die(EXIT_USAGE, "--setenv %s: should be NAME=VALUE", text);
	c->env[c->job.nenv++] = (char *)text;
}

static void keep(struct contain *c, int fd)
{
	if (c->nkeep == KEPT_MAX)
		die(EXIT_USAGE, "--keep %d: at most %d descriptors are kept", fd, KEPT_MAX);
	c->keep[c->nkeep++] = fd;
}

enum which {
	COPY = 256,
	BUILT,
	FOLDER,
	LIBVIRT,
	PRELOAD,
	LINK,
	SETENV,
	KEEP,
	REPORT,
	TIME,
	MEMORY,
	PROCESSES,
	SIZE_OF_FILE,
	DISK,
	OUTPUT,
	HELP,
	VERSION,
};

static void read_limit(struct contain *c, int option, const char *name, const char *text)
{
	struct contain_limits *l = &c->job.limits;

	switch (option) {
	case TIME:
		l->time_s = number_of(name, text, 1000000);
		break;
	case MEMORY:
		l->memory_mib = number_of(name, text, 1L << 30);
		break;
	case PROCESSES:
		l->processes = number_of(name, text, 1 << 20);
		break;
	case SIZE_OF_FILE:
		l->file_mib = number_of(name, text, 1L << 30);
		break;
	case DISK:
		l->disk_mib = number_of(name, text, 1L << 30);
		break;
	default:
		l->output_mib = number_of(name, text, 1L << 30);
	}
}

/* What is shown inside is opened outside, where its path may be closed to others. */
static int open_to_bind(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die(EXIT_LAB, "%s: %s", path, strerror(errno));
	return fd;
}

static void read_option(struct contain *c, int option, const char *name, const char *text)
{
	switch (option) {
	case COPY:
		c->binds.copy = text;
		break;
	case BUILT:
		c->built = text;
		break;
	case FOLDER:
		if (snprintf(c->job.folder, sizeof(c->job.folder), CONTAIN_SUBMISSION "/%s",
			     text) >= (int)sizeof(c->job.folder))
			die(EXIT_USAGE, "--folder: too long a path");
		break;
	case LIBVIRT:
		c->binds.libvirt = text;
		break;
	case PRELOAD:
		c->binds.preload_fd = open_to_bind(text);
		add_env(c, "LD_PRELOAD=" CONTAIN_PRELOAD);
		break;
	case LINK:
		c->binds.link_fd = open_to_bind(text);
		add_env(c, "COMPILER_PATH=" CONTAIN_LINK);
		break;
	case SETENV:
		add_env(c, text);
		break;
	case KEEP:
		keep(c, (int)number_of(name, text, INT_MAX));
		break;
	case REPORT:
		c->report = (int)number_of(name, text, INT_MAX);
		break;
	case HELP:
		fputs(usage, stdout);
		exit(EXIT_PASS);
	case VERSION:
		puts("contain " BALLAST_VERSION);
		exit(EXIT_PASS);
	case '?':
		exit(EXIT_USAGE); /* getopt has said what is wrong */
	default:
		read_limit(c, option, name, text);
	}
}

static void read_options(struct contain *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"copy", required_argument, NULL, COPY},
		{"built", required_argument, NULL, BUILT},
		{"folder", required_argument, NULL, FOLDER},
		{"libvirt", required_argument, NULL, LIBVIRT},
		{"preload", required_argument, NULL, PRELOAD},
		{"link", required_argument, NULL, LINK},
		{"setenv", required_argument, NULL, SETENV},
		{"keep", required_argument, NULL, KEEP},
		{"report", required_argument, NULL, REPORT},
		{"time", required_argument, NULL, TIME},
		{"memory", required_argument, NULL, MEMORY},
		{"processes", required_argument, NULL, PROCESSES},
		{"file", required_argument, NULL, SIZE_OF_FILE},
		{"disk", required_argument, NULL, DISK},
		{"output", required_argument, NULL, OUTPUT},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{NULL, 0, NULL, 0},
	};
	int option, which = 0;

	while ((option = getopt_long(argc, argv, "+", options, &which)) != -1)
		read_option(c, option, options[which].name, optarg);
	for (; optind < argc && c->job.nargs < WORDS_MAX; optind++)
		c->args[c->job.nargs++] = argv[optind];
}

/* --- the command, as the sandbox has it --- */

static void use_copy(struct contain *c)
{
	if (!c->binds.copy || !realpath(c->binds.copy, c->copy))
		die(EXIT_USAGE, "--copy %s: %s", c->binds.copy ? c->binds.copy : "",
		    c->binds.copy ? strerror(errno) : "which folder holds the submission?");
	c->binds.copy = c->copy;
}

/* A program of the copy is at another place inside; what lies outside of it is not there at all. */
static void use_program(struct contain *c)
{
	static char inside[PATH_MAX + sizeof(CONTAIN_SUBMISSION)];
	char path[PATH_MAX];
	size_t len = strlen(c->copy);
	struct stat st;

	if (!realpath(c->args[0], path))
		die(EXIT_USAGE, "%s: %s", c->args[0], strerror(errno));
	if (strncmp(path, c->copy, len) || path[len] != '/')
		die(EXIT_USAGE, "%s: is not in the submission, %s", c->args[0], c->copy);
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		die(EXIT_USAGE, "%s: is no regular file", c->args[0]);
	snprintf(inside, sizeof(inside), CONTAIN_SUBMISSION "%s", path + len);
	c->args[0] = inside;
}

static void use_environment(struct contain *c)
{
	static const char *const always[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
		"HOME=" CONTAIN_HOME,
		"USER=student",
		"LOGNAME=student",
		"TMPDIR=/tmp",
		"LC_ALL=C.UTF-8",
		"RUNTIME_DIRECTORY=" CONTAIN_STATE,
		/* An unprivileged client would look for a libvirtd of its own. */
		"LIBVIRT_DEFAULT_URI=qemu:///system",
	};

	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		add_env(c, always[i]);
}

/* This program's content goes in; the tree it lies in must not be seen. */
static void use_self(struct contain *c)
{
	static const char here[] = "/lab/contain/build/contain";
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *end;

	c->binds.own_fd = open("/proc/self/exe", O_RDONLY);
	if (n < 0 || c->binds.own_fd < 0)
		die(EXIT_LAB, "/proc/self/exe: %s", strerror(errno));
	path[n] = '\0';
	end = strstr(path, here);
	if (end && !end[sizeof(here) - 1]) {
		*end = '\0';
		c->binds.tree = path;
	}
}

/* --- before bubblewrap: who we are --- */

/*
 * Root leaves folders that only root may enter: in a mount namespace of its own, the ones that are
 * shown are mounted where everybody gets to. Then root is gone for good.
 */
static int mount_at(const char **path, const char *at)
{
	if (!*path)
		return 0;
	if (mkdir(at, 0755) || mount(*path, at, NULL, MS_BIND, NULL))
		return -1;
	*path = at;
	return 0;
}

static int bring_near(struct contain_binds *b)
{
	char copy[64], libvirt[64];
	const char *fd_copy = NULL, *fd_libvirt = NULL;

	/* Root of a container may not: then everybody must get to what is shown. */
	if (unshare(CLONE_NEWNS))
		return 0;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	if (b->copy) {
		snprintf(copy, sizeof(copy), "/proc/self/fd/%d", open(b->copy, O_PATH | O_CLOEXEC));
		fd_copy = copy;
	}
	if (b->libvirt) {
		snprintf(libvirt, sizeof(libvirt), "/proc/self/fd/%d",
			 open(b->libvirt, O_PATH | O_CLOEXEC));
		fd_libvirt = libvirt;
	}
	if (mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k") ||
	    mount_at(&fd_copy, "/tmp/copy") || mount_at(&fd_libvirt, "/tmp/libvirt"))
		return -1;
	b->copy = fd_copy;
	b->libvirt = fd_libvirt;
	return 0;
}

static int drop_root(void)
{
	return setgroups(0, NULL) || setresgid(CONTAIN_UID, CONTAIN_UID, CONTAIN_UID) ||
			       setresuid(CONTAIN_UID, CONTAIN_UID, CONTAIN_UID)
		       ? -1
		       : 0;
}

static bool is_kept(const struct contain *c, int fd, int control)
{
	if (fd <= STDERR_FILENO || fd == control || fd == c->built_fd || fd == c->binds.own_fd ||
	    fd == c->binds.preload_fd || fd == c->binds.link_fd)
		return true;
	for (int i = 0; i < c->nkeep; i++) {
		if (c->keep[i] == fd)
			return true;
	}
	return false;
}

/* Nothing that a caller forgot goes in. */
static void close_others(const struct contain *c, int control)
{
	DIR *folder = opendir("/proc/self/fd");
	int others[1024], n = 0;
	struct dirent *entry;

	while (folder && n < 1024 && (entry = readdir(folder))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && !is_kept(c, fd, control))
			others[n++] = fd;
	}
	while (n)
		close(others[--n]);
	if (folder)
		closedir(folder);
}

/* In the child. */
__attribute__((noreturn)) static void become_bwrap(struct contain *c, int control)
{
	static char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
	char control_text[16], built_text[16], **arguments;
	sigset_t none;
	size_t n = 0;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	close_others(c, control);
	if (geteuid() == 0 && (bring_near(&c->binds) || drop_root()))
		die(EXIT_LAB, "root cannot be left behind: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	arguments = contain_arguments(&c->binds);
	if (!arguments)
		die(EXIT_LAB, "out of memory");
	snprintf(control_text, sizeof(control_text), "%d", control);
	snprintf(built_text, sizeof(built_text), "%d", c->built_fd);
	while (arguments[n])
		n++;
	arguments = realloc(arguments, (n + 5) * sizeof(*arguments));
	if (!arguments)
		die(EXIT_LAB, "out of memory");
	arguments[n++] = "/run/ballast/first";
	arguments[n++] = "first";
	arguments[n++] = control_text;
	arguments[n++] = built_text;
	arguments[n] = NULL;
	execve("/usr/bin/bwrap", arguments, environment);
	die(EXIT_LAB, "/usr/bin/bwrap: %s; lab/ballast setup --packages installs it",
	    strerror(errno));
}

/* --- the sandbox --- */

static void catch_signals(struct contain *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void send_word(int control, const char *word)
{
	if (send(control, word, strlen(word), MSG_NOSIGNAL) < 0 && errno == EMSGSIZE)
		die(EXIT_USAGE, "too long an argument");
}

/* Before anybody reads: what does not fit waits there. */
static void give_job(struct contain *c)
{
	send(c->control, &c->job, sizeof(c->job), MSG_NOSIGNAL);
	for (size_t i = 0; i < c->job.nargs; i++)
		send_word(c->control, c->args[i]);
	for (size_t i = 0; i < c->job.nenv; i++)
		send_word(c->control, c->env[i]);
}

static void begin(struct contain *c)
{
	int ends[2];

	catch_signals(c);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		die(EXIT_LAB, "socket pair: %s", strerror(errno));
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	c->control = ends[0];
	c->bwrap = fork();
	if (c->bwrap < 0)
		die(EXIT_LAB, "fork: %s", strerror(errno));
	if (c->bwrap == 0)
		become_bwrap(c, ends[1]);
	close(ends[1]);
	give_job(c);
}

static void pass_signal(struct contain *c)
{
	struct signalfd_siginfo info;

	while (read(c->signals, &info, sizeof(info)) == sizeof(info)) {
		int signal = (int)info.ssi_signo;

		send(c->control, &signal, sizeof(signal), MSG_NOSIGNAL);
	}
}

/* Until all of it is gone. False: it never was. */
static bool wait_for_end(struct contain *c, struct contain_result *result)
{
	bool told = false;

	for (;;) {
		struct pollfd fds[] = {{.fd = c->control, .events = POLLIN},
				       {.fd = c->signals, .events = POLLIN}};
		ssize_t n;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			pass_signal(c);
		if (!fds[0].revents)
			continue;
		n = recv(c->control, result, sizeof(*result), 0);
		told |= n == sizeof(*result);
		if (n <= 0)
			break;
	}
	while (waitpid(c->bwrap, NULL, 0) < 0 && errno == EINTR)
		;
	return told;
}

/* A line for whoever wants to know why. */
static void report(const struct contain *c, const struct contain_result *result)
{
	static const char *const words[] = {[CONTAIN_ENDED] = "",
					    [CONTAIN_LIMIT] = "limit",
					    [CONTAIN_MACHINE] = "machine",
					    [CONTAIN_NOT_RUN] = "not-run"};

	if (result->end == CONTAIN_ENDED)
		return;
	if (c->report >= 0)
		dprintf(c->report, "%s %s\n", words[result->end], result->reason);
	else
		log_warn("%s", result->reason);
}

/* Ends as the command did. */
__attribute__((noreturn)) static void end_as(int status)
{
	const struct rlimit none = {0, 0};
	sigset_t set;

	if (WIFSIGNALED(status)) {
		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(status), SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, WTERMSIG(status));
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		kill(getpid(), WTERMSIG(status));
	}
	exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void play(struct contain *c)
{
	struct contain_result result = {
		.end = CONTAIN_NOT_RUN,
		.reason = "bubblewrap made no sandbox; contain check says why"};

	begin(c);
	if (!wait_for_end(c, &result)) {
		report(c, &result);
		exit(EXIT_LAB);
	}
	report(c, &result);
	if (result.end == CONTAIN_NOT_RUN)
		exit(EXIT_LAB);
	if (result.end == CONTAIN_LIMIT && result.wait_status == 0)
		exit(EXIT_FAIL);
	/* Who reads a build's log wants to know; who runs a program takes its status. */
	if (c->job.builds && WIFSIGNALED(result.wait_status)) {
		if (result.end == CONTAIN_ENDED)
			log_warn("%s was ended by signal %d (%s)", c->args[0],
				 WTERMSIG(result.wait_status),
				 strsignal(WTERMSIG(result.wait_status)));
		exit(128 + WTERMSIG(result.wait_status));
	}
	end_as(result.wait_status);
}

/* --- whether it can work here --- */

static struct contain *new_contain(struct contain_limits limits)
{
	struct contain *c = calloc(1, sizeof(*c));

	if (!c)
		die(EXIT_LAB, "out of memory");
	c->job.limits = limits;
	c->binds.preload_fd = c->binds.own_fd = c->binds.link_fd = -1;
	c->report = c->built_fd = -1;
	strcpy(c->job.folder, CONTAIN_HOME);
	return c;
}

static bool file_says(const char *path, char what)
{
	char text[8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool says = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && text[0] == what;

	if (fd >= 0)
		close(fd);
	return says;
}

/* bubblewrap itself has said what the kernel refused. */
static const char *cure(void)
{
	if (access("/usr/bin/bwrap", X_OK))
		return "bubblewrap is not installed: lab/ballast setup --packages";
	if (file_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1'))
		return "AppArmor forbids user namespaces, as on Ubuntu 24.04: allow them to bwrap "
		       "by a "
		       "profile (package apparmor-profiles, bwrap-userns-restrict), or to all by "
		       "sysctl kernel.apparmor_restrict_unprivileged_userns=0";
	if (file_says("/proc/sys/kernel/unprivileged_userns_clone", '0'))
		return "this kernel forbids user namespaces: sysctl "
		       "kernel.unprivileged_userns_clone=1";
	if (file_says("/proc/sys/user/max_user_namespaces", '0'))
		return "this kernel forbids user namespaces: sysctl user.max_user_namespaces=10000";
	return "bubblewrap 0.8 or newer and user namespaces are needed; a container often forbids "
	       "them to what runs in it: use a machine, or give the container that right";
}

static int check(void)
{
	struct contain *c = new_contain((struct contain_limits)RUN_LIMITS);
	struct contain_result result;
	bool works;

	c->args[c->job.nargs++] = "/bin/true";
	c->binds.disk_mib = 1;
	use_environment(c);
	use_self(c);
	begin(c);
	works = wait_for_end(c, &result) && result.end == CONTAIN_ENDED && result.wait_status == 0;
	free(c);
	if (works)
		return EXIT_PASS;
	log_warn("no sandbox can be made: %s", cure());
	return EXIT_LAB;
}

/* --- the three words --- */

static int run(int argc, char **argv)
{
	struct contain *c = new_contain((struct contain_limits)RUN_LIMITS);

	read_options(c, argc, argv);
	if (!c->job.nargs)
		die(EXIT_USAGE, "run: which program? there is none behind --");
	use_copy(c);
	use_program(c);
	use_environment(c);
	use_self(c);
	c->binds.disk_mib = c->job.limits.disk_mib;
	play(c);
	return EXIT_LAB;
}

static int build(int argc, char **argv)
{
	struct contain *c = new_contain((struct contain_limits)BUILD_LIMITS);

	strcpy(c->job.folder, CONTAIN_SUBMISSION);
	read_options(c, argc, argv);
	if (!c->job.nargs)
		die(EXIT_USAGE, "build: which command? there is none behind --");
	if (!c->built)
		die(EXIT_USAGE, "build: --built DIR names the folder that gets what was built");
	use_copy(c);
	use_environment(c);
	use_self(c);
	c->job.builds = c->binds.builds = true;
	c->binds.disk_mib = c->job.limits.disk_mib;
	c->built_fd = open(c->built, O_RDONLY | O_DIRECTORY);
	if (c->built_fd < 0 || (geteuid() == 0 && fchown(c->built_fd, CONTAIN_UID, CONTAIN_UID)))
		die(EXIT_LAB, "%s: %s", c->built, strerror(errno));
	play(c);
	return EXIT_LAB;
}

int main(int argc, char **argv)
{
	log_init("contain", false);
	if (argc == 4 && !strcmp(argv[1], "first"))
		return contain_first(atoi(argv[2]), atoi(argv[3]));
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "build"))
		return build(argc - 1, argv + 1);
	if (argc == 2 && !strcmp(argv[1], "check"))
		return check();
	fputs(usage, stderr);
	return EXIT_USAGE;
}
