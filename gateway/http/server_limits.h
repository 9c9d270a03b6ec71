/* What each of this process's servers takes from the configuration. */
#ifndef PASSERELLE_SERVER_LIMITS_H
#define PASSERELLE_SERVER_LIMITS_H

#include "gateway/http/server.h"
#include "gateway/run/config.h"

/* Options with the limits of config (limits.*), and all else empty. */
struct server_options server_limits(const struct config *config);

#endif
