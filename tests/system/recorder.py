"""A proxy between the gateway and a back-end that keeps every message that passes."""
import email
import email.policy
import http.client
import http.server
import threading


class Message:
    """One exchange as it passed: request and answer, each with headers and body."""

    def __init__(self, path, request_headers, request_body):
        self.path = path
        self.request_headers = request_headers
        self.request_body = request_body
        self.status = None
        self.answer_headers = {}
        self.answer_body = b""

    @property
    def action(self):
        """The wsa:Action, found without a parser: enough to tell the transactions apart."""
        return next((name for name in ("ProvideAndRegisterDocumentSet-b", "RegisterDocumentSet-b", "RegistryStoredQuery",
                                       "RetrieveDocumentSet") if name.encode() in self.request_body), "")


def root_part(content_type, body):
    """The XML of a message: the body itself, or the root part of a MIME package."""
    if "multipart/related" not in (content_type or ""):
        return body
    package = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body,
                                       policy=email.policy.HTTP)
    return package.get_payload()[0].get_payload(decode=True)


class Recorder:
    """Listens on .port, forwards to target_port and keeps the exchanges in .messages."""

    def __init__(self, target_port):
        self.messages = []
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def read_body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                pieces = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            def do_POST(self):
                message = Message(self.path, dict(self.headers), self.read_body())
                recorder.messages.append(message)
                back_end = http.client.HTTPConnection("127.0.0.1", target_port, timeout=120)
                headers = {name: value for name, value in message.request_headers.items()
                           if name.lower() not in ("host", "connection", "transfer-encoding", "content-length", "expect")}
                back_end.request("POST", message.path, message.request_body, headers)
                answer = back_end.getresponse()
                message.status = answer.status
                message.answer_headers = dict(answer.headers)
                message.answer_body = answer.read()
                back_end.close()
                self.send_response_only(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(message.answer_body)))
                self.end_headers()
                self.wfile.write(message.answer_body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """The gateway may hang up; that is its right."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def actions(self):
        return [message.action for message in self.messages]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
