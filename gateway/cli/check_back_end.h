/* The part of `passerelle check` that asks back-ends. */
#ifndef PASSERELLE_CHECK_BACK_END_H
#define PASSERELLE_CHECK_BACK_END_H

#include "gateway/run/config.h"
#include "gateway/south/xua.h"

/* Asks each address of a back-end, and prints a line for each. xua: NULL, none. False when one does not answer as the
 * configuration wants it. */
bool check_back_end(const struct config_back_end *config, const struct xua *xua, struct arena *arena) MUST_CHECK;

#endif
