/* SPDX-License-Identifier: MIT */
/* Takes a submission as it is handed in: a folder, an archive, a file, a git repository. */
#ifndef BALLAST_INTAKE_TAKE_H
#define BALLAST_INTAKE_TAKE_H

#include "sink.h"

/* Where a source goes: path is taken to the folder `as` below the sink, "" for the sink's own. */
struct take_source {
	const char *path, *as;
};

/*
 * Takes a source: an archive is unpacked, a folder copied, a bare repository checked out as its
 * HEAD is. Of a folder, except (NULL: nothing) is left out, a path. 0; −1 with sink->error.
 */
int take(struct sink *sink, const struct take_source *source, const char *except);

/*
 * Where nothing below folder can be made, since it came as archives within an archive, unpacks
 * those, each to a folder of its name beside it, and removes them. 0; −1 with sink->error.
 */
int take_nested(struct sink *sink, const char *folder);

#endif
