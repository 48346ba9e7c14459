"""Interactions of Gemini: an object of steps, or a stream of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, inside, number, objects, text
from decontam.logs.content import said_by


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if value.get("object") != "interaction" and not str(value.get("id", "")).startswith("v1_"):
        return None
    steps = objects(value.get("steps") or value.get("outputs"))
    said = [said for step in steps if step.get("type") != "user_input" for said in _step(step)]
    return [Call(tuple(said), text(value.get("id")), text(value.get("model")), "google-gemini", value.get("created"))]


def _step(step: dict[str, Any]) -> Iterable[Any]:
    return said_by(step["content"]) if "content" in step else said_by([step])


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    kind = value.get("event_type")
    if not isinstance(kind, str) or not kind.startswith(("interaction.", "step.", "content.")):
        return None
    id = inside(value, "interaction", "id") or value.get("interaction_id")
    return Chunk(
        text(id) or "",
        first=kind in ("interaction.created", "interaction.start"),
        last=kind in ("interaction.completed", "interaction.complete"),
    )


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"object": "interaction"}
    pieces: dict[Any, list[Any]] = defaultdict(list)
    for chunk in chunks:
        if isinstance(chunk.get("interaction"), dict):
            whole.update(chunk["interaction"])
        if isinstance(delta := chunk.get("delta"), dict):
            inner = delta.get("content")
            pieces[number(chunk.get("index")), str(delta.get("type"))].append(inner if isinstance(inner, dict) else delta)
    if whole.get("steps") or whole.get("outputs"):
        return whole
    return {**whole, "steps": [{"type": "model_output", "content": each} for each in pieces.values()]}


READER = Reader(
    name="gemini-interactions",
    about="the Interactions API of Gemini, as objects or events",
    source="https://ai.google.dev/gemini-api/docs/interactions",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("id", "steps"), ("id", "outputs"), ("id", "object"), ("event_type",)),
    examples=(
        Example(
            {
                "id": "v1_a",
                "object": "interaction",
                "model": "gemini-2.5-flash",
                "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Snow."}]}],
            },
            (Gives("v1_a", "Snow.", "google-gemini", "gemini-2.5-flash"),),
        ),
        Example(
            'data: {"interaction":{"id":"v1_b","object":"interaction","model":"gemini-2.5-flash"},"event_type":"interaction.created"}\n\n'
            'data: {"index":0,"delta":{"text":"Sn","type":"text"},"event_type":"step.delta"}\n\n'
            'data: {"index":0,"delta":{"text":"ow.","type":"text"},"event_type":"step.delta"}\n\n',
            (Gives("v1_b", "Snow.", "google-gemini", "gemini-2.5-flash"),),
        ),
    ),
    spares=({"id": "1", "object": "list"}, {"event_type": "click", "id": "1"}),
)
