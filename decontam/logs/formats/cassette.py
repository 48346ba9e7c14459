"""Cassettes of VCR for Ruby, vcrpy, betamax and go-vcr: exchanges with bodies as text, base64 or gzip."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, text
from decontam.logs.envelopes import together


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    request, response = value["request"], value["response"]
    if (
        not isinstance(request, dict)
        or not isinstance(response, dict)
        or not request.keys() & {"uri", "url", "method"}
        or "body" not in response
    ):
        return None
    host = text(request.get("uri")) or text(request.get("url"))
    time = value.get("recorded_at") or _date(response.get("headers"))
    asked = look.asked(_body(request.get("body"))) if look.prompts else ()
    return together(look.calls(_body(response["body"])), asked, Call(time=time, host=host))


def _body(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    coded = body.get("base64_string")
    if isinstance(coded, (str, bytes)):
        try:
            return base64.b64decode(coded)
        except (binascii.Error, ValueError):
            return None
    return next((body[key] for key in ("string", "text") if key in body), body)


def _date(headers: Any) -> Any:
    if not isinstance(headers, dict):
        return None
    date = next((each for key, each in headers.items() if str(key).lower() == "date"), None)
    return date[0] if isinstance(date, list) and date else date


READER = Reader(
    name="cassette",
    about="VCR cassettes (YAML, JSON) of vcrpy, VCR for Ruby, betamax, go-vcr; bodies in base64 or gzip",
    source="https://vcrpy.readthedocs.io/en/latest/usage.html; https://benoittgt.github.io/vcr; https://betamax.readthedocs.io/en/latest/cassettes.html",
    read=_read,
    keys=(("request", "response"),),
    lists=(("interactions",), ("http_interactions",)),
    examples=(
        Example(
            'interactions:\n- request:\n    body: \'{"messages":[{"role":"user","content":"Quay?"}]}\'\n    method: POST\n    uri: https://api.openai.com/v1/chat/completions\n'
            '  response:\n    body:\n      string: \'{"id":"c-6","object":"chat.completion","model":"gpt-4o","choices":[{"message":{"role":"assistant","content":"It is\n\n        long."}}]}\'\n'
            "    headers:\n      Date:\n      - Tue, 14 Nov 2023 22:13:20 GMT\n    status: {code: 200, message: OK}\nversion: 1\n",
            (
                Gives("c-6", "It is\nlong.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),
                Gives("c-6#1", "Quay?", "openai", "gpt-4o", "2023-11-14T22:13:20Z", "prompt"),
            ),
        ),
        Example(
            {
                "http_interactions": [
                    {
                        "request": {
                            "method": "POST",
                            "uri": "http://localhost:11434/api/generate",
                            "body": {"encoding": "utf-8", "string": ""},
                        },
                        "response": {
                            "body": {
                                "encoding": "ASCII-8BIT",
                                "base64_string": base64.b64encode(b'{"model":"llama3","response":"A jetty.","done":true}').decode(),
                            },
                            "status": {"code": 200},
                        },
                        "recorded_at": "2024-01-01T00:00:00",
                    }
                ],
                "recorded_with": "betamax/0.8.1",
            },
            (Gives(":0", "A jetty.", "ollama", "llama3", "2024-01-01T00:00:00Z"),),
        ),
    ),
    spares=({"request": {"method": "POST"}, "response": {"status": 200}},),
)
