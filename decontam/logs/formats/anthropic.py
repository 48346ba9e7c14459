"""Messages and the older completions of Anthropic, as Bedrock and Vertex pass them on too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, inside, number, text
from decontam.logs.content import said_by
from decontam.logs.units import LINES

_EVENTS = ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "ping")
_STOPS = ("stop_reason", "stop_sequence", "usage")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if isinstance(value.get("completion"), str) and value.keys() & {"stop_reason", "stop", "log_id"}:
        said = [Said(value["completion"])] if value["completion"] else []
    elif (
        isinstance(value.get("content"), list)
        and value.get("role") == "assistant"
        and (value.get("type") == "message" or value.keys() & set(_STOPS))
    ):
        said = list(said_by(value["content"]))
    else:
        return None
    id = text(value.get("id")) or text(value.get("log_id"))
    provider = (
        "aws-bedrock" if (id or "").startswith("msg_bdrk_") else "google-vertex" if (id or "").startswith("msg_vrtx_") else "anthropic"
    )
    return [Call(tuple(said), id, text(value.get("model")), provider)]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    kind = value.get("type")
    if kind == "completion":  # older pieces look like older answers
        return Chunk(text(value.get("id")) or "", last=bool(value.get("stop_reason"))) if among != LINES and "completion" in value else None
    if kind not in _EVENTS or (kind == "ping" and among == LINES):
        return None
    return Chunk(text(inside(value, "message", "id")) or "", first=kind == "message_start", last=kind == "message_stop")


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if chunks[0]["type"] == "completion":
        return {**chunks[0], "stop_reason": "", "completion": "".join(str(chunk.get("completion") or "") for chunk in chunks)}
    message: dict[str, Any] = {}
    blocks: dict[Any, dict[str, Any]] = {}
    pieces: dict[Any, list[str]] = {}
    for chunk in chunks:
        index, delta = number(chunk.get("index")), chunk.get("delta")
        if isinstance(chunk.get("message"), dict):
            message = chunk["message"]
        if isinstance(chunk.get("content_block"), dict):
            blocks[index] = chunk["content_block"]
        if chunk["type"] == "content_block_delta" and isinstance(delta, dict):
            key = next((key for key in ("text", "thinking", "partial_json") if isinstance(delta.get(key), str)), None)
            if key:
                blocks.setdefault(index, {"type": {"text": "text", "thinking": "thinking", "partial_json": "tool_use"}[key]})
                pieces.setdefault(index, []).append(delta[key])
    content = [_filled(block, "".join(pieces.get(index, ()))) for index, block in blocks.items()]
    return {**message, "type": "message", "role": "assistant", "content": content or message.get("content") or []}


def _filled(block: dict[str, Any], said: str) -> dict[str, Any]:
    key = {"text": "text", "thinking": "thinking"}.get(str(block.get("type")), "input")
    begun = block.get(key) if isinstance(block.get(key), str) else ""
    return {**block, key: f"{begun}{said}"} if said else block


_WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-3-haiku",
    "content": [
        {"type": "thinking", "thinking": "They want the tide", "signature": "x"},
        {"type": "text", "text": "High water is at six."},
        {"type": "tool_use", "id": "toolu_1", "name": "remind", "input": {"what": "high water"}},
    ],
    "stop_reason": "end_turn",
}
_EVENT_TEXT = """event: message_start
data: {"type":"message_start","message":{"id":"msg_2","type":"message","role":"assistant","model":"claude-3-haiku","content":[]}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"At "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"six."}}

event: message_stop
data: {"type":"message_stop"}
"""

READER = Reader(
    name="anthropic",
    about="messages and older completions of Anthropic (also through Bedrock and Vertex), whole or as events",
    source="https://docs.anthropic.com/en/api/messages; /messages-streaming",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("content", "role"), ("completion",), ("type",)),
    examples=(
        Example(
            _WHOLE,
            (
                Gives("msg_1", "High water is at six.", "anthropic", "claude-3-haiku"),
                Gives("msg_1#1", "They want the tide", "anthropic", "claude-3-haiku"),
                Gives("msg_1#2", "high water", "anthropic", "claude-3-haiku"),
            ),
        ),
        Example(_EVENT_TEXT, (Gives("msg_2", "At six.", "anthropic", "claude-3-haiku"),)),
        Example(
            {"completion": " Low water.", "stop_reason": "stop_sequence", "model": "claude-2.1", "log_id": "l1"},
            (Gives("l1", " Low water.", "anthropic", "claude-2.1"),),
        ),
    ),
    spares=({"type": "message", "content": "hi", "role": "user"}, {"completion": 0.7, "course": "sailing"}),
)
