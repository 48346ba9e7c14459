"""Helicone: requests of its API and exports, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader
from decontam.logs.envelopes import Envelope, opened

_LOG = Envelope(
    response=("response_body", "response.body", "response_text"),
    request=("request_body", "request.body"),
    id=("response_id", "request_id", "helicone_request_id"),
    model=("response_model", "request_model", "model", "model_override"),
    time=("request_created_at", "response_created_at", "created_at"),
    host=("target_url", "request_path"),
    provider=("provider",),
)


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    return opened(_LOG, value, look)


READER = Reader(
    name="helicone",
    about="Helicone's requests, from its API or exports (JSON, CSV)",
    source="https://docs.helicone.ai/rest/request/post-v1requestquery",
    read=_read,
    keys=(("request_body", "response_body"), ("response_body", "request_created_at"), ("response_body", "request_id")),
    lists=(("data",),),
    examples=(
        Example(
            {
                "data": [
                    {
                        "request_id": "h-1",
                        "request_created_at": "2024-06-01T10:00:00Z",
                        "provider": "OPENAI",
                        "request_body": {"messages": [{"role": "user", "content": "Mill?"}]},
                        "response_body": {
                            "id": "c-8",
                            "model": "gpt-4o",
                            "choices": [{"message": {"role": "assistant", "content": "The mill grinds."}}],
                        },
                    }
                ]
            },
            (
                Gives("c-8", "The mill grinds.", "openai", "gpt-4o", "2024-06-01T10:00:00Z"),
                Gives("c-8#1", "Mill?", "openai", "gpt-4o", "2024-06-01T10:00:00Z", "prompt"),
            ),
        ),
        Example(
            'request_id,request_created_at,response_body\r\nh-2,2024-06-01T10:00:00Z,"{""id"":""c-9"",""choices"":[{""message"":{""role"":""assistant"",""content"":""It\\nstops.""}}]}"\r\n',
            (Gives("c-9", "It\nstops.", None, None, "2024-06-01T10:00:00Z"),),
        ),
    ),
    spares=({"request_id": "1", "response": "x"},),
)
