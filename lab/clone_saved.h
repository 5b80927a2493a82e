/* SPDX-License-Identifier: MIT */
/*
 * libvirt's save files: a head (magic, lengths, the guest's XML, a cookie, padding) and QEMU's
 * stream. libvirt restores one only under the name and UUID it was saved with, so a clone needs a
 * head of its own in front of the same stream. Nothing here ever writes to a save file.
 */
#ifndef BALLAST_CLONE_SAVED_H
#define BALLAST_CLONE_SAVED_H

#include <stddef.h>
#include <stdint.h>

#define SAVED_ERROR_MAX 512

/* Magic, then 19 words of 32 bits, little endian. */
#define SAVED_HEADER_SIZE 92

struct saved {
	int fd;		    /* −1 after saved_parse() */
	uint64_t size;	    /* of the file */
	uint32_t data_len;  /* bytes of XML, cookie and padding */
	uint64_t stream_at; /* SAVED_HEADER_SIZE + data_len: where QEMU's stream begins */
	char *xml;
	char *cookie; /* NULL: none */
};

/*
 * Reads the head of a save file of file_size bytes out of its first len bytes. Pure. Refuses
 * whatever it does not know for certain: another version, byte order or compression, a guest saved
 * paused, lengths that contradict each other, words libvirt did not use when this was written. 0;
 * −1 with a line in error.
 */
int saved_parse(struct saved *s, const unsigned char *bytes, size_t len, uint64_t file_size,
		char error[SAVED_ERROR_MAX]);

/* Opens and reads a save file. 0; −1 with a line in error, which names the file. */
int saved_open(struct saved *s, const char *path, char error[SAVED_ERROR_MAX]);

void saved_close(struct saved *s);

/*
 * The head for a clone with that XML: the cookie moved behind it, the length as before (so that a
 * copy may share the blocks of the stream) or, where the XML needs it, longer. To be freed; *len is
 * its size.
 */
unsigned char *saved_head(const struct saved *s, const char *xml, size_t *len);

/* What a guest calls itself, and the balloon it was saved with. */
struct saved_identity {
	char *name;
	char *uuid;
	char *current_memory; /* KiB, as text; may be NULL */
};

/*
 * The XML of a guest with each field of the identity that is not NULL put in. To be freed; NULL
 * with a line in error where the XML is none or lacks a field that was to be changed.
 */
char *saved_rename(const char *xml, const struct saved_identity *to, char error[SAVED_ERROR_MAX]);

/* Reads them out of a guest's XML. 0, −1 with a line in error. */
int saved_identify(const char *xml, struct saved_identity *id, char error[SAVED_ERROR_MAX]);

void saved_identity_free(struct saved_identity *id);

/* Writes the reason into error. Returns −1. */
int saved_refuse(char error[SAVED_ERROR_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Digest of the rest of a file from an offset: XXH3, 64 bits. 0, −1 with errno (EIO: it got
 * shorter). */
int saved_digest(int fd, uint64_t offset, uint64_t *digest);

#endif
