"""HAR: what a browser or a recorder (Polly.js) saw of HTTP, one entry for each exchange."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, inside, text
from decontam.logs.envelopes import together


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    request, content = value["request"], inside(value, "response", "content")
    if not isinstance(request, dict) or not isinstance(content, dict) or "url" not in request:
        return None
    body: Any = content.get("text")
    if content.get("encoding") == "base64" and isinstance(body, str):
        try:
            body = base64.b64decode(body)
        except (binascii.Error, ValueError):
            body = None
    asked = look.asked(inside(request, "postData", "text")) if look.prompts else ()
    url = text(request.get("url"))
    return together(look.calls(body), asked, Call(id=text(value.get("_id")), time=value.get("startedDateTime"), host=url))


READER = Reader(
    name="har",
    about="HTTP archives (HAR), as browsers and Polly.js write them",
    source="http://www.softwareishard.com/blog/har-12-spec/",
    read=_read,
    keys=(("request", "response"),),
    lists=(("log", "entries"),),
    examples=(
        Example(
            {
                "log": {
                    "version": "1.2",
                    "entries": [
                        {
                            "startedDateTime": "2024-09-01T12:00:00.000Z",
                            "request": {
                                "method": "POST",
                                "url": "https://api.anthropic.com/v1/messages",
                                "postData": {"text": '{"messages":[{"role":"user","content":"Weir?"}]}'},
                            },
                            "response": {
                                "status": 200,
                                "content": {
                                    "text": '{"id":"msg_4","type":"message","role":"assistant","model":"claude-3","content":[{"type":"text","text":"It holds."}]}'
                                },
                            },
                        },
                        {
                            "startedDateTime": "2024-09-01T12:00:01.000Z",
                            "request": {"method": "GET", "url": "https://example.org/logo.png"},
                            "response": {"status": 200, "content": {"mimeType": "image/png", "encoding": "base64", "text": "iVBORw0KGgo="}},
                        },
                    ],
                }
            },
            (
                Gives("msg_4", "It holds.", "anthropic", "claude-3", "2024-09-01T12:00:00Z"),
                Gives("msg_4#1", "Weir?", "anthropic", "claude-3", "2024-09-01T12:00:00Z", "prompt"),
            ),
        ),
    ),
    spares=({"request": {"url": "x"}, "response": "y"},),
)
