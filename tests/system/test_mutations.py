"""Publications and searches changed at random: whatever comes, an answer in FHIR and never a 500, and nothing half
stored. The seed is printed; PASSERELLE_SEED repeats a run, PASSERELLE_ROUNDS makes it longer."""
import copy
import json
import os
import random
import unittest
import urllib.parse

import support

SEED = int(os.environ.get("PASSERELLE_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = int(os.environ.get("PASSERELLE_ROUNDS", "300"))
VALUES = [None, True, -1, 0, 1e308, "", " ", "x", "\u0001", "urn:uuid:x", "urn:oid:", "#", "#x", "Patient/", "http://",
          "^^^&&", "a" * 5000, "\u202e\u0000"[:1], "2024-13-45", [], {}, [[]], [{}], [None], {"x": {}},
          "\\|~^&", "<![CDATA[", "'; drop--", "M\u00fcller \U0001f600", "cid:x", 10 ** 30]
PARAMETERS = ["patient", "patient.identifier", "status", "date", "creation", "period", "type", "category", "setting",
              "facility", "event", "security-label", "format", "author.family", "author.given", "related", "identifier",
              "_id", "_count", "_sort", "_summary", "_elements", "_page", "_lastUpdated", "_format", "code", "source.family",
              "designationType", "sourceId", "x:y:z", "patient:Patient.identifier", "type:not", "status:missing"]
SEARCH_VALUES = ["", ",", "|", "||", "a|b|c", "\\", "\\,", "gt", "ge2024", "eq2024-02-30", "-1", "999999999999999999999",
                 "count", "true", "current,superseded", "urn:oid:1.2|x", "%00", "\u00e9", "'", "(", "$", "%", "_",
                 "urn:ietf:rfc:3986|urn:oid:1.2.3", "Patient/x", "http://x/Patient/y", "xml", "a" * 3000, "2024-01-01T00:00:60Z"]


class Mutations(support.Stand):
    def setUp(self):
        print("seed", SEED)
        self.random = random.Random(SEED)

    def places(self, value, found):
        """Every container in the tree with the keys that can be changed."""
        if isinstance(value, dict):
            found += [(value, key) for key in value]
            for each in value.values():
                self.places(each, found)
        elif isinstance(value, list):
            found += [(value, index) for index in range(len(value))]
            for each in value:
                self.places(each, found)
        return found

    def mutate(self, bundle):
        for _ in range(self.random.choice((1, 1, 1, 2, 5))):
            container, key = self.random.choice(self.places(bundle, []))
            action = self.random.randrange(5)
            if action == 0:
                container[key] = copy.deepcopy(self.random.choice(VALUES))
            elif action == 1:
                del container[key]
            elif action == 2 and isinstance(container, list):
                container.append(copy.deepcopy(container[key]))
            elif action == 3:
                other, place = self.random.choice(self.places(bundle, []))
                container[key] = copy.deepcopy(other[place])
            elif isinstance(container, dict):
                container[self.random.choice(["extension", "modifierExtension", "contained", "id", "x", "_" + str(key),
                                              "relatesTo", "identifier"])] = copy.deepcopy(container[key])

    def check(self, response):
        self.assertNotEqual(response.status, 500, response)
        body = response.json() if response.body[:1] == b"{" else {"resourceType": None}
        if response.status == 200:
            return body
        self.assertIn(response.status, (400, 404, 406, 409, 410, 413, 414, 415, 422, 502, 503), response)
        if response.status >= 502:
            self.fail("the gateway sent something that the registry does not take: %r" % response)
        return body

    def test_publications(self):
        accepted = 0
        for number in range(ROUNDS):
            bundle = support.demo_bundle(b"document %d" % number, "text/plain",
                                         profile=self.random.choice(("Minimal", "Comprehensive",
                                                                     "UnContained.Comprehensive")))
            self.mutate(bundle)
            response = self.gateway.publish(bundle)
            answer = self.check(response)
            if response.status == 200:
                accepted += 1
                self.assertEqual(len(answer["entry"]), len(bundle["entry"]))
                for entry in answer["entry"]:
                    location = entry["response"]["location"]
                    read = support.request("GET", location if location.startswith("http") else
                                           self.gateway.base + "/" + location)
                    self.assertEqual(read.status, 200, location)
        print("accepted", accepted, "of", ROUNDS)
        self.assertLess(accepted, ROUNDS)

    def test_searches(self):
        for _ in range(ROUNDS):
            query = [("patient.identifier", "urn:oid:%s|%s" % (support.AUTHORITY, support.PATIENT)),
                     ("status", "current")] if self.random.random() < 0.8 else []
            for _ in range(self.random.randrange(1, 4)):
                query.append((self.random.choice(PARAMETERS), self.random.choice(SEARCH_VALUES)))
            kind = self.random.choice(("DocumentReference", "List"))
            headers = {"Prefer": "handling=" + self.random.choice(("strict", "lenient"))}
            text = urllib.parse.urlencode(query)
            if self.random.random() < 0.1:
                text = text.replace("%", "%" + self.random.choice(("", "z", "0")), 1)
            self.check(support.request("GET", "%s/%s?%s" % (self.gateway.base, kind, text), headers))

    def test_bytes(self):
        """JSON text damaged at random places."""
        text = json.dumps(support.demo_bundle(support.demo_letter())).encode()
        for _ in range(ROUNDS):
            damaged = bytearray(text)
            for _ in range(self.random.randrange(1, 4)):
                place = self.random.randrange(len(damaged))
                damaged[place:place + self.random.randrange(3)] = self.random.randbytes(self.random.randrange(3))
            self.check(support.request("POST", self.gateway.base, {"Content-Type": "application/fhir+json"},
                                       bytes(damaged)))


if __name__ == "__main__":
    unittest.main()
