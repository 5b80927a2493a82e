/* SPDX-License-Identifier: MIT */
/* The protocol without anybody to speak it with: bytes in, bytes out. */
#include "link.h"
#include "procedures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct rpc_header call = {RPC_REMOTE, RPC_VERSION, 23, RPC_CALL, 7, RPC_OK};

/* Everything a shape can have. */
static void put_all(struct rpc_out *out)
{
	const struct rpc_domain dom = {"vm1", "0123456789abcde", 3};
	const struct rpc_param params[] = {
		{"cpu", RPC_ULLONG, {.ul = UINT64_MAX}},
		{"name", RPC_STRING, {.s = "four"}},
		{"load", RPC_DOUBLE, {.d = 0.5}},
	};

	rpc_put_domain(out, &dom);
	rpc_put_optional(out, NULL);
	rpc_put_i64(out, -5);
	rpc_put_bytes(out, "\1\2\3", 3);
	rpc_put_params(out, params, 3);
	rpc_put_u32(out, 1);
	rpc_put_domain(out, &dom);
	rpc_put_u32(out, 2);
	rpc_put_string(out, "a");
	rpc_put_string(out, "");
	rpc_put_string(out, "last");
}

#define ALL "dShoplts"

static void test_values_come_back(void **state)
{
	struct rpc_out out = {0};
	struct rpc_args args = {0};

	(void)state;
	put_all(&out);
	assert_int_equal(out.len % 4, 0);
	struct rpc_in in = {.data = out.data, .len = out.len};

	assert_int_equal(rpc_args_read(&args, ALL, &in), 0);
	assert_int_equal(args.n, 8);
	assert_string_equal(args.value[0].dom.name, "vm1");
	assert_int_equal(args.value[0].dom.id, 3);
	assert_memory_equal(args.value[0].dom.uuid, "0123456789abcde", 16);
	assert_null(args.value[1].s);
	assert_int_equal(args.value[2].h, -5);
	assert_memory_equal(args.value[3].bytes.data, "\1\2\3", 3);
	assert_int_equal(args.value[4].params.n, 3);
	assert_true(args.value[4].params.items[0].ul == UINT64_MAX);
	assert_string_equal(args.value[4].params.items[1].s, "four");
	assert_true(args.value[4].params.items[2].d == 0.5);
	assert_string_equal(args.value[5].domains.items[0].name, "vm1");
	assert_string_equal(args.value[6].strings.items[1], "");
	assert_string_equal(args.value[7].s, "last");
	rpc_args_free(&args);
	rpc_out_free(&out);
}

/* Cut anywhere, or followed by anything, it is refused; each cut is its own allocation, so that a
 * sanitizer sees a byte read behind it. */
static void test_no_cut_is_taken(void **state)
{
	struct rpc_out out = {0};
	struct rpc_args args = {0};

	(void)state;
	put_all(&out);
	for (size_t len = 0; len < out.len; len++) {
		unsigned char *cut = malloc(len + 1);

		memcpy(cut, out.data, len);
		struct rpc_in in = {.data = cut, .len = len};

		assert_int_equal(rpc_args_read(&args, ALL, &in), -1);
		free(cut);
	}
	rpc_put_u32(&out, 0);
	struct rpc_in in = {.data = out.data, .len = out.len};

	assert_int_equal(rpc_args_read(&args, ALL, &in), -1);
	rpc_args_free(&args);
	rpc_out_free(&out);
}

static void refused(const char *shape, const struct rpc_out *out)
{
	struct rpc_args args = {0};
	struct rpc_in in = {.data = out->data, .len = out->len};

	assert_int_equal(rpc_args_read(&args, shape, &in), -1);
	rpc_args_free(&args);
}

static void test_nonsense_is_refused(void **state)
{
	struct rpc_out out = {0};

	(void)state;
	rpc_put_u32(&out, 0xffffffff); /* elements, or bytes */
	rpc_put_u32(&out, 0);
	for (const char *letter = "opltw"; *letter; letter++)
		refused((const char[]){*letter, '\0'}, &out);
	out.len = 0;
	rpc_put_bytes(&out, "a\0b", 3);
	refused("s", &out);
	out.len = 0;
	rpc_put_u32(&out, 2); /* neither present nor absent */
	rpc_put_string(&out, "x");
	refused("S", &out);
	out.len = 0;
	rpc_put_u32(&out, 1);
	rpc_put_string(&out, "field");
	rpc_put_i32(&out, 9); /* no such type */
	rpc_put_i64(&out, 0);
	refused("p", &out);
	rpc_out_free(&out);
}

static void test_error_comes_back(void **state)
{
	const struct rpc_error error = {.code = 88, .domain = 10, .message = "no", .level = 2};
	struct rpc_error got;
	struct rpc_out out = {0};
	struct rpc_args args = {0};
	struct rpc_header h;
	struct rpc_in in;
	const char *why;

	(void)state;
	rpc_reply_error(&out, &call, &error);
	assert_int_equal(rpc_message_end(&out), 0);
	assert_int_equal(rpc_message_read(out.data, out.len, &h, &in, &why), 0);
	assert_int_equal(h.type, RPC_REPLY);
	assert_int_equal(h.status, RPC_ERROR);
	assert_int_equal(h.serial, 7);
	assert_int_equal(rpc_error_read(&args, &got, &in), 0);
	assert_int_equal(got.code, 88);
	assert_string_equal(got.message, "no");
	assert_null(got.dom.name);
	rpc_args_free(&args);
	rpc_out_free(&out);
}

static void test_only_clients_messages(void **state)
{
	static const struct rpc_header bad[] = {
		{0x12345678, 1, 1, RPC_CALL, 1, RPC_OK},
		{RPC_REMOTE, 2, 1, RPC_CALL, 1, RPC_OK},
		{RPC_REMOTE, 1, 1, RPC_REPLY, 1, RPC_OK},
		{RPC_REMOTE, 1, 1, RPC_CALL, 1, RPC_ERROR},
		{RPC_REMOTE, 1, 1, RPC_STREAM, 1, RPC_OK},
		{RPC_REMOTE, 1, 1, RPC_CALL_FDS, 1, RPC_OK},
		{RPC_KEEPALIVE, 1, 3, RPC_EVENT, 0, RPC_OK},
		{RPC_KEEPALIVE, 1, 1, RPC_CALL, 0, RPC_OK},
	};
	const struct rpc_header ping = {RPC_KEEPALIVE, 1, RPC_PING, RPC_EVENT, 0, RPC_OK};

	(void)state;
	assert_null(rpc_client_fault(&call));
	assert_null(rpc_client_fault(&ping));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(rpc_client_fault(&bad[i]));
}

/* Two ends of one socket. */
static void open_pair(struct rpc_link *a, struct rpc_link *b, size_t max)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	rpc_link_open(a, fds[0], 0);
	rpc_link_open(b, fds[1], max);
}

static void test_link_takes_messages_in_pieces(void **state)
{
	struct rpc_link a, b;
	struct rpc_out out = {0};
	struct rpc_message m;
	const char *error;

	(void)state;
	open_pair(&a, &b, 0);
	rpc_message_begin(&out, &call);
	rpc_put_string(&out, "vm1");
	assert_int_equal(rpc_message_end(&out), 0);
	for (size_t i = 0; i < out.len; i++) {
		assert_int_equal(rpc_link_read(&b, &m, &error), 0);
		assert_int_equal(rpc_link_send(&a, out.data + i, 1), 0);
	}
	assert_int_equal(rpc_link_read(&b, &m, &error), 1);
	assert_int_equal(m.header.procedure, 23);
	assert_int_equal(rpc_in_left(&m.body), 8);
	assert_int_equal(rpc_link_send(&a, out.data, out.len - 1), 0);
	rpc_link_close(&a);
	assert_int_equal(rpc_link_read(&b, &m, &error), -1);
	assert_string_equal(error, "a message that was cut");
	rpc_link_close(&b);
	rpc_out_free(&out);
}

static void test_link_refuses_lengths(void **state)
{
	static const uint32_t lengths[] = {0, 27, 1025, 0xffffffff};
	const char *error;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct rpc_link a, b;
		struct rpc_out out = {0};
		struct rpc_message m;

		open_pair(&a, &b, 1024);
		rpc_put_u32(&out, lengths[i]);
		assert_int_equal(rpc_link_send(&a, out.data, out.len), 0);
		assert_int_equal(rpc_link_read(&b, &m, &error), -1);
		assert_non_null(error);
		rpc_link_close(&a);
		rpc_link_close(&b);
		rpc_out_free(&out);
	}
}

/* What the other end does not read is kept, in order, and sent when it does. */
static void test_link_keeps_what_is_not_read(void **state)
{
	enum { MESSAGES = 2000 };
	struct rpc_link a, b;
	struct rpc_out out = {0};
	struct rpc_message m;
	const char *error;
	uint32_t next = 0;

	(void)state;
	open_pair(&a, &b, 0);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		struct rpc_header h = call;

		h.serial = i;
		rpc_message_begin(&out, &h);
		rpc_put_chars(&out, "x", 300);
		assert_int_equal(rpc_link_put(&a, &out), 0);
	}
	assert_true(rpc_link_waiting(&a) > 0);
	while (next < MESSAGES) {
		while (rpc_link_read(&b, &m, &error) == 1)
			assert_int_equal(m.header.serial, next++);
		assert_int_equal(rpc_link_flush(&a), 0);
	}
	assert_int_equal(rpc_link_waiting(&a), 0);
	rpc_link_close(&a);
	rpc_link_close(&b);
	rpc_out_free(&out);
}

static void test_procedures(void **state)
{
	(void)state;
	assert_string_equal(rpc_procedure(344)->name, "connect_get_all_domain_stats");
	assert_int_equal(rpc_procedure_number("domain_pin_vcpu"), 26);
	assert_null(rpc_procedure(0)->name);
	assert_null(rpc_procedure(-1)->name);
	assert_null(rpc_procedure(rpc_procedures)->name);
	for (int32_t i = 1; i < rpc_procedures; i++) {
		const struct rpc_procedure *p = rpc_procedure(i);

		assert_non_null(p->name);
		assert_int_equal(rpc_procedure_number(p->name), i);
		if (p->effect == RPC_STEERS) /* the gate rests on this */
			assert_int_equal(rpc_domain_argument(p), 0);
		if (p->args)
			assert_true(strlen(p->args) <= RPC_ARGS_MAX);
	}
}

static void test_function_names(void **state)
{
	static const char *const names[][2] = {
		{"domain_pin_vcpu_flags", "virDomainPinVcpuFlags"},
		{"connect_get_all_domain_stats", "virConnectGetAllDomainStats"},
		{"node_get_cpu_map", "virNodeGetCPUMap"},
		{"domain_get_xml_desc", "virDomainGetXMLDesc"},
		{"domain_lookup_by_uuid", "virDomainLookupByUUID"},
		{"domain_lookup_by_id", "virDomainLookupByID"},
		{"connect_get_uri", "virConnectGetURI"},
		{"domain_get_os_type", "virDomainGetOSType"},
		{"connect_domain_event_callback_register_any", "virConnectDomainEventRegisterAny"},
		{"connect_register_close_callback", "virConnectRegisterCloseCallback"},
	};
	char text[96];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct rpc_procedure *p = rpc_procedure(rpc_procedure_number(names[i][0]));

		assert_string_equal(rpc_function_name(p, text, sizeof(text)), names[i][1]);
	}
	assert_string_equal(rpc_function_name(rpc_procedure(1), text, 8), "virConn");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_come_back),
		cmocka_unit_test(test_no_cut_is_taken),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_error_comes_back),
		cmocka_unit_test(test_only_clients_messages),
		cmocka_unit_test(test_link_takes_messages_in_pieces),
		cmocka_unit_test(test_link_refuses_lengths),
		cmocka_unit_test(test_link_keeps_what_is_not_read),
		cmocka_unit_test(test_procedures),
		cmocka_unit_test(test_function_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
