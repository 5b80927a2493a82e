/* SPDX-License-Identifier: MIT */
/* What levels, conditions, reasons and happenings are called in reports and logs. */
#include "plan.h"

const char *mem_level_name(enum mem_level level)
{
	static const char *const names[] = {"clear", "soft", "hard", "low"};

	return names[level];
}

const char *mem_condition_name(enum mem_condition condition)
{
	static const char *const names[] = {
		"steered",    "waiting", "unmanaged", "left",  "paused",
		"no-balloon", "blind",	 "stale",     "stuck",
	};

	return names[condition];
}

const char *mem_reason_name(enum mem_reason reason)
{
	static const char *const names[] = {
		"grow", "pressed", "guard", "cache", "release", "reclaim", "cancel", "again",
	};

	return names[reason];
}

const char *mem_happening_name(enum mem_happening what)
{
	static const char *const names[] = {"set-by-others", "held", "steered", "given-up"};

	return names[what];
}
