/* SPDX-License-Identifier: MIT */
/* Between a client and libvirtd. */
#include "client.h"

#include "labguest.h"
#include "rules.h"
#include "tick.h"

#include <libvirt/virterror.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer calls are nobody's: the longest that a controller makes names its guests, 30 bytes each.
 */
#define CALL_BYTES_MAX (1024 * 1024)

#define KEPT_BYTES_MAX (1024 * 1024) /* of one direction, before the other end is not read */
#define TURN_MESSAGES  16	     /* of one direction, before others have their turn */
#define QUESTIONS      2	     /* the gate asks about a guest */
#define CALL_NAME_MAX  96
#define SERIAL_AT      20 /* of a message: its serial's place */

enum { LOOKUP_BY_UUID = 24, GET_METADATA = 265 };

#define AGENT_COMMAND 3 /* of the program RPC_QEMU */

/* The name of a call, for the trace. */
static const char *call_name(const struct rpc_header *h, char text[CALL_NAME_MAX])
{
	const struct rpc_procedure *p = rpc_procedure(h->procedure);

	if (h->program == RPC_REMOTE && p->name)
		return rpc_function_name(p, text, CALL_NAME_MAX);
	if (h->program == RPC_QEMU && h->procedure == AGENT_COMMAND)
		return "virDomainQemuAgentCommand";
	snprintf(text, CALL_NAME_MAX, "%s%d", h->program == RPC_QEMU ? "qemu " : "procedure ",
		 h->procedure);
	return text;
}

static void report(struct gate_client *c, const struct rpc_header *h,
		   const struct gate_guest *guest, double start_s, enum trace_outcome outcome,
		   const char *error)
{
	char text[CALL_NAME_MAX];

	gate_report_call(&c->gate->report, call_name(h, text), guest ? guest->name : NULL, start_s,
			 outcome, error);
}

struct gate_client *gate_client_open(struct gate *gate, int program_fd, int daemon_fd)
{
	struct gate_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->gate = gate;
	rpc_link_open(&c->program, program_fd, CALL_BYTES_MAX);
	rpc_link_open(&c->daemon, daemon_fd, 0);
	return c;
}

static void drop_held(struct gate_client *c)
{
	free(c->held.message);
	free(c->held.name);
	free(c->held.error);
	c->held = (struct gate_held){0};
}

void gate_client_close(struct gate_client *c)
{
	for (size_t i = 0; i < c->ncalls; i++) {
		struct gate_call *call = &c->calls[i];

		if (call->purpose == GATE_CLIENTS)
			report(c, &call->header, call->guest, call->start_s, TRACE_UNANSWERED,
			       NULL);
	}
	if (c->held.message)
		report(c, &c->held.header, NULL, c->held.start_s, TRACE_UNANSWERED, NULL);
	drop_held(c);
	rpc_link_close(&c->program);
	rpc_link_close(&c->daemon);
	free(c);
}

/* --- towards libvirtd --- */

static struct gate_call *add_call(struct gate_client *c, int purpose, const struct rpc_header *h)
{
	struct gate_call *call = &c->calls[c->ncalls++];

	*call = (struct gate_call){.serial = ++c->serial, .header = *h, .start_s = tick_now_s()};
	call->purpose = purpose;
	return call;
}

static void put_serial(unsigned char *message, uint32_t serial)
{
	for (int i = 0; i < 4; i++)
		message[SERIAL_AT + i] = (unsigned char)(serial >> (24 - 8 * i));
}

static int pass(struct gate_client *c, unsigned char *message, size_t len,
		const struct rpc_header *h, const struct gate_guest *guest, double start_s)
{
	struct gate_call *call = add_call(c, GATE_CLIENTS, h);

	call->guest = guest;
	call->start_s = start_s;
	put_serial(message, call->serial);
	return rpc_link_send(&c->daemon, message, len);
}

static int refuse(struct gate_client *c, const struct rpc_header *h, const struct gate_guest *guest,
		  double start_s, const char *why)
{
	char name[CALL_NAME_MAX], sentence[256];

	snprintf(sentence, sizeof(sentence), "operation %s denied: %s", call_name(h, name), why);
	const struct rpc_error error = {.code = VIR_ERR_OPERATION_DENIED,
					.domain = VIR_FROM_RPC,
					.message = sentence,
					.level = VIR_ERR_ERROR,
					.str1 = sentence};

	report(c, h, guest, start_s, TRACE_REFUSED, why);
	rpc_reply_error(&c->gate->out, h, &error);
	return rpc_link_put(&c->program, &c->gate->out);
}

/* A call of the gate's own on this connection. */
static int ask(struct gate_client *c, int purpose, int32_t procedure, const struct rpc_domain *dom)
{
	struct rpc_header h = {RPC_REMOTE, RPC_VERSION, procedure, RPC_CALL, 0, RPC_OK};
	struct rpc_out *out = &c->gate->out;

	h.serial = add_call(c, purpose, &h)->serial;
	rpc_message_begin(out, &h);
	if (purpose == GATE_NAME) {
		rpc_put_fixed(out, dom->uuid, RPC_UUID_LEN);
	} else {
		rpc_put_domain(out, dom);
		rpc_put_i32(out, VIR_DOMAIN_METADATA_ELEMENT);
		rpc_put_optional(out, LABGUEST_URI);
		rpc_put_u32(out, 0);
	}
	return rpc_link_put(&c->daemon, out);
}

/* Keeps a call until libvirtd has told whose its guest is. */
static int hold(struct gate_client *c, const struct rpc_message *m, const struct rpc_domain *dom,
		bool must_be_ours)
{
	struct gate_held *held = &c->held;

	held->message = malloc(m->len);
	if (!held->message)
		return -1;
	memcpy(held->message, m->data, m->len);
	held->len = m->len;
	held->must_be_ours = must_be_ours;
	held->header = m->header;
	held->start_s = tick_now_s();
	memcpy(held->uuid, dom->uuid, RPC_UUID_LEN);
	return ask(c, GATE_NAME, LOOKUP_BY_UUID, dom) < 0 ? -1
							  : ask(c, GATE_TAG, GET_METADATA, dom);
}

/* libvirtd does not know the guest: the call gets libvirtd's error. */
static int answer_unknown(struct gate_client *c)
{
	struct rpc_header h = c->held.header;

	report(c, &h, NULL, c->held.start_s, TRACE_ERROR, "the guest cannot be looked up");
	h.type = RPC_REPLY;
	h.status = RPC_ERROR;
	rpc_message_begin(&c->gate->out, &h);
	rpc_put_fixed(&c->gate->out, c->held.error, c->held.error_len);
	return rpc_link_put(&c->program, &c->gate->out);
}

/* Both questions about the held call's guest are answered. */
static int release(struct gate_client *c)
{
	struct gate_held *held = &c->held;
	struct rpc_domain dom = {.name = held->name};
	int result = -1;

	if (!held->name) {
		result = answer_unknown(c);
	} else {
		memcpy(dom.uuid, held->uuid, RPC_UUID_LEN);
		struct gate_guest *guest =
			gate_guests_learn(&c->gate->guests, &dom, held->tagged, tick_now_s());

		if (guest && held->must_be_ours && !guest->ours)
			result = refuse(c, &held->header, guest, held->start_s, gate_not_ours);
		else if (guest)
			result = pass(c, held->message, held->len, &held->header, guest,
				      held->start_s);
	}
	drop_held(c);
	return result;
}

static int take_call(struct gate_client *c, struct rpc_message *m)
{
	struct gate *gate = c->gate;
	const char *sentence;
	double now_s = tick_now_s();
	enum gate_verdict verdict = gate_judge(&m->header, &m->body, &gate->args, &sentence);

	if (verdict == GATE_BREAK) {
		gate_report_broken(&gate->report, sentence);
		return -1;
	}
	if (verdict == GATE_REFUSE && !gate->args.n)
		return refuse(c, &m->header, NULL, now_s, sentence);

	const struct rpc_procedure *p = rpc_procedure(m->header.procedure);
	int at = m->header.program == RPC_REMOTE ? rpc_domain_argument(p) : -1;
	const struct rpc_domain *dom = at < 0 ? NULL : &gate->args.value[at].dom;
	struct gate_guest *guest = dom ? gate_guests_find(&gate->guests, dom->uuid, now_s) : NULL;

	if (verdict == GATE_REFUSE)
		return refuse(c, &m->header, guest, now_s, sentence);
	if (dom && !guest)
		return hold(c, m, dom, verdict == GATE_PASS_IF_OURS);
	if (verdict == GATE_PASS_IF_OURS && !guest->ours)
		return refuse(c, &m->header, guest, now_s, gate_not_ours);
	return pass(c, m->data, m->len, &m->header, guest, now_s);
}

/* Whether the client may be read: nothing of it waits, and what it makes is taken. */
static bool program_readable(const struct gate_client *c)
{
	return !c->held.message && c->ncalls + QUESTIONS < GATE_CALLS &&
	       rpc_link_waiting(&c->daemon) < KEPT_BYTES_MAX &&
	       rpc_link_waiting(&c->program) < KEPT_BYTES_MAX;
}

static int serve_program(struct gate_client *c)
{
	struct rpc_message m;
	const char *error;

	for (int turn = 0; program_readable(c); turn++) {
		if (turn == TURN_MESSAGES) {
			c->more = true;
			return 0;
		}
		int got = rpc_link_read(&c->program, &m, &error);

		if (got == 1)
			error = rpc_client_fault(&m.header);
		if (error)
			gate_report_broken(&c->gate->report, error);
		if (got < 0 || error)
			return -1;
		if (got == 0)
			return 0;
		if (m.header.program == RPC_KEEPALIVE)
			got = rpc_link_send(&c->daemon, m.data, m.len);
		else
			got = take_call(c, &m);
		if (got < 0)
			return -1;
	}
	return 0;
}

/* --- from libvirtd --- */

/* An answer to a question of the gate's. */
static int take_answer(struct gate_client *c, int purpose, struct rpc_message *m)
{
	struct gate_held *held = &c->held;
	struct rpc_args *args = &c->gate->args;

	held->answers++;
	if (purpose == GATE_TAG) {
		held->tagged = m->header.status == RPC_OK;
	} else if (m->header.status == RPC_OK) {
		if (rpc_args_read(args, "d", &m->body) < 0 ||
		    memcmp(args->value[0].dom.uuid, held->uuid, RPC_UUID_LEN) != 0)
			return -1;
		held->name = strdup(args->value[0].dom.name);
		if (!held->name)
			return -1;
	} else {
		held->error_len = rpc_in_left(&m->body);
		held->error = malloc(held->error_len + 1);
		if (!held->error)
			return -1;
		memcpy(held->error, m->body.data + m->body.at, held->error_len);
	}
	return held->answers == QUESTIONS ? release(c) : 0;
}

static int take_reply(struct gate_client *c, struct rpc_message *m)
{
	size_t i = 0;

	while (i < c->ncalls && c->calls[i].serial != m->header.serial)
		i++;
	if (i == c->ncalls)
		return -1;
	struct gate_call call = c->calls[i];

	memmove(&c->calls[i], &c->calls[i + 1], (c->ncalls - i - 1) * sizeof(call));
	c->ncalls--;
	if (call.purpose != GATE_CLIENTS)
		return take_answer(c, call.purpose, m);
	put_serial(m->data, call.header.serial);
	if (rpc_link_send(&c->program, m->data, m->len) < 0)
		return -1;
	struct rpc_error error = {0};

	if (m->header.status == RPC_ERROR)
		rpc_error_read(&c->gate->args, &error, &m->body);
	report(c, &call.header, call.guest, call.start_s,
	       m->header.status == RPC_ERROR ? TRACE_ERROR : TRACE_DONE, error.message);
	return 0;
}

static int serve_daemon(struct gate_client *c)
{
	struct rpc_message m;
	const char *error;

	for (int turn = 0; rpc_link_waiting(&c->program) < KEPT_BYTES_MAX; turn++) {
		if (turn == TURN_MESSAGES) {
			c->more = true;
			return 0;
		}
		int got = rpc_link_read(&c->daemon, &m, &error);

		if (got <= 0)
			return got;
		if (m.header.type == RPC_REPLY)
			got = take_reply(c, &m);
		else if (m.header.type == RPC_EVENT)
			got = rpc_link_send(&c->program, m.data, m.len);
		else
			return -1; /* streams and descriptors: no call that brings them passes */
		if (got < 0)
			return -1;
	}
	return 0;
}

/* --- the loop's view --- */

short gate_client_program_events(const struct gate_client *c)
{
	return (short)((program_readable(c) ? POLLIN : 0) |
		       (rpc_link_waiting(&c->program) ? POLLOUT : 0));
}

short gate_client_daemon_events(const struct gate_client *c)
{
	return (short)((rpc_link_waiting(&c->program) < KEPT_BYTES_MAX ? POLLIN : 0) |
		       (rpc_link_waiting(&c->daemon) ? POLLOUT : 0));
}

int gate_client_serve(struct gate_client *c)
{
	c->more = false;
	if (rpc_link_waiting(&c->program) && rpc_link_flush(&c->program) < 0)
		return -1;
	if (rpc_link_waiting(&c->daemon) && rpc_link_flush(&c->daemon) < 0)
		return -1;
	return serve_daemon(c) < 0 ? -1 : serve_program(c);
}
