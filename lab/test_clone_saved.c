/* SPDX-License-Identifier: MIT */
/* libvirt's save files, made up and damaged in every way, through the clone tool's reader and
 * feeder. */
#include "clone_feed.h"
#include "clone_golden.h"
#include "clone_saved.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define XML                                                                                        \
	"<domain type='qemu'>\n  <name>golden</name>\n  "                                          \
	"<uuid>11111111-2222-3333-4444-555555555555</uuid>\n"                                      \
	"  <metadata>\n    <ballast:guest xmlns:ballast=\"urn:ballast:lab:1\" "                    \
	"image=\"micro\"/>\n  </metadata>\n"                                                       \
	"  <currentMemory unit='KiB'>524288</currentMemory>\n</domain>\n"
#define COOKIE	    "<cookie>\n  <slirpHelper/>\n</cookie>\n"
#define DATA_LEN    2048
#define STREAM_SIZE 200000
#define FILE_SIZE   (SAVED_HEADER_SIZE + DATA_LEN + STREAM_SIZE)

enum { VERSION, DATA, RUNNING, COMPRESSED, COOKIE_AT, UNUSED };

static void put_word(unsigned char *file, int word, uint32_t value)
{
	value = htole32(value);
	memcpy(file + 16 + 4 * word, &value, 4);
}

/* A save file as libvirt 9 writes them. */
static unsigned char *make_file(void)
{
	unsigned char *file = calloc(1, FILE_SIZE);
	unsigned char *data = file + SAVED_HEADER_SIZE, *stream = data + DATA_LEN;

	assert_non_null(file);
	memcpy(file, "LibvirtQemudSave", 16);
	put_word(file, VERSION, 2);
	put_word(file, DATA, DATA_LEN);
	put_word(file, RUNNING, 1);
	put_word(file, COOKIE_AT, sizeof(XML));
	memcpy(data, XML, sizeof(XML));
	memcpy(data + sizeof(XML), COOKIE, sizeof(COOKIE));
	memcpy(stream, "QEVM\0\0\0\3", 8);
	for (size_t i = 8; i < STREAM_SIZE; i++)
		stream[i] = (unsigned char)(i * 2654435761U >> 24);
	return file;
}

static void test_good(void **state)
{
	unsigned char *file = make_file();
	char error[SAVED_ERROR_MAX] = "";
	struct saved s;

	(void)state;
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), 0);
	assert_string_equal(s.xml, XML);
	assert_string_equal(s.cookie, COOKIE);
	assert_int_equal(s.stream_at, SAVED_HEADER_SIZE + DATA_LEN);
	saved_close(&s);
	put_word(file, COOKIE_AT, 0);
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), 0);
	assert_null(s.cookie);
	saved_close(&s);
	free(file);
}

/* One word of the header changed, and what the refusal must speak of. */
static const struct {
	int word;
	uint32_t value;
	const char *says;
} refused[] = {
	{VERSION, 1, "version 1"},
	{VERSION, 3, "version 3"},
	{VERSION, 0x02000000, "byte order"},
	{DATA, 0, "length"},
	{DATA, 1, "length"},
	{DATA, DATA_LEN - 1, "no QEMU stream"},
	{DATA, DATA_LEN + 1, "no QEMU stream"},
	{DATA, FILE_SIZE, "length"},
	{DATA, 0x7fffffff, "length"},
	{DATA, 0xffffffff, "length"},
	{RUNNING, 0, "not running"},
	{RUNNING, 2, "not running"},
	{COMPRESSED, 1, "compressed"},
	{COMPRESSED, 6, "compressed"},
	{COOKIE_AT, DATA_LEN, "cookie"},
	{COOKIE_AT, 0xffffffff, "cookie"},
	{COOKIE_AT, 1, "does not end"},
	{COOKIE_AT, sizeof(XML) - 1, "does not end"},
	{UNUSED, 1, "word 5"},
	{18, 0x80000000, "word 18"},
};

static void test_refused(void **state)
{
	char error[SAVED_ERROR_MAX];
	struct saved s;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		unsigned char *file = make_file();

		put_word(file, refused[i].word, refused[i].value);
		*error = '\0';
		assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), -1);
		if (!strstr(error, refused[i].says))
			fail_msg("word %d = %u: says '%s', not '%s'", refused[i].word,
				 refused[i].value, error, refused[i].says);
		free(file);
	}
}

static void test_not_a_save_file(void **state)
{
	unsigned char *file = make_file();
	char error[SAVED_ERROR_MAX];
	struct saved s;

	(void)state;
	memcpy(file, "LibvirtQemudPart", 16);
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), -1);
	assert_non_null(strstr(error, "cut off"));
	memcpy(file, "QFI\xfb", 4);
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), -1);
	assert_non_null(strstr(error, "not a libvirt save file"));
	free(file);
	/* XML and cookie that fill the data to its last byte have no end. */
	file = make_file();
	memset(file + SAVED_HEADER_SIZE + sizeof(XML), 'x', DATA_LEN - sizeof(XML));
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), -1);
	put_word(file, COOKIE_AT, 0);
	memset(file + SAVED_HEADER_SIZE, 'x', DATA_LEN);
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), -1);
	memset(file + SAVED_HEADER_SIZE, 0, DATA_LEN);
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), -1);
	free(file);
}

/* A copy that ends where a page does, so that reading on is a crash. */
static unsigned char *guarded(const unsigned char *bytes, size_t len, unsigned char **map,
			      size_t *map_len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (len + page - 1) / page * page;

	*map_len = used + page;
	*map = mmap(NULL, *map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(*map != MAP_FAILED);
	assert_int_equal(mprotect(*map + used, page, PROT_NONE), 0);
	memcpy(*map + used - len, bytes, len);
	return *map + used - len;
}

static void test_cut_anywhere(void **state)
{
	unsigned char *file = make_file();
	char error[SAVED_ERROR_MAX];
	struct saved s;

	(void)state;
	for (size_t len = 0; len < SAVED_HEADER_SIZE + DATA_LEN + 8; len++) {
		size_t map_len;
		unsigned char *map, *cut = guarded(file, len, &map, &map_len);

		assert_int_equal(saved_parse(&s, cut, len, len, error), -1);
		/* What a file that is only read in part looks like. */
		assert_int_equal(saved_parse(&s, cut, len, FILE_SIZE, error), -1);
		munmap(map, map_len);
	}
	free(file);
}

/* Whatever is accepted must survive being given a head of its own. */
static void check_round_trip(const struct saved *s, const unsigned char *file)
{
	char error[SAVED_ERROR_MAX];
	struct saved again;
	unsigned char *whole, *head;
	size_t len;

	head = saved_head(s, "<domain><name>x</name></domain>", &len);
	assert_non_null(head);
	assert_true(len >= s->stream_at);
	whole = malloc(len + 8);
	assert_non_null(whole);
	memcpy(whole, head, len);
	memcpy(whole + len, file + s->stream_at, 8);
	assert_int_equal(saved_parse(&again, whole, len + 8, len + 8, error), 0);
	assert_string_equal(again.xml, "<domain><name>x</name></domain>");
	if (s->cookie)
		assert_string_equal(again.cookie, s->cookie);
	else
		assert_null(again.cookie);
	saved_close(&again);
	free(whole);
	free(head);
}

/* Random damage of lengths and bytes, the seed printed. */
static void test_fuzz(void **state)
{
	const char *given = getenv("SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : 20240517;
	unsigned int accepted = 0;
	char error[SAVED_ERROR_MAX];

	(void)state;
	print_message("# seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 3000; round++) {
		unsigned char *file = make_file(), *map, *cut;
		size_t len = SAVED_HEADER_SIZE + DATA_LEN + 8, map_len;
		struct saved s;

		for (int hits = rand() % 4; hits >= 0; hits--)
			switch (rand() % 3) {
			case 0: /* a length or flag, close to a limit or anywhere */
				put_word(file, rand() % 6,
					 rand() % 2 ? (uint32_t)rand()
						    : (uint32_t)(DATA_LEN - 4 + rand() % 8));
				break;
			case 1: /* a byte somewhere in the head */
				file[(size_t)rand() % len] = (unsigned char)rand();
				break;
			case 2:
				put_word(file, COOKIE_AT, (uint32_t)rand() % DATA_LEN);
				break;
			}
		if (rand() % 4 == 0)
			len = (size_t)rand() % len;
		cut = guarded(file, len, &map, &map_len);
		if (saved_parse(&s, cut, len, FILE_SIZE, error) == 0) {
			accepted++;
			check_round_trip(&s, cut);
			saved_close(&s);
		}
		munmap(map, map_len);
		free(file);
	}
	/* Both answers were really seen. */
	assert_in_range(accepted, 100, 2900);
}

static void test_head(void **state)
{
	unsigned char *file = make_file(), *head;
	char error[SAVED_ERROR_MAX], *longer;
	struct saved s;
	size_t len;

	(void)state;
	assert_int_equal(saved_parse(&s, file, FILE_SIZE, FILE_SIZE, error), 0);
	head = saved_head(&s, XML, &len);
	/* The same XML gives the same head, byte by byte: nothing else is touched. */
	assert_int_equal(len, s.stream_at);
	assert_memory_equal(head, file, len);
	free(head);
	longer = calloc(1, 3 * DATA_LEN);
	memset(longer, 'x', 3 * DATA_LEN - 1);
	head = saved_head(&s, longer, &len);
	assert_true(len > s.stream_at);
	assert_string_equal((char *)head + SAVED_HEADER_SIZE, longer);
	assert_string_equal((char *)head + SAVED_HEADER_SIZE + 3 * DATA_LEN, COOKIE);
	free(head);
	free(longer);
	longer = calloc(1, 8U << 20);
	memset(longer, 'x', (8U << 20) - 1);
	assert_null(saved_head(&s, longer, &len));
	free(longer);
	saved_close(&s);
	free(file);
}

static void test_rename(void **state)
{
	struct saved_identity to = {
		.name = (char *)"a<b&c", .uuid = (char *)"u", .current_memory = NULL};
	struct saved_identity id;
	char error[SAVED_ERROR_MAX], *renamed;

	(void)state;
	renamed = saved_rename(XML, &to, error);
	assert_non_null(renamed);
	assert_int_equal(saved_identify(renamed, &id, error), 0);
	assert_string_equal(id.name, "a<b&c");
	assert_string_equal(id.uuid, "u");
	assert_string_equal(id.current_memory, "524288");
	assert_non_null(strstr(
		renamed, "<ballast:guest xmlns:ballast=\"urn:ballast:lab:1\" image=\"micro\"/>"));
	saved_identity_free(&id);
	free(renamed);

	assert_null(saved_rename("<domain><name>x</name></domain>", &to, error));
	assert_non_null(strstr(error, "<uuid>"));
	assert_null(saved_rename("<domain><name>x", &to, error));
	assert_null(saved_rename("<network><name>x</name><uuid/></network>", &to, error));
	assert_null(saved_rename("", &to, error));
	assert_int_equal(saved_identify("<domain><uuid>1</uuid></domain>", &id, error), -1);
}

/* --- with files --- */

struct folder {
	char path[64], ram[96], pipe[96];
	unsigned char *file;
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	FILE *out;

	signal(SIGPIPE, SIG_IGN);
	snprintf(f->path, sizeof(f->path), "/tmp/test_clone.XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	snprintf(f->ram, sizeof(f->ram), "%s/ram", f->path);
	snprintf(f->pipe, sizeof(f->pipe), "%s/incoming", f->path);
	f->file = make_file();
	out = fopen(f->ram, "w");
	if (!out || fwrite(f->file, 1, FILE_SIZE, out) != FILE_SIZE || fclose(out) != 0)
		return -1;
	*state = f;
	return 0;
}

/* The folder must be as it was: whatever the test did was cleared away. */
static int remove_folder(void **state)
{
	struct folder *f = *state;
	char digest[96];

	snprintf(digest, sizeof(digest), "%s/digest", f->path);
	unlink(digest);
	unlink(f->ram);
	free(f->file);
	if (rmdir(f->path) < 0) {
		print_error("%s: something was left\n", f->path);
		return -1;
	}
	free(f);
	return 0;
}

static void change_byte(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_golden(void **state)
{
	struct folder *f = *state;
	char error[SAVED_ERROR_MAX] = "";
	struct golden g;

	assert_int_equal(golden_open(&g, f->path, error), -1); /* not finished */
	assert_int_equal(golden_seal(f->path, error), 0);
	assert_int_equal(golden_open(&g, f->path, error), 0);
	assert_string_equal(g.identity.name, "golden");
	assert_int_equal(golden_verify(&g, error), 0);
	for (off_t at = 60; at < FILE_SIZE; at += FILE_SIZE / 7) {
		change_byte(f->ram, at);
		assert_int_equal(golden_verify(&g, error), -1);
		change_byte(f->ram, at);
	}
	assert_int_equal(golden_verify(&g, error), 0);
	golden_close(&g);
	assert_int_equal(truncate(f->ram, FILE_SIZE - 1), 0);
	assert_int_equal(golden_open(&g, f->path, error), -1);
	assert_non_null(strstr(error, "bytes"));
	assert_int_equal(truncate(f->ram, 50), 0);
	assert_int_equal(golden_seal(f->path, error), -1);
}

struct reader {
	const char *path;
	atomic_int tid;
	size_t most; /* leave after that many bytes */
	unsigned char *got;
	size_t len;
};

static void *read_pipe(void *opaque)
{
	struct reader *r = opaque;
	ssize_t n;
	int fd;

	atomic_store(&r->tid, gettid());
	fd = open(r->path, O_RDONLY);
	r->got = malloc(2 * FILE_SIZE);
	while (r->len < r->most &&
	       (n = read(fd, r->got + r->len, r->most - r->len < 4096 ? r->most - r->len : 4096)) >
		       0)
		r->len += (size_t)n;
	close(fd);
	return NULL;
}

/* Feeds a reader; how much it got is in r. */
static void feed_reader(struct folder *f, struct reader *r, bool good)
{
	char error[SAVED_ERROR_MAX];
	struct feed_gate gate;
	struct saved s;
	struct feed feed = {.saved = &s, .gate = &gate, .path = f->pipe};
	pthread_t thread;
	unsigned char *head;

	assert_int_equal(saved_open(&s, f->ram, error), 0);
	feed.head = head = saved_head(&s, XML, &feed.head_len);
	feed_gate_init(&gate);
	assert_int_equal(feed_start(&feed), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_pipe, r), 0);
	feed_gate_decide(&gate, good);
	pthread_join(thread, NULL);
	feed_stop(&feed);
	free(head);
	saved_close(&s);
}

static void test_feed(void **state)
{
	struct folder *f = *state;
	struct reader all = {.path = f->pipe, .most = 2 * FILE_SIZE};
	struct reader damaged = all, leaves = {.path = f->pipe, .most = 4096};

	feed_reader(f, &all, true);
	assert_int_equal(all.len, FILE_SIZE);
	assert_memory_equal(all.got, f->file, FILE_SIZE);
	/* The end never comes if the golden guest is damaged. */
	feed_reader(f, &damaged, false);
	assert_true(damaged.len < FILE_SIZE);
	/* A reader that goes away ends the feeding. */
	feed_reader(f, &leaves, true);
	assert_int_equal(leaves.len, 4096);
	free(all.got);
	free(damaged.got);
	free(leaves.got);
}

static void test_feed_without_reader(void **state)
{
	struct folder *f = *state;
	char error[SAVED_ERROR_MAX];
	struct feed_gate gate;
	struct saved s;
	struct feed feed = {.saved = &s, .gate = &gate, .path = f->pipe};

	assert_int_equal(saved_open(&s, f->ram, error), 0);
	feed.head = f->file;
	feed.head_len = SAVED_HEADER_SIZE + DATA_LEN;
	feed_gate_init(&gate);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(feed_start(&feed), 0);
		feed_stop(&feed);
		assert_int_equal(access(f->pipe, F_OK), -1);
	}
	saved_close(&s);
}

/* One that opens the pipe and reads nothing, as a QEMU whose libvirtd was killed: the feed still
 * ends. */
static void test_feed_to_silent_reader(void **state)
{
	enum { MORE_THAN_PIPES_HOLD = 4 << 20 };
	struct folder *f = *state;
	char error[SAVED_ERROR_MAX];
	struct feed_gate gate;
	struct saved s;
	struct feed feed = {.saved = &s, .gate = &gate, .path = f->pipe};
	unsigned char *head = calloc(1, MORE_THAN_PIPES_HOLD);
	int reader;

	assert_non_null(head);
	assert_int_equal(saved_open(&s, f->ram, error), 0);
	feed.head = head;
	feed.head_len = MORE_THAN_PIPES_HOLD;
	feed_gate_init(&gate);
	assert_int_equal(feed_start(&feed), 0);
	reader = open(f->pipe, O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	alarm(60); /* it would hang */
	feed_stop(&feed);
	alarm(0);
	close(reader);
	free(head);
	saved_close(&s);
}

/* Whether a thread sleeps in open(2): the kernel shows the call it is in. */
static bool is_waiting(struct reader *r)
{
	char path[64], text[64] = "";
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", atomic_load(&r->tid));
	in = fopen(path, "r");
	if (!in)
		return false;
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	return strtol(text, NULL, 10) == SYS_openat;
}

/* A killed restore leaves a pipe that libvirtd may be waiting to open. */
static void test_clear(void **state)
{
	struct folder *f = *state;
	struct reader r = {.path = f->pipe, .most = FILE_SIZE};
	pthread_t thread;

	assert_int_equal(mkfifo(f->pipe, 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_pipe, &r), 0);
	/* It opens the pipe sooner or later; clearing before that would leave it without a file. */
	while (!is_waiting(&r))
		sched_yield();
	assert_int_equal(feed_clear(f->pipe), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r.len, 0);
	free(r.got);
	assert_int_equal(feed_clear(f->pipe), 0);
}

static void test_copy(void **state)
{
	struct folder *f = *state;
	struct rlimit before, small = {.rlim_cur = FILE_SIZE / 2};
	char error[SAVED_ERROR_MAX];
	unsigned char *got = malloc(FILE_SIZE + 1), *head;
	struct saved s, copy;
	size_t len;
	FILE *in;

	assert_int_equal(saved_open(&s, f->ram, error), 0);
	head = saved_head(&s, XML, &len);
	assert_int_equal(feed_copy(&s, head, len, f->pipe), 0);
	in = fopen(f->pipe, "r");
	assert_int_equal(fread(got, 1, FILE_SIZE + 1, in), FILE_SIZE);
	assert_memory_equal(got, f->file, FILE_SIZE);
	fclose(in);
	/* Never over something that is there. */
	assert_int_equal(feed_copy(&s, head, len, f->pipe), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(feed_clear(f->pipe), 0);
	free(head);

	/* An XML that does not fit moves the stream. */
	memset(got, 'x', DATA_LEN);
	got[DATA_LEN] = '\0';
	head = saved_head(&s, (char *)got, &len);
	assert_int_equal(feed_copy(&s, head, len, f->pipe), 0);
	assert_int_equal(saved_open(&copy, f->pipe, error), 0);
	assert_int_equal(copy.size - copy.stream_at, STREAM_SIZE);
	saved_close(&copy);
	assert_int_equal(feed_clear(f->pipe), 0);

	/* A disk without room for it. */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(feed_copy(&s, head, len, f->pipe), -1);
	assert_int_equal(errno, EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(access(f->pipe, F_OK), -1);
	free(head);
	free(got);
	saved_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_not_a_save_file),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_fuzz),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_rename),
		cmocka_unit_test_setup_teardown(test_golden, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_feed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_feed_to_silent_reader, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_feed_without_reader, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_clear, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_copy, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
