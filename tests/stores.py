"""A real S3 server in a process of its own, behind a gate that writes down what passes and can close at any request."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3
import boto3.compat
from botocore.config import Config

boto3.compat.filter_python_deprecation_warnings()
PASS, REFUSE, HOLD = "pass", "refuse", "hold"
_REFUSED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Store:
    """The server and the gate. `rule` says of each request, by method and path, what becomes of it."""

    def __init__(self, port: int, process: subprocess.Popen) -> None:
        self.port, self.process = port, process
        self.rule: Callable[[str, str], str] = lambda method, path: PASS
        self.writes: list[str] = []
        """Paths of the requests that created an object, in the order in which the server was done with them."""
        self.held, self.released = Event(), Event()
        self._gate = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._gate.daemon_threads = True
        Thread(target=self._gate.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._gate.server_port}"
        self.s3: Any = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def reset(self) -> None:
        """Everything open, nothing written down, one empty bucket."""
        self.rule = lambda method, path: PASS
        self.released.set()
        self.released, self.held = Event(), Event()
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
        self.s3.create_bucket(Bucket="bucket")
        self.writes.clear()

    def put(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket="bucket", Key=key, Body=content)

    def names(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket="bucket", Prefix=prefix)
        return [entry["Key"].removeprefix(prefix) for entry in found.get("Contents", [])]

    def fetch(self, prefix: str, into: Path) -> Path:
        """A copy on this disk of what lies below a prefix."""
        for name in self.names(prefix):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(self.s3.get_object(Bucket="bucket", Key=prefix + name)["Body"].read())
        return into

    def uploads(self) -> list[str]:
        """Keys of the uploads that were begun and neither finished nor given up."""
        return [upload["Key"] for upload in self.s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])]

    def ask_for_credentials(self, ask: bool) -> None:
        """Whether the server checks who asks; it knows nobody."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/moto-api/reset-auth", b"0" if ask else b"inf")
        connection.getresponse().read()

    def close(self) -> None:
        self.released.set()
        self._gate.shutdown()
        self._gate.server_close()
        self.s3.close()
        self.process.kill()
        self.process.wait()


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            what = store.rule(self.command, self.path)
            if what == HOLD:
                store.held.set()
                store.released.wait()
            try:
                status, headers, content = (403, [], _REFUSED) if what == REFUSE else self._asked(body)
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length)
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the server is gone, or who asked
                self.close_connection = True

        def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", store.port)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            creates = (self.command == "PUT" and "?" not in self.path) or (self.command == "POST" and "uploadId=" in self.path)
            if creates and response.status == 200:
                store.writes.append(self.path.partition("?")[0])
            return response.status, response.getheaders(), content

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815 - http.server looks for these names

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving(log: Path) -> Iterator[Store]:
    """A server on a free port, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=out, stderr=out, env={key: value for key, value in os.environ.items() if not key.startswith("COV")},
        )  # fmt: skip
    deadline = time.monotonic() + 60
    while not re.search(r"Running on", log.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the S3 server does not start"
        time.sleep(0.05)
    store = Store(port, process)
    try:
        yield store
    finally:
        store.close()
