/* SPDX-License-Identifier: MIT */
/* intake: takes submissions as people hand them in, and lists those of a class. */
#include "log.h"
#include "roll.h"
#include "take.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024ULL * 1024)

/* Far more than any submission has; what has more is a mistake or a bomb. */
static const struct sink_limits submission_limits = {256 * MIB, 64 * MIB, 10000};
/* An export of a class, whose archives are then taken one by one. */
static const struct sink_limits class_limits = {8192 * MIB, 1024 * MIB, 1000000};

/* No archive needs as much: who takes longer takes apart what was made to take long. */
#define CPU_LIMIT_S	   30
#define CLASS_CPU_LIMIT_S  600
#define MEMORY_LIMIT_BYTES (1024 * MIB)

static void usage(void)
{
	fputs("usage: intake take [--except PATH] SOURCE FOLDER\n"
	      "       intake student ROLL ID FOLDER\n"
	      "       intake class SOURCE ROLL FOLDER\n"
	      "       intake ids ROLL\n"
	      "       intake name ROLL ID\n"
	      "       intake find ROLL NAME\n"
	      "       intake path ROLL ID\n"
	      "take brings a submission into FOLDER, which is empty: SOURCE is a folder, a zip, 7z "
	      "or\n"
	      "tar.* archive, or a bare git repository. class writes a class's roll: SOURCE is a "
	      "folder\n"
	      "with a submission in each folder, archive or repository, or an export of "
	      "Gradescope,\n"
	      "Canvas or Moodle; one that is an archive is unpacked into FOLDER first. student "
	      "takes\n"
	      "the submission of one student of the roll; ids prints \"ID CHANGED\" of each, name\n"
	      "the name of an id, find the id of a name, path where it is. What is left out is "
	      "said on standard\n"
	      "error. Exit status: 1 where a submission cannot be taken.\n",
	      stdout);
}

static void limit(int resource, rlim_t most)
{
	struct rlimit limits = {most, most};

	setrlimit(resource, &limits);
}

/* Takes the sources into a folder, and says why not. */
static int take_all(const struct take_source *sources, size_t count, const char *label,
		    const char *folder, const char *except, const struct sink_limits *limits)
{
	struct sink sink;
	int status = 0;

	if (sink_open(&sink, folder, limits, stderr))
		die(EXIT_USAGE, "%s", sink.error);
	sink.label = label;
	for (size_t i = 0; i < count && !status; i++)
		status = take(&sink, &sources[i], except);
	if (!status && limits == &submission_limits)
		status = take_nested(&sink, folder);
	if (sink_finish(&sink) || status) {
		fprintf(stderr, "%s\n", sink.error);
		return EXIT_FAIL;
	}
	return EXIT_PASS;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int take_one(int argc, char *argv[])
{
	static const struct option options[] = {{"except", required_argument, NULL, 'e'}, {0}};
	struct take_source source = {.as = ""};
	const char *except = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'e')
			return EXIT_USAGE;
		except = optarg;
	}
	if (argc - optind != 2)
		die(EXIT_USAGE, "it is intake take SOURCE FOLDER; see --help");
	limit(RLIMIT_CPU, CPU_LIMIT_S);
	source.path = argv[optind];
	return take_all(&source, 1, name_of(source.path), argv[optind + 1], except,
			&submission_limits);
}

static json_t *read_roll(const char *path)
{
	json_error_t where;
	json_t *roll = json_load_file(path, 0, &where);

	if (!json_is_array(json_object_get(roll, "students")))
		die(EXIT_USAGE, "%s: no roll of a class", path);
	return roll;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int take_student(const char *roll_path, const char *id, const char *folder)
{
	json_t *roll = read_roll(roll_path), *student, *item;
	struct take_source sources[ROLL_SOURCES_MAX];
	static char paths[ROLL_SOURCES_MAX][PATH_MAX];
	size_t i, k, count = 0;

	limit(RLIMIT_CPU, CPU_LIMIT_S);
	json_array_foreach(json_object_get(roll, "students"), i, student)
	{
		if (strcmp(text_of(student, "id"), id) != 0)
			continue;
		json_array_foreach(json_object_get(student, "sources"), k, item)
		{
			if (count == ROLL_SOURCES_MAX)
				break;
			roll_path_decode(text_of(item, "path"), paths[count]);
			sources[count].path = paths[count];
			sources[count++].as = text_of(item, "as");
		}
		return take_all(sources, count, name_of(sources[0].path), folder, NULL,
				&submission_limits);
	}
	die(EXIT_USAGE, "%s: no submission %s", roll_path, id);
}

static int write_roll(const char *source, const char *path, const char *folder)
{
	struct take_source whole = {.path = source, .as = ""};
	char error[SINK_ERROR_MAX];
	struct stat st;
	char real[PATH_MAX];
	json_t *roll;

	if (stat(source, &st))
		die(EXIT_USAGE, "%s: %s", source, strerror(errno));
	limit(RLIMIT_CPU, CLASS_CPU_LIMIT_S);
	if (!S_ISDIR(st.st_mode)) {
		if (take_all(&whole, 1, name_of(source), folder, NULL, &class_limits))
			return EXIT_USAGE;
		source = folder;
	}
	if (!realpath(source, real))
		die(EXIT_USAGE, "%s: %s", source, strerror(errno));
	roll = roll_of(real, error);
	if (!roll)
		die(EXIT_USAGE, "%s", error);
	if (json_dump_file(roll, path, JSON_INDENT(1)))
		die(EXIT_LAB, "%s: cannot be written", path);
	json_decref(roll);
	return EXIT_PASS;
}

static int print_ids(const char *path)
{
	json_t *roll = read_roll(path), *student;
	size_t i;

	json_array_foreach(json_object_get(roll, "students"), i, student)
		printf("%s %s\n", text_of(student, "id"), text_of(student, "changed"));
	json_decref(roll);
	return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
}

/* Prints what a student has for one key, by what it has for another. */
static int look_up(const char *path, const char *key, const char *text, const char *wanted)
{
	json_t *roll = read_roll(path), *student;
	size_t i;

	json_array_foreach(json_object_get(roll, "students"), i, student)
	{
		if (strcmp(text_of(student, key), text) != 0)
			continue;
		puts(text_of(student, wanted));
		json_decref(roll);
		return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
	}
	json_decref(roll);
	return EXIT_FAIL;
}

/* Prints where a student's submission is, the first part where it has several. */
static int print_path(const char *roll_path, const char *id)
{
	json_t *roll = read_roll(roll_path), *student;
	char path[PATH_MAX];
	size_t i;

	json_array_foreach(json_object_get(roll, "students"), i, student)
	{
		if (strcmp(text_of(student, "id"), id) != 0)
			continue;
		roll_path_decode(
			text_of(json_array_get(json_object_get(student, "sources"), 0), "path"),
			path);
		puts(path);
		json_decref(roll);
		return fflush(stdout) ? EXIT_LAB : EXIT_PASS;
	}
	json_decref(roll);
	return EXIT_FAIL;
}

int main(int argc, char *argv[])
{
	log_init("intake", false);
	/* Names are UTF-8, whatever the caller's language is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	umask(022);
	limit(RLIMIT_AS, MEMORY_LIMIT_BYTES);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage();
		return EXIT_PASS;
	}
	if (argc >= 2 && !strcmp(argv[1], "take"))
		return take_one(argc - 1, argv + 1);
	if (argc == 5 && !strcmp(argv[1], "student"))
		return take_student(argv[2], argv[3], argv[4]);
	if (argc == 5 && !strcmp(argv[1], "class"))
		return write_roll(argv[2], argv[3], argv[4]);
	if (argc == 3 && !strcmp(argv[1], "ids"))
		return print_ids(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "name"))
		return look_up(argv[2], "id", argv[3], "name");
	if (argc == 4 && !strcmp(argv[1], "find"))
		return look_up(argv[2], "name", argv[3], "id");
	if (argc == 4 && !strcmp(argv[1], "path"))
		return print_path(argv[2], argv[3]);
	die(EXIT_USAGE, "it is intake take, student, class, ids, name, find or path; see --help");
}
