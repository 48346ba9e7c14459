"""MiniMax before it wrote chat completions: a reply, and choices of messages by senders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, objects, text
from decontam.logs.units import EVENTS


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if not isinstance(value["reply"], str) or not value.keys() & {"base_resp", "choices", "output_sensitive"}:
        return None
    texts = [value["reply"]] if value["reply"] else _texts(value)
    return [Call(tuple(map(Said, texts)), text(value.get("id")), text(value.get("model")), "minimax", value.get("created"))]


def _texts(value: dict[str, Any]) -> list[str]:
    messages = [message for choice in objects(value.get("choices")) for message in [choice, *objects(choice.get("messages"))]]
    return [message["text"] for message in messages if isinstance(message.get("text"), str) and message["text"]]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    return Chunk(last=bool(value.get("reply"))) if among == EVENTS and isinstance(value.get("reply"), str) and "choices" in value else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    reply = chunks[-1]["reply"] or "".join(said for chunk in chunks for said in _texts(chunk))
    return {**chunks[-1], "reply": reply}


READER = Reader(
    name="minimax",
    about="MiniMax: a reply beside choices of messages by senders; its newer version writes chat completions",
    source="https://platform.minimaxi.com/document/ChatCompletion%20Pro",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("reply",),),
    examples=(
        Example(
            {
                "created": 1700000000,
                "model": "abab6.5s-chat",
                "reply": "来自海边。",
                "choices": [{"messages": [{"sender_type": "BOT", "text": "来自海边。"}]}],
                "id": "m1",
            },
            (Gives("m1", "来自海边。", "minimax", "abab6.5s-chat", "2023-11-14T22:13:20Z"),),
        ),
    ),
    spares=({"reply": "thanks", "user": "u"},),
)
