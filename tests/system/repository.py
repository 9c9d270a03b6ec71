"""Audit repositories that misbehave: a FHIR server for AuditEvents, and a syslog receiver on TLS."""
import http.server
import json
import re
import socket
import ssl
import struct
import threading
import xml.etree.ElementTree

import support


def abort(connection):
    """Closes with a reset: what was not read is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class FhirRepository:
    """Takes AuditEvents one by one and in batch Bundles. reset_every: the connection is reset after so many requests,
    and the answer to the last of them never comes. refuse: a function that says which events are answered 422."""

    def __init__(self, port, reset_every=0, refuse=lambda event: False):
        repository = self
        self.events = []     # in the order they came, each once
        self.repeated = 0    # came again, and was known by its tag
        self.bodies = 0
        self.tags = set()
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            count = 0

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/fhir/AuditEvent":
                    status, answer = repository.take(body, self.headers.get("If-None-Exist"), refuse), {}
                else:
                    assert self.path == "/fhir" and body["type"] == "batch", self.path
                    status = 200
                    answer = {"resourceType": "Bundle", "type": "batch-response", "entry": [
                        {"response": {"status": "%d x" % repository.take(entry["resource"], entry["request"]["ifNoneExist"],
                                                                       refuse)}} for entry in body["entry"]]}
                with repository.lock:
                    repository.bodies += 1
                self.count += 1
                if reset_every and self.count >= reset_every:
                    abort(self.connection)
                    self.close_connection = True
                    return
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.http = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def take(self, event, condition, refuse):
        tag = event["meta"]["tag"][0]
        assert condition == "_tag=%s%%7C%s" % (tag["system"], tag["code"]), condition
        if refuse(event):
            return 422
        with self.lock:
            if tag["code"] in self.tags:
                self.repeated += 1
                return 200
            self.tags.add(tag["code"])
            self.events.append(event)
        return 201

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class DeafServer:
    """Accepts every connection and reads nothing."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.connections = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self):
        support.close_listener(self.listener)
        for connection in self.connections:
            abort(connection)


class SyslogRepository:
    """Reads frames of RFC 5425. reset_after: each connection is reset when so many messages have been read."""

    def __init__(self, port, context, reset_after=0, deaf=False):
        self.context = context
        self.reset_after = reset_after
        self.deaf = deaf
        self.messages = []  # (header, DICOM AuditMessage), in the order they came, repeated ones too
        self.connections = 0
        self.names = []     # of client certificates
        self.errors = []
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, plain):
        try:
            connection = self.context.wrap_socket(plain, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.errors.append(str(error))
            plain.close()
            return
        self.connections += 1
        self.open.append(connection)
        certificate = connection.getpeercert()
        self.names.append(dict(pair[0] for pair in certificate["subject"]).get("commonName") if certificate else None)
        if self.deaf:
            return
        data = b""
        count = 0
        try:
            while True:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
                while True:
                    head = re.match(rb"(\d{1,9}) ", data)
                    if not head or len(data) < head.end() + int(head[1]):
                        break
                    frame, data = data[head.end():head.end() + int(head[1])], data[head.end() + int(head[1]):]
                    self.messages.append(parse(frame))
                    count += 1
                    if self.reset_after and count >= self.reset_after:
                        abort(connection)
                        return
        except OSError as error:
            self.errors.append(str(error))

    def close(self):
        support.close_listener(self.listener)
        for connection in self.open:
            try:
                connection.close()
            except OSError:
                pass


def parse(frame):
    """A syslog message by RFC 5424: its header's parts, and the message as a tree."""
    head = re.match(rb"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) - \xef\xbb\xbf", frame)
    if not head:
        raise AssertionError("no RFC 5424 message: %r" % frame[:200])
    return [part.decode() for part in head.groups()], xml.etree.ElementTree.fromstring(frame[head.end():])


def key_of_event(event):
    """What an AuditEvent and the DICOM message made from it have in common."""
    return event["recorded"], event["type"]["code"], tuple(one["code"] for one in event["subtype"]), event["outcome"]


def key_of_message(message):
    head = message.find("EventIdentification")
    return (head.get("EventDateTime"), head.find("EventID").get("csd-code"),
            tuple(one.get("csd-code") for one in head.findall("EventTypeCode")), head.get("EventOutcomeIndicator"))
