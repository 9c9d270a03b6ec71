/* Inside gateway/south only: a call to a back-end, from the question whether it may be made to what its end says. */
#ifndef PASSERELLE_BACKEND_CALL_H
#define PASSERELLE_BACKEND_CALL_H

#include "gateway/south/backend.h"

/* What is asked, and how much it matters. */
struct asking {
	const char *url;
	struct str action; /* of SOAP; borrowed */
	bool insists;      /* an address that does not answer is asked all the same */
	bool gives_way;    /* one that has fallen silent (silence.h) is not waited for by everybody */
};

/* Every call to an address of the back-end: begin, and if that was true, end. False with ERR_BACKEND_DOWN when the
 * address is not asked for now, and with ERR_BUSY when requests_max calls are under way: so a full back-end costs nobody
 * but those who ask it. how: the word for the end, a literal, for what is counted. */
struct backend_call {
	const char *url;
	struct str action; /* of SOAP; borrowed */
	uint64_t began_us;
	struct breaker *breaker; /* NULL: none */
	struct breaker_call passed;
	struct silence_call silence;  /* while it waits: silence_gives_way */
	const struct backend *around; /* at which this thread has a place already: a call within a call needs none */
};
bool backend_call_begin(struct backend *backend, const struct asking *asking, struct backend_call *call,
			struct outcome *outcome) MUST_CHECK;
void backend_call_end(struct backend *backend, struct backend_call *call, enum breaker_end end, const char *how);

#endif
