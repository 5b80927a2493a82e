/* SPDX-License-Identifier: MIT */
/* What the gate lets through, a row per rule. */
#include "rules.h"

#include <libvirt/libvirt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static const struct rpc_domain dom = {"aos_vm1", "0123456789abcde", 1};

/* Judges a call with what was put in out, and empties it. */
static enum gate_verdict judge(uint32_t program, int32_t procedure, struct rpc_out *out)
{
	const struct rpc_header h = {program, RPC_VERSION, procedure, RPC_CALL, 1, RPC_OK};
	struct rpc_in in = {.data = out->data, .len = out->len};
	struct rpc_args args = {0};
	const char *sentence = NULL;
	enum gate_verdict verdict = gate_judge(&h, &in, &args, &sentence);

	if (verdict == GATE_REFUSE || verdict == GATE_BREAK)
		assert_non_null(sentence);
	rpc_args_free(&args);
	rpc_out_free(out);
	return verdict;
}

static enum gate_verdict judge_name(const char *procedure, struct rpc_out *out)
{
	int32_t number = rpc_procedure_number(procedure);

	assert_true(number > 0);
	return judge(RPC_REMOTE, number, out);
}

/* No procedure that changes something passes unless its guest is the run's; written down here a
 * second time, by the beginnings of names. */
static void test_nothing_changes_by_reading(void **state)
{
	static const char *const reads[] = {"_get_", "_lookup_", "_list_", "_num_of_",
					    "_is_",  "_stats",	 "_has_",  "_is_secure"};

	(void)state;
	for (int32_t i = 1; i < rpc_procedures; i++) {
		const struct rpc_procedure *p = rpc_procedure(i);
		bool known = false;

		if (p->effect != RPC_READS)
			continue;
		for (size_t k = 0; k < sizeof(reads) / sizeof(reads[0]); k++)
			known |= strstr(p->name, reads[k]) != NULL;
		assert_true(known);
		assert_null(strstr(p->name, "secret"));
		assert_null(strstr(p->name, "peek"));
	}
}

static void test_steering_needs_a_guest_of_the_run(void **state)
{
	struct rpc_out out = {0};

	(void)state;
	rpc_put_domain(&out, &dom);
	rpc_put_u32(&out, 0);
	rpc_put_bytes(&out, "\1", 1);
	assert_int_equal(judge_name("domain_pin_vcpu", &out), GATE_PASS_IF_OURS);
	rpc_put_domain(&out, &dom);
	rpc_put_u64(&out, 1024);
	assert_int_equal(judge_name("domain_set_memory", &out), GATE_PASS_IF_OURS);
	rpc_put_domain(&out, &dom);
	rpc_put_u64(&out, 1024);
	rpc_put_u32(&out, VIR_DOMAIN_MEM_LIVE);
	assert_int_equal(judge_name("domain_set_memory_flags", &out), GATE_PASS_IF_OURS);
	rpc_put_domain(&out, &dom);
	rpc_put_u64(&out, 1024);
	rpc_put_u32(&out, VIR_DOMAIN_MEM_LIVE | VIR_DOMAIN_MEM_MAXIMUM);
	assert_int_equal(judge_name("domain_set_memory_flags", &out), GATE_REFUSE);
	rpc_put_domain(&out, &dom);
	assert_int_equal(judge_name("domain_get_info", &out), GATE_PASS);
}

static enum gate_verdict judge_metadata(int type, const char *uri)
{
	struct rpc_out out = {0};

	rpc_put_domain(&out, &dom);
	rpc_put_i32(&out, type);
	rpc_put_optional(&out, "<x/>");
	rpc_put_optional(&out, "k");
	rpc_put_optional(&out, uri);
	rpc_put_u32(&out, 0);
	return judge_name("domain_set_metadata", &out);
}

static void test_metadata_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(judge_metadata(VIR_DOMAIN_METADATA_ELEMENT, "urn:mine"),
			 GATE_PASS_IF_OURS);
	assert_int_equal(judge_metadata(VIR_DOMAIN_METADATA_ELEMENT, "urn:ballast:lab:1"),
			 GATE_REFUSE);
	assert_int_equal(judge_metadata(VIR_DOMAIN_METADATA_ELEMENT, NULL), GATE_REFUSE);
	assert_int_equal(judge_metadata(VIR_DOMAIN_METADATA_TITLE, "urn:mine"), GATE_REFUSE);
}

static enum gate_verdict judge_xml(unsigned int flags)
{
	struct rpc_out out = {0};

	rpc_put_domain(&out, &dom);
	rpc_put_u32(&out, flags);
	return judge_name("domain_get_xml_desc", &out);
}

static enum gate_verdict judge_open(const char *uri)
{
	struct rpc_out out = {0};

	rpc_put_optional(&out, uri);
	rpc_put_u32(&out, 0);
	return judge_name("connect_open", &out);
}

static void test_reading_has_its_limits(void **state)
{
	(void)state;
	assert_int_equal(judge_xml(0), GATE_PASS);
	assert_int_equal(judge_xml(VIR_DOMAIN_XML_INACTIVE), GATE_PASS);
	assert_int_equal(judge_xml(VIR_DOMAIN_XML_SECURE), GATE_REFUSE);
	assert_int_equal(judge_xml(VIR_DOMAIN_XML_MIGRATABLE), GATE_REFUSE);
	assert_int_equal(judge_open("qemu:///system"), GATE_PASS);
	assert_int_equal(judge_open(NULL), GATE_PASS);
	assert_int_equal(judge_open(""), GATE_PASS);
	assert_int_equal(judge_open("lxc:///system"), GATE_REFUSE);
}

static void test_the_rest_is_refused(void **state)
{
	struct rpc_out out = {0};

	(void)state;
	rpc_put_domain(&out, &dom);
	assert_int_equal(judge_name("domain_destroy", &out), GATE_REFUSE);
	assert_int_equal(judge_name("storage_vol_delete", &out), GATE_REFUSE);
	assert_int_equal(judge(RPC_REMOTE, 0, &out), GATE_REFUSE);
	assert_int_equal(judge(RPC_REMOTE, -1, &out), GATE_REFUSE);
	assert_int_equal(judge(RPC_REMOTE, 9999, &out), GATE_REFUSE);
	assert_int_equal(judge(RPC_QEMU, 1, &out), GATE_REFUSE);
	assert_int_equal(judge(RPC_QEMU, 3, &out), GATE_REFUSE);
}

static void test_nonsense_breaks(void **state)
{
	struct rpc_out out = {0};

	(void)state;
	assert_int_equal(judge_name("domain_get_info", &out), GATE_BREAK);
	rpc_put_domain(&out, &dom);
	rpc_put_u32(&out, 0);
	assert_int_equal(judge_name("domain_get_info", &out), GATE_BREAK);
	assert_int_equal(judge_name("domain_event_callback_reboot", &out), GATE_BREAK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_changes_by_reading),
		cmocka_unit_test(test_steering_needs_a_guest_of_the_run),
		cmocka_unit_test(test_metadata_of_its_own),
		cmocka_unit_test(test_reading_has_its_limits),
		cmocka_unit_test(test_the_rest_is_refused),
		cmocka_unit_test(test_nonsense_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
