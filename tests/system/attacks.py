"""What the attacks share: raw sockets, the bundle with a canary, and what must hold after each case. Every test bears the
number of its case in the catalogue of attacks; every class ends with the insistence on a clean exit and log."""
import base64
import json
import re
import socket

import support

CANARY = b"Canary 4711: what stands in a document"
HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /fhir/metadata HTTP/1.1\r\n"
POST = b"POST /fhir HTTP/1.1\r\n" + HOST + b"Content-Type: application/fhir+json\r\n"
HIDDEN = b"GET /fhir/metadata HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def raw(port, data, seconds=1.0, end=False):
    """Sends bytes as they are; returns (statuses, all that came, whether the server closed)."""
    got, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(seconds)
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                got += part
            closed = True
        except socket.timeout:
            pass
        except OSError:
            closed = True
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", got)], got, closed


def fresh_bundle():
    return support.demo_bundle(CANARY, "text/plain")


def reference(bundle):
    return bundle["entry"][1]["resource"]


def submission_set(bundle):
    return bundle["entry"][0]["resource"]


def attachment(bundle):
    return reference(bundle)["content"][0]["attachment"]


class Attacks(support.Stand):
    def tearDown(self):
        self.assertIsNone(self.gateway.process.poll(), self.gateway.log()[-4000:])
        self.assertIsNone(self.domain.process.poll(), self.domain.log()[-4000:])

    def assertHarmless(self, response, statuses, what):
        """The answer has one of these statuses, is FHIR, and gives nothing away."""
        self.assertIn(response.status, statuses, "%s: %r" % (what, response))
        self.assertNotEqual(response.status, 500, what)
        if response.status >= 400:
            outcome = response.json()
            self.assertEqual(outcome["resourceType"], "OperationOutcome", what)
            self.assertTrue(all(issue["diagnostics"] for issue in outcome["issue"]), what)
            for secret in (b"Canary", base64.b64encode(CANARY)[:12], support.ROOT.encode(), b"/tmp/", b"LEAK"):
                self.assertNotIn(secret, response.body, what)

    def send(self, body, statuses, what, headers=None):
        """Posts a body to the base. A refused one leaves nothing behind, and is refused alike when repeated."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = dict({"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}, **headers or {})
        response = support.request("POST", self.gateway.base, headers, body)
        self.assertHarmless(response, statuses, what)
        return response

    def stored(self):
        """How much the registry holds of the demo patient."""
        return self.gateway.find(_summary="count", status=None).json()["total"]

    def absolute(self, location):
        return location if location.startswith("http") else self.gateway.base + "/" + location
