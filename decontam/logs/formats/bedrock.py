"""Bodies of Bedrock's models (Titan, Llama, Mistral, AI21) and of Converse, whole and streamed."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, inside, number, objects
from decontam.logs.content import said_in
from decontam.logs.units import LINES, parsed

_CONVERSE = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
_METRICS = "amazon-bedrock-invocationMetrics"


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    message = inside(value, "output", "message")
    if isinstance(message, dict) and value.keys() & {"stopReason", "usage", "metrics"}:
        return [Call(tuple(said_in(message)), None, None, "aws-bedrock")]
    if isinstance(inside(value, "chunk", "bytes"), str):
        return _bytes(value, look)
    texts = _texts(value)
    return None if texts is None else [Call(tuple(Said(each) for each in texts if each), None, None, "aws-bedrock")]


def _bytes(value: dict[str, Any], look: Look) -> list[Call] | None:
    try:
        inner = parsed(base64.b64decode(value["chunk"]["bytes"], validate=True))
    except (ValueError, binascii.Error):
        return None
    return look.calls(inner) or [Call(provider="aws-bedrock")]


def _texts(value: dict[str, Any]) -> list[str] | None:
    """What models of Amazon, Meta, Mistral and AI21 said, in the shape of each."""
    if isinstance(value.get("generation"), str) and value.keys() & {"stop_reason", "generation_token_count"}:
        return [value["generation"]]
    if isinstance(value.get("outputText"), str):
        return [value["outputText"]]
    results = objects(value.get("results"))
    if results and all(isinstance(each.get("outputText"), str) for each in results):
        return [each["outputText"] for each in results]
    outputs = objects(value.get("outputs"))
    if outputs and all(isinstance(each.get("text"), str) and "stop_reason" in each for each in outputs):
        return [each["text"] for each in outputs]
    completions = objects(value.get("completions"))
    if completions and all(isinstance(inside(each, "data", "text"), str) for each in completions):
        return [each["data"]["text"] for each in completions]
    return None


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    if any(key in value for key in _CONVERSE[:-1]) or (among != LINES and "metadata" in value):
        return Chunk(first="messageStart" in value, last="metadata" in value)
    pieces = among != LINES and _texts(value) is not None
    return Chunk(last=_METRICS in value) if pieces else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not any(key in chunk for chunk in chunks for key in _CONVERSE):
        return {"outputText": "".join(said for chunk in chunks for said in _texts(chunk) or ())}
    blocks: dict[Any, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for chunk in chunks:
        event = chunk.get("contentBlockDelta")
        delta = event.get("delta") if isinstance(event, dict) else None
        for key, piece in (
            ("text", inside(delta, "text")),
            ("reasoning", inside(delta, "reasoningContent", "text")),
            ("input", inside(delta, "toolUse", "input")),
        ):
            if isinstance(piece, str):
                blocks[number(inside(event, "contentBlockIndex"))][key].append(piece)
    content = [_block(key, "".join(pieces)) for block in blocks.values() for key, pieces in block.items()]
    return {"output": {"message": {"content": content}}, "stopReason": ""}


def _block(key: str, said: str) -> dict[str, Any]:
    shapes: dict[str, dict[str, Any]] = {"text": {"text": said}, "reasoning": {"type": "thinking", "thinking": said}}
    return shapes.get(key) or {"toolUse": {"input": said}}


READER = Reader(
    name="bedrock",
    about="bodies of Bedrock's models (Nova, Titan, Llama, Mistral, AI21) and of Converse, whole or streamed",
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html; /APIReference/API_runtime_Converse.html",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(
        ("output",),
        ("generation",),
        ("outputText",),
        ("results",),
        ("outputs",),
        ("completions",),
        ("chunk",),
        *((key,) for key in _CONVERSE),
    ),
    examples=(
        Example(
            {
                "output": {
                    "message": {
                        "role": "assistant",
                        "content": [{"text": "The moor is wet."}, {"toolUse": {"name": "n", "input": {"q": "moor"}}}],
                    }
                },
                "stopReason": "end_turn",
            },
            (Gives(":0", "The moor is wet.", "aws-bedrock"), Gives(":0#1", "moor", "aws-bedrock")),
        ),
        Example(
            {"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "Heather.", "completionReason": "FINISH"}]},
            (Gives(":0", "Heather.", "aws-bedrock"),),
        ),
        Example(
            {"generation": "Peat.", "prompt_token_count": 5, "generation_token_count": 10, "stop_reason": "stop"},
            (Gives(":0", "Peat.", "aws-bedrock"),),
        ),
        Example({"outputs": [{"text": "Fog.", "stop_reason": "length"}]}, (Gives(":0", "Fog.", "aws-bedrock"),)),
        Example(
            {"id": 1, "prompt": {}, "completions": [{"data": {"text": "Rain."}, "finishReason": {"reason": "endoftext"}}]},
            (Gives(":0", "Rain.", "aws-bedrock"),),
        ),
        Example(
            [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockDelta": {"delta": {"text": "The "}, "contentBlockIndex": 0}},
                {"contentBlockDelta": {"delta": {"text": "moor."}, "contentBlockIndex": 0}},
                {"metadata": {"usage": {}}},
            ],
            (Gives(":0", "The moor.", "aws-bedrock"),),
        ),
    ),
    spares=({"results": [{"title": "a"}]}, {"outputs": [{"text": "x"}]}, {"generation": "3rd"}),
)
