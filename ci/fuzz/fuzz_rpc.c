/* SPDX-License-Identifier: MIT */
/* Messages of libvirt's protocol: whatever comes, it is taken or refused. */
#include "fuzz.h"

#include "lab/rpc/message.h"
#include "lab/rpc/procedures.h"
#include "lab/rpc/types.h"

#include <stdlib.h>
#include <string.h>

/* The body of a message as the procedure's arguments, and as an error. */
static void read_body(struct rpc_args *args, const struct rpc_header *h, struct rpc_in body)
{
	const struct rpc_procedure *p = rpc_procedure(h->procedure);
	struct rpc_in again = body;
	struct rpc_error error;

	rpc_client_fault(h);
	if (p->args && rpc_args_read(args, p->args, &body) == 0 && args->n != strlen(p->args))
		abort();
	rpc_error_read(args, &error, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rpc_reader reader = {.data = malloc(len + 1), .len = len, .size = len + 1};
	struct rpc_args args = {0};
	struct rpc_header header;
	struct rpc_in body;
	const char *error;
	unsigned char *message;
	size_t size;

	if (!reader.data)
		return 0;
	memcpy(reader.data, data, len);
	while (rpc_reader_next(&reader, &message, &size, &error) == 1) {
		/* Alone, so that a byte read behind its end is seen. */
		unsigned char *alone = malloc(size);

		if (!alone)
			break;
		memcpy(alone, message, size);
		if (rpc_message_read(alone, size, &header, &body, &error) == 0)
			read_body(&args, &header, body);
		free(alone);
	}
	rpc_args_free(&args);
	rpc_reader_free(&reader);
	return 0;
}
