"""As much of the hub as a download needs: one repository in a folder, slowly if asked, from any byte on."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
import time
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(http.server.ThreadingHTTPServer):
    """Serves `folder` as "some/model". Set `pause` (seconds between pieces), `cut` (bytes after which each connection
    breaks) and `silent` (send nothing); `ranges` has the first byte of each weight request, `sent` counts bytes."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.pause, self.cut, self.silent, self.honest = Path(folder), 0.0, 0, False, True
        self.ranges, self.sent = [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    piece = 1 << 14

    def do_GET(self):
        path = self.path.split("?")[0]
        if not path.startswith("/api/"):
            return self._file((self.server.folder / Path(path).name).read_bytes())
        names = sorted(file.name for file in self.server.folder.iterdir())
        if "/tree/" in path:
            return self._all(json.dumps([self._entry(name) for name in names]).encode())
        told = {"id": "some/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        return self._all(json.dumps(told).encode())

    do_HEAD = do_GET

    def _entry(self, name):
        content = (self.server.folder / name).read_bytes()
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _all(self, content):
        self._head(200, content, len(content))
        if self.command == "GET":
            self.wfile.write(content)

    def _file(self, content):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.server.honest else 0
        self._head(206 if asked and self.server.honest else 200, content, len(content) - start)
        if self.command == "HEAD":
            return
        self.server.ranges.append(start)
        end = min(len(content), start + self.server.cut) if self.server.cut else len(content)
        try:
            for at in range(start, end, self.piece):
                while self.server.silent:
                    time.sleep(0.05)
                piece = content[at : min(at + self.piece, end)]
                self.wfile.write(piece)
                self.server.sent += len(piece)
                time.sleep(self.server.pause)
        except OSError:  # the other side went away
            pass
        self.close_connection = True

    def _head(self, status, content, length):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/json" if "/api/" in self.path else "application/octet-stream")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.end_headers()

    def log_message(self, *args):
        pass
