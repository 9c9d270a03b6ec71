"""Everybody whom the gateway asks, answering with ill will, in each transaction: always an honest OperationOutcome in good
time, never a crash, and the next one who asks is served. What says that the peer does not work opens its breaker; what is
only wrong does not."""
import gzip
import json
import re
import socket
import threading
import time
import unittest
import urllib.parse

import chaos
import proxy
import support
import test_federation
import trust
import xds

SOAP = "application/soap+xml; charset=UTF-8"
TIMEOUT_MS = 1000
SLOWEST = 15  # seconds that any answer may take on a busy machine
FAULT = ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:%s</s:Value>'
         '</s:Code><s:Reason><s:Text xml:lang="en">LEAK /etc/stack</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>')
SUCCESS = ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><r:RegistryResponse xmlns:r="%s" '
           'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/></s:Body></s:Envelope>' % xds.RS).encode()
REDIRECTS = (301, 302, 303, 307, 308)
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
FHIR = {"Content-Type": "application/fhir+json"}


def raw(*pieces):
    """Bytes as they are, and then nothing more."""
    def behave(exchange):
        for piece in pieces:
            exchange.send(piece)
        raise proxy.Cut
    return behave


def head(length=None, content_type=SOAP, status="200 OK", more=""):
    return ("HTTP/1.1 %s\r\nContent-Type: %s\r\n%s%s\r\n" % (
        status, content_type, "" if length is None else "Content-Length: %d\r\n" % length, more)).encode()


def endless(exchange):
    """A document that never ends, as fast as it can."""
    exchange.send(head(more="Transfer-Encoding: chunked\r\n"))
    chunk = b"10000\r\n" + b"<x/>" * 16384 + b"\r\n"
    while True:
        exchange.send(chunk)


# What does something: it is not passed on when the answer cannot be right.
CHANGING = {"ProvideAndRegisterDocumentSet-b", "RegisterDocumentSet-b", "UpdateDocumentSet", "DeleteDocumentSet", "RemoveDocuments"}


def endless_part(exchange):
    """A package that says Success, and whose last part never ends."""
    if exchange.action in CHANGING:
        content_type, body = SOAP, SUCCESS
    else:
        _, content_type, body = exchange.pass_on()
    if not content_type.startswith("multipart/related"):
        content_type = xds.package_type(exchange.action)
        body = xds.package(body.decode(), [xds.part("part@tests", b"")])
    exchange.send(head(content_type=content_type, more="Transfer-Encoding: chunked\r\n"))
    begin = body[:body.rindex(b"\r\n\r\n") + 4]
    exchange.send(b"%x\r\n%s\r\n" % (len(begin), begin))
    while True:
        exchange.send(b"10000\r\n" + bytes(65536) + b"\r\n")


def endless_headers(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(1 << 14):
        exchange.send(b"X-%d: %s\r\n" % (number, b"y" * 1000))
    raise proxy.Cut


def never(exchange):
    """Until the gateway gives up."""
    exchange.connection.settimeout(60)
    exchange.connection.recv(1)
    raise proxy.Cut


def trickle(exchange):
    """A byte now and then, of an answer that would be right."""
    status, content_type, body = exchange.pass_on()
    exchange.send(head(len(body), content_type, "%d X" % status))
    for byte in body:
        exchange.send(bytes((byte,)))
        time.sleep(0.2)


def shorter(exchange):
    """The length is too small: what is left over would be the beginning of the next answer."""
    status, content_type, body = exchange.pass_on()
    exchange.send(head(len(body) // 2, content_type, "%d X" % status) + body)


def two_answers(exchange):
    """An answer that is wrong, and right behind it one for whoever asks next."""
    exchange.send(head(7) + b"garbage" + head(4, "text/plain") + b"LEAK")


PACKED = gzip.compress(b"<x/>" * (8 << 20))


def bomb(exchange):
    exchange.send(head(len(PACKED), more="Content-Encoding: gzip\r\n") + PACKED)


OPENING = {
    "never": never,
    "a byte now and then": trickle,
    "half": proxy.half_answer,
    "lost": proxy.lost_request,
    "nothing": proxy.answering(200, SOAP, b""),
    "page": proxy.answering(200, "text/html", b"<html>LEAK</html>"),
    "fault in a page": proxy.answering(500, "text/html", (FAULT % "Receiver").encode()),
    "unavailable": proxy.answering(503, "text/plain", b"LEAK"),
    "no HTTP": raw(b"LEAK LEAK\r\n\r\n"),
    "fault of the receiver": proxy.answering(500, SOAP, (FAULT % "Receiver").encode()),
}
NOT_OPENING = {
    "garbage": proxy.answering(200, SOAP, b"\x00\xff LEAK \xfe"),
    "another document": proxy.answering(200, SOAP, b"<a xmlns='urn:x'/>"),
    "another type": proxy.answering(200, "application/pdf", b"%PDF-1.7 LEAK"),
    **dict.fromkeys("elsewhere by %d" % status for status in REDIRECTS),  # stranger() makes them
    "fault of the sender": proxy.answering(500, SOAP, (FAULT % "Sender").encode()),
    "bomb": bomb,
    "length too small": shorter,
    "two answers": two_answers,
}
EITHER = {"endless": endless, "endless headers": endless_headers, "endless part": endless_part}


def stranger(cls):
    """Whom the redirects name; cls.strangers: the connections that came."""
    cls.strangers = []
    listener = socket.create_server(("127.0.0.1", 0))
    cls.addClassCleanup(support.close_listener, listener)

    def take():
        try:
            while True:
                cls.strangers.append(listener.accept())
        except OSError:
            pass

    threading.Thread(target=take, daemon=True).start()
    for status in REDIRECTS:
        NOT_OPENING["elsewhere by %d" % status] = raw(head(0, status="%d X" % status, more=(
            "Location: http://127.0.0.1:%d/\r\n" % listener.getsockname()[1])))


class HostilePeers(test_federation.CommunityStand):
    """HCM by XDS and the DSP as another community, identity sources and the consent directory: each behind a proxy."""

    @classmethod
    def back_end(cls, entry, port):
        return dict(entry, timeout_ms=TIMEOUT_MS, breaker_failures=1, breaker_open_ms=1)

    @classmethod
    def hcm_entry(cls, port, **more):
        entry = cls.back_end(super().hcm_entry(port, **more), port)
        entry["delete_url"] = entry["registry_url"]
        entry["repositories"][0]["remove_url"] = entry["provide_url"]
        return entry

    @classmethod
    def dsp_entry(cls, port, **more):
        return cls.back_end(super().dsp_entry(port, **more), port)

    @classmethod
    def configuration(cls):
        configuration = super().configuration()
        cls.consent_proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.hcm.port)
        cls.addClassCleanup(cls.consent_proxy.close)
        configuration["consent"]["directory_url"] = cls.consent_proxy.url("/consent")
        configuration["identity"].update(timeout_ms=TIMEOUT_MS, feed_url=cls.hcm_proxy.url("/pix"))
        configuration["publication"] = {"delete": "remove"}
        return configuration

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stranger(cls)

    def setUp(self):
        super().setUp()
        self.consent_proxy.clear()
        self.reference, self.there = None, None

    def request(self, method, path, headers=None, body=None, token=None):
        url = path if path.startswith("http") else self.gateway.base + path
        return support.request(method, url, dict(headers or {}, **support.bearer(token or self.token)),
                               None if body is None else json.dumps(body).encode())

    def published(self, gateway, community):
        """A fresh document as it is found."""
        oid = self.publish(gateway, b"a letter")
        return next(each for each in test_federation.matches(self.find(
            targetCommunityIdList="urn:oid:" + community)) if test_federation.oid_of(each) == oid)

    def here(self):
        if not self.reference:
            self.reference = self.published(self.gateway, test_federation.HOME_HCM)
        return self.reference

    def elsewhere(self):
        if not self.there:
            self.there = self.published(self.feeder, test_federation.HOME_DSP)
        return self.there

    def breaker(self, source):
        text = support.request("GET", "http://127.0.0.1:%d/metrics" % self.gateway.port).body.decode()
        line = next(each for each in text.splitlines()
                    if each.startswith("passerelle_breaker_state{") and 'source="%s"' % source in each)
        return int(line.rsplit(" ", 1)[1])

    def assertHonest(self, response, what):
        """An error that names what happened, or what there is with a warning that something is missing."""
        self.assertNotIn(b"LEAK", response.body, what)
        self.assertNotEqual(response.status, 500, what)
        resource = response.json()
        if response.status >= 400:
            self.assertEqual(resource["resourceType"], "OperationOutcome", what)
            self.assertIn(response.status, (502, 503, 504), "%s: %r" % (what, response))
            issues = resource["issue"]
        else:
            issues = test_federation.issues(resource)
            self.assertIn("incomplete", {issue["code"] for issue in issues}, "%s: %r" % (what, response))
        self.assertTrue(all(issue["diagnostics"] for issue in issues), what)

    def behaves(self, peer, action, behaviour, what, provoke):
        peer.clear()
        peer.script(action, *[behaviour] * 8)  # however many warm connections it is tried on
        began = time.monotonic()
        response = provoke()
        self.assertLess(time.monotonic() - began, SLOWEST, what)
        self.assertTrue(peer.seen, "%s: it was not asked" % what)
        self.assertHonest(response, what)
        peer.clear()

    def endures(self, peer, action, provoke, source=None, good=lambda response: response.status == 200):
        """Every behaviour in one transaction. source: whose breaker is looked at."""
        self.assertTrue(good(provoke()), action)
        for behaviours, opens in ((OPENING, True), (NOT_OPENING, False), (EITHER, None)):
            for name, behaviour in behaviours.items():
                what = "%s: %s" % (action, name)
                with self.subTest(what):
                    self.behaves(peer, action, behaviour, what, provoke)
                    if source and opens is not None:
                        self.assertEqual(self.breaker(source) > 0, opens, what)
                    self.assertEqual(self.strangers, [], "%s: nobody is followed elsewhere" % what)
                    support.wait_until(lambda: good(provoke()), "%s to be over" % what)

    def test_iti_18(self):
        name = self.here()["id"]
        self.endures(self.hcm_proxy, "RegistryStoredQuery", lambda: self.request("GET", "/DocumentReference/" + name), "hcm")

    def test_iti_43(self):
        url = self.here()["content"][0]["attachment"]["url"]
        self.endures(self.hcm_proxy, "RetrieveDocumentSet", lambda: self.request("GET", url), "hcm",
                     lambda response: response.body == b"a letter")

    def test_iti_41(self):
        def publish():
            return self.gateway.publish(support.demo_bundle(b"a letter", "text/plain", patient=self.patient),
                                        token=self.token)

        def lost(exchange):
            """As if it had never been asked: what it does is done without an answer, and found out afterwards."""
            raise proxy.Cut

        self.assertStatus(publish(), 200)
        for name, behaviour in {**OPENING, **NOT_OPENING, **EITHER}.items():
            if name in ("half", "a byte now and then", "length too small"):
                continue  # these have done it: test_publish
            with self.subTest(name):
                self.behaves(self.hcm_proxy, "ProvideAndRegisterDocumentSet-b", behaviour, name, publish)
                self.assertEqual(self.strangers, [], name)
                support.wait_until(lambda: publish().status == 200, "%s to be over" % name)
        self.hcm_proxy.script("ProvideAndRegisterDocumentSet-b", lost)
        self.assertHonest(publish(), "lost")

    def test_iti_57(self):
        name = self.here()["id"]
        number = iter(range(1000))

        def change():
            etag = self.request("GET", "/DocumentReference/" + name).header("ETag")
            if etag is None:
                return support.Response(0, {}, b"")
            return self.request("PATCH", "/DocumentReference/" + name, dict(JSON_PATCH, **{"If-Match": etag}), [
                {"op": "add", "path": "/description", "value": "Title %d" % next(number)}])

        for title, behaviour in {**OPENING, **NOT_OPENING, **EITHER}.items():
            if title in ("half", "a byte now and then", "length too small"):
                continue  # these have done it: test_update
            with self.subTest(title):
                self.behaves(self.hcm_proxy, "UpdateDocumentSet", behaviour, title, change)
                self.assertEqual(self.strangers, [], title)
                support.wait_until(lambda: change().status == 200, "%s to be over" % title)

    def test_iti_44(self):
        """A feed that went wrong may be sent again, whatever became of it."""
        adt = self.gateway.token("system", user="adt", scope="ITI-104")
        person = {"resourceType": "Patient", "identifier": [{"system": "urn:oid:" + trust.GREEN, "value": "IHEGREEN-1001"}],
                  "name": [{"family": "Exemple", "given": ["Camille"]}]}
        self.endures(self.hcm_proxy, "PRPA_IN201302UV02", lambda: self.request(
            "PUT", "/Patient?identifier=" + urllib.parse.quote("urn:oid:%s|IHEGREEN-1001" % trust.GREEN), FHIR, person, adt))

    def removals(self, answered):
        """A fresh document is removed under each behaviour; answered: of (title, behaviour, remove, name)."""
        remover = self.gateway.token("doctor", user="doctor-1", scope="user/DocumentReference.cruds user/Binary.r")
        for title, behaviour in {**OPENING, **NOT_OPENING, **EITHER}.items():
            with self.subTest(title):
                name = self.published(self.gateway, test_federation.HOME_HCM)["id"]
                self.hcm_proxy.clear()
                answered(title, behaviour, lambda name=name: self.request(
                    "DELETE", "/DocumentReference/" + name, token=remover), name)
                self.assertStatus(self.request("GET", "/DocumentReference/" + name), 404)
        self.assertEqual(self.strangers, [])

    def test_iti_62(self):
        """What was not done is done by the next try; what was done without a word is found out."""
        def answered(title, behaviour, remove, name):
            if behaviour in (proxy.half_answer, trickle, shorter):
                self.hcm_proxy.script("DeleteDocumentSet", behaviour)
            else:
                self.behaves(self.hcm_proxy, "DeleteDocumentSet", behaviour, title, remove)
                support.wait_until(lambda: self.request("GET", "/DocumentReference/" + name).status == 200, title)
            self.assertIn(remove().status, (200, 204), title)

        self.removals(answered)

    def test_iti_86(self):
        """The document is gone for everybody by then, whatever becomes of its bytes (HostileDeliveries)."""
        def answered(title, behaviour, remove, _name):
            self.hcm_proxy.script("RemoveDocuments", behaviour)
            answer = remove()
            self.assertIn(answer.status, (200, 204), title)
            self.assertEqual(self.hcm_proxy.count("RemoveDocuments"), 1, title)
            self.assertNotIn(b"LEAK", answer.body, title)

        self.removals(answered)

    def test_iti_38(self):
        name = self.elsewhere()["id"]
        self.endures(self.dsp_proxy, "CrossGatewayQuery", lambda: self.request("GET", "/DocumentReference/" + name), "dsp")

    def test_iti_39(self):
        url = self.elsewhere()["content"][0]["attachment"]["url"]
        self.endures(self.dsp_proxy, "CrossGatewayRetrieve", lambda: self.request("GET", url), "dsp",
                     lambda response: response.body == b"a letter")

    def test_iti_55(self):
        """Each time for a patient whom nobody has looked for."""
        def search():
            query = {"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, next(test_federation.PATIENTS)),
                     "targetCommunityIdList": "urn:oid:" + test_federation.HOME_DSP}
            return self.request("GET", "/DocumentReference?" + urllib.parse.urlencode(query))

        self.endures(self.dsp_proxy, "CrossGatewayPatientDiscovery", search, "dsp")

    def test_iti_45(self):
        """Before a gateway that remembers nothing of what it was told."""
        configuration = self.configuration()
        configuration["state_directory"] += ".forgetful"
        configuration["identity"].update(positive_seconds=0, negative_seconds=0, last_known_hours=0)
        forgetful = support.Gateway(self.directory, [self.hcm_entry(self.hcm_proxy.port)], name="forgetful", **configuration)
        self.addCleanup(forgetful.stop)
        source = urllib.parse.quote("urn:oid:%s|IHERED-1001" % trust.RED)
        self.endures(self.hcm_proxy, "PRPA_IN201309UV02",
                     lambda: self.request("GET", forgetful.base + "/Patient/$ihe-pix?sourceIdentifier=" + source,
                                          token=forgetful.token("doctor", user="doctor-1")))

    def test_iti_47(self):
        self.endures(self.hcm_proxy, "PRPA_IN201305UV02", lambda: self.request(
            "GET", "/Patient?family=Exemple1&given=Camille&birthdate=1901-02-03"))

    def test_consent_directory(self):
        query = "/Consent?patient.identifier=" + urllib.parse.quote("urn:oid:%s|%s" % (support.AUTHORITY, self.patient))
        self.endures(self.consent_proxy, "", lambda: self.request("GET", query, token=self.own_token))


class HostileContent(HostilePeers):
    """Answers that are well formed and say what must not be believed."""

    def changed(self, peer, action, change, what, provoke, spoiled):
        def spoil(body):
            new = change(body)
            self.assertNotEqual(new, body, what)
            return new
        with self.subTest(what):
            peer.clear()
            peer.script(action, *[proxy.changed(spoil)] * 2)
            spoiled(provoke())
            self.assertTrue(peer.seen, what)
            peer.clear()

    def test_a_community_that_speaks_for_another(self):
        """homeCommunityId and repository in an answer are what was asked, or nothing of it is taken. ITI TF-2 3.38.4.1.3"""
        reference = self.elsewhere()
        there = ("urn:oid:" + test_federation.HOME_DSP).encode()
        other = ("urn:oid:" + test_federation.HOME_HCM).encode()

        def get():
            return self.request("GET", "/DocumentReference/" + reference["id"])

        def fetch():
            return self.request("GET", reference["content"][0]["attachment"]["url"])

        def refused(response):
            self.assertIn(response.status, (404, 502), response)

        for action, provoke in (("CrossGatewayQuery", get), ("CrossGatewayRetrieve", fetch)):
            self.changed(self.dsp_proxy, action, lambda body: body.replace(there, other), action + ": another's home",
                         provoke, refused)
            self.assertStatus(provoke(), 200)
        self.changed(self.dsp_proxy, "CrossGatewayRetrieve",
                     lambda body: body.replace(test_federation.REPOSITORY_DSP.encode(), b"2.999.20.99"),
                     "another repository", fetch, refused)
        self.changed(self.dsp_proxy, "CrossGatewayRetrieve", lambda body: body.replace(b"a letter", b"A Letter"),
                     "other bytes", fetch, refused)
        oid = test_federation.oid_of(reference).encode()
        for what, change in (
                ("another document", lambda body: body.replace(oid, b"2.999.20.1.77")),
                ("a content id that nobody has", lambda body: body.replace(b'href="cid:', b'href="cid:x')),
                ("a content id of the message itself", lambda body: re.sub(
                    rb'href="cid:[^"]*', b'href="cid:' + re.search(rb"Content-ID: *<([^>]*)>", body).group(1), body))):
            self.changed(self.dsp_proxy, "CrossGatewayRetrieve", change, what, fetch, refused)
        self.assertStatus(fetch(), 200)
        self.assertEqual(self.breaker("dsp"), 0, "it works, whatever it says")

    def test_documents_of_somebody_else(self):
        """A registry that answers with another patient's entries: nothing of them is shown."""
        mine = self.published(self.gateway, test_federation.HOME_HCM)
        self.changed(self.hcm_proxy, "RegistryStoredQuery",
                     lambda body: body.replace(self.patient.encode(), b"IHEBLUE-1199"), "another patient",
                     lambda: self.request("GET", "/DocumentReference?" + urllib.parse.urlencode({
                         "patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.patient),
                         "targetCommunityIdList": "urn:oid:" + test_federation.HOME_HCM})),
                     lambda response: self.assertNotIn(mine["masterIdentifier"]["value"].encode(), response.body))

    def test_more_than_anybody_can_use(self):
        """Entries without end are refused by their number, not by running out of memory."""
        def many(body):
            begin = body.index(b"<rim:ExtrinsicObject") if b"<rim:ExtrinsicObject" in body else body.index(b"<ExtrinsicObject")
            end = body.rindex(b"ExtrinsicObject>") + len(b"ExtrinsicObject>")
            return body[:begin] + body[begin:end] * 12000 + body[end:]

        self.published(self.gateway, test_federation.HOME_HCM)
        self.changed(self.hcm_proxy, "RegistryStoredQuery", many, "thousands of entries",
                     lambda: self.request("GET", "/DocumentReference?" + urllib.parse.urlencode({
                         "patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.patient),
                         "targetCommunityIdList": "urn:oid:" + test_federation.HOME_HCM})),
                     lambda response: self.assertIn(response.status, (400, 502, 504), response))


class Patient(support.Stand):
    """With time enough to read more than anybody needs."""

    def test_what_nobody_wants_of_a_package_has_an_end(self):
        peer = proxy.Proxy("http://127.0.0.1:%d" % self.domain.port)
        self.addCleanup(peer.close)
        gateway = support.Gateway(self.directory, [self.domain.back_end(
            registry_url=peer.url("/registry"), timeout_ms=60000, breaker_failures=0)], name="patient")
        self.addCleanup(gateway.kill)
        peer.script("RegistryStoredQuery", endless_part)
        answer = self.assertStatus(gateway.find(), 502)
        self.assertIn("too large", answer.json()["issue"][0]["diagnostics"])
        self.assertStatus(gateway.find(), 200)
        gateway.stop()


class HostileDeliveries(test_federation.Networks):
    """What the outbox delivers meets the same ill will, each item another: in the end all of it is done, once."""

    @classmethod
    def hcm_configuration(cls):
        return trust.domain_configuration(cls.directory)

    @classmethod
    def hcm_entry(cls, port, **more):
        entry = super().hcm_entry(port, timeout_ms=TIMEOUT_MS, breaker_open_ms=1, **more)
        return dict(entry, delete_url=entry["registry_url"],
                    repositories=[dict(entry["repositories"][0], remove_url=entry["provide_url"])])

    @classmethod
    def dsp_entry(cls, port, **more):
        return super().dsp_entry(port, timeout_ms=TIMEOUT_MS, breaker_open_ms=1, **more)

    @classmethod
    def configuration(cls):
        configuration = trust.trust_configuration(cls.directory, cls.hcm)
        configuration["consent"]["care_relationships"] = ["any|any", "urn:oid:%s|any" % test_federation.HOME_DSP]
        configuration["publication"] = {"degraded": "accept", "retry_seconds_max": 1, "delete": "remove",
                                        "share": ["http://loinc.org|11488-4 = dsp register"]}
        return configuration

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stranger(cls)

    def setUp(self):
        super().setUp()
        self.token = self.gateway.token("doctor", user="doctor-1",
                                        scope="user/DocumentReference.cruds user/Task.rus ITI-65 ITI-67 ITI-68")

    def ill(self, peer, action):
        """By uniqueId: what happens to the message that names it, the first time."""
        waiting, lock = {}, threading.Lock()

        def behave(exchange):
            with lock:
                name = next((oid for oid in waiting if oid.encode() in exchange.body), None)
                behaviour = waiting.pop(name) if name else proxy.passing
            behaviour(exchange)
        peer.script(action, *[behave] * 500)
        return waiting

    def publish_each(self, waiting, *titles, **more):
        """A document for every behaviour."""
        oids = []
        for title, behaviour in {**OPENING, **NOT_OPENING, **EITHER}.items():
            if titles and title not in titles:
                continue
            oid = support.fresh_oid(1)
            waiting[oid] = behaviour
            oids.append(self.publish(self.gateway, b"a letter", oid, **more))
        return oids

    def tasks(self, status):
        found = self.get("Task?status=" + status).json()
        return [entry["resource"] for entry in found.get("entry", []) if entry["search"]["mode"] == "match"]

    def retry_failed(self):
        failed = self.tasks("failed")
        for each in failed:
            self.assertStatus(support.request("POST", "%s/Task/%s/$retry" % (self.gateway.base, each["id"]),
                                              support.bearer(self.token)), 200)
        return len(failed)

    def test_iti_42(self):
        """Who says that it is our fault is believed, until a person says otherwise."""
        waiting = self.ill(self.dsp_proxy, "RegisterDocumentSet-b")
        oids = self.publish_each(waiting, category=[{"coding": [{"system": "http://loinc.org", "code": "11488-4",
                                                                 "display": "Consult note"}]}])

        def there():
            return sorted(test_federation.oid_of(each) for each in test_federation.matches(self.feeder.find(**{
                "patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.patient), "_count": 100}).json()))

        def wait_for(count):
            support.wait_until(lambda: len(there()) >= count and not self.tasks("requested,in-progress"),
                               lambda: "only %d are there" % len(there()))
            self.assertEqual(len(there()), count)
        wait_for(len(oids) - 1)
        self.assertEqual(self.retry_failed(), 1)
        wait_for(len(oids))
        self.assertEqual((there(), waiting, self.strangers), (sorted(oids), {}, []))

    def test_iti_86(self):
        waiting = self.ill(self.hcm_proxy, "RemoveDocuments")
        oids = self.publish_each(waiting, "lost", "half", "page", "garbage", "elsewhere by 307", "fault of the sender")
        for each in test_federation.matches(self.find(_count=100)):
            self.assertIn(support.request("DELETE", self.gateway.base + "/DocumentReference/" + each["id"],
                                          support.bearer(self.token)).status, (200, 202, 204))

        def left():
            return [oid for oid in oids if b"a letter" in chaos.ask(
                self.hcm.repository_url, xds.RETRIEVE, xds.retrieve((support.REPOSITORY, oid))).response.body]
        support.wait_until(lambda: not self.tasks("requested,in-progress"), "what can be done to be done")
        self.assertLessEqual(self.retry_failed(), 1)  # a fault of the sender's, unless it was sent at once
        support.wait_until(lambda: not left(), lambda: "the bytes of %d to be removed" % len(left()))
        self.assertEqual((waiting, self.strangers), ({}, []))


for each in [name for name in dir(HostilePeers) if name.startswith("test_iti") or name == "test_consent_directory"]:
    setattr(HostileContent, each, None)  # once is enough

if __name__ == "__main__":
    unittest.main()
