/* Process-wide settings made once, before any thread exists. */
#ifndef PASSERELLE_SIGNALS_H
#define PASSERELLE_SIGNALS_H

#include <stdbool.h>

/* Blocks SIGTERM, SIGINT and SIGHUP in this thread and those it will start, ignores SIGPIPE, and raises the limit of
 * open files as far as the system allows, and lets libxml2 make its global state. Call first in serve and domain. */
void signals_prepare(void);

/* Waits for a signal and returns it: SIGTERM or SIGINT, the process is asked to stop; SIGHUP, to read its configuration
 * anew. One that came meanwhile is returned at once; several of a kind are one. */
int signals_wait(void);

/* From now on a second SIGTERM or SIGINT ends the process at once: for an operator who does not want to wait for
 * requests in flight. */
void signals_hurry(void);

#endif
