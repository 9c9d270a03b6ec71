"""One record out of two networks: ITI-66, ITI-67, reads and ITI-68 over several back-ends (HCM and DSP)."""
import concurrent.futures
import json
import os
import shutil
import tempfile
import threading
import unittest
import urllib.parse

import proxy
import support
import trust

HOME_HCM = "2.999.70.1"
HOME_DSP = "2.999.70.2"
REPOSITORY_DSP = "2.999.20.11"
QUERY = "RegistryStoredQuery"
DEAD = [proxy.lost_request] * 20  # a connection that was warm is tried again
PIX = "PRPA_IN201309UV02"
PDQ = "PRPA_IN201305UV02"
DISCOVERY = "CrossGatewayPatientDiscovery"
PATIENTS = iter("IHEBLUE-1%03d" % number for number in range(1, 200))


def matches(bundle):
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


def issues(bundle):
    return [issue for entry in bundle.get("entry", []) if entry["search"]["mode"] == "outcome"
            for issue in entry["resource"]["issue"]]


def link(bundle, relation):
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)


def oid_of(resource):
    return resource["masterIdentifier"]["value"][len("urn:oid:"):]


class Networks(unittest.TestCase):
    """Two domains, each behind a proxy of the tests' own, a gateway in front of both, and one in front of the DSP alone by
    which the tests publish there."""
    maxDiff = None

    @classmethod
    def hcm_configuration(cls):
        return {}

    @classmethod
    def configuration(cls):
        """Of the gateway."""
        return {}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        patients = ["IHEBLUE-1%03d" % number for number in range(1, 200)]
        cls.hcm = support.Domain(cls.directory, patients=patients, **cls.hcm_configuration())
        cls.addClassCleanup(cls.hcm.kill)
        cls.dsp = support.Domain(cls.directory, name="dsp", **dict(
            {"repository_unique_id": REPOSITORY_DSP, "patients": patients}, **cls.dsp_configuration()))
        cls.addClassCleanup(cls.dsp.kill)
        cls.hcm_proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.hcm.port)
        cls.addClassCleanup(cls.hcm_proxy.close)
        cls.dsp_proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.dsp.port)
        cls.addClassCleanup(cls.dsp_proxy.close)
        cls.feeder = support.Gateway(cls.directory, [cls.xds_entry(cls.dsp.port)], name="feeder",
                                     patient={"assigning_authority": cls.dsp_authority})
        cls.addClassCleanup(cls.feeder.kill)
        cls.gateway = support.Gateway(cls.directory, cls.back_ends(), **cls.configuration())
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def back_ends(cls):
        """Of the gateway."""
        return [cls.hcm_entry(cls.hcm_proxy.port), cls.dsp_entry(cls.dsp_proxy.port)]

    @classmethod
    def hcm_entry(cls, port, **more):
        url = "http://127.0.0.1:%d/repository" % port
        return cls.hcm.back_end(registry_url="http://127.0.0.1:%d/registry" % port, provide_url=url,
                                repositories=[{"unique_id": support.REPOSITORY, "url": url}],
                                home_community_id=HOME_HCM, **more)

    dsp_authority = support.AUTHORITY

    @classmethod
    def dsp_configuration(cls):
        return {}

    @classmethod
    def dsp_entry(cls, port, **more):
        """How the gateway reaches the DSP."""
        return cls.xds_entry(port, **more)

    @classmethod
    def xds_entry(cls, port, **more):
        url = "http://127.0.0.1:%d/repository" % port
        return cls.dsp.back_end(source=2, registry_url="http://127.0.0.1:%d/registry" % port, provide_url=url,
                                repositories=[{"unique_id": REPOSITORY_DSP, "url": url}],
                                home_community_id=HOME_DSP, **more)

    @classmethod
    def tearDownClass(cls):
        for process in (cls.gateway, cls.feeder, cls.hcm, cls.dsp):
            process.stop()

    def setUp(self):
        self.patient = next(PATIENTS)
        self.hcm_proxy.clear()
        self.dsp_proxy.clear()

    def patient_there(self):
        """The test's patient as the DSP knows them."""
        return self.patient

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    token = None

    def get(self, path, status=200):
        """Below the base, or a whole URL."""
        url = path if path.startswith("http") else self.gateway.base + "/" + path
        return self.assertStatus(support.request("GET", url, support.bearer(self.token)), status)

    def publish(self, gateway, document, oid=None, **more):
        """Publishes a document for the test's patient; returns its uniqueId."""
        bundle = support.demo_bundle(document, "text/plain", patient=self.patient)
        if gateway is self.feeder:
            bundle = json.loads(json.dumps(bundle).replace(self.patient, self.patient_there())
                                .replace(support.AUTHORITY, self.dsp_authority))
        reference = bundle["entry"][1]["resource"]
        if oid:
            reference["masterIdentifier"]["value"] = "urn:oid:" + oid
        reference.update(more)
        self.assertStatus(gateway.publish(bundle, token=self.token if gateway is self.gateway else None), 200)
        return oid_of(reference)

    def find(self, kind="DocumentReference", status=200, **parameters):
        query = {"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.patient)}
        query.update(parameters)
        query = {name: value for name, value in query.items() if value is not None}
        return self.get(kind + "?" + urllib.parse.urlencode(query, doseq=True), status).json()

    def found(self, **parameters):
        """The uniqueIds that a search finds."""
        return sorted(oid_of(each) for each in matches(self.find(**parameters)))

    def pages(self, first, between=lambda number: None):
        """All pages of a search, with something done before each further one."""
        found = [first]
        while link(found[-1], "next"):
            between(len(found))
            found.append(self.assertStatus(support.request("GET", link(found[-1], "next")), 200).json())
        return found


class Merged(Networks):
    def test_both_networks_are_one_record(self):
        here = self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        found = self.find()
        self.assertEqual({oid_of(each) for each in matches(found)}, {here, there})
        self.assertEqual(found["total"], 2)
        self.assertEqual(issues(found), [])
        by_oid = {oid_of(each): each for each in matches(found)}
        for oid, home in ((here, HOME_HCM), (there, HOME_DSP)):
            self.assertEqual(by_oid[oid]["meta"]["source"], "urn:oid:" + home)
            self.assertIn({"url": support.PROFILES + "ihe-HomeCommunityId", "valueOid": "urn:oid:" + home},
                          by_oid[oid]["extension"])
        self.assertEqual(self.find(_summary="count")["total"], 2)

    def test_a_copy_is_shown_once(self):
        oid = self.publish(self.gateway, b"the same bytes")
        self.publish(self.feeder, b"the same bytes", oid)
        found = self.find()
        self.assertEqual([(oid_of(each), each["meta"]["source"]) for each in matches(found)],
                         [(oid, "urn:oid:" + HOME_HCM)])
        self.assertEqual(found["total"], 1)
        self.assertEqual(issues(found), [])

    def test_the_same_identifier_with_other_bytes_is_shown_twice(self):
        oid = self.publish(self.gateway, b"one content")
        self.publish(self.feeder, b"another content", oid)
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [oid, oid])
        [warning] = issues(found)
        self.assertEqual(warning["code"], "conflict")
        for each in matches(found):
            self.assertIn("DocumentReference/" + each["id"], warning["diagnostics"])
        for page in self.pages(self.find(_count=1)):
            self.assertEqual([issue["code"] for issue in issues(page)], ["conflict"])

    def test_the_same_identifier_of_another_patient_is_shown_twice(self):
        oid = self.publish(self.gateway, b"the same bytes")
        self.patient = next(PATIENTS)
        self.publish(self.feeder, b"the same bytes", oid)
        found = self.find(identifier="urn:oid:" + oid, **{"patient.identifier": None})
        self.assertEqual([oid_of(each) for each in matches(found)], [oid, oid])
        self.assertEqual(len({each["subject"]["reference"] for each in matches(found)}), 2)
        [warning] = issues(found)
        self.assertEqual(warning["code"], "conflict")
        self.assertIn("different patients", warning["diagnostics"])
        self.assertEqual((len(matches(self.find())), issues(self.find())), (1, []))

    def test_nothing_is_found_in_either(self):
        found = self.find()
        self.assertEqual((found["total"], issues(found)), (0, []))

    def test_of_two_patients_at_once(self):
        """What a registry refuses because of the request is no gap in the record."""
        oids = [self.publish(self.gateway, b"of the hospital")]
        self.patient = next(PATIENTS)
        oids.append(self.publish(self.gateway, b"of another"))
        outcome = self.find(identifier=",".join("urn:oid:" + oid for oid in oids), status=422,
                            **{"patient.identifier": None})
        self.assertEqual([each["code"] for each in outcome["issue"] if each["severity"] == "error"], ["business-rule"])

    def test_communities_may_be_chosen(self):
        self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        found = self.find(targetCommunityIdList="urn:oid:" + HOME_DSP)
        self.assertEqual([oid_of(each) for each in matches(found)], [there])
        self.assertEqual(self.hcm_proxy.count(QUERY), 0)
        self.find(targetCommunityIdList="urn:oid:2.999.1", status=400)

    def test_ids_lead_to_the_source_that_they_name(self):
        self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        by_oid = {oid_of(each): each for each in matches(self.find())}
        self.hcm_proxy.clear()
        found = self.find(_id=by_oid[there]["id"])
        self.assertEqual([oid_of(each) for each in matches(found)], [there])
        self.assertEqual(self.hcm_proxy.count(QUERY), 0)
        both = self.find(_id=",".join(each["id"] for each in by_oid.values()))
        self.assertEqual({oid_of(each) for each in matches(both)}, set(by_oid))

    def test_last_updated_is_asked_of_each(self):
        self.publish(self.gateway, b"of the hospital")
        self.publish(self.feeder, b"of the nation")
        self.assertEqual(self.find(_lastUpdated="ge2024")["total"], 2)
        self.assertEqual(self.find(_lastUpdated="lt2024")["total"], 0)


class Missing(Networks):
    """A network that does not answer hides nothing of the other, and is told from one that has nothing."""
    @classmethod
    def configuration(cls):
        return {"federation": {"deadline_ms": 3000}}

    def setUp(self):
        super().setUp()
        self.here = self.publish(self.gateway, b"of the hospital")
        self.there = self.publish(self.feeder, b"of the nation")

    def assertMissing(self, found, name):
        self.assertEqual([(issue["severity"], issue["code"]) for issue in issues(found)], [("warning", "incomplete")])
        self.assertIn(name, issues(found)[0]["diagnostics"])
        self.assertNotIn("total", found)

    def test_one_is_dead(self):
        self.dsp_proxy.script(QUERY, *DEAD)
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [self.here])
        self.assertMissing(found, "dsp")

    def test_the_first_is_dead(self):
        self.hcm_proxy.script(QUERY, *DEAD)
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [self.there])
        self.assertMissing(found, "hcm")

    def test_one_is_slow(self):
        held = threading.Event()
        self.addCleanup(held.set)
        self.dsp_proxy.script(QUERY, proxy.held(held))
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [self.here])
        self.assertMissing(found, "dsp")

    def test_one_is_slow_again_and_again(self):
        """Each has one time for all that a search asks of it."""
        def slowly(exchange):
            threading.Event().wait(2)
            proxy.passing(exchange)
        self.dsp_proxy.script(QUERY, *[slowly] * 10)
        found = self.find(_lastUpdated="ge2024")
        self.assertEqual([oid_of(each) for each in matches(found)], [self.here])
        self.assertMissing(found, "dsp")

    def test_one_falls_silent(self):
        """One finds out whether it answers again; the others do not wait for that."""
        self.assertEqual(len(matches(self.find())), 2)
        held = threading.Event()
        self.addCleanup(held.set)
        self.dsp_proxy.script(QUERY, *[proxy.held(held)] * 6)
        found = []
        searches = [threading.Thread(target=lambda: found.append(self.find())) for _ in range(6)]
        for search in searches:
            search.start()
        for search in searches:
            search.join()
        for each in found:
            self.assertEqual([oid_of(match) for match in matches(each)], [self.here])
            self.assertMissing(each, "dsp")
        said = [issues(each)[0]["diagnostics"] for each in found]
        self.assertEqual(sum("did not answer in time" in each for each in said), 1, said)
        self.assertTrue(any("answers nobody at the moment" in each for each in said), said)
        held.set()
        self.dsp_proxy.clear()
        support.wait_until(lambda: len(matches(self.find())) == 2, "both to answer")

    def test_one_slow_search_leaves_nobody_else_without(self):
        """It asks for much; the source is well, and whoever asks it meanwhile is answered."""
        self.assertEqual(len(matches(self.find())), 2)
        patient, slow = self.patient, next(PATIENTS)
        held = threading.Event()
        self.addCleanup(held.set)

        def slowly(exchange):
            if slow.encode() in exchange.body:
                held.wait(60)
            proxy.passing(exchange)
        self.dsp_proxy.clear()
        self.dsp_proxy.script(QUERY, *[slowly] * 200)
        self.patient = slow
        search = threading.Thread(target=self.find)
        search.start()
        support.wait_until(lambda: self.dsp_proxy.count(QUERY) == 1, "the slow search to reach the DSP")
        self.patient = patient
        answered = 0
        # Not to synchronise: the quiet in which nobody else asks is what is tested. Half of deadline_ms.
        search.join(1.5)
        while search.is_alive():
            found = self.find()
            self.assertEqual(issues(found), [])
            self.assertEqual(len(matches(found)), 2)
            answered += 1
            search.join(0.1)
        self.assertGreater(answered, 0)

    def test_one_talks_nonsense(self):
        self.dsp_proxy.script(QUERY, proxy.answering(200, "text/html", b"<html>Welcome</html>"))
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [self.here])
        self.assertMissing(found, "dsp")

    def test_one_is_full(self):
        narrow = support.Gateway(self.directory, [self.hcm_entry(self.hcm.port),
                                                  self.xds_entry(self.dsp_proxy.port, connections_max=1)], name="narrow")
        self.addCleanup(narrow.stop)
        held = threading.Event()
        self.addCleanup(held.set)
        self.dsp_proxy.script(QUERY, proxy.held(held))
        wide, self.gateway = self.gateway, narrow
        try:
            first = threading.Thread(target=self.find)
            first.start()
            support.wait_until(lambda: self.dsp_proxy.count(QUERY) == 1, "the first search to reach the DSP")
            found = self.find()
            self.assertEqual([oid_of(each) for each in matches(found)], [self.here])
            self.assertMissing(found, "dsp")
            held.set()
            first.join()
        finally:
            self.gateway = wide

    def test_both_are_dead(self):
        self.hcm_proxy.script(QUERY, proxy.answering(503, "text/plain", b""))
        self.dsp_proxy.script(QUERY, proxy.answering(503, "text/plain", b""))
        outcome = self.find(status=503)
        text = " ".join(issue["diagnostics"] for issue in outcome["issue"])
        self.assertIn("hcm", text)
        self.assertIn("dsp", text)

    def test_the_other_has_nothing(self):
        self.patient = next(PATIENTS)
        self.dsp_proxy.script(QUERY, *DEAD)
        found = self.find()
        self.assertEqual(matches(found), [])
        self.assertMissing(found, "dsp")


class Read(Networks):
    """Whatever an id names is read where it is."""

    def setUp(self):
        super().setUp()
        self.here = self.publish(self.gateway, b"of the hospital")
        self.there = self.publish(self.feeder, b"of the nation")
        self.by_oid = {oid_of(each): each for each in matches(self.find())}
        self.hcm_proxy.clear()
        self.dsp_proxy.clear()

    def attachment(self, oid):
        return self.by_oid[oid]["content"][0]["attachment"]["url"]

    def test_references(self):
        for oid, resource in self.by_oid.items():
            with self.subTest(oid=oid):
                self.assertEqual(self.get("DocumentReference/" + resource["id"]).json(), resource)

    def test_documents(self):
        self.assertEqual(self.get(self.attachment(self.here)).body, b"of the hospital")
        self.assertEqual(self.dsp_proxy.seen, [])
        self.assertEqual(self.get(self.attachment(self.there)).body, b"of the nation")
        self.assertEqual(self.hcm_proxy.count("RetrieveDocumentSet"), 1)

    def test_lists(self):
        found = self.find("List", code="submissionset")
        self.assertEqual(found["total"], 2)
        self.assertEqual({each["meta"]["source"] for each in matches(found)},
                         {"urn:oid:" + HOME_HCM, "urn:oid:" + HOME_DSP})
        members = {each["entry"][0]["item"]["reference"] for each in matches(found)}
        self.assertEqual(members, {"DocumentReference/" + each["id"] for each in self.by_oid.values()})
        for each in matches(found):
            self.assertEqual(self.get("List/" + each["id"]).json(), each)

    def test_a_dead_source_is_named(self):
        self.dsp_proxy.script(QUERY, *[proxy.answering(503, "text/plain", b"")] * 3)
        for path in ("DocumentReference/" + self.by_oid[self.there]["id"], self.attachment(self.there)):
            outcome = self.get(path, 503).json()
            self.assertIn("dsp", outcome["issue"][0]["diagnostics"])
        self.get("DocumentReference/" + self.by_oid[self.here]["id"])

    def test_a_source_that_is_no_more(self):
        alone = support.Gateway(self.directory, [self.hcm_entry(self.hcm.port)], name="alone")
        self.addCleanup(alone.stop)
        for path in ("DocumentReference/" + self.by_oid[self.there]["id"],
                     self.attachment(self.there)[len(self.gateway.base) + 1:]):
            self.assertStatus(support.request("GET", alone.base + "/" + path), 404)
        self.assertStatus(support.request("GET", alone.base + "/DocumentReference/" + self.by_oid[self.here]["id"]),
                          200)

    def test_what_is_elsewhere_is_not_replaced_here(self):
        bundle = support.demo_bundle(b"newer", "text/plain", patient=self.patient)
        bundle["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + self.by_oid[self.there]["id"]}}]
        outcome = self.assertStatus(self.gateway.publish(bundle), 422).json()
        self.assertIn("dsp", outcome["issue"][0]["diagnostics"])


class Hidden(Networks):
    """What a patient hides in one network is hidden in all."""

    @classmethod
    def hcm_configuration(cls):
        return trust.domain_configuration(cls.directory)

    @classmethod
    def configuration(cls):
        return trust.trust_configuration(cls.directory, cls.hcm)

    def setUp(self):
        super().setUp()
        self.token = self.gateway.token("doctor", user="doctor-1")
        self.own_token = self.gateway.token("patient", user="patient", patient="%s|%s" % (trust.PATIENT_SYSTEM,
                                                                                         self.patient))
        self.secret = self.publish(self.gateway, b"secret")
        # The nation keeps it under another class, so that rules and filters that find it here miss it there.
        records = [{"coding": [{"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}]}]
        self.publish(self.feeder, b"secret", self.secret, category=records)
        self.open = self.publish(self.feeder, b"open", category=records)
        self.before = {}
        for each in matches(self.find(targetCommunityIdList="urn:oid:" + HOME_DSP)):
            self.before[oid_of(each)] = each
        self.lists = {each["entry"][0]["item"]["reference"].split("/")[1]: each
                      for each in matches(self.find("List", targetCommunityIdList="urn:oid:" + HOME_DSP))}

    def consent(self, provision, status=201):
        return self.assertStatus(support.request(
            "POST", self.gateway.base + "/Consent", dict(support.bearer(self.own_token), **trust.FHIR),
            json.dumps(trust.consent_resource(provision, self.patient)).encode()), status)

    def hide_by_class(self):
        category = matches(self.find(identifier="urn:oid:" + self.secret,
                                     targetCommunityIdList="urn:oid:" + HOME_HCM))[0]["category"][0]["coding"][0]
        self.consent({"type": "permit", "provision": [{"type": "deny", "code": [{"coding": [category]}]}]})

    def test_a_copy_elsewhere(self):
        self.assertEqual(self.found(), sorted([self.secret, self.open]))
        self.hide_by_class()
        self.assertEqual(self.found(), [self.open])
        self.assertEqual(self.found(category="http://loinc.org|11503-0"), [self.open],
                         "also where filters miss the hidden copy")
        self.assertEqual(self.found(identifier="urn:oid:" + self.secret), [])
        self.assertEqual(self.found(targetCommunityIdList="urn:oid:" + HOME_DSP), [self.open])
        copy = self.before[self.secret]
        self.assertEqual(self.found(_id=copy["id"]), [])
        self.get("DocumentReference/" + copy["id"], 404)
        self.get(copy["content"][0]["attachment"]["url"], 404)
        self.get("DocumentReference/" + self.before[self.open]["id"])
        self.assertEqual(self.get(self.before[self.open]["content"][0]["attachment"]["url"]).body, b"open")

    def test_092_a_hidden_copy_is_not_changed(self):
        self.token = self.gateway.token("doctor", user="doctor-1", scope="user/DocumentReference.cruds")
        name = matches(self.find(identifier="urn:oid:" + self.secret,
                                 targetCommunityIdList="urn:oid:" + HOME_HCM))[0]["id"]
        self.consent({"type": "permit", "provision": [{"type": "deny", "code": [{"coding": [
            {"system": "http://loinc.org", "code": "11503-0"}]}]}]})
        self.get("DocumentReference/" + name, 404)
        answer = support.request("PATCH", self.gateway.base + "/DocumentReference/" + name, dict(
            support.bearer(self.token), **{"Content-Type": "application/json-patch+json"}), b"[]")
        self.assertStatus(answer, 404)

    def test_lists_that_hold_nothing_else(self):
        self.hide_by_class()
        shown = self.lists[self.before[self.open]["id"]]["id"]
        gone = self.lists[self.before[self.secret]["id"]]["id"]
        self.assertEqual([each["id"] for each in matches(self.find("List", code="submissionset"))], [shown])
        self.get("List/" + shown)
        self.get("List/" + gone, 404)

    def test_by_its_id(self):
        self.consent({"type": "permit", "provision": [{"type": "deny", "data": [{
            "meaning": "instance",
            "reference": {"reference": "DocumentReference/" + self.before[self.secret]["id"]}}]}]})
        self.assertEqual(self.found(), [self.open])
        self.hcm_proxy.script(QUERY, *DEAD)
        self.assertEqual(self.found(), [self.open], "also while one network is away")

    def test_everything(self):
        self.consent({"type": "deny"})
        self.assertEqual(self.found(), [])
        self.get("DocumentReference/" + self.before[self.open]["id"], 404)
        self.get(self.before[self.open]["content"][0]["attachment"]["url"], 404)

    def test_the_patient_sees_everything(self):
        self.hide_by_class()
        self.token = self.own_token
        self.assertEqual(self.found(), sorted([self.secret, self.open]))

    def test_another_patient_sees_nothing(self):
        self.token = self.gateway.token("patient", user="stranger",
                                        patient="%s|%s" % (trust.PATIENT_SYSTEM, next(PATIENTS)))
        self.find(status=403)
        self.get("DocumentReference/" + self.before[self.open]["id"], 404)
        self.get(self.before[self.open]["content"][0]["attachment"]["url"], 404)


class Paged(Networks):
    COUNT = 120

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.patient_of_pages = next(PATIENTS)
        cls.here, cls.there = [], []
        for number in range(cls.COUNT):
            # The same times in both networks, so that the order is decided by more than time.
            bundle = support.demo_bundle(b"%d" % number, "text/plain", patient=cls.patient_of_pages)
            reference = bundle["entry"][1]["resource"]
            reference["date"] = reference["content"][0]["attachment"]["creation"] = \
                "2024-03-%02dT10:00:00Z" % (number % 12 + 1)
            answers = [gateway.publish(bundle).status for gateway in
                       ((cls.gateway, cls.feeder) if number % 3 == 0 else (cls.gateway,) if number % 3 == 1 else
                        (cls.feeder,))]
            assert set(answers) == {200}, answers
            if number % 3 != 2:
                cls.here.append(oid_of(reference))
            if number % 3 != 1:
                cls.there.append(oid_of(reference))

    def setUp(self):
        super().setUp()
        self.patient = self.patient_of_pages

    def test_pages_are_stable(self):
        everything = [oid_of(each) for each in matches(self.find(_count=200))]
        self.assertEqual(len(everything), self.COUNT)
        self.assertEqual(set(everything), set(self.here) | set(self.there))
        for count in (7, 40):
            found = self.pages(self.find(_count=count))
            self.assertEqual([oid_of(each) for page in found for each in matches(page)], everything)
            self.assertEqual({page["total"] for page in found}, {self.COUNT})

    def leave_between_pages(self, network, staying):
        first = self.find(_count=25)

        def leave(number):
            # It answers again on the third page, and is not asked: what it had in between would be lost silently.
            network.clear()
            if number == 1:
                network.script(QUERY, *DEAD)
        found = self.pages(first, leave)
        seen = [oid_of(each) for page in found for each in matches(page)]
        self.assertEqual(len(seen), len(set(seen)), "nothing is shown twice")
        self.assertLessEqual(set(staying), set(seen), "nothing of who stays is lost")
        self.assertEqual(issues(found[0]), [])
        for page in found[1:]:
            self.assertEqual([issue["code"] for issue in issues(page)], ["incomplete"])
            self.assertNotIn("total", page)
        self.assertEqual(network.count(QUERY), 0)

    def test_the_second_leaves_between_pages(self):
        self.leave_between_pages(self.dsp_proxy, self.here)

    def test_the_first_leaves_between_pages(self):
        self.leave_between_pages(self.hcm_proxy, self.there)

    def test_one_comes_between_pages(self):
        self.dsp_proxy.script(QUERY, *DEAD)
        found = self.pages(self.find(_count=25))
        seen = [oid_of(each) for page in found for each in matches(page)]
        self.assertEqual(sorted(seen), sorted(self.here))
        for page in found:
            self.assertEqual([issue["code"] for issue in issues(page)], ["incomplete"])


class Three(Networks):
    """One hangs, one refuses, one answers: whoever they are."""
    NAMES = ("hcm", "dsp", "third")
    EACH = 12

    @classmethod
    def configuration(cls):
        return {"federation": {"deadline_ms": 1000}}

    @classmethod
    def back_ends(cls):
        repository = "2.999.20.12"
        cls.third = support.Domain(cls.directory, name="third", repository_unique_id=repository,
                                   patients=["IHEBLUE-1%03d" % number for number in range(1, 200)])
        cls.addClassCleanup(cls.third.kill)
        cls.third_proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.third.port)
        cls.addClassCleanup(cls.third_proxy.close)
        url = cls.third_proxy.url("/repository")
        return super().back_ends() + [cls.third.back_end(
            source=3, registry_url=cls.third_proxy.url("/registry"), provide_url=url, home_community_id="2.999.70.3",
            repositories=[{"unique_id": repository, "url": url}])]

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.third.stop()

    def setUp(self):
        super().setUp()
        self.proxies = dict(zip(self.NAMES, (self.hcm_proxy, self.dsp_proxy, self.third_proxy)))
        third_feeder = support.Gateway(self.directory, [self.third.back_end()], name="third-feeder")
        self.addCleanup(third_feeder.stop)
        self.oids = {}
        for name, gateway in zip(self.NAMES, (self.gateway, self.feeder, third_feeder)):
            self.oids[name] = set()
            for number in range(self.EACH):
                at = "2024-03-%02dT10:00:00Z" % (number % 5 + 1)  # the same in all
                bundle = support.demo_bundle(b"%d" % number, "text/plain", patient=self.patient)
                reference = bundle["entry"][1]["resource"]
                reference["date"] = reference["content"][0]["attachment"]["creation"] = at
                self.assertStatus(gateway.publish(bundle), 200)
                self.oids[name].add(oid_of(reference))

    def test_one_hangs_one_refuses_one_answers(self):
        whole = [oid_of(each) for page in self.pages(self.find(_count=5)) for each in matches(page)]
        self.assertEqual(sorted(whole), sorted(set().union(*self.oids.values())))
        self.assertEqual(whole, [oid_of(each) for each in matches(self.find(_count=100))])
        self.assertEqual(self.find()["total"], 3 * self.EACH)
        for turn in range(3):
            hangs, refuses, answers = self.NAMES[turn:] + self.NAMES[:turn]
            with self.subTest(hangs=hangs, refuses=refuses, answers=answers):
                held = threading.Event()
                self.addCleanup(held.set)
                self.proxies[hangs].script(QUERY, *[proxy.held(held)] * 5)
                self.proxies[refuses].script(QUERY, *[proxy.answering(503, "text/plain", b"")] * 5)
                found = self.pages(self.find(_count=5))
                held.set()
                self.assertEqual([oid_of(each) for page in found for each in matches(page)],
                                 [oid for oid in whole if oid in self.oids[answers]], "in the order of the whole")
                for page in found:
                    self.assertNotIn("total", page)
                    warned = [(issue["severity"], issue["code"]) for issue in issues(page)]
                    self.assertEqual(warned, [("warning", "incomplete")] * len(warned))
                    text = " ".join(issue["diagnostics"] for issue in issues(page))
                    self.assertEqual({name for name in self.NAMES if name in text}, {hangs, refuses}, text)
                for each in self.proxies.values():
                    each.clear()
                support.wait_until(lambda: issues(self.find()) == [], "all to answer again")


class CommunityStand(Networks):
    """The DSP as another community: reached by XCA, with patient identifiers of its own, found by XCPD."""
    dsp_authority = "2.999.20.45"
    KNOWN = range(1, 150)  # numbers of the patients whom both know

    @classmethod
    def demographics(cls, name, prefix, numbers):
        path = os.path.join(cls.directory, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"patients": [{"identifier": "%s-1%03d" % (prefix, number), "family": "Exemple%d" % number,
                                     "given": "Camille", "gender": "female",
                                     "birth_date": "19%02d-02-03" % (number % 100)} for number in numbers]}, file)
        return path

    @classmethod
    def hcm_configuration(cls):
        return dict(trust.domain_configuration(cls.directory),
                    demographics_file=cls.demographics("hcm-patients", "IHEBLUE", range(1, 200)))

    @classmethod
    def dsp_configuration(cls):
        return {"assigning_authority": cls.dsp_authority, "home_community_id": HOME_DSP,
                "patients": ["DSP-1%03d" % number for number in range(1, 200)],
                "demographics_file": cls.demographics("dsp-patients", "DSP", cls.KNOWN)}

    @classmethod
    def dsp_entry(cls, port, **more):
        url = "http://127.0.0.1:%d" % port
        return dict({"name": "dsp", "kind": "xca", "source": 2, "registry_url": url + "/xca",
                     "xcpd_url": url + "/xcpd", "home_community_id": HOME_DSP,
                     "assigning_authority": cls.dsp_authority}, **more)

    @classmethod
    def configuration(cls):
        configuration = trust.trust_configuration(cls.directory, cls.hcm)
        for name, path in (("pix_url", "/pix"), ("pdq_url", "/pdq")):
            configuration["identity"][name] = cls.hcm_proxy.url(path)
        return configuration

    def patient_there(self):
        return self.patient.replace("IHEBLUE", "DSP")

    def setUp(self):
        super().setUp()
        self.token = self.gateway.token("doctor", user="doctor-1")
        self.own_token = self.gateway.token("patient", user="patient", patient="%s|%s" % (trust.PATIENT_SYSTEM,
                                                                                         self.patient))


class Communities(CommunityStand):
    def test_the_patient_is_found_there(self):
        here = self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        for _ in range(3):
            found = self.find()
            self.assertEqual({oid_of(each) for each in matches(found)}, {here, there})
            self.assertEqual(issues(found), [])
        self.assertEqual(self.dsp_proxy.count(DISCOVERY), 1, "who the patient is there is remembered")
        self.assertEqual(len({each["subject"]["reference"] for each in matches(found)}), 1, "it is one patient")
        by_oid = {oid_of(each): each for each in matches(found)}
        self.assertEqual(by_oid[there]["meta"]["source"], "urn:oid:" + HOME_DSP)
        self.assertEqual(self.get(by_oid[there]["content"][0]["attachment"]["url"]).body, b"of the nation")
        self.assertEqual(self.get("DocumentReference/" + by_oid[there]["id"]).json(), by_oid[there])
        lists = matches(self.find("List", code="submissionset"))
        self.assertEqual({each["meta"]["source"] for each in lists}, {"urn:oid:" + HOME_HCM, "urn:oid:" + HOME_DSP})
        for each in lists:
            self.assertEqual(self.get("List/" + each["id"]).json(), each)

    def test_who_is_not_known_there_has_nothing_there(self):
        self.patient = "IHEBLUE-1160"
        here = self.publish(self.gateway, b"of the hospital")
        self.publish(self.feeder, b"of somebody else")
        for _ in range(2):
            found = self.find()
            self.assertEqual([oid_of(each) for each in matches(found)], [here])
            self.assertEqual((found["total"], issues(found)), (1, []))
        self.assertEqual(self.dsp_proxy.count(DISCOVERY), 1, "that, too, is remembered")

    def test_who_cannot_be_asked_is_missing(self):
        here = self.publish(self.gateway, b"of the hospital")
        self.publish(self.feeder, b"of the nation")
        self.dsp_proxy.script(DISCOVERY, *DEAD)
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [here])
        self.assertEqual([issue["code"] for issue in issues(found)], ["incomplete"])
        self.dsp_proxy.clear()
        self.assertEqual(self.find()["total"], 2)

    def test_who_knows_the_numbers_may_be_away(self):
        here = self.publish(self.gateway, b"of the hospital")
        for action in (PIX, PDQ):
            self.hcm_proxy.script(action, *DEAD)
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [here])
        issue, = issues(found)
        self.assertIn("dsp", issue["diagnostics"])
        self.assertIn("patient's number there cannot be asked for", issue["diagnostics"])

    def test_the_hospital_may_be_away(self):
        self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        self.assertEqual(self.find()["total"], 2)
        for action in (QUERY, PIX, PDQ):
            self.hcm_proxy.script(action, *DEAD)
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [there])
        self.assertEqual({issue["code"] for issue in issues(found)} - {"transient"}, {"incomplete"})

    def test_a_consent_holds_there(self):
        oid = self.publish(self.gateway, b"a secret")
        self.publish(self.feeder, b"a secret", oid)
        there = self.publish(self.feeder, b"another secret")
        by_oid = {oid_of(each): each for each in matches(self.find(targetCommunityIdList="urn:oid:" + HOME_DSP))}
        self.assertEqual(set(by_oid), {oid, there})
        for hidden in (oid, there):
            reference = {"reference": "DocumentReference/" + by_oid[hidden]["id"]}
            self.assertStatus(support.request(
                "POST", self.gateway.base + "/Consent", dict(support.bearer(self.own_token), **trust.FHIR),
                json.dumps(trust.consent_resource({"type": "permit", "provision": [{"type": "deny", "data": [
                    {"meaning": "instance", "reference": reference}]}]}, self.patient)).encode()), 201)
        self.assertEqual(self.found(), [])
        self.get(by_oid[oid]["content"][0]["attachment"]["url"], 404)
        self.get(by_oid[there]["content"][0]["attachment"]["url"], 404)
        self.token = self.own_token
        self.assertEqual(self.found(), sorted([oid, there]))

    def test_another_patient_sees_nothing(self):
        there = self.publish(self.feeder, b"of the nation")
        url = next(each["content"][0]["attachment"]["url"] for each in matches(self.find()) if oid_of(each) == there)
        self.token = self.gateway.token("patient", user="stranger",
                                        patient="%s|%s" % (trust.PATIENT_SYSTEM, next(PATIENTS)))
        self.get(url, 404)
        self.token = self.own_token
        self.assertEqual(self.get(url).body, b"of the nation")


class NumbersLastKnown(CommunityStand):
    """Nobody remembers for long who is whom: each search asks."""

    @classmethod
    def configuration(cls):
        configuration = dict(super().configuration(), federation={"deadline_ms": 4000})
        configuration["identity"]["positive_seconds"] = 0
        return configuration

    def test_the_hospital_may_hang(self):
        """Who knows the numbers hangs as well, and takes no more than a part of the time that the DSP has."""
        self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        self.assertEqual(self.find()["total"], 2)
        let_go = threading.Event()
        self.addCleanup(let_go.set)
        for action in (QUERY, PIX, PDQ):
            self.hcm_proxy.script(action, *[proxy.held(let_go)] * 20)
        self.hcm_proxy.seen.clear()
        with concurrent.futures.ThreadPoolExecutor(4) as several:
            for found in several.map(lambda _: self.find(), range(4)):
                self.assertEqual([oid_of(each) for each in matches(found)], [there])
                self.assertEqual({issue["code"] for issue in issues(found)} - {"transient"}, {"incomplete"})
                self.assertIn("dsp: The identity source does not answer; the patient's last known number there was used.",
                              [issue["diagnostics"] for issue in issues(found)])
        self.assertGreater(self.hcm_proxy.count(PIX), 0)
        self.assertEqual(self.hcm_proxy.count(PDQ), 0, "who hangs is not asked for what is known")

    def test_whom_nobody_knows_is_asked_for_while_the_manager_hangs(self):
        """There is no last answer, and so the demographics are asked for, in time."""
        here = self.publish(self.gateway, b"of the hospital")
        there = self.publish(self.feeder, b"of the nation")
        let_go = threading.Event()
        self.addCleanup(let_go.set)
        self.hcm_proxy.script(PIX, *[proxy.held(let_go)] * 20)
        self.assertEqual({oid_of(each) for each in matches(self.find())}, {here, there})


if __name__ == "__main__":
    unittest.main()
