/* SPDX-License-Identifier: MIT */
/* Tests of the guest agent's language and of the figures read through it. */
#include "agent_reply.h"
#include "inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_base64(void **state)
{
	/* RFC 4648, section 10 */
	static const char *const rows[][2] = {
		{"", ""},	 {"f", "Zg=="},	       {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = base64_encode(rows[i][0], strlen(rows[i][0]));
		size_t len;
		char *data = base64_decode(rows[i][1], &len);

		assert_string_equal(text, rows[i][1]);
		assert_string_equal(data, rows[i][0]);
		assert_int_equal(len, strlen(rows[i][0]));
		free(text);
		free(data);
	}
}

static void test_base64_bytes(void **state)
{
	unsigned char bytes[256];
	size_t len;
	char *text, *data;

	(void)state;
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(255 - i);
	text = base64_encode(bytes, sizeof(bytes));
	data = base64_decode(text, &len);
	assert_int_equal(len, sizeof(bytes));
	assert_memory_equal(data, bytes, len);
	free(text);
	free(data);
}

static void test_base64_malformed(void **state)
{
	static const char *const rows[] = {"Z", "Zg", "Zg=", "Zm9*", "Z===", "=Zg=", "Zm\n9"};
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_null(base64_decode(rows[i], &len));
}

static void test_command(void **state)
{
	const char *argv[] = {"/bin/sh", "-c", "echo \"x\"", NULL};
	char *text = agent_command("guest-ping", NULL);

	(void)state;
	assert_string_equal(text, "{\"execute\":\"guest-ping\"}");
	free(text);
	text = agent_command("guest-exec", agent_exec_arguments(argv));
	assert_string_equal(
		text,
		"{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/sh\",\"arg\":[\"-c\","
		"\"echo \\\"x\\\"\"],\"capture-output\":true}}");
	free(text);
}

static void test_replies(void **state)
{
	static const struct {
		const char *text, *error; /* error NULL: there is a return */
	} rows[] = {
		{"{\"return\":{}}", NULL},
		{"{\"return\":7}", NULL},
		{"{\"error\":{\"class\":\"GenericError\",\"desc\":\"no such file\"}}",
		 "no such file"},
		{"{}", "no return"},
		{"{\"return\":", "not JSON"},
		{"", "not JSON"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[AGENT_ERROR_MAX] = "";
		json_t *ret = agent_reply_parse(rows[i].text, error);

		if (rows[i].error) {
			assert_null(ret);
			assert_non_null(strstr(error, rows[i].error));
		} else {
			assert_non_null(ret);
		}
		json_decref(ret);
	}
}

static int parse_result(const char *text, struct agent_result *result)
{
	char error[AGENT_ERROR_MAX] = "";
	json_t *ret = json_loads(text, 0, NULL);
	int status = agent_result_parse(ret, result, error);

	assert_true(status == 0 || error[0]);
	json_decref(ret);
	return status;
}

static void test_results(void **state)
{
	struct agent_result result;

	(void)state;
	assert_int_equal(parse_result("{\"exited\":false}", &result), 0);
	assert_false(result.exited);
	assert_int_equal(
		parse_result("{\"exited\":true,\"exitcode\":4,\"out-data\":\"Zm9v\"}", &result), 0);
	assert_true(result.exited);
	assert_int_equal(result.status, 4);
	assert_string_equal(result.out, "foo");
	assert_string_equal(result.err, "");
	agent_result_free(&result);
	assert_int_equal(parse_result("{\"exited\":true,\"signal\":9}", &result), 0);
	assert_int_equal(result.status, 137);
	agent_result_free(&result);
	assert_int_equal(
		parse_result("{\"exited\":true,\"exitcode\":0,\"err-data\":\"*\"}", &result), -1);
	assert_int_equal(parse_result("{}", &result), -1);
	assert_int_equal(parse_result("[]", &result), -1);
}

static void test_read(void **state)
{
	char error[AGENT_ERROR_MAX] = "", *data;
	json_t *ret = json_loads("{\"count\":3,\"buf-b64\":\"Zm9v\",\"eof\":true}", 0, NULL);
	size_t len;
	bool eof;

	(void)state;
	data = agent_read_parse(ret, &len, &eof, error);
	assert_string_equal(data, "foo");
	assert_int_equal(len, 3);
	assert_true(eof);
	free(data);
	json_decref(ret);
	ret = json_object();
	assert_null(agent_read_parse(ret, &len, &eof, error));
	assert_non_null(strstr(error, "buf-b64"));
	json_decref(ret);
}

static void test_explanations(void **state)
{
	/* libvirt's and qemu-ga's own messages */
	static const char *const rows[][2] = {
		{"internal error: unable to execute QEMU agent command 'guest-exec': Command "
		 "guest-exec has been disabled",
		 "block-rpcs"},
		{"internal error: unable to execute QEMU agent command 'guest-exec': The command "
		 "guest-exec has been "
		 "disabled for this instance",
		 "guest-exec"},
		{"argument unsupported: QEMU guest agent is not configured",
		 "no guest agent channel"},
		{"Guest agent is not responding: QEMU guest agent is not connected",
		 "does not answer"},
		{"Requested operation is not valid: domain is not running", "not running"},
		{"something else", "something else"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[AGENT_ERROR_MAX];

		agent_explain("guest-exec", rows[i][0], error);
		if (!strstr(error, rows[i][1]))
			fail_msg("%s: %s", rows[i][0], error);
	}
}

static void test_inside(void **state)
{
	static const char meminfo[] = "MemTotal:         495564 kB\nMemFree:          409128 kB\n"
				      "MemAvailable:     399908 kB\nBuffers:               0 kB\n";
	static const char vmstat[] =
		"nr_free_pages 102282\ndrop_pagecache 0\noom_kill 3\nswap_ra 0\n";
	struct inside inside;

	(void)state;
	assert_int_equal(inside_parse(meminfo, vmstat, "{\"load_kib\": 4096}\n", &inside), 0);
	assert_int_equal(inside.total_kib, 495564);
	assert_int_equal(inside.free_kib, 409128);
	assert_int_equal(inside.available_kib, 399908);
	assert_int_equal(inside.oom_kill, 3);
	assert_int_equal(inside.load_kib, 4096);
	assert_int_equal(inside_parse(meminfo, NULL, NULL, &inside), 0);
	assert_int_equal(inside.oom_kill, -1);
	assert_int_equal(inside.load_kib, 0);
	assert_int_equal(inside_parse("MemTotal: 1 kB\n", vmstat, "{", &inside), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_bytes),
		cmocka_unit_test(test_base64_malformed),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
