/* The part of `passerelle check` that asks the identity sources. */
#ifndef PASSERELLE_CHECK_IDENTITY_H
#define PASSERELLE_CHECK_IDENTITY_H

#include "gateway/run/config.h"
#include "gateway/south/soap_client.h"

/* Asks the PIX and the PDQ manager of the configuration, as far as there are any, for a patient that nobody is; prints a
 * line for each. xua: NULL, none. False when one does not answer in HL7 V3. */
bool check_identity(const struct config *config, const struct xua *xua, struct arena *arena) MUST_CHECK;

#endif
