"""A gateway that other communities reach, in front of the embedded domain, and a raw SOAP peer with signed assertions."""
import saml
import support
import trust
import xds

HOME = "urn:oid:2.999.20.70"
AUDIENCE = "urn:passerelle:tests:community"
QUERY = "urn:ihe:iti:2007:CrossGatewayQuery"
RETRIEVE = "urn:ihe:iti:2007:CrossGatewayRetrieve"
DOCTOR = ("309343006", "2.16.840.1.113883.6.96")
PATIENT_ROLE = ("PAT", "2.999.20.71")


def homed(query, home=HOME):
    return query.replace("<rim:AdhocQuery id=", '<rim:AdhocQuery home="%s" id=' % home)


def get_documents(*unique_ids, **options):
    return homed(xds.stored_query(xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "('%s')" % "','".join(unique_ids))],
                                  **options))


def retrieve(*documents, home=HOME):
    return xds.retrieve(*documents).replace("<xds:DocumentRequest>", "<xds:DocumentRequest><xds:HomeCommunityId>%s"
                                            "</xds:HomeCommunityId>" % home if home else "<xds:DocumentRequest>")


class InwardStand(trust.TrustStand):
    """One gateway for all tests of a class, which each have a patient of their own."""
    sections = {}

    @classmethod
    def setUpClass(cls):
        cls.port = support.free_port()
        directory = trust.tempfile.mkdtemp(prefix="passerelle-sts-")
        cls.addClassCleanup(trust.shutil.rmtree, directory, True)
        cls.issuer = saml.Issuer(directory, "urn:tests:sts", AUDIENCE)
        cls.other = saml.Issuer(directory, "urn:tests:sts", AUDIENCE, file="forger")
        cls.gateway_overrides = {
            "limits": {"verify_bytes": "64KiB", "spool_memory": "16KiB"},
            "community": {
                "listen": {"port": cls.port}, "home_community_id": HOME[len("urn:oid:"):],
                "xua": {"issuers": [{"issuer": cls.issuer.name, "certificate_file": cls.issuer.identity.certificate}],
                        "audiences": [AUDIENCE]},
                "roles": [trust.DOCTOR], "patient_roles": ["%s|%s" % (PATIENT_ROLE[1], PATIENT_ROLE[0])]},
            **cls.sections}
        super().setUpClass()
        cls.wait_for_memory()

    @classmethod
    def wait_for_memory(cls, port=None):
        """Until an assertion that was used for a while is taken: one from before the start may have been used then."""
        stand = cls("find")
        support.wait_until(lambda: stand.find("IHEBLUE-1001", port=port, issued=-3).outcome == "Success",
                           "a gateway that knows what it has seen")

    def cross(self, action, body, security=None, message_id=None, path="/xca", port=None, **said):
        if security is None:
            security = self.issuer.security(**dict({"role": DOCTOR}, **said))
        text = xds.envelope(action, body, message_id, head=security)
        if action == RETRIEVE:
            headers, data = {"Content-Type": xds.package_type(action)}, xds.package(text)
        else:
            headers, data = {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % action}, text.encode()
        return xds.Answer(support.request("POST", "http://127.0.0.1:%d%s" % (port or self.port, path), headers, data))

    def letter(self, patient, document=b"letter", token=None, **changes):
        bundle = support.demo_bundle(document, "text/plain", patient=patient)
        bundle["entry"][1]["resource"].update(changes)
        self.publish(token or self.doctor, bundle)
        return support.document_oid(bundle)

    def find(self, patient, **said):
        return self.cross(QUERY, xds.find_documents(patient), **said)

    def hide(self, patient, *oids):
        for oid in oids:
            path = self.consent(trust.hide_document(oid), patient)
            self.addCleanup(self.revoke, path, patient)

    def assertFault(self, answer, subcode):
        self.assertEqual(answer.status, 400, answer)
        self.assertIn(subcode, answer.fault)

    def assertError(self, answer, *codes):
        self.assertEqual(answer.outcome, "Failure", answer)
        self.assertEqual(answer.codes, list(codes), answer)
        self.assertEqual({error.get("location") for error in answer.body.iter("{%s}RegistryError" % xds.RS)}, {HOME})
