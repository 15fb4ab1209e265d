"""The scheduler that a ZeroGPU Space asks for its GPU, as far as the package `spaces` talks to it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GPU = {"idle": True, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "allowed"}


class Scheduler:
    """Grants every call, unless `refusal` says otherwise: (status, headers, body) of the next answers to /schedule.

    calls: [(name, its parameters), ...] of all that was asked, in order.
    """

    def __init__(self):
        self.calls, self.refusal = [], None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def asked(self, name):
        """The parameters of all calls of this name."""
        return [parameters for called, parameters in self.calls if called == name]

    def answer(self, name):
        if name == "schedule":
            return self.refusal or (200, {"content-type": "application/json"}, json.dumps(GPU))
        return 200, {}, ""

    def _handler(self):
        scheduler = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                parts = urlsplit(self.path)
                name = parts.path.strip("/")
                scheduler.calls.append((name, {key: value for key, (value,) in parse_qs(parts.query).items()}))
                status, headers, body = scheduler.answer(name)
                self.send_response(status)
                for header in {**headers, "content-length": str(len(body))}.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        return Handler
