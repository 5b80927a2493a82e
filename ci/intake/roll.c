/* SPDX-License-Identifier: MIT */
/* Reads a class: one hand-in per folder, archive or repository; exports tell the names. */
#include "roll.h"

#include "entry.h"
#include "text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <xxhash.h>

#define ROLL_VERSION 1
/* An id is a slug of the name, and where that says less than the name, a hash of it. */
#define SLUG_MAX  60
#define METADATA  "submission_metadata.yml"
#define WRAPS_MAX 4

/* --- a Gradescope export's names --- */

/* The text of a YAML scalar, as Ruby writes names: plain, or in quotes. In place. */
static char *scalar(char *text)
{
	size_t len;
	char quote;

	text += strspn(text, " ");
	len = strcspn(text, "\r\n");
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	quote = text[0];
	if (len < 2 || (quote != '\'' && quote != '"') || text[len - 1] != quote)
		return text;
	text[len - 1] = '\0';
	text++;
	if (quote == '\'') /* '' stands for ' */
		for (char *c = text; (c = strstr(c, "''")); c++)
			memmove(c, c + 1, strlen(c));
	return text;
}

static void add_submitter(json_t *names, const char *submission, const char *name)
{
	const char *before = json_string_value(json_object_get(names, submission));
	char joined[512];

	snprintf(joined, sizeof(joined), "%.240s%s%.240s", before ? before : "", before ? ", " : "",
		 name);
	json_object_set_new(names, submission, text_json(joined));
}

json_t *roll_gradescope(FILE *metadata)
{
	json_t *names = json_object();
	char *line = NULL, submission[64] = "";
	bool submitters = false;
	size_t size = 0;

	while (getline(&line, &size, metadata) > 0) {
		char *name = strstr(line, ":name:");
		size_t len = strcspn(line, ":");

		if (line[0] != ' ' && line[0] != '-') {
			bool fits = !strncmp(line, "submission_", 11) && len < sizeof(submission);

			snprintf(submission, sizeof(submission), "%.*s", fits ? (int)len : 0, line);
			submitters = false;
		} else if (!strncmp(line, "  :", 3)) {
			submitters = !strncmp(line, "  :submitters:", 14);
		} else if (submitters && submission[0] && name) {
			add_submitter(names, submission, scalar(name + 6));
		}
	}
	free(line);
	return names;
}

/* --- what is in a folder --- */

struct item {
	char *name;
	bool folder;
};

struct items {
	struct item *list;
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static void free_items(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free(items->list[i].name);
	free(items->list);
	*items = (struct items){0};
}

static int read_items(const char *folder, struct items *items, char error[SINK_ERROR_MAX])
{
	char path[PATH_MAX], clean[ENTRY_PATH_MAX];
	const char *why;
	DIR *dir = opendir(folder);
	struct dirent *found;
	struct stat st;

	*items = (struct items){0};
	if (!dir) {
		snprintf(error, SINK_ERROR_MAX, "%.500s: %s", folder, strerror(errno));
		return -1;
	}
	while ((found = readdir(dir))) {
		void *more = realloc(items->list, (items->count + 1) * sizeof(*items->list));

		if (!more)
			break;
		items->list = more;
		snprintf(path, sizeof(path), "%s/%s", folder, found->d_name);
		if (found->d_name[0] == '.' ||
		    entry_path(found->d_name, false, clean, &why) != ENTRY_TAKE || stat(path, &st))
			continue;
		if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
			continue;
		items->list[items->count].folder = S_ISDIR(st.st_mode);
		items->list[items->count].name = strdup(found->d_name);
		items->count += items->list[items->count].name != NULL;
	}
	closedir(dir);
	qsort(items->list, items->count, sizeof(*items->list), by_name);
	return 0;
}

/* True if it is one hand-in and no class: the programs' folders or a Makefile are in it. */
static bool is_hand_in(const struct items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		const struct item *item = &items->list[i];

		if (item->folder
			    ? !strcasecmp(item->name, "cpu") || !strcasecmp(item->name, "memory")
			    : !strcasecmp(item->name, "makefile"))
			return true;
	}
	return false;
}

/* Goes into a folder that is all there is, as archives of exports wrap them. */
static int unwrap(char folder[PATH_MAX], struct items *items, char error[SINK_ERROR_MAX])
{
	char below[PATH_MAX];

	if (read_items(folder, items, error))
		return -1;
	for (int i = 0; i < WRAPS_MAX && items->count == 1 && items->list[0].folder; i++) {
		struct items inner;
		int len = snprintf(below, sizeof(below), "%s/%s", folder, items->list[0].name);

		if (len >= PATH_MAX || read_items(below, &inner, error))
			break;
		/* A class of one is a folder with a hand-in, or with a wrapped one. */
		if (is_hand_in(&inner) || inner.count == 0) {
			free_items(&inner);
			break;
		}
		free_items(items);
		*items = inner;
		snprintf(folder, PATH_MAX, "%s", below);
	}
	return 0;
}

/* --- the roll --- */

static uint64_t hash_text(const char *text, uint64_t seed)
{
	return XXH64(text, strlen(text), seed);
}

/* Another number once anything below the path is another. */
static uint64_t changed(const char *path, uint64_t sum)
{
	char *roots[] = {(char *)path, NULL}, line[PATH_MAX + 96];
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *found;

	while (fts && (found = fts_read(fts))) {
		const struct stat *st = found->fts_statp;

		if (found->fts_info == FTS_DP || found->fts_info == FTS_NS)
			continue;
		snprintf(line, sizeof(line), "%s %d %lld %lld.%09ld",
			 found->fts_path + strlen(path), found->fts_info,
			 found->fts_info == FTS_F ? (long long)st->st_size : 0,
			 found->fts_info == FTS_F ? (long long)st->st_mtim.tv_sec : 0,
			 found->fts_info == FTS_F ? st->st_mtim.tv_nsec : 0);
		/* A sum, since the order within a folder is not fixed. */
		sum += hash_text(line, 1);
	}
	if (fts)
		fts_close(fts);
	return sum;
}

static void make_id(const char *name, const char *key, char id[SLUG_MAX + 16])
{
	size_t used = 0;
	bool whole = name[0] != '\0';

	for (const char *c = name; *c && used < SLUG_MAX; c++) {
		bool fine = isalnum((unsigned char)*c) || (strchr("._-", *c) && used);

		whole &= fine;
		if (fine || (used && id[used - 1] != '_'))
			id[used++] = *c;
		if (!fine && used)
			id[used - 1] = '_';
	}
	id[used] = '\0';
	if (!whole || strlen(name) > SLUG_MAX)
		snprintf(id + used, 16, "%s%08x", used ? "-" : "", (unsigned int)hash_text(key, 0));
}

static void encode_path(const char *path, char encoded[ROLL_PATH_MAX])
{
	size_t used = 0;

	for (; *path && used + 4 < ROLL_PATH_MAX; path++)
		if (*path > ' ' && *path != '%' && *path != 0x7f)
			encoded[used++] = *path;
		else
			used += (size_t)snprintf(encoded + used, 4, "%%%02X", (unsigned char)*path);
	encoded[used] = '\0';
}

void roll_path_decode(const char *encoded, char path[PATH_MAX])
{
	size_t used = 0;
	unsigned int byte;

	while (*encoded && used + 1 < PATH_MAX) {
		if (*encoded == '%' && sscanf(encoded + 1, "%2x", &byte) == 1 && encoded[2]) {
			path[used++] = (char)byte;
			encoded += 3;
		} else {
			path[used++] = *encoded++;
		}
	}
	path[used] = '\0';
}

static json_t *find_student(json_t *students, const char *id)
{
	json_t *student;
	size_t i;

	json_array_foreach(students, i,
			   student) if (!strcmp(json_string_value(json_object_get(student, "id")),
						id)) return student;
	return NULL;
}

/* Adds a source to the student whose hand-in has that key. */
static void add(json_t *students, const char *name, const char *key, const char *path,
		const char *as)
{
	char id[SLUG_MAX + 16], sum[24], encoded[ROLL_PATH_MAX];
	json_t *student, *sources;
	uint64_t before;

	make_id(name, key, id);
	student = find_student(students, id);
	if (student && strcmp(json_string_value(json_object_get(student, "key")), key) != 0) {
		/* Two of that name: alice.zip beside alice/. */
		snprintf(id + strlen(id), 10, "-%08x", (unsigned int)hash_text(key, 0));
		student = find_student(students, id);
	}
	if (!student) {
		student = json_pack("{ss so s[] so ss}", "id", id, "name", text_json(name),
				    "sources", "key", text_json(key), "changed", "0");
		json_array_append_new(students, student);
	}
	before = strtoull(json_string_value(json_object_get(student, "changed")), NULL, 16);
	snprintf(sum, sizeof(sum), "%016" PRIx64, changed(path, before + hash_text(as, 2)));
	json_object_set_new(student, "changed", json_string(sum));
	sources = json_object_get(student, "sources");
	encode_path(path, encoded);
	if (json_array_size(sources) < ROLL_SOURCES_MAX)
		json_array_append_new(sources,
				      json_pack("{ss so}", "path", encoded, "as", text_json(as)));
}

static bool is_canvas(const struct items *items)
{
	struct entry_canvas canvas;
	size_t files = 0;

	for (size_t i = 0; i < items->count; i++)
		if (!items->list[i].folder) {
			files++;
			if (!entry_canvas(items->list[i].name, &canvas))
				return false;
		}
	return files > 0;
}

static void add_canvas(json_t *students, const char *path, const char *file)
{
	char name[256], key[256], as[256];
	struct entry_canvas canvas;

	entry_canvas(file, &canvas);
	snprintf(name, sizeof(name), "%.*s", (int)canvas.student_len, file);
	snprintf(key, sizeof(key), "%.*s", (int)canvas.key_len, file);
	snprintf(as, sizeof(as), "%s", canvas.file);
	add(students, name, key, path, as);
}

/* A lone archive goes to the hand-in's own folder, one of several to a folder of its name. */
static void settle(json_t *students)
{
	json_t *student, *source, *sources;
	size_t i, k;

	json_array_foreach(students, i, student)
	{
		sources = json_object_get(student, "sources");
		json_array_foreach(sources, k, source)
		{
			const char *as = json_string_value(json_object_get(source, "as"));
			size_t stem = entry_archive_stem(as);

			if (stem)
				json_object_set_new(
					source, "as",
					json_stringn(as, json_array_size(sources) > 1 ? stem : 0));
		}
		json_object_del(student, "key");
	}
}

static void add_item(json_t *roll, const char *folder, const struct item *item, bool canvas,
		     const json_t *names)
{
	json_t *students = json_object_get(roll, "students");
	char path[PATH_MAX], name[256];
	const char *known = json_string_value(json_object_get(names, item->name));
	size_t len = strlen(item->name);

	if (snprintf(path, sizeof(path), "%s/%s", folder, item->name) >= PATH_MAX)
		return;
	if (!item->folder && canvas) {
		add_canvas(students, path, item->name);
		return;
	}
	if (item->folder && entry_moodle_student(item->name))
		len = entry_moodle_student(item->name);
	else if (!item->folder && !(len = entry_archive_stem(item->name))) {
		if (strcmp(item->name, METADATA) != 0)
			json_array_append_new(json_object_get(roll, "passed_over"),
					      text_json(item->name));
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)len, item->name);
	add(students, known ? known : name, item->name, path, item->folder ? "" : item->name);
}

json_t *roll_of(const char *class_folder, char error[SINK_ERROR_MAX])
{
	json_t *roll =
		json_pack("{si s[] s[]}", "version", ROLL_VERSION, "students", "passed_over");
	char folder[PATH_MAX], path[PATH_MAX + sizeof(METADATA)];
	json_t *names = NULL;
	struct items items;
	FILE *metadata;

	snprintf(folder, sizeof(folder), "%s", class_folder);
	if (unwrap(folder, &items, error)) {
		json_decref(roll);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/" METADATA, folder);
	metadata = fopen(path, "re");
	if (metadata) {
		names = roll_gradescope(metadata);
		fclose(metadata);
	}
	for (size_t i = 0; i < items.count; i++)
		add_item(roll, folder, &items.list[i], is_canvas(&items), names);
	settle(json_object_get(roll, "students"));
	free_items(&items);
	json_decref(names);
	return roll;
}
