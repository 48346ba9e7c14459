"""Exchanges in fields of anybody's choosing: what was asked beside what came back, or a payload somewhere inside.

What other formats did not claim is searched for payloads, in objects, lists, and text that holds JSON or a stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, text
from decontam.logs.envelopes import Envelope, about, together

_ASKED = {
    "request",
    "req",
    "request_body",
    "requestbody",
    "input",
    "inputs",
    "prompt",
    "body_in",
    "requestpayload",
    "request_payload",
    "query",
    "messages",
}
_TOLD = Envelope(
    response=(),
    id=(
        "response_id",
        "request_id",
        "requestId",
        "req_id",
        "trace_id",
        "traceId",
        "correlation_id",
        "correlationId",
        "call_id",
        "id",
        "_id",
    ),
    model=("model", "model_name", "modelName", "model_id", "modelId", "engine", "deployment"),
    time=(
        "created",
        "created_at",
        "timestamp",
        "@timestamp",
        "time",
        "ts",
        "date",
        "datetime",
        "start_time",
        "startTime",
        "started_at",
        "logged_at",
    ),
    host=(
        "url",
        "uri",
        "upstream",
        "upstream_url",
        "upstream_uri",
        "host",
        "endpoint",
        "api_base",
        "base_url",
        "target",
        "request.url",
        "request.uri",
        "service",
    ),
    provider=("provider", "vendor", "llm_provider", "platform"),
)
_HEADERS = ("headers", "request_headers", "response_headers")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    found: list[Call] = []
    asked: list[Any] = []
    for key, inner in value.items():
        if key.lower() in _HEADERS or not isinstance(inner, (str, bytes, dict, list)) or not inner:
            continue
        if key.lower() in _ASKED:
            asked.append((inner, look.calls(inner)))
        else:
            found += look.calls(inner)
    prompts = tuple(said for inner, calls in asked if calls for said in look.asked(inner))
    if not found and not any(calls for _, calls in asked):
        answer = _bare(value, look)
        if answer is None:
            return None
        found, prompts = answer, tuple(said for inner, _ in asked for said in look.asked(inner))
    elif not found:  # the answer stands in the field of what was asked, or nothing came back
        found = [] if prompts or not look.prompts else [call for _, calls in asked for call in calls]
    return together(found, prompts, about(_TOLD, value))


def _bare(value: dict[str, Any], look: Look) -> list[Call] | None:
    """The answer as bare text, where a prompt and the name of a model, or counts of tokens, stand beside it."""
    told = text(value.get("model")) or any("token" in key.lower() or key == "usage" for key in value)
    if not told or not any(isinstance(value.get(key), str) for key in ("prompt", "request", "query", "question")):
        return None
    answer = next(
        (value[key] for key in ("completion", "response", "answer", "output", "generation", "reply") if isinstance(value.get(key), str)),
        None,
    )
    return look.answers(answer) if answer else None


READER = Reader(
    name="exchange",
    about="any object with a payload inside, as an object, JSON text, a stream or base64: {request, response} and all that gateways make up",
    source="logs of one's own",
    read=_read,
    examples=(
        Example(
            {
                "ts": 1700000000123,
                "url": "https://api.mistral.ai/v1/chat/completions",
                "request": {"model": "mistral-small", "messages": [{"role": "user", "content": "Ford?"}]},
                "response": {
                    "id": "e1",
                    "object": "chat.completion",
                    "model": "mistral-small",
                    "choices": [{"message": {"role": "assistant", "content": "Too deep."}}],
                },
            },
            (
                Gives("e1", "Too deep.", "mistral", "mistral-small", "2023-11-14T22:13:20Z"),
                Gives("e1#1", "Ford?", "mistral", "mistral-small", "2023-11-14T22:13:20Z", "prompt"),
            ),
        ),
        Example(
            {
                "level": "info",
                "resp": {
                    "status": 200,
                    "body": 'data: {"id":"e2","object":"chat.completion.chunk","choices":[{"delta":{"content":"Too "}}]}\n\ndata: {"id":"e2","object":"chat.completion.chunk","choices":[{"delta":{"content":"cold."}}]}\n\ndata: [DONE]\n\n',
                },
            },
            (Gives("e2", "Too cold."),),
        ),
        Example(
            {
                "ts": 1,
                "sse": [
                    'data: {"id":"e3","choices":[{"delta":{"content":"Too "}}]}',
                    'data: {"id":"e3","choices":[{"delta":{"content":"fast."}}]}',
                ],
            },
            (Gives("e3", "Too fast."),),
        ),
        Example(
            {"model": "gpt-4o", "prompt": "Ford?", "response": "Too wide.", "created_at": "2024-01-01T00:00:00Z"},
            (
                Gives(":0", "Too wide.", "openai", "gpt-4o", "2024-01-01T00:00:00Z"),
                Gives(":0#1", "Ford?", "openai", "gpt-4o", "2024-01-01T00:00:00Z", "prompt"),
            ),
        ),
    ),
    spares=(
        {"query": "a", "answer": "b", "id": 1},
        {"text": "A ford is a shallow place.", "url": "https://example.org"},
        {"prompt": "a", "response": "b"},
    ),
)
