/* What anybody may read about who is let in. JSON documents, the same for everybody.
 * Source: SMART App Launch 2.2 (conformance), RFC 8414, RFC 9728, IHE IUA ITI-103. */
#ifndef PASSERELLE_DISCOVERY_H
#define PASSERELLE_DISCOVERY_H

#include "gateway/access/access.h"
#include "mappers/json_writer.h"

/* True when the gateway has a token endpoint of its own; the first two documents are there only then. */
bool discovery_has_server(const struct access *access);

/* .well-known/smart-configuration, which is also the metadata of the authorization server. */
void discovery_server_write(const struct access *access, struct json_writer *writer);
/* The public keys of the gateway's own tokens. */
struct str discovery_keys(const struct access *access);
/* .well-known/oauth-protected-resource. is_bare: of the base without a tenant's name. The resource must be called what
 * its client calls it: RFC 9728 3.3. */
void discovery_resource_write(const struct access *access, bool is_bare, struct json_writer *writer);

#endif
