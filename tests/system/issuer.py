"""Token issuers for the tests: tokens by the jose library from npm, keys and introspection over real HTTP."""
import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse
import uuid

import support

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PHYSICIAN = {"system": "http://snomed.info/sct", "code": "309343006", "display": "Physician"}
EVERY_SCOPE = "user/*.cruds"


class Jose:
    """tests/clients/jose.js as a process that answers line by line."""

    def __init__(self):
        directory = support.npm_clients()
        self.process = subprocess.Popen(["node", "jose.js"], cwd=directory, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def key(self, alg, kid=None, **more):
        return self.ask(op="key", alg=alg, kid=kid or "key-" + uuid.uuid4().hex[:8], **more)

    def sign(self, key, claims, **header):
        """key: of key(). header overrides alg, kid and typ; None leaves one out."""
        header = dict({"alg": key["private"]["alg"], "kid": key["private"]["kid"], "typ": "at+jwt"}, **header)
        header = {name: value for name, value in header.items() if value is not None}
        return self.ask(op="sign", key=key["private"], header=header, claims=claims)["token"]

    def raw(self, key, header, claims):
        return self.ask(op="raw", key=key["private"], header=header, claims=claims)["token"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def encode(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Server:
    """What issuers have: paths with JSON, and handlers. hits counts every request by path."""

    def __init__(self):
        server = self
        self.answers = {}   # path: bytes or object
        self.handlers = {}  # path: function(form) -> (status, headers, bytes)
        self.hits = {}
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                path = urllib.parse.urlsplit(self.path).path
                server.hits[path] = server.hits.get(path, 0) + 1
                server.requests.append((self.command, self.path, dict(self.headers), body))
                if path in server.handlers:
                    status, headers, answer = server.handlers[path](dict(urllib.parse.parse_qsl(body)))
                elif path in server.answers:
                    status, headers, answer = 200, {"Content-Type": "application/json"}, server.answers[path]
                else:
                    status, headers, answer = 404, {}, b"{}"
                if not isinstance(answer, bytes):
                    answer = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that leaves is no news

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.base = "http://127.0.0.1:%d" % self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def claims(issuer, audience, **overrides):
    """Claims of a doctor's access token that a gateway with this base accepts. None removes one."""
    now = int(time.time())
    made = {
        "iss": issuer, "sub": "dr-test", "client_id": "test-app", "aud": audience, "jti": uuid.uuid4().hex,
        "iat": now, "exp": now + 300, "scope": EVERY_SCOPE,
        "extensions": {"ihe_iua": {
            "subject_name": "Dr. Test", "subject_organization": "Test", "subject_organization_id": "urn:oid:2.999.20.100",
            "subject_role": [PHYSICIAN], "purpose_of_use": [{"system": ACT_REASON, "code": "TREAT"}]}},
    }
    made.update(overrides)
    return {name: value for name, value in made.items() if value is not None}


def iua(**overrides):
    """extensions with other members of ihe_iua than claims() has."""
    extensions = claims("", "")["extensions"]
    extensions["ihe_iua"].update(overrides)
    extensions["ihe_iua"] = {name: value for name, value in extensions["ihe_iua"].items() if value is not None}
    return extensions


def write(path, data, mode=0o600):
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, mode)
    return path
