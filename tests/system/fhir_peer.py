"""A small FHIR server for tests: it hands out the resources it is given, and counts what it is asked."""
import http.server
import json
import threading


class FhirPeer:
    def __init__(self):
        self.resources = {}  # "Patient/p1" -> resource, or (status, content type, bytes, headers)
        self.asked = []
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                peer.asked.append(self.path)
                found = peer.resources.get(self.path[len("/fhir/"):])
                status, kind, body, headers = 404, "application/fhir+json", b"{}", {}
                if isinstance(found, tuple):
                    status, kind, body, headers = found
                elif found:
                    status, body = 200, json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = "http://127.0.0.1:%d/fhir" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, resource):
        key = "%s/%s" % (resource["resourceType"], resource["id"])
        self.resources[key] = resource
        return self.base + "/" + key

    def close(self):
        self.server.shutdown()
        self.server.server_close()
