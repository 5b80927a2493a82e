/* SPDX-License-Identifier: MIT */
/* libvirt's save files, read with distrust and never written. */
#include "clone_saved.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC	      "LibvirtQemudSave"
#define MAGIC_PARTIAL "LibvirtQemudPart"
#define MAGIC_SIZE    16
#define VERSION	      2

/* The domain XML is some 5 KiB and libvirt pads by 64; more than this is not a head but damage. */
#define DATA_LEN_MOST (4U << 20)

/* QEMU's stream begins with "QEVM" and its version. */
static const unsigned char qemu_magic[] = {'Q', 'E', 'V', 'M', 0, 0, 0, 3};

enum word {
	WORD_VERSION,
	WORD_DATA_LEN,
	WORD_WAS_RUNNING,
	WORD_COMPRESSED,
	WORD_COOKIE_OFFSET,
	WORD_UNUSED, /* from here on */
	WORDS = 19,
};

int saved_refuse(char error[SAVED_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, SAVED_ERROR_MAX, format, args);
	va_end(args);
	return -1;
}

static int check_words(const uint32_t *word, uint64_t file_size, char *error)
{
	if (word[WORD_VERSION] == htobe32(VERSION))
		return saved_refuse(error, "saved on a host of the other byte order");
	if (word[WORD_VERSION] != VERSION)
		return saved_refuse(error, "format version %u is not known, only %d is",
				    word[WORD_VERSION], VERSION);
	if (word[WORD_COMPRESSED] != 0)
		return saved_refuse(
			error,
			"compressed (kind %u); set save_image_format = \"raw\" in libvirt's "
			"qemu.conf",
			word[WORD_COMPRESSED]);
	if (word[WORD_WAS_RUNNING] != 1)
		return saved_refuse(error, "the guest was not running when it was saved");
	if (word[WORD_DATA_LEN] < 2 || word[WORD_DATA_LEN] > DATA_LEN_MOST ||
	    word[WORD_DATA_LEN] + SAVED_HEADER_SIZE + sizeof(qemu_magic) > file_size)
		return saved_refuse(error,
				    "length of the XML, %u, does not fit a file of %llu bytes",
				    word[WORD_DATA_LEN], (unsigned long long)file_size);
	if (word[WORD_COOKIE_OFFSET] >= word[WORD_DATA_LEN])
		return saved_refuse(error, "the cookie at %u lies outside the data of %u bytes",
				    word[WORD_COOKIE_OFFSET], word[WORD_DATA_LEN]);
	for (int i = WORD_UNUSED; i < WORDS; i++)
		if (word[i])
			return saved_refuse(error,
					    "word %d of the header is in use (%u), by a libvirt "
					    "newer than this "
					    "tool knows",
					    i, word[i]);
	return 0;
}

/* Copies a text that must end within len bytes. */
static char *copy_text(const unsigned char *at, size_t len)
{
	if (!memchr(at, '\0', len))
		return NULL;
	return strdup((const char *)at);
}

int saved_parse(struct saved *s, const unsigned char *bytes, size_t len, uint64_t file_size,
		char error[SAVED_ERROR_MAX])
{
	uint32_t word[WORDS];
	const unsigned char *data = bytes + SAVED_HEADER_SIZE;
	uint32_t cookie_at;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (len < SAVED_HEADER_SIZE)
		return saved_refuse(error, "too short (%zu bytes) for a libvirt save file", len);
	if (memcmp(bytes, MAGIC_PARTIAL, MAGIC_SIZE) == 0)
		return saved_refuse(error, "saving was cut off before its end");
	if (memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
		return saved_refuse(error, "not a libvirt save file");
	for (int i = 0; i < WORDS; i++) {
		memcpy(&word[i], bytes + MAGIC_SIZE + 4 * i, 4);
		word[i] = le32toh(word[i]);
	}
	if (check_words(word, file_size, error) < 0)
		return -1;
	s->size = file_size;
	s->data_len = word[WORD_DATA_LEN];
	s->stream_at = SAVED_HEADER_SIZE + s->data_len;
	if (len < s->stream_at + sizeof(qemu_magic))
		return saved_refuse(error, "too short (%zu bytes) for its own lengths", len);
	if (memcmp(bytes + s->stream_at, qemu_magic, sizeof(qemu_magic)) != 0)
		return saved_refuse(error, "no QEMU stream where the header says it is");

	/* libvirt reads the XML up to the cookie, and the cookie up to the end of the data. */
	cookie_at = word[WORD_COOKIE_OFFSET];
	s->xml = copy_text(data, cookie_at ? cookie_at : s->data_len);
	if (cookie_at)
		s->cookie = copy_text(data + cookie_at, s->data_len - cookie_at);
	if (!s->xml || !*s->xml || (cookie_at && !s->cookie)) {
		saved_close(s);
		return saved_refuse(error, "its XML or cookie does not end");
	}
	return 0;
}

static int read_head(struct saved *s, int fd, char *error)
{
	size_t most = SAVED_HEADER_SIZE + DATA_LEN_MOST + sizeof(qemu_magic);
	struct stat st;
	unsigned char *bytes;
	int result = -1;

	if (fstat(fd, &st) < 0)
		return saved_refuse(error, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return saved_refuse(error, "not a file with anything in it");
	if ((uint64_t)st.st_size < most)
		most = (size_t)st.st_size;
	bytes = mmap(NULL, most, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return saved_refuse(error, "%s", strerror(errno));
	result = saved_parse(s, bytes, most, (uint64_t)st.st_size, error);
	munmap(bytes, most);
	return result;
}

int saved_open(struct saved *s, const char *path, char error[SAVED_ERROR_MAX])
{
	char reason[SAVED_ERROR_MAX - 128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (fd < 0)
		return saved_refuse(error, "%s: %s", path, strerror(errno));
	if (read_head(s, fd, error) < 0) {
		snprintf(reason, sizeof(reason), "%s", error);
		close(fd);
		return saved_refuse(error, "%s: %s", path, reason);
	}
	s->fd = fd;
	return 0;
}

void saved_close(struct saved *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->xml);
	free(s->cookie);
	s->xml = s->cookie = NULL;
	s->fd = -1;
}

unsigned char *saved_head(const struct saved *s, const char *xml, size_t *len)
{
	size_t xml_size = strlen(xml) + 1;
	size_t cookie_size = s->cookie ? strlen(s->cookie) + 1 : 0;
	size_t data_len = xml_size + cookie_size;
	uint32_t word[WORDS] = {0};
	unsigned char *head;

	if (data_len < s->data_len)
		data_len = s->data_len;
	if (data_len > DATA_LEN_MOST)
		return NULL;
	head = calloc(1, SAVED_HEADER_SIZE + data_len);
	if (!head)
		return NULL;
	word[WORD_VERSION] = VERSION;
	word[WORD_DATA_LEN] = (uint32_t)data_len;
	word[WORD_WAS_RUNNING] = 1;
	word[WORD_COOKIE_OFFSET] = s->cookie ? (uint32_t)xml_size : 0;
	memcpy(head, MAGIC, MAGIC_SIZE);
	for (int i = 0; i < WORDS; i++) {
		word[i] = htole32(word[i]);
		memcpy(head + MAGIC_SIZE + 4 * i, &word[i], 4);
	}
	memcpy(head + SAVED_HEADER_SIZE, xml, xml_size);
	if (s->cookie)
		memcpy(head + SAVED_HEADER_SIZE + xml_size, s->cookie, cookie_size);
	*len = SAVED_HEADER_SIZE + data_len;
	return head;
}

/* --- the XML --- */

static xmlDocPtr read_xml(const char *xml, xmlNodePtr *domain, char *error)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

	*domain = doc ? xmlDocGetRootElement(doc) : NULL;
	if (!*domain || !xmlStrEqual((*domain)->name, BAD_CAST "domain")) {
		saved_refuse(error, "the guest's XML is not a libvirt domain");
		xmlFreeDoc(doc);
		return NULL;
	}
	return doc;
}

static xmlNodePtr find_child(xmlNodePtr parent, const char *name)
{
	for (xmlNodePtr node = parent->children; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && xmlStrEqual(node->name, BAD_CAST name))
			return node;
	return NULL;
}

static int set_child(xmlNodePtr domain, const char *name, const char *value, char *error)
{
	xmlNodePtr node = find_child(domain, name);

	if (!value)
		return 0;
	if (!node)
		return saved_refuse(error, "the guest's XML has no <%s>", name);
	/* xmlNodeAddContent escapes; xmlNodeSetContent would take the value for markup. */
	xmlNodeSetContent(node, NULL);
	xmlNodeAddContent(node, BAD_CAST value);
	return 0;
}

char *saved_rename(const char *xml, const struct saved_identity *to, char error[SAVED_ERROR_MAX])
{
	xmlNodePtr domain;
	xmlDocPtr doc = read_xml(xml, &domain, error);
	xmlBufferPtr text = NULL;
	char *renamed = NULL;

	if (!doc)
		return NULL;
	if (set_child(domain, "name", to->name, error) < 0 ||
	    set_child(domain, "uuid", to->uuid, error) < 0 ||
	    set_child(domain, "currentMemory", to->current_memory, error) < 0)
		goto out;
	/* The element alone, as libvirt writes it: no XML declaration. */
	text = xmlBufferCreate();
	if (text && xmlNodeDump(text, doc, domain, 0, 0) > 0)
		renamed = strdup((const char *)xmlBufferContent(text));
	if (!renamed)
		saved_refuse(error, "out of memory");
out:
	xmlBufferFree(text);
	xmlFreeDoc(doc);
	return renamed;
}

static char *child_text(xmlNodePtr domain, const char *name)
{
	xmlNodePtr node = find_child(domain, name);
	xmlChar *text = node ? xmlNodeGetContent(node) : NULL;
	char *copy = text ? strdup((const char *)text) : NULL;

	xmlFree(text);
	return copy;
}

int saved_identify(const char *xml, struct saved_identity *id, char error[SAVED_ERROR_MAX])
{
	xmlNodePtr domain;
	xmlDocPtr doc = read_xml(xml, &domain, error);

	memset(id, 0, sizeof(*id));
	if (!doc)
		return -1;
	id->name = child_text(domain, "name");
	id->uuid = child_text(domain, "uuid");
	id->current_memory = child_text(domain, "currentMemory");
	xmlFreeDoc(doc);
	if (!id->name || !id->uuid) {
		saved_identity_free(id);
		return saved_refuse(error, "the guest's XML has no name or no UUID");
	}
	return 0;
}

void saved_identity_free(struct saved_identity *id)
{
	free(id->name);
	free(id->uuid);
	free(id->current_memory);
	memset(id, 0, sizeof(*id));
}

int saved_digest(int fd, uint64_t offset, uint64_t *digest)
{
	static const size_t piece = 1U << 20;
	unsigned char *buffer = malloc(piece);
	XXH3_state_t *state = XXH3_createState();
	ssize_t got = -1;

	if (buffer && state && XXH3_64bits_reset(state) == XXH_OK) {
		while ((got = pread(fd, buffer, piece, (off_t)offset)) > 0) {
			XXH3_64bits_update(state, buffer, (size_t)got);
			offset += (uint64_t)got;
		}
		*digest = XXH3_64bits_digest(state);
	}
	XXH3_freeState(state);
	free(buffer);
	return got == 0 ? 0 : -1;
}
