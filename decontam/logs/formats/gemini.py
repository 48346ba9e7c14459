"""generateContent of Gemini and Vertex: candidates of parts; streamed as events or as one long array."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, inside, number, objects, text
from decontam.logs.content import said_by
from decontam.logs.units import ARRAY, EVENTS


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if not _is_ours(value):
        return None
    said = tuple(said for candidate in objects(value.get("candidates")) for said in said_by(inside(candidate, "content", "parts")))
    provider = "google-vertex" if "createTime" in value or "trafficType" in (value.get("usageMetadata") or {}) else "google-gemini"
    return [Call(said, text(value.get("responseId")), text(value.get("modelVersion")), provider, value.get("createTime"))]


def _is_ours(value: dict[str, Any]) -> bool:
    candidates = objects(value.get("candidates"))
    if not candidates:
        return bool(value.keys() & {"promptFeedback", "usageMetadata"} and value.keys() & {"modelVersion", "responseId", "promptFeedback"})
    return all(isinstance(each.get("content", {}), dict) and each.keys() & {"content", "finishReason"} for each in candidates)


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    """Pieces look like answers: among events they are pieces, in an array where a stream's id or an end that is missing says so."""
    if among not in (EVENTS, ARRAY) or not _is_ours(value):
        return None
    stream = text(value.get("responseId")) or ""
    ended = any(candidate.get("finishReason") for candidate in objects(value.get("candidates")))
    return Chunk(stream, last=among == ARRAY and not stream and ended)


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    parts: dict[Any, list[Any]] = defaultdict(list)
    whole: dict[str, Any] = {}
    for chunk in chunks:
        whole.update(chunk)
        for candidate in objects(chunk.get("candidates")):
            parts[number(candidate.get("index"))] += objects(inside(candidate, "content", "parts"))
    return {**whole, "candidates": [{"content": {"parts": each}} for each in parts.values()]}


def _piece(said: str, **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": [{"text": said}], "role": "model"}, **more}],
        "modelVersion": "gemini-2.0-flash",
        "responseId": "r1",
    }


READER = Reader(
    name="gemini",
    about="generateContent and streamGenerateContent of Gemini and Vertex, as objects, events or an array",
    source="https://ai.google.dev/api/generate-content#generatecontentresponse",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("candidates",), ("promptFeedback",), ("usageMetadata",)),
    examples=(
        Example(
            _piece("Wind from the west.", finishReason="STOP"), (Gives("r1", "Wind from the west.", "google-gemini", "gemini-2.0-flash"),)
        ),
        Example(
            'data: {"candidates": [{"content": {"parts": [{"text": "Wind "}]}}],"modelVersion": "gemini-2.0-flash","responseId": "r2"}\n\n'
            'data: {"candidates": [{"content": {"parts": [{"text": "and rain."}]},"finishReason": "STOP"}],"modelVersion": "gemini-2.0-flash","responseId": "r2"}\n',
            (Gives("r2", "Wind and rain.", "google-gemini", "gemini-2.0-flash"),),
        ),
        Example(
            '[{\n  "candidates": [{"content": {"parts": [{"text": "Wind "}]}}]\n}\n,\n{\n  "candidates": [{"content": {"parts": [{"text": "and sun."}]}, "finishReason": "STOP"}],'
            '\n  "usageMetadata": {"promptTokenCount": 3, "trafficType": "ON_DEMAND"}\n}\n]\n',
            (Gives(":0", "Wind and sun.", "google-vertex"),),
        ),
    ),
    spares=({"candidates": [{"name": "A", "votes": 3}], "election": "mayor"}, {"candidates": ["A", "B"]}),
)
