/* SPDX-License-Identifier: MIT */
/* Weighs a program's findings against those of no program. */
#include "credit.h"

#include "grade_doc.h"

#include <math.h>
#include <string.h>

/* Sums of weights that differ by less are the same. */
#define WEIGHT_EPSILON 1e-9

static bool has_result(const json_t *finding, const char *result)
{
	return doc_is(finding, "result", result);
}

bool credit_is_condition(const json_t *finding)
{
	static const char *const conditions[] = {"program_alive", "guests_run", "program_cpu"};

	for (size_t i = 0; i < sizeof(conditions) / sizeof(*conditions); i++)
		if (doc_is(finding, "name", conditions[i]))
			return true;
	return false;
}

/* Which fault a finding is about: the name of the first in its chain. */
static const char *fault_of(const json_t *finding)
{
	const char *name = doc_text(finding, "name");

	if (!strcmp(name, "pins") || !strcmp(name, "pins_after_balance"))
		return "moves";
	return name;
}

/* True if it failed only because something else did. */
static bool is_consequence(const json_t *finding)
{
	return has_result(finding, "fail") && doc_text(finding, "because")[0];
}

const json_t *credit_same_finding(const json_t *control, const json_t *finding)
{
	json_t *other;
	size_t i;

	DOC_EACH(control, "expectations", i, other)
	if (doc_is(other, "name", doc_text(finding, "name")) &&
	    doc_is(other, "asked", doc_text(finding, "asked")))
		return other;
	return NULL;
}

static bool counts(const json_t *finding)
{
	return !credit_is_condition(finding) && !is_consequence(finding) &&
	       (has_result(finding, "pass") || has_result(finding, "fail"));
}

/* How far an expectation is met, 0 to 1: in part where the suite gives part credit for it. */
static double degree_of(const struct suite *suite, const json_t *finding)
{
	const struct suite_credit *credit = suite_find_credit(suite, fault_of(finding));
	const json_t *value = json_object_get(finding, "value");
	const json_t *limit = json_object_get(finding, "limit");
	double beyond;

	if (has_result(finding, "pass"))
		return 1;
	if (!credit || credit->none <= credit->full || !value || !limit)
		return 0;
	beyond = json_number_value(value) - json_number_value(limit);
	if (doc_is(finding, "bound", "least"))
		beyond = -beyond;
	if (credit->relative && json_number_value(limit) != 0)
		beyond *= 100 / json_number_value(limit);
	return fmin(1, fmax(0, (credit->none - beyond) / (credit->none - credit->full)));
}

/* True if the suite gives credit for a fault's findings only with another expectation, and that
 * failed. */
static bool lacks_other(const struct suite *suite, const json_t *verdict, const char *fault)
{
	const struct suite_credit *credit = suite_find_credit(suite, fault);
	json_t *finding;
	size_t i;

	DOC_EACH(verdict, "expectations", i, finding)
	if (credit && credit->with[0] && doc_is(finding, "name", credit->with) &&
	    has_result(finding, "fail"))
		return true;
	return false;
}

/* The least degree of a fault's findings of a verdict; NAN where there are none. */
static double fault_degree(const struct suite *suite, const json_t *verdict, const char *fault)
{
	double least = NAN;
	json_t *finding;
	size_t i;

	DOC_EACH(verdict, "expectations", i, finding)
	if (counts(finding) && !strcmp(fault_of(finding), fault))
		least = fmin(least, degree_of(suite, finding));
	return !isnan(least) && lacks_other(suite, verdict, fault) ? 0 : least;
}

/* The fault that another one follows from, by the first of its findings that says so; itself else.
 */
static const char *cause_of(const json_t *verdict, const char *fault)
{
	json_t *finding, *other;
	size_t i, j;

	DOC_EACH(verdict, "expectations", i, finding)
	{
		if (!is_consequence(finding) || strcmp(fault_of(finding), fault) != 0)
			continue;
		DOC_EACH(verdict, "expectations", j, other)
		if (doc_is(other, "name", doc_text(finding, "because")))
			return fault_of(other);
	}
	return fault;
}

static const char *root_of(const json_t *verdict, const char *fault)
{
	/* No longer than there are findings: what follows from itself ends somewhere. */
	for (size_t i = json_array_size(json_object_get(verdict, "expectations")); i-- > 0;)
		fault = cause_of(verdict, fault);
	return fault;
}

static double weight_of(const struct suite *suite, const char *fault)
{
	const struct suite_credit *credit = suite_find_credit(suite, fault);

	return credit ? credit->weight : 1;
}

/* The weight of a fault: the heaviest of what follows from it, itself included. */
static double whole_weight(const struct suite *suite, const json_t *verdict, const char *fault)
{
	double weight = weight_of(suite, fault);
	json_t *finding;
	size_t i;

	DOC_EACH(verdict, "expectations", i, finding)
	if (!strcmp(root_of(verdict, fault_of(finding)), fault))
		weight = fmax(weight, weight_of(suite, fault_of(finding)));
	return weight;
}

/* Of what follows from a fault, the heaviest that the suite gives part credit for; NULL: nothing.
 */
static const struct suite_credit *part_of(const struct suite *suite, const json_t *verdict,
					  const char *fault)
{
	const struct suite_credit *heaviest = NULL;
	json_t *finding;
	size_t i;

	DOC_EACH(verdict, "expectations", i, finding)
	{
		const struct suite_credit *credit = suite_find_credit(suite, fault_of(finding));

		if (is_consequence(finding) && credit && credit->none > credit->full &&
		    (!heaviest || credit->weight > heaviest->weight) &&
		    !strcmp(root_of(verdict, fault_of(finding)), fault))
			heaviest = credit;
	}
	return heaviest;
}

/*
 * How far a fault was kept small in a run; where the suite gives it no part credit, by what follows
 * from it in the program's: a kill late in the load is not one at its beginning.
 */
static double whole_degree(const struct suite *suite, const json_t *verdict, const char *fault,
			   const json_t *run)
{
	double own = fault_degree(suite, run, fault), part = NAN;
	const struct suite_credit *credit = suite_find_credit(suite, fault);
	json_t *finding;
	size_t i;

	if (isnan(own) || own >= 1 || (credit && credit->none > credit->full))
		return own;
	credit = part_of(suite, verdict, fault);
	if (!credit)
		return own;
	DOC_EACH(run, "expectations", i, finding)
	if (!strcmp(fault_of(finding), credit->name))
		part = fmin(part, degree_of(suite, finding));
	return isnan(part) ? own : fmax(own, part);
}

/* True for the first finding of a fault that follows from no other. */
static bool stands_for_fault(const json_t *verdict, size_t index, const char *fault)
{
	json_t *finding;
	size_t i;

	DOC_EACH(verdict, "expectations", i, finding)
	if (i < index && counts(finding) && !strcmp(fault_of(finding), fault))
		return false;
	return !strcmp(root_of(verdict, fault), fault);
}

static bool failed_condition(const json_t *verdict)
{
	json_t *finding;
	size_t i;

	DOC_EACH(verdict, "expectations", i, finding)
	if (credit_is_condition(finding) && has_result(finding, "fail"))
		return true;
	return false;
}

bool credit_is_free(const json_t *control)
{
	json_t *finding;
	size_t i;

	DOC_EACH(control, "expectations", i, finding)
	if (!credit_is_condition(finding) && has_result(finding, "fail"))
		return false;
	return json_array_size(json_object_get(control, "expectations")) > 0;
}

double credit_of(const struct suite *suite, const json_t *verdict, const json_t *control)
{
	double program = 0, without = 0, all = 0, least = 1;
	json_t *finding;
	size_t i;

	if (has_result(verdict, "pass"))
		return 1;
	if (!control || failed_condition(verdict))
		return 0;
	DOC_EACH(verdict, "expectations", i, finding)
	{
		const char *fault = fault_of(finding);
		double weight, degree, other;
		const json_t *same = credit_same_finding(control, finding);

		if (!counts(finding) || !stands_for_fault(verdict, i, fault))
			continue;
		weight = whole_weight(suite, verdict, fault);
		degree = whole_degree(suite, verdict, fault, verdict);
		other = same && is_consequence(same) ? 0
						     : whole_degree(suite, verdict, fault, control);
		if (isnan(other))
			continue;
		program += weight * degree;
		without += weight * other;
		all += weight;
		least = fmin(least, degree);
	}
	if (credit_is_free(control))
		return least;
	return all - without > WEIGHT_EPSILON
		       ? fmin(1, fmax(0, (program - without) / (all - without)))
		       : 0;
}
