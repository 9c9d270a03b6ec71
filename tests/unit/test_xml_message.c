/* The reader of XDS messages and the writers, on small fictional messages. */
#include "message_stand.h"

#include "mappers/xds_message.h"

#define RS                  "xmlns:rs=\"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0\""
#define WSA                 "xmlns:a=\"http://www.w3.org/2005/08/addressing\""
#define assert_str(s, text) assert_text(s, text, __LINE__)

static void assert_text(struct str s, const char *text, int line)
{
	if (!str_equal(s, str_from_c(text)))
		fail_msg("line %d: \"%.*s\" is not \"%s\"", line, STR_ARG(s), text);
}

static struct xds_message must_read(const char *xml, struct arena *arena)
{
	struct xds_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	if (!xds_message_read(str_from_c(xml), NULL, arena, &message, &outcome))
		fail_msg("%s\n%s", outcome.issues[0].text, xml);
	assert_int_equal(outcome.count, 0);
	return message;
}

static void test_message__objects(void **state)
{
	struct xds_message m = must_read(
		SUBMIT("<rim:ExtrinsicObject id=' Document01 ' mimeType='text/plain' home='' lid='L'>"
		       "<rim:Slot name='size '><rim:ValueList><rim:Value>\n 5 </rim:Value></rim:ValueList></rim:Slot>"
		       "<rim:Slot name='URI'><rim:ValueList><rim:Value>2|b&amp;c</rim:Value><rim:Value>1|a</rim:Value>"
		       "</rim:ValueList></rim:Slot>"
		       "<rim:Name><rim:LocalizedString xml:lang='fr' value=' Titre &amp; \xC3\xA9t\xC3\xA9 "
		       "'/></rim:Name>"
		       "<rim:VersionInfo versionName='2'/>"
		       "<rim:Classification classificationScheme='urn:uuid:a' nodeRepresentation=''>"
		       "<rim:Slot name='authorRole'><rim:ValueList/></rim:Slot></rim:Classification>"
		       "<rim:ExternalIdentifier id='e' identificationScheme='urn:uuid:b' "
		       "value='1&amp;#38;2&#38;3&lt;'/>"
		       "<x:Other xmlns:x='urn:x'><rim:Slot name='hidden'/></x:Other>"
		       "</rim:ExtrinsicObject>"
		       "<rim:Classification classifiedObject='Set' classificationNode='urn:uuid:n' id='c1'/>"
		       "<rim:Classification classifiedObject='Nobody' classificationNode='urn:uuid:n' id='c2'/>"
		       "<rim:RegistryPackage id='Set'/>"
		       "<rim:Association id='As' associationType='urn:t' sourceObject='Set' targetObject='Document01'/>"
		       "<rim:ObjectRef id='urn:uuid:r' home='urn:oid:1.2'/>"),
		*state);

	assert_int_equal(m.kind, XDS_SUBMIT_REQUEST);
	assert_false(m.has_envelope);
	assert_int_equal(m.objects.count, 4);
	const struct rim_object *entry = &m.objects.objects[0];

	assert_str(entry->id, "Document01");
	assert_null(entry->home.data);
	assert_str(entry->version_name, "2");
	assert_int_equal(entry->slots.count, 2);
	assert_str(rim_slot_find(&entry->slots, STR("size"))->values.items[0], "5");
	assert_int_equal(entry->slots.items[1].values.count, 1);
	assert_str(entry->slots.items[1].values.items[0], "ab&c");
	assert_str(entry->name.items[0].value, " Titre & \xC3\xA9t\xC3\xA9 ");
	assert_str(entry->name.items[0].lang, "fr");
	assert_non_null(entry->classifications[0].node_representation.data);
	assert_int_equal(entry->classifications[0].node_representation.size, 0);
	assert_null(entry->classifications[0].node.data);
	assert_int_equal(entry->classifications[0].slots.items[0].values.count, 0);
	assert_str(entry->external_identifiers[0].value, "1&#38;2&3<");
	assert_true(rim_has_node(&m.objects.objects[1], STR("urn:uuid:n")));
	assert_int_equal(m.objects.loose_count, 1);
	assert_str(m.objects.loose[0].id, "c2");
	assert_str(m.objects.objects[2].target_object, "Document01");
	assert_int_equal(m.objects.objects[3].kind, RIM_OBJECT_REF);
	assert_str(m.objects.objects[3].home, "urn:oid:1.2");
	assert_int_equal(m.object_refs.count, 1);
}

static void test_message__head(void **state)
{
	struct xds_message m =
		must_read("<s:Envelope " SOAP12 " " WSA "><s:Header>"
			  "<a:Action s:mustUnderstand='1'> urn:act </a:Action><a:MessageID>urn:uuid:1</a:MessageID>"
			  "<a:RelatesTo>urn:uuid:0</a:RelatesTo><a:To>http://h/</a:To>"
			  "<a:ReplyTo><a:Address>" SOAP_ANONYMOUS "</a:Address></a:ReplyTo>"
			  "<a:FaultTo s:mustUnderstand='1'><a:Address>x</a:Address></a:FaultTo>"
			  "<w:Security s:mustUnderstand='true' xmlns:w='http://docs.oasis-open.org/wss/2004/01/"
			  "oasis-200401-wss-wssecurity-secext-1.0.xsd'><a:Action>no</a:Action></w:Security>"
			  "<x:Far s:mustUnderstand='1' s:role='http://www.w3.org/2003/05/soap-envelope/role/none' "
			  "xmlns:x='urn:x'/>"
			  "<x:Not mustUnderstand='1' xmlns:x='urn:x'/><x:New s:mustUnderstand='true' xmlns:x='urn:x'/>"
			  "</s:Header><s:Body><x:Thing xmlns:x='urn:x'/></s:Body></s:Envelope>",
			  *state);

	assert_true(m.has_envelope);
	assert_int_equal(m.kind, XDS_UNKNOWN);
	assert_str(m.root_name, "Thing");
	assert_str(m.root_namespace, "urn:x");
	assert_str(m.head.action, "urn:act");
	assert_str(m.head.message_id, "urn:uuid:1");
	assert_str(m.head.relates_to, "urn:uuid:0");
	assert_str(m.head.to, "http://h/");
	assert_str(m.head.reply_to, SOAP_ANONYMOUS);
	assert_str(m.head.not_understood, "New");
}

/* What soap.c writes is what the reader expects: heads of request and answer, faults with their HTTP status. */
static void test_soap__write_and_read(void **state)
{
	struct soap_head request = soap_request_head(STR(ACTION_STORED_QUERY), STR("urn:uuid:1"), STR("http://h/?a&b"));
	struct soap_head answer = soap_response_head(STR(ACTION_SOAP_FAULT), STR("urn:uuid:2"), &request);
	struct soap_fault fault = { FAULT_MUST_UNDERSTAND, STR("ActionNotSupported"), STR("Leave out <x>."), false };
	struct xml_writer writer;
	struct outcome outcome;
	struct buf out;

	outcome_init(&outcome);
	buf_init(&out, 10000);
	xml_writer_init(&writer, &out);
	soap_begin(&writer, &request);
	remove_objects_write(&writer, &(struct strs) { (struct str[]) { STR("urn:uuid:a"), STR("urn:uuid:b") }, 2 });
	soap_end(&writer);
	assert_true(xml_writer_finish(&writer, &outcome));
	struct xds_message m = must_read(out.data, *state);

	assert_int_equal(m.kind, XDS_REMOVE_REQUEST);
	assert_int_equal(m.object_refs.count, 2);
	assert_str(m.object_refs.items[1], "urn:uuid:b");
	assert_int_equal(m.objects.count, 0);
	assert_str(m.head.action, ACTION_STORED_QUERY);
	assert_str(m.head.message_id, "urn:uuid:1");
	assert_str(m.head.to, "http://h/?a&b");
	assert_str(m.head.reply_to, SOAP_ANONYMOUS);
	assert_null(m.head.relates_to.data);
	assert_null(m.head.not_understood.data);

	buf_clear(&out);
	xml_writer_init(&writer, &out);
	soap_begin(&writer, &answer);
	soap_fault_write(&writer, &fault);
	soap_end(&writer);
	assert_true(xml_writer_finish(&writer, &outcome));
	m = must_read(out.data, *state);
	assert_int_equal(m.kind, SOAP_FAULT);
	assert_str(m.head.relates_to, "urn:uuid:1");
	assert_int_equal(m.fault.code, FAULT_MUST_UNDERSTAND);
	assert_str(m.fault.subcode, "ActionNotSupported");
	assert_str(m.fault.reason, "Leave out <x>.");
	assert_int_equal(soap_fault_http_status(FAULT_SENDER), 400);
	assert_int_equal(soap_fault_http_status(FAULT_RECEIVER), 500);
	buf_free(&out);
}

static void test_message__soap_1_1(void **state)
{
	struct xds_message m;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_false(xds_message_read(STR("<s:Envelope "
					  "xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/></s:Envelope>"),
				      NULL, *state, &m, &outcome));
	assert_true(m.head.version_mismatch);
}

struct inline_seen {
	struct buf bytes;
	size_t begun, ended, total;
	bool refuse;
};

static bool inline_begin(void *ctx, size_t index)
{
	struct inline_seen *seen = ctx;

	assert_int_equal(index, seen->begun);
	seen->begun++;
	return true;
}

static bool inline_data(void *ctx, const void *bytes, size_t size)
{
	struct inline_seen *seen = ctx;

	seen->total += size;
	if (seen->bytes.size_max)
		buf_add(&seen->bytes, (struct str) { bytes, size });
	return !seen->refuse;
}

static bool inline_end(void *ctx)
{
	((struct inline_seen *)ctx)->ended++;
	return true;
}

static void test_message__documents(void **state)
{
	static const char xml[] =
		PROVIDE("<xds:Document id='a'> Zm9v \n YmFy </xds:Document>"
			"<xds:Document id='b'> <xop:Include href='CID:x%40y' " XOP "/> </xds:Document>"
			"<xds:Document id='c'/><xds:Document id='d'><![CDATA[Zg==]]></xds:Document>");
	struct inline_seen seen = { 0 };
	struct inline_sink sink = { &seen, inline_begin, inline_data, inline_end };
	struct xds_message m;
	struct outcome outcome;

	outcome_init(&outcome);
	buf_init(&seen.bytes, 100);
	assert_true(xds_message_read(str_from_c(xml), &sink, *state, &m, &outcome));
	assert_int_equal(m.kind, XDS_PROVIDE_REQUEST);
	assert_int_equal(m.document_count, 4);
	assert_true(m.documents[0].content.is_inline && m.documents[0].content.inline_index == 0);
	assert_true(m.documents[0].content.inline_size == 6);
	assert_str(m.documents[1].content.content_id, "x%40y");
	assert_false(m.documents[1].content.is_inline);
	assert_true(m.documents[2].content.is_inline && m.documents[2].content.inline_size == 0);
	assert_int_equal(m.documents[3].content.inline_index, 2);
	assert_str(buf_str(&seen.bytes), "foobarf");
	assert_int_equal(seen.begun, 3);
	assert_int_equal(seen.ended, 3);
	seen.refuse = true;
	seen.begun = 0;
	assert_false(xds_message_read(str_from_c(xml), &sink, *state, &m, &outcome));
	buf_free(&seen.bytes);
}

/* More than libxml2's 10 MB for one text node, in constant memory. */
static void test_message__large_inline_document(void **state)
{
	static const char head[] =
		"<xds:ProvideAndRegisterDocumentSetRequest " XDS ">" SUBMIT("") "<xds:Document id='a'>";
	static const char tail[] = "</xds:Document></xds:ProvideAndRegisterDocumentSetRequest>";
	struct inline_seen seen = { 0 };
	struct inline_sink sink = { &seen, inline_begin, inline_data, inline_end };
	struct xds_message m;
	struct outcome outcome;
	struct buf xml;

	outcome_init(&outcome);
	buf_init(&xml, 64 << 20);
	buf_add(&xml, str_from_c(head));
	for (size_t i = 0; i < 200000; i++)
		buf_add(&xml,
			STR("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\n"));
	buf_add(&xml, str_from_c(tail));
	size_t before = arena_used(*state);

	assert_true(xds_message_read(buf_str(&xml), &sink, *state, &m, &outcome));
	assert_true(arena_used(*state) - before < 64 << 10);
	assert_int_equal(seen.total, 200000 * 60);
	assert_true(m.documents[0].content.inline_size == 200000 * 60);
	buf_free(&xml);
}

static void test_message__query(void **state)
{
	struct xds_message m = must_read(
		"<q:AdhocQueryRequest " QUERY " " RIM "><q:ResponseOption returnType='ObjectRef'/>"
		"<rim:AdhocQuery id='urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d' home='urn:oid:1.2'>"
		"<rim:Slot "
		"name='$p'><rim:ValueList><rim:Value>'O''Brien^^^&amp;1.2&amp;ISO'</rim:Value></rim:ValueList></"
		"rim:Slot>"
		"<rim:Slot name='$l'><rim:ValueList><rim:Value>( 'a' , 'b,(c)' "
		")</rim:Value><rim:Value>('d')</rim:Value>"
		"</rim:ValueList></rim:Slot>"
		"<rim:Slot name='$l'><rim:ValueList><rim:Value>('e')</rim:Value></rim:ValueList></rim:Slot>"
		"<rim:Slot name='$n'><rim:ValueList><rim:Value>2024</rim:Value></rim:ValueList></rim:Slot>"
		"<rim:Slot name='$bad'><rim:ValueList><rim:Value>('a'</rim:Value></rim:ValueList></rim:Slot>"
		"<rim:Slot name='$worse'><rim:ValueList><rim:Value>('a';'b')</rim:Value></rim:ValueList></rim:Slot>"
		"<rim:Slot name='$none'><rim:ValueList/></rim:Slot>"
		"<rim:Slot name='$mixed'><rim:ValueList><rim:Value>('a',b)</rim:Value></rim:ValueList></rim:Slot>"
		"</rim:AdhocQuery></q:AdhocQueryRequest>",
		*state);
	const struct stored_query *q = &m.query;

	assert_int_equal(m.kind, XDS_QUERY_REQUEST);
	assert_true(q->object_ref);
	assert_str(q->home, "urn:oid:1.2");
	assert_int_equal(q->param_count, 8);
	assert_str(q->params[0].values.items[0], "O'Brien^^^&1.2&ISO");
	assert_false(q->params[0].list || q->params[0].number || q->params[0].malformed);
	assert_int_equal(q->params[1].values.count, 3);
	assert_str(q->params[1].values.items[1], "b,(c)");
	assert_true(q->params[1].list);
	assert_int_equal(q->params[2].and_group, 1);
	assert_ptr_equal(stored_query_find(q, STR("$l"), 1), &q->params[2]);
	assert_null(stored_query_find(q, STR("$l"), 2));
	assert_true(q->params[3].number && !q->params[3].list);
	for (size_t i = 4; i < 8; i++)
		assert_true(q->params[i].malformed);
}

/* ITI TF-2 3.18.4.1.2.3.5: quotes doubled, lists in parentheses, Values of at most 256 characters. */
static void test_query__write(void **state)
{
	struct stored_query query = { .id = STR("urn:uuid:1") };
	struct str many[20];
	struct xml_writer writer;
	struct outcome outcome;
	struct buf out;

	for (size_t i = 0; i < COUNT_OF(many); i++)
		many[i] = STR("urn:uuid:00000000-0000-4000-8000-00000000000'");
	assert_true(stored_query_add_one(&query, *state, STR("$p"), QUERY_STRING, STR("x') or ('1'='1")));
	assert_true(stored_query_add_one(&query, *state, STR("$t"), QUERY_NUMBER, STR("20240101")));
	assert_true(
		stored_query_add(&query, *state, STR("$u"), QUERY_STRING_LIST, (struct strs) { many, COUNT_OF(many) }));
	outcome_init(&outcome);
	buf_init(&out, 100000);
	xml_writer_init(&writer, &out);
	stored_query_write(&writer, &query);
	assert_true(xml_writer_finish(&writer, &outcome));
	assert_non_null(strstr(out.data, "<rim:Value>'x'') or (''1''=''1'</rim:Value>"));
	assert_non_null(strstr(out.data, "<rim:Value>20240101</rim:Value>"));
	assert_null(strstr(out.data, "home="));
	for (const char *at = strstr(out.data, "<rim:Value>("); at; at = strstr(at + 1, "<rim:Value>("))
		assert_true(strstr(at, "</rim:Value>") - at - 11 <= 256);
	struct xds_message m = must_read(out.data, *state);

	assert_int_equal(m.query.param_count, 3);
	assert_str(m.query.params[0].values.items[0], "x') or ('1'='1");
	assert_int_equal(m.query.params[2].values.count, COUNT_OF(many));
	assert_true(str_equal(m.query.params[2].values.items[19], many[19]));
	buf_free(&out);
}

static void test_message__responses(void **state)
{
	struct outcome outcome;
	struct xds_message m =
		must_read("<s:Envelope " SOAP12 "><s:Body><rs:RegistryResponse " RS
			  " status='urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure'><rs:RegistryErrorList>"
			  "<rs:RegistryError errorCode='XDSUnknownPatientId' codeContext='x&#10;y' severity='Error' "
			  "location='urn:oid:1'/>"
			  "<rs:RegistryError errorCode='W' codeContext='' "
			  "severity='urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning'/>"
			  "</rs:RegistryErrorList></rs:RegistryResponse></s:Body></s:Envelope>",
			  *state);

	assert_int_equal(m.kind, XDS_REGISTRY_RESPONSE);
	assert_int_equal(m.response.status, REGISTRY_FAILURE);
	assert_int_equal(m.response.error_count, 2);
	assert_str(m.response.errors[0].context, "x\ny");
	assert_int_equal(m.response.errors[1].severity, SEVERITY_WARNING);
	outcome_init(&outcome);
	assert_false(registry_response_check(&m.response, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_PATIENT_UNKNOWN);
	assert_int_equal(outcome.issues[1].severity, SEVERITY_WARNING);

	m = must_read(
		"<xds:RetrieveDocumentSetResponse " XDS " " RS
		"><rs:RegistryResponse status='urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:PartialSuccess'/>"
		"<xds:DocumentResponse><xds:HomeCommunityId>h</xds:HomeCommunityId><xds:RepositoryUniqueId>r"
		"</xds:RepositoryUniqueId><xds:DocumentUniqueId>d</xds:DocumentUniqueId><xds:NewRepositoryUniqueId>nr"
		"</xds:NewRepositoryUniqueId><xds:NewDocumentUniqueId>nd</xds:NewDocumentUniqueId>"
		"<xds:mimeType>text/plain</xds:mimeType><xds:Document>Zg==</xds:Document></xds:DocumentResponse>"
		"</xds:RetrieveDocumentSetResponse>",
		*state);
	assert_int_equal(m.kind, XDS_RETRIEVE_RESPONSE);
	assert_int_equal(m.response.status, REGISTRY_PARTIAL_SUCCESS);
	assert_str(m.responses[0].home, "h");
	assert_str(m.responses[0].repository_unique_id, "r");
	assert_str(m.responses[0].document_unique_id, "d");
	assert_str(m.responses[0].new_repository_unique_id, "nr");
	assert_str(m.responses[0].new_document_unique_id, "nd");
	assert_str(m.responses[0].mime_type, "text/plain");
	assert_true(m.responses[0].content.is_inline);

	m = must_read("<s:Envelope " SOAP12 "><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
		      "<s:Value>a:ActionNotSupported</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang='en'>why"
		      "</s:Text><s:Text xml:lang='fr'>pourquoi</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>",
		      *state);
	assert_int_equal(m.kind, SOAP_FAULT);
	assert_int_equal(m.fault.code, FAULT_SENDER);
	assert_str(m.fault.subcode, "ActionNotSupported");
	assert_str(m.fault.reason, "why");
}

/* What status and error list say together. ITI TF-3 4.2.4, and what the field does. */
static void test_response__check(void **state)
{
	(void)state;
	struct registry_error error = { .code = STR("XDSRegistryError"), .context = STR("c") };
	struct registry_error warning = { .code = STR("XDSExtraMetadataNotSaved"), .severity = SEVERITY_WARNING };
	static const struct {
		enum registry_status status;
		int errors; /* 0 none, 1 an error, 2 a warning */
		bool good;
		size_t issue_count;
	} rows[] = { { REGISTRY_SUCCESS, 0, true, 0 },         { REGISTRY_SUCCESS, 1, false, 1 },
		     { REGISTRY_SUCCESS, 2, true, 1 },         { REGISTRY_FAILURE, 0, false, 1 },
		     { REGISTRY_FAILURE, 1, false, 1 },        { REGISTRY_FAILURE, 2, false, 2 },
		     { REGISTRY_PARTIAL_SUCCESS, 1, true, 1 }, { REGISTRY_PARTIAL_SUCCESS, 0, true, 0 },
		     { REGISTRY_STATUS_UNKNOWN, 0, false, 1 } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct registry_response response = { rows[i].status, rows[i].errors == 1 ? &error : &warning,
						      rows[i].errors ? 1 : 0 };
		struct outcome outcome;

		outcome_init(&outcome);
		assert_int_equal(registry_response_check(&response, &outcome), rows[i].good);
		assert_int_equal(outcome.count, rows[i].issue_count);
		assert_int_equal(outcome.has_error, !rows[i].good);
	}
	assert_int_equal(registry_status_read(STR("urn:ihe:iti:2007:ResponseStatusType:PartialSuccess")),
			 REGISTRY_PARTIAL_SUCCESS);
	assert_int_equal(registry_status_read(STR("Success!")), REGISTRY_STATUS_UNKNOWN);
}

static void test_writer__escapes(void **state)
{
	static const char *forbidden[] = { "\x01",         "\x1f", "a\x0b",       "\xEF\xBF\xBE",
					   "\xEF\xBF\xBF", "\xC3", "\xED\xA0\x80" };
	struct xml_writer writer;
	struct outcome outcome;
	struct buf out;

	(void)state;
	outcome_init(&outcome);
	buf_init(&out, 10000);
	xml_writer_init(&writer, &out);
	xml_begin(&writer, STR("a"));
	xml_attribute(&writer, STR("b"), STR("<&>\"'\t\n\r\xC3\xA9"));
	xml_attribute(&writer, STR("c"), STR_NONE);
	xml_attribute(&writer, STR("d"), STR(""));
	xml_text(&writer, STR("<&>\"'\t\n\r]]>"));
	xml_element(&writer, STR("e"), STR_NONE);
	xml_element(&writer, STR("f"), STR(""));
	xml_begin(&writer, STR("g"));
	xml_end(&writer);
	xml_end(&writer);
	assert_true(xml_writer_finish(&writer, &outcome));
	assert_string_equal(out.data, "<a b=\"&lt;&amp;&gt;&quot;'&#9;&#10;&#13;\xC3\xA9\" d=\"\">"
				      "&lt;&amp;&gt;\"'\t\n&#13;]]&gt;<f></f><g/></a>");
	for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
		outcome_init(&outcome);
		buf_clear(&out);
		xml_writer_init(&writer, &out);
		xml_element(&writer, STR("a"), str_from_c(forbidden[i]));
		assert_false(xml_writer_finish(&writer, &outcome));
		assert_int_equal(outcome.issues[0].code, ERR_METADATA_INVALID);
	}
	outcome_init(&outcome);
	buf_clear(&out);
	xml_writer_init(&writer, &out);
	xml_begin(&writer, STR("a"));
	assert_false(xml_writer_finish(&writer, &outcome));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_message__objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_soap__write_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__soap_1_1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__documents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__large_inline_document, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__query, setup, teardown),
		cmocka_unit_test_setup_teardown(test_query__write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__responses, setup, teardown),
		cmocka_unit_test(test_response__check),
		cmocka_unit_test(test_writer__escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
