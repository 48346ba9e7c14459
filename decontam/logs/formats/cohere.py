"""Cohere: chat in both versions and generations, whole and as events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, inside, objects, text
from decontam.logs.content import arguments, said_in

_EVENTS = (
    "message-start",
    "content-start",
    "content-delta",
    "content-end",
    "message-end",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "tool-call-end",
    "citation-start",
    "citation-end",
)


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    message = value.get("message")
    if isinstance(message, dict) and message.get("role") == "assistant" and value.keys() & {"finish_reason", "usage"}:
        said = said_in(message)
    elif isinstance(value.get("text"), str) and value.keys() & {"generation_id", "response_id"}:
        said = [Said(value["text"]), *(Said(arguments(call.get("parameters"))) for call in objects(value.get("tool_calls")))]
    elif (generations := objects(value.get("generations"))) and all(isinstance(each.get("text"), str) for each in generations):
        said = [Said(each["text"]) for each in generations]
    else:
        return None
    id = text(value.get("id")) or text(value.get("response_id")) or text(value.get("generation_id"))
    asked = look.asked(value["prompt"]) if isinstance(value.get("prompt"), str) else ()
    return [Call((*(each for each in said if each.text), *asked), id, None, "cohere")]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    kind = value.get("type")
    if kind in _EVENTS:
        return Chunk(
            text(value.get("id")) or "" if kind == "message-start" else "", first=kind == "message-start", last=kind == "message-end"
        )
    event = value.get("event_type")
    if event is None or "is_finished" not in value:
        return None
    return Chunk(
        text(value.get("generation_id")) or "" if event == "stream-start" else "", first=event == "stream-start", last=event == "stream-end"
    )


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if any("event_type" in chunk for chunk in chunks):
        return _first_version(chunks)
    pieces: dict[str, list[str]] = defaultdict(list)
    id = None
    for chunk in chunks:
        id = id or chunk.get("id")
        delta = inside(chunk, "delta", "message")
        content = inside(delta, "content") or {}
        found = {
            "content": inside(content, "text"),
            "thinking": inside(content, "thinking"),
            "tool_plan": inside(delta, "tool_plan"),
            f"call {chunk.get('index')}": inside(delta, "tool_calls", "function", "arguments"),
        }
        for key, piece in found.items():
            if isinstance(piece, str):
                pieces[key].append(piece)
    message: dict[str, Any] = {key: "".join(each) for key, each in pieces.items() if not key.startswith("call ")}
    message["tool_calls"] = [{"function": {"arguments": "".join(each)}} for key, each in pieces.items() if key.startswith("call ")]
    return {"id": id, "message": {"role": "assistant", **message}, "finish_reason": ""}


def _first_version(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ids = [chunk["generation_id"] for chunk in chunks if chunk.get("generation_id")]
    said = "".join(str(chunk.get("text") or "") for chunk in chunks if chunk.get("event_type") == "text-generation")
    end = chunks[-1].get("response")
    whole = end if isinstance(end, dict) else {}
    return {"generation_id": ids[0] if ids else "", **whole, "text": said or whole.get("text") or ""}


READER = Reader(
    name="cohere",
    about="Cohere's chat (both versions) and generations, whole or as events",
    source="https://docs.cohere.com/reference/chat; /v1/reference/chat; /v1/reference/generate",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(
        ("message", "finish_reason"),
        ("message", "usage"),
        ("text", "generation_id"),
        ("text", "response_id"),
        ("generations",),
        ("event_type",),
        ("type",),
    ),
    examples=(
        Example(
            {"id": "k1", "message": {"role": "assistant", "content": [{"type": "text", "text": "Maple."}]}, "finish_reason": "COMPLETE"},
            (Gives("k1", "Maple.", "cohere"),),
        ),
        Example({"response_id": "k2", "text": "Birch.", "generation_id": "g"}, (Gives("k2", "Birch.", "cohere"),)),
        Example(
            {"id": "k3", "generations": [{"id": "g", "text": " Elm."}], "prompt": "Name a tree:"},
            (Gives("k3", " Elm.", "cohere"), Gives("k3#1", "Name a tree:", "cohere", part="prompt")),
        ),
        Example(
            'data: {"id":"k4","type":"message-start","delta":{"message":{"role":"assistant","content":[]}}}\n\n'
            'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Ma"}}}}\n\n'
            'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"ple."}}}}\n\ndata: {"type":"message-end","delta":{}}\n\n',
            (Gives("k4", "Maple.", "cohere"),),
        ),
        Example(
            '{"is_finished":false,"event_type":"stream-start","generation_id":"k5"}\n{"is_finished":false,"event_type":"text-generation","text":" Bi"}\n'
            '{"is_finished":false,"event_type":"text-generation","text":"rch"}\n{"is_finished":true,"event_type":"stream-end","response":{"response_id":"r","text":" Birch"}}\n',
            (Gives("r", " Birch", "cohere"),),
        ),
    ),
    spares=({"message": {"role": "assistant"}, "id": 1}, {"text": "x", "id": 1}, {"generations": 3}),
)
