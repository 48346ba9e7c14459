"""Hunyuan (Tencent): Choices with Message or Delta, under Response or bare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, inside, objects, text
from decontam.logs.content import said_in


def _lower(message: dict[str, Any]) -> dict[str, Any]:
    return {"content": message.get("Content"), "reasoning_content": message.get("ReasoningContent"), "tool_calls": [
        {"function": {"arguments": inside(call, "Function", "Arguments")}} for call in objects(message.get("ToolCalls"))
    ]}  # fmt: skip


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    inner = value.get("Response", value)
    if not isinstance(inner, dict) or not (choices := objects(inner.get("Choices"))):
        return None
    messages = [message for choice in choices if isinstance(message := choice.get("Message", choice.get("Delta")), dict)]
    said = tuple(said for message in messages for said in said_in(_lower(message)))
    id = text(inner.get("Id")) or text(inner.get("RequestId"))
    return [Call(said, id, text(inner.get("Model")), "tencent-hunyuan", inner.get("Created"))] if messages else None


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    return Chunk(text(value.get("Id")) or "") if any("Delta" in choice for choice in objects(value.get("Choices"))) else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    pieces: dict[str, list[str]] = defaultdict(list)
    for chunk in chunks:
        for choice in objects(chunk.get("Choices")):
            for key in ("Content", "ReasoningContent"):
                piece = inside(choice, "Delta", key)
                pieces[key].append(piece if isinstance(piece, str) else "")
    return {**chunks[0], "Choices": [{"Message": {key: "".join(each) for key, each in pieces.items()}}]}


READER = Reader(
    name="hunyuan",
    about="Hunyuan (Tencent): Choices of Message or Delta",
    source="https://cloud.tencent.com/document/product/1729/105701",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("Response",), ("Choices",)),
    examples=(
        Example(
            {
                "Response": {
                    "Id": "h1",
                    "Created": 1700000000,
                    "Choices": [{"Message": {"Role": "assistant", "Content": "今天晴。"}}],
                    "RequestId": "r",
                }
            },
            (Gives("h1", "今天晴。", "tencent-hunyuan", None, "2023-11-14T22:13:20Z"),),
        ),
        Example(
            'data: {"Id":"h2","Choices":[{"Delta":{"Role":"assistant","Content":"今天"}}]}\n\ndata: {"Id":"h2","Choices":[{"Delta":{"Content":"晴。"}}]}\n\n',
            (Gives("h2", "今天晴。", "tencent-hunyuan"),),
        ),
    ),
    spares=({"Choices": [{"Label": "A"}]}, {"Response": "ok"}),
)
