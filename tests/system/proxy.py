"""A scripted proxy between the gateway and a back-end: it can cut, delay, spoil and count what passes.

A behaviour is a function of (exchange) or one of the functions below; script(action, behaviour, ...) queues behaviours
for the next requests with that SOAP action (the last part of its URN), everything else just passes."""
import collections
import http.client
import re
import socket
import threading
import urllib.parse

import support


class Cut(Exception):
    """Closes the connection where it stands."""


class Exchange:
    """One request on its way through; pass_on() asks the back-end, answer() sends the client what it is given."""

    def __init__(self, proxy, connection, head, body):
        self.proxy = proxy
        self.connection = connection
        self.head = head
        self.body = body
        found = re.search(rb"<[\w:]*Action[^>]*>\s*([^<\s]+)", body)
        self.action = found.group(1).decode().rsplit(":", 1)[-1] if found else ""
        self.headers = {name.strip().lower(): value.strip() for name, _, value in
                        (line.partition(":") for line in head.split("\r\n")[1:])}

    def pass_on(self):
        target = urllib.parse.urlsplit(self.proxy.upstream)
        method, path, _ = self.head.split("\r\n")[0].split(" ")
        upstream = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items()
                       if name not in ("host", "connection", "content-length", "transfer-encoding")}
            upstream.request(method, path, self.body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheader("Content-Type") or "", answer.read()
        finally:
            upstream.close()

    def send(self, data):
        self.connection.sendall(data)

    def answer(self, status, content_type, body, length=None):
        self.send(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            status, content_type.encode(), len(body) if length is None else length) + body)


def passing(exchange):
    exchange.answer(*exchange.pass_on())


def lost_request(_exchange):
    """The back-end never sees it; the client has sent it all."""
    raise Cut


def lost_answer(exchange):
    """The back-end has done it; the client hears nothing."""
    exchange.pass_on()
    raise Cut


def half_answer(exchange):
    status, content_type, body = exchange.pass_on()
    exchange.answer(status, content_type, body[:len(body) // 2], len(body))
    raise Cut


def answering(status, content_type, body):
    """Something instead of the back-end, which is not asked."""
    return lambda exchange: exchange.answer(status, content_type, body)


def done_but(status, content_type, body):
    """The back-end has done it; the client hears something else."""
    def behave(exchange):
        exchange.pass_on()
        exchange.answer(status, content_type, body)
    return behave


def held(event, behaviour=passing):
    """Waits for the event (a test sets it) before going on."""
    def behave(exchange):
        event.wait(60)
        behaviour(exchange)
    return behave


def changed(change):
    """The answer's body goes through change(bytes)."""
    def behave(exchange):
        status, content_type, body = exchange.pass_on()
        exchange.answer(status, content_type, change(body))
    return behave


class Proxy:
    def __init__(self, upstream):
        self.upstream = upstream
        self.scripts = collections.defaultdict(collections.deque)
        self.seen = []  # Exchange objects in the order they came
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def script(self, action, *behaviours):
        with self.lock:
            self.scripts[action].extend(behaviours)

    def clear(self):
        with self.lock:
            self.scripts.clear()
            self.seen.clear()

    def count(self, action):
        with self.lock:
            return sum(exchange.action == action for exchange in self.seen)

    def close(self):
        support.close_listener(self.listener)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while True:
                    exchange = self._read(connection, stream)
                    if exchange is None:
                        return
                    with self.lock:
                        self.seen.append(exchange)
                        queue = self.scripts[exchange.action]
                        behaviour = queue.popleft() if queue else passing
                    behaviour(exchange)
            except (Cut, OSError, http.client.HTTPException):
                # Nobody else may hold the connection open: the cut is seen at once.
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _read(self, connection, stream):
        lines = []
        while True:
            line = stream.readline()
            if not line:
                return None
            if line == b"\r\n":
                break
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        head = "\r\n".join(lines)
        length = re.search(r"(?im)^content-length:\s*(\d+)", head)
        return Exchange(self, connection, head, stream.read(int(length.group(1))) if length else b"")
