#include "mappers/soap.h"

#include "mappers/saml_assertion.h"

#define NS_SOAP       "http://www.w3.org/2003/05/soap-envelope"
#define NS_ADDRESSING "http://www.w3.org/2005/08/addressing"

struct soap_head soap_request_head(struct str action, struct str message_id, struct str to)
{
	return (struct soap_head) {
		.action = action, .message_id = message_id, .to = to, .reply_to = STR(SOAP_ANONYMOUS)
	};
}

struct soap_head soap_response_head(struct str action, struct str message_id, const struct soap_head *request)
{
	return (struct soap_head) { .action = action, .message_id = message_id, .relates_to = request->message_id };
}

void soap_begin(struct xml_writer *writer, const struct soap_head *head)
{
	xml_declaration(writer);
	xml_begin(writer, STR("soap:Envelope"));
	xml_attribute(writer, STR("xmlns:soap"), STR(NS_SOAP));
	xml_attribute(writer, STR("xmlns:wsa"), STR(NS_ADDRESSING));
	xml_begin(writer, STR("soap:Header"));
	if (head->action.data) {
		xml_begin(writer, STR("wsa:Action"));
		xml_attribute(writer, STR("soap:mustUnderstand"), STR("true"));
		xml_text(writer, head->action);
		xml_end(writer);
	}
	xml_element(writer, STR("wsa:MessageID"), head->message_id);
	xml_element(writer, STR("wsa:RelatesTo"), head->relates_to);
	xml_element(writer, STR("wsa:To"), head->to);
	if (head->reply_to.data) {
		xml_begin(writer, STR("wsa:ReplyTo"));
		xml_element(writer, STR("wsa:Address"), head->reply_to);
		xml_end(writer);
	}
	if (head->assertion.size) {
		xml_begin(writer, STR("wsse:Security"));
		xml_attribute(writer, STR("xmlns:wsse"), STR(NS_WSSE));
		xml_attribute(writer, STR("soap:mustUnderstand"), STR("true"));
		xml_raw(writer, head->assertion);
		xml_end(writer);
	}
	xml_end(writer);
	xml_begin(writer, STR("soap:Body"));
}

void soap_end(struct xml_writer *writer)
{
	xml_end(writer);
	xml_end(writer);
}

static struct str fault_code_name(enum soap_fault_code code)
{
	switch (code) {
	case FAULT_SENDER:
		return STR("soap:Sender");
	case FAULT_VERSION_MISMATCH:
		return STR("soap:VersionMismatch");
	case FAULT_MUST_UNDERSTAND:
		return STR("soap:MustUnderstand");
	case FAULT_RECEIVER:
		break;
	}
	return STR("soap:Receiver");
}

void soap_fault_write(struct xml_writer *writer, const struct soap_fault *fault)
{
	xml_begin(writer, STR("soap:Fault"));
	xml_begin(writer, STR("soap:Code"));
	xml_element(writer, STR("soap:Value"), fault_code_name(fault->code));
	if (fault->subcode.size) {
		xml_begin(writer, STR("soap:Subcode"));
		xml_begin(writer, STR("soap:Value"));
		if (fault->subcode_of_security)
			xml_attribute(writer, STR("xmlns:wsse"), STR(NS_WSSE));
		xml_text(writer, fault->subcode_of_security ? STR("wsse:") : STR("wsa:"));
		xml_text(writer, fault->subcode);
		xml_end(writer);
		xml_end(writer);
	}
	xml_end(writer);
	xml_begin(writer, STR("soap:Reason"));
	xml_begin(writer, STR("soap:Text"));
	xml_attribute(writer, STR("xml:lang"), STR("en"));
	xml_text(writer, fault->reason);
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
}

int soap_fault_http_status(enum soap_fault_code code)
{
	return code == FAULT_SENDER ? 400 : 500;
}
