"""An Initiating Gateway nobody here wrote: IPF asks the gateway as another community by ITI-38 and ITI-39, with the assertion
of who asked it, and validates what is answered."""
import unittest

import inward
import peer
import support
import xds


class Peer(inward.InwardStand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.peer = peer.Peer(cls.directory, "127.0.0.1:%d/xca" % cls.port)
        cls.addClassCleanup(cls.peer.kill)

    def through(self, where, action, body, security):
        text = xds.envelope(action, body, head=security)
        headers, data = {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % action}, text.encode()
        if action == xds.RETRIEVE:
            headers, data = {"Content-Type": xds.package_type(action)}, xds.package(text)
        return xds.Answer(support.request("POST", self.peer.url + where, headers, data))

    def test_find_and_retrieve(self):
        document = bytes(range(256)) * 4000
        oid, hidden = self.letter("IHEBLUE-1001", document), self.letter("IHEBLUE-1001")
        self.hide("IHEBLUE-1001", hidden)
        for query in (inward.homed(xds.find_documents("IHEBLUE-1001")), inward.get_documents(oid, hidden)):
            found = self.through("initiate18", xds.STORED_QUERY, query, self.issuer.security(role=inward.DOCTOR))
            self.assertEqual(found.outcome, "Success", repr(found) + self.peer.log()[-3000:])
            self.assertEqual(found.unique_ids(), [oid])
            self.assertEqual(found.objects[0].get("home"), inward.HOME)
        both = inward.retrieve((support.REPOSITORY, oid), (support.REPOSITORY, hidden))
        got = self.through("initiate43", xds.RETRIEVE, both, self.issuer.security(role=inward.DOCTOR))
        self.assertEqual((got.outcome, got.codes), ("PartialSuccess", ["XDSDocumentUniqueIdError"]),
                         repr(got)[:2000] + self.peer.log()[-3000:])
        self.assertEqual(got.documents(), {oid: ("text/plain", document)})

    def test_who_says_nothing_gets_nothing(self):
        answer = self.through("initiate18", xds.STORED_QUERY, inward.homed(xds.find_documents("IHEBLUE-1002")), "")
        self.assertNotEqual(answer.outcome, "Success", repr(answer))


if __name__ == "__main__":
    unittest.main()
