"""Results of batches: OpenAI's and Azure's, Anthropic's, Gemini's and Vertex's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader
from decontam.logs.envelopes import Envelope, opened

_LINE = Envelope(
    response=("response.body", "result.message", "response"),
    request=("request", "body"),
    id=("custom_id", "key", "id"),
    time=("processed_time", "created_at"),
)


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if "custom_id" in value and value.keys() & {"response", "result", "error", "body"}:
        return opened(_LINE, value, look)
    if value.keys() <= {"key", "status", "processed_time", "request", "response", "error"} and isinstance(value.get("response"), dict):
        return opened(_LINE, value, look)
    return None


_BODY = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [{"message": {"role": "assistant", "content": "A barge."}}],
}

READER = Reader(
    name="batches",
    about="batch results of OpenAI, Azure, Anthropic, Gemini and Vertex",
    source="https://platform.openai.com/docs/api-reference/batch/request-output; https://docs.anthropic.com/en/api/retrieving-message-batch-results; "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini",
    read=_read,
    keys=(("custom_id",), ("key", "response"), ("request", "response", "processed_time"), ("request", "response", "status")),
    examples=(
        Example(
            {"id": "batch_req_1", "custom_id": "row-1", "response": {"status_code": 200, "request_id": "r", "body": _BODY}, "error": None},
            (Gives("c-1", "A barge.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),),
        ),
        Example(
            {
                "custom_id": "row-2",
                "result": {
                    "type": "succeeded",
                    "message": {
                        "id": "msg_9",
                        "type": "message",
                        "role": "assistant",
                        "model": "claude-3-haiku",
                        "content": [{"type": "text", "text": "A raft."}],
                    },
                },
            },
            (Gives("msg_9", "A raft.", "anthropic", "claude-3-haiku"),),
        ),
        Example(
            {
                "status": "",
                "processed_time": "2024-11-01T18:13:16.826+00:00",
                "request": {"contents": [{"parts": [{"text": "Boat?"}], "role": "user"}]},
                "response": {"candidates": [{"content": {"parts": [{"text": "A punt."}]}}], "modelVersion": "gemini-2.0-flash"},
            },
            (
                Gives(":0", "A punt.", "google-gemini", "gemini-2.0-flash", "2024-11-01T18:13:16Z"),
                Gives(":0#1", "Boat?", "google-gemini", "gemini-2.0-flash", "2024-11-01T18:13:16Z", "prompt"),
            ),
        ),
        Example({"custom_id": "row-3", "response": None, "error": {"code": "expired", "message": "too late"}}, ()),
    ),
    spares=({"custom_id": "c", "price": 3}, {"key": "a", "response": "b"}),
)
