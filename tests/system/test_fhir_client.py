"""An independent FHIR client from npm publishes, pages, searches by POST, reads, updates, patches and meets errors."""
import json
import os
import subprocess
import unittest

import support


class FhirClient(support.Stand):
    def test_walk(self):
        clients = support.npm_clients()
        for _ in range(4):
            self.publish(support.demo_bundle(support.demo_letter()))
        path = os.path.join(self.directory, "bundle.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(support.demo_bundle(support.demo_letter()), file)
        done = subprocess.run(["node", "walk.js", self.gateway.base, path,
                               "urn:oid:%s|%s" % (support.AUTHORITY, support.PATIENT)],
                              cwd=clients, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = json.loads(done.stdout)
        self.assertEqual(seen["fhirVersion"], "4.0.1")
        self.assertEqual(seen["statuses"], ["201", "201", "201"])
        self.assertEqual(len(seen["paged"]), 5)
        self.assertEqual(len(set(seen["paged"])), 5, "paging neither loses nor repeats")
        self.assertEqual(seen["pages"], 3)
        self.assertEqual(sorted(seen["posted"]), sorted(seen["paged"]), "POST _search finds what GET finds")
        self.assertEqual(len(seen["lists"]), 5)
        self.assertEqual(seen["read"], seen["paged"][0])
        self.assertEqual(seen["readList"], seen["lists"][0])
        self.assertEqual((seen["updated"], seen["patched"], seen["deleted"]), ("Updated by a client", "superseded", 405))
        self.assertEqual(seen["unknown"], {"status": 404, "outcome": "OperationOutcome"})
        for location in seen["locations"]:
            self.assertStatus(support.request("GET", location if "://" in location
                                              else self.gateway.base + "/" + location.lstrip("/")), 200)


if __name__ == "__main__":
    unittest.main()
