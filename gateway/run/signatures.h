/* XML signatures: what the libraries that make and verify them need once per process. */
#ifndef PASSERELLE_SIGNATURES_H
#define PASSERELLE_SIGNATURES_H

#include "mappers/base/str.h"

/* Called once by main, before threads exist: starts libxml2 and xmlsec with OpenSSL, and keeps xmlsec from writing to
 * standard error. False when they cannot start. */
bool signatures_start(void) MUST_CHECK;

#endif
