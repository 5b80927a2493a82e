/* SPDX-License-Identifier: MIT */
/* What the command lines of both daemons share. */
#include "cli.h"

#include "log.h"
#include "units.h"

#include <getopt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

/* libvirt's counters go in steps of 10 ms, of which five still tell something; a day is no mistake.
 */
#define INTERVAL_LEAST_S 0.05
#define INTERVAL_MOST_S	 86400.0

void cli_refuse(int option, char **argv)
{
	const char *text = argv[optind - 1];
	bool is_long = strncmp(text, "--", 2) == 0;

	if (option == ':')
		die(EXIT_USAGE, "%s: its argument is missing; see --help", text);
	if (!is_long && optopt >= '0' && optopt <= '9')
		die(EXIT_USAGE, "%s: the interval must be a positive number of seconds", text);
	if (!is_long && optopt)
		die(EXIT_USAGE, "unknown option -%c; see --help", optopt);
	die(EXIT_USAGE, "%s: no such option, or one that takes no argument; see --help", text);
}

void cli_interval(int argc, char **argv, const char *program, bool needed, double *interval_s)
{
	if (optind == argc && needed)
		die(EXIT_USAGE,
		    "the interval is missing: seconds between decisions, such as '%s 2'", program);
	if (optind + 1 < argc)
		die(EXIT_USAGE, "%s: there is one argument only, the interval", argv[optind + 1]);
	if (optind < argc &&
	    parse_number(argv[optind], INTERVAL_LEAST_S, INTERVAL_MOST_S, interval_s))
		die(EXIT_USAGE, "%s: the interval must be a number of seconds from %g to %g%s",
		    argv[optind], INTERVAL_LEAST_S, INTERVAL_MOST_S,
		    strchr(argv[optind], ',') ? ", with a point and no comma" : "");
}

const char *cli_guests(const char *glob)
{
	/* An unset shell variable, more likely than a wish for no guest at all. */
	if (!glob[0])
		die(EXIT_USAGE, "--guests '': must be names of guests, such as 'web*'");
	return glob;
}

/* What may help, by libvirt's error. */
static const char *find_cure(const struct wire *wire)
{
	switch (wire->code) {
	case VIR_ERR_SYSTEM_ERROR:
		return strstr(wire->error, "ermission denied")
			       ? "; root and members of the group libvirt may connect"
			       : "; is libvirtd running?";
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
		return "; root and members of the group libvirt may connect";
	case VIR_ERR_OPERATION_TIMEOUT:
		return "; does libvirtd stand still?";
	default:
		return "";
	}
}

void cli_refuse_connection(const struct session *s, bool uri_given)
{
	die(uri_given ? EXIT_USAGE : EXIT_LAB, "%s: %s%s", s->uri, session_error(s),
	    find_cure(&s->wire));
}
