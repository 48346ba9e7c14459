"""Server: the review page, on this machine and for one person alone.

What is shown is the worst that the web has to offer, so nothing of it is ever trusted: texts travel as JSON and become text
nodes; the page may load and run nothing but its own two files; nobody gets an answer who does not know the token, calls from
another page, or came by another name than ours (DNS rebinding).
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from decontam.errors import DecontamError, InputError
from decontam.quarantine.index import DIMENSIONS, Filter
from decontam.quarantine.review import Review

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
_PAGES = Path(__file__).parent / "pages"
_LARGEST = 64 << 10  # bytes of a request
_LONGEST_NOTE = 4_000  # characters
_HEADER = b"x-decontam"
_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Guard:
    """Lets through who knows the token, asks from our own page and calls us by our own name; and says what a browser may do."""

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{HOST}:{port}".encode(), f"localhost:{port}".encode()}
        self._origins = {b"http://" + host for host in self._hosts}
        self.cookie = f"decontam-{port}"

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is nothing here that is not HTTP
            return
        headers = dict(scope["headers"])
        status, why = self._refused(scope, headers)
        if why:
            await _answer(send, status, why)
            return
        given = self._given(scope)

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                if b"content-security-policy" not in there:
                    more.append((b"content-security-policy", _CLOSED.encode()))
                if given:
                    more.append((b"set-cookie", f"{self.cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/".encode()))
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, sending)

    def _given(self, scope: Scope) -> bool:
        """Whether the first page is asked for with the token in its address."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return scope["path"] == "/" and scope["method"] == "GET" and self._same(given)

    def _same(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _refused(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str]:
        """Why a request gets no answer, and with which status; nothing where it gets one."""
        post = scope["method"] == "POST"
        ours = headers.get(b"sec-fetch-site", b"none") in {b"none", b"same-origin"} or self._navigates(scope, headers)
        plain = headers.get(b"content-type", b"").split(b";")[0] == b"application/json" and _HEADER in headers and b"origin" in headers
        length = headers.get(b"content-length", b"" if post else b"0")
        checks = (
            (headers.get(b"host", b"") in self._hosts, 421, "This server answers to 127.0.0.1 and localhost alone."),
            (ours and headers.get(b"origin", next(iter(self._origins))) in self._origins, 403, "Other pages may not ask here."),
            (scope["method"] in {"GET", "HEAD", "POST"}, 405, "GET and POST are all there is."),
            (plain or not post, 403, "Only the page itself may write."),
            (length.isdigit() and int(length) <= _LARGEST, 413, "That is too much, or nobody says how much."),
            (self._given(scope) or self._known(headers), 403, "Open the address that decontam printed: it holds the token."),
        )
        return next(((status, why) for fine, status, why in checks if not fine), (0, ""))

    def _navigates(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """A link in another page, a chat or a notebook may lead to the first page, with the token; it can read nothing of it."""
        return headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document" and self._given(scope)

    def _known(self, headers: dict[bytes, bytes]) -> bool:
        for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.cookie and self._same(value):
                return True
        return False


async def _answer(send: Any, status: int, why: str) -> None:
    headers = [(name.encode(), value.encode()) for name, value in {**_HEADERS, "content-security-policy": _CLOSED}.items()]
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain; charset=utf-8"), *headers]})
    await send({"type": "http.response.body", "body": why.encode()})


def app_of(review: Review, token: str, port: int) -> Guard:
    """The page as an ASGI application, guarded."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    def told(answer: Callable[[Any], Any]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            try:
                content, status = answer(request.query_params), 200
            except DecontamError as error:
                content, status = {"error": str(error)}, 404
            except (ValueError, KeyError):
                content, status = {"error": "that cannot be asked"}, 400
            return _json(content, status)

        return endpoint

    def heard(answer: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool

            try:
                given = json.loads(await request.body())
                content, status = await run_in_threadpool(answer, given), 200
            except DecontamError as error:
                content, status = {"error": str(error)}, 409
            except (ValueError, KeyError, TypeError, AttributeError):
                content, status = {"error": "that is no request of this page"}, 400
            return _json(content, status)

        return endpoint

    def first(_: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        page = (_PAGES / "review.html").read_text("utf-8").replace("{{nonce}}", nonce)
        return Response(page, media_type="text/html", headers={"content-security-policy": _POLICY.format(nonce=nonce)})

    def file(name: str, kind: str) -> Callable[[Request], Response]:
        return lambda _: Response((_PAGES / name).read_bytes(), media_type=kind)

    asked: dict[str, Callable[[Any], Any]] = {
        "about": lambda query: review.about(),
        "page": lambda query: review.page(_filter(query), int(query.get("after", -1)), _number(query, "before")),
        "counts": lambda query: review.counts(_filter(query)),
        "document": lambda query: review.document(int(query["n"])),
        "text": lambda query: review.text(int(query["n"]), query["path"], int(query["from"])),
    }
    sent: dict[str, Callable[[dict[str, Any]], Any]] = {
        "verdict": lambda given: review.say(_whole(given["n"]), str(given["verdict"]), str(given.get("why", ""))[:_LONGEST_NOTE]),
        "reveal": lambda given: review.document(_whole(given["n"]), reveal=True),
        "reveal/text": lambda given: review.text(_whole(given["n"]), str(given["path"]), _whole(given["from"]), reveal=True),
    }
    starlette: Starlette = Starlette(
        routes=[
            Route("/", first),
            Route("/review.js", file("review.js", "text/javascript")),
            Route("/review.css", file("review.css", "text/css")),
            *(Route(f"/api/{name}", told(answer)) for name, answer in asked.items()),
            *(Route(f"/api/{name}", heard(answer), methods=["POST"]) for name, answer in sent.items()),
        ]
    )
    return Guard(starlette, token, port)


def _json(content: Any, status: int = 200) -> Response:
    """ASCII alone, so that half surrogate pairs travel too; never a number that JSON has no word for."""
    from starlette.responses import Response

    return Response(json.dumps(content, ensure_ascii=True, separators=(",", ":")), status, media_type="application/json")


def _filter(query: Any) -> Filter:
    given: dict[str, Any] = {name: query[name] for name in DIMENSIONS if query.get(name)}
    for name in ("least", "most"):
        if query.get(name):
            given[name] = float(query[name])
    return Filter(**given)


def _number(query: Any, name: str) -> int | None:
    return int(query[name]) if query.get(name) else None


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("no number of a record")
    return value


def listening(port: int) -> socket.socket:
    """A socket on this machine alone; port 0 takes one that is free. Raises InputError where the port is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen()  # who is told the address may come at once
    except OSError as error:
        sock.close()
        raise InputError(f"--port {port}: {error.strerror}; name another one, or none") from None
    return sock


def serve(review: Review, sock: socket.socket, token: str) -> None:
    """Answer until the process is interrupted. Raises InputError where the web stack is not installed."""
    try:
        import uvicorn
    except ImportError:
        raise InputError("this needs starlette and uvicorn; install decontam[review]") from None
    app: Any = app_of(review, token, sock.getsockname()[1])
    config = uvicorn.Config(
        app,
        log_level="error",  # who ends it knows
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[sock])
