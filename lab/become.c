/* SPDX-License-Identifier: MIT */
/*
 * Runs inside a guest that was just restored from a golden one's RAM, and makes it somebody of its
 * own: clock, random numbers, host name, machine id, ssh's host keys. Static, for any guest, and
 * one program for all of it: whatever an emulated clone runs is translated anew, in each of them.
 * usage: become NAME MACHINE-ID SECONDS-SINCE-1970 NOISE
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOISE_MOST 128

static int failed;

static void complain(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	failed = 1;
}

static void write_line(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%s\n", text) < 0)
		complain(path);
	if (fd >= 0)
		close(fd);
}

static void set_clock(const char *seconds)
{
	double now_s = strtod(seconds, NULL);
	struct timespec now = {.tv_sec = (time_t)now_s};

	now.tv_nsec = (long)((now_s - (double)now.tv_sec) * 1e9);
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		complain("its clock");
}

/*
 * All clones would draw the same random numbers, keys too: what is written to /dev/urandom counts
 * only when the kernel next reseeds, up to a minute later, so it is told to do so now.
 */
static void set_random(const char *noise)
{
	struct {
		int entropy_bits;
		int size;
		char bytes[NOISE_MOST];
	} seed = {.size = (int)strnlen(noise, NOISE_MOST)};
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	/* Hexadecimal digits: four bits each. */
	seed.entropy_bits = seed.size * 4;
	memcpy(seed.bytes, noise, (size_t)seed.size);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &seed) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		complain("its random numbers");
	if (fd >= 0)
		close(fd);
	unlink("/var/lib/systemd/random-seed"); /* the golden guest's, for the next boot */
}

static void set_names(const char *name, const char *machine_id)
{
	struct stat st;

	if (sethostname(name, strlen(name)) < 0)
		complain("its host name");
	write_line("/etc/hostname", name);
	write_line("/etc/machine-id", machine_id);
	/* Usually a link to the other; old images have a file. */
	if (lstat("/var/lib/dbus/machine-id", &st) == 0 && S_ISREG(st.st_mode))
		write_line("/var/lib/dbus/machine-id", machine_id);
}

static void run(char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* A key of the same kind in place of one that is gone: TYPE of ssh_host_TYPE_key. */
static void make_host_key(char *path)
{
	char *begin = strstr(path, "ssh_host_") + strlen("ssh_host_");
	char type[32];

	snprintf(type, sizeof(type), "%.*s", (int)strcspn(begin, "_"), begin);
	run((char *[]){"ssh-keygen", "-q", "-t", type, "-N", "", "-f", path, NULL});
}

/* The golden guest's keys go at once; new ones take a while, which nobody has to wait for. */
static void set_host_keys(void)
{
	glob_t keys;

	if (glob("/etc/ssh/ssh_host_*_key", 0, NULL, &keys) != 0)
		return;
	for (size_t i = 0; i < keys.gl_pathc; i++) {
		char public[512];

		snprintf(public, sizeof(public), "%s.pub", keys.gl_pathv[i]);
		if (unlink(keys.gl_pathv[i]) < 0 || (unlink(public) < 0 && errno != ENOENT))
			complain(keys.gl_pathv[i]);
	}
	if (fork() == 0) {
		int null = open("/dev/null", O_RDWR);

		setsid();
		for (int fd = 0; fd <= 2; fd++)
			dup2(null, fd);
		for (size_t i = 0; i < keys.gl_pathc; i++)
			make_host_key(keys.gl_pathv[i]);
		run((char *[]){"systemctl", "try-restart", "ssh.service", "sshd.service", NULL});
		_exit(0);
	}
	globfree(&keys);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fputs("usage: become NAME MACHINE-ID SECONDS-SINCE-1970 NOISE\n", stderr);
		return 2;
	}
	set_clock(argv[3]);
	set_random(argv[4]);
	set_names(argv[1], argv[2]);
	set_host_keys();
	return failed;
}
