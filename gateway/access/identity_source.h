/* The identity sources of the configuration, asked and fed within their time and number of connections. Nothing is
 * remembered here: that is cross_reference.h. Any thread may call. */
#ifndef PASSERELLE_IDENTITY_SOURCE_H
#define PASSERELLE_IDENTITY_SOURCE_H

#include "gateway/access/access.h"
#include "gateway/south/identity_client.h"

/* Inside the room. False with an issue when files that the configuration names are not there. */
bool identity_source_open(struct access *access, struct outcome *outcome) MUST_CHECK;

/* pix_query to all domains and identity_feed of identity_client.h; IDENTITY_FAILED with ERR_BUSY when too many
 * are under way. The URL must be configured. */
enum identity_end identity_source_pix(struct access *access, const struct south *south,
				      const struct patient_identity *source, struct patient_identities *found,
				      struct outcome *outcome) MUST_CHECK;
enum identity_end identity_source_feed(struct access *access, const struct south *south, enum identity_feed feed,
				       const struct patient *patient, const struct patient_identity *subsumed,
				       struct outcome *outcome) MUST_CHECK;

/* pdq_query: the list is empty where the source knows no such identifier or domain. False with an issue when it could not
 * be asked. The URL must be configured. */
bool identity_source_patients(struct access *access, const struct south *south, const struct patient_query *query,
			      struct patient_list *list, struct outcome *outcome) MUST_CHECK;

#endif
