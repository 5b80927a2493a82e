/* SPDX-License-Identifier: MIT */
/* Lines of an INI file. */
#include "inifile.h"

#include <string.h>

char *inifile_line(char *buf, int size, void *inifile)
{
	struct inifile *ini = inifile;
	size_t len;

	if (ini->cut || !fgets(buf, size, ini->file))
		return NULL;
	ini->line++;
	len = strlen(buf);
	ini->cut = len && buf[len - 1] != '\n' && !feof(ini->file);
	return ini->cut ? NULL : buf;
}
