/* Inside gateway/state only: threads that want to ask the same thing at the same time become one that asks and others
 * that wait for it. */
#ifndef PASSERELLE_FLIGHT_H
#define PASSERELLE_FLIGHT_H

#include "gateway/state/vault.h"

struct flights;

struct flights *flights_new(void) MUST_CHECK;
void flights_free(struct flights *flights);

/* True: this thread asks, and calls flight_end. False: another one did, and has ended now or takes longer than wait_ms.
 */
bool flight_begin(struct flights *flights, const unsigned char name[VAULT_NAME_BYTES], uint64_t wait_ms) MUST_CHECK;
void flight_end(struct flights *flights, const unsigned char name[VAULT_NAME_BYTES]);

#endif
