/* SPDX-License-Identifier: MIT */
/* A grade without what its suite keeps from students. */
#include "grade_doc.h"
#include "render.h"

#include <stdio.h>

json_t *grade_for_students(const json_t *grade)
{
	json_t *doc = json_deep_copy(grade), *scenario;
	size_t i, number = 0;

	json_array_foreach(json_object_get(doc, "scenarios"), i, scenario)
	{
		/* What is left of it; the rest tells of the scenario. */
		static const char *const kept[] = {"kind", "result", "points", "max_points"};
		char name[32];
		json_t *left = json_object();

		if (!doc_text(scenario, "visibility")[0]) {
			json_decref(left);
			continue;
		}
		snprintf(name, sizeof(name), "hidden-%zu", ++number);
		json_object_set_new(left, "scenario", json_string(name));
		for (size_t k = 0; k < sizeof(kept) / sizeof(*kept); k++)
			json_object_set(left, kept[k], json_object_get(scenario, kept[k]));
		json_array_set_new(json_object_get(doc, "scenarios"), i, left);
	}
	return doc;
}
