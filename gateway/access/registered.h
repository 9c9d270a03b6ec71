/* What a registry holds, for the gateway's own work: who delivers must know what is there, whoever may see it. Nothing of
 * it is ever shown to a caller but identifiers of what that caller submitted. */
#ifndef PASSERELLE_ACCESS_REGISTERED_H
#define PASSERELLE_ACCESS_REGISTERED_H

#include "gateway/access/visible.h"
#include "gateway/south/soap_client.h"
#include "mappers/submission_match.h"

/* Is this submission registered (GetSubmissionSetAndContents by its uniqueId)? With SUBMISSION_SAME its objects get the
 * ids under which they are. Adds nothing to any outcome. home: of the back-end, or STR_NONE. */
enum submission_found registered_submission(const struct south *south, struct str home,
					    struct metadata *submitted) MUST_CHECK;

/* The present entryUUID of the folder with this id: "urn:uuid:", or else its uniqueId. *uuid is STR_NONE when there is none.
 * visit: of who names it, for whom there is only what they may find; NULL: whatever there is. False with the issue when the
 * registry does not say, or nobody what the patient consents to. */
bool registered_folder_uuid(struct visit *visit, const struct south *south, struct str home, struct str id,
			    struct str *uuid, struct outcome *outcome) MUST_CHECK;

/* The documents in the folder with this entryUUID, under all the ids by which it or a registry may name them. */
bool registered_members(const struct south *south, struct str home, struct str folder, struct strs *members,
			struct outcome *outcome) MUST_CHECK;

#endif
