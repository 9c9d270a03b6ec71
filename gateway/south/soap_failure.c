#include "gateway/south/soap_failure.h"

#include "gateway/run/log.h"
#include "gateway/south/curl_handle.h"
#include "gateway/south/soap_client.h"

/* An HTTP status that says more than a body that is no SOAP. */
static bool status_explained(long status, struct outcome *outcome)
{
	switch (status) {
	case 401:
	case 403:
		return !outcome_add(outcome, ERR_BACKEND_REFUSED, "",
				    "The back-end refuses this gateway (HTTP %ld); check what it demands.", status);
	case 429:
	case 503:
		return !outcome_add(outcome, ERR_BACKEND_DOWN, "",
				    "The back-end is not available (HTTP %ld); try again later.", status);
	case 504:
		return !outcome_add(outcome, ERR_BACKEND_TIMEOUT, "",
				    "The back-end did not answer in time; try again later.");
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return !outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				    "The back-end redirects, which is not followed; configure its final address.");
	default:
		return false;
	}
}

/* The transfer did not come to its own end; one that we ended (CURLE_WRITE_ERROR) had a reason of its own. */
static bool is_broken(const struct soap_failure *failure)
{
	return failure->code != CURLE_OK && failure->code != CURLE_WRITE_ERROR;
}

void soap_failure_log(const struct soap_failure *failure, const struct south *south, struct str action)
{
	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_TEXT("backend", south->backend->name),
	    LOG_TEXT("action", action), LOG_NUMBER("curl", failure->code), LOG_NUMBER("http", failure->status),
	    LOG_NUMBER("bytes_sent", failure->sent), LOG_C("wrong", failure->wrong));
}

void soap_failure_explain(const struct soap_failure *failure, bool is_probe, struct outcome *outcome)
{
	if (is_probe && is_broken(failure))
		curl_code_explain(failure->code, outcome);
	else if (is_probe && failure->status == 404)
		outcome_add(outcome, ERR_BACKEND_ANSWER, "", "Nothing is served at this path (HTTP 404).");
	else if (failure->code == CURLE_OPERATION_TIMEDOUT)
		outcome_add(outcome, ERR_BACKEND_TIMEOUT, "", "The back-end did not answer in time; try again later.");
	else if (failure->code == CURLE_ABORTED_BY_CALLBACK)
		outcome_add(outcome, ERR_BACKEND_TIMEOUT, "",
			    "The back-end answers nobody at the moment and is not waited for; try again later.");
	else if (curl_code_is_tls(failure->code))
		outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			    "The back-end does not prove to be who it should be, or refuses this gateway's "
			    "certificate; tell the operator of this gateway.");
	else if (is_broken(failure) && failure->sent == 0)
		outcome_add(outcome, ERR_BACKEND_DOWN, "", "The back-end could not be reached; try again later.");
	else if (is_broken(failure))
		outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			    "The back-end broke the connection before its answer was complete; try again later.");
	else if (!status_explained(failure->status, outcome))
		outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			    "The back-end's answer was not understood (%s); report it to its operator.",
			    failure->wrong);
}

enum breaker_end soap_failure_end(const struct soap_failure *failure)
{
	if (failure->code == CURLE_OPERATION_TIMEDOUT)
		return failure->is_fair && !failure->is_ours ? BREAKER_FAILED : BREAKER_UNSAID;
	if (failure->code == CURLE_ABORTED_BY_CALLBACK)
		return BREAKER_GAVE_WAY;
	if (is_broken(failure))
		return BREAKER_FAILED;
	if (failure->is_soap)
		return BREAKER_ANSWERED;
	if (failure->is_ours)
		return BREAKER_UNSAID;
	/* It turns us away, or elsewhere: both are words of somebody who works. */
	if (failure->status == 401 || failure->status == 403 || (failure->status >= 300 && failure->status < 400))
		return BREAKER_ANSWERED;
	/* Not the peer, but a proxy before it or a server in its place. */
	if (failure->is_page || failure->status == 429 || failure->status >= 500)
		return BREAKER_FAILED;
	return BREAKER_ANSWERED;
}

static bool is_sentence(struct str text)
{
	return text.size > 0 && strchr(".?!", text.data[text.size - 1]) != NULL;
}

void soap_fault_explain(const struct soap_fault *fault, const struct south *south, struct str action,
			struct outcome *outcome)
{
	static const char *const codes[] = { [FAULT_SENDER] = "Sender",
					     [FAULT_RECEIVER] = "Receiver",
					     [FAULT_VERSION_MISMATCH] = "VersionMismatch",
					     [FAULT_MUST_UNDERSTAND] = "MustUnderstand" };

	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_TEXT("backend", south->backend->name),
	    LOG_TEXT("action", action), LOG_C("fault", codes[fault->code]));
	LOG(DEBUG, LOG_SOUTH_ERROR, south->request_id, LOG_TEXT("reason", fault->reason));
	if (south->is_probe)
		outcome_add(outcome, ERR_BACKEND_REFUSED, "", "The back-end answered with a SOAP fault: %s, %.*s%s",
			    codes[fault->code], STR_ARG(fault->reason), is_sentence(fault->reason) ? "" : ".");
	else
		outcome_add(outcome, ERR_BACKEND_REFUSED, "",
			    "The back-end answered with a SOAP fault; give its operator the id of this request.");
}

enum breaker_end soap_message_end(const struct xds_message *message)
{
	return message->kind == SOAP_FAULT && message->fault.code == FAULT_RECEIVER ? BREAKER_FAILED : BREAKER_ANSWERED;
}
