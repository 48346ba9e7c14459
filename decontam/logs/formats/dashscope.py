"""DashScope (Alibaba): text or choices under `output`; streams come piece by piece or as the whole so far, again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, number, objects, text
from decontam.logs.content import said_in

_TEXTS = ("content", "reasoning_content")


def _output(value: dict[str, Any]) -> dict[str, Any] | None:
    output = value.get("output")
    if not isinstance(output, dict):
        return None
    choices = objects(output.get("choices"))
    by_choice = bool(choices) and all(isinstance(choice.get("message"), dict) for choice in choices)
    return output if by_choice or (isinstance(output.get("text"), str) and value.keys() & {"request_id", "usage"}) else None


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    output = _output(value)
    if output is None:
        return None
    said = [said for choice in objects(output.get("choices")) for said in said_in(choice["message"])]
    if not said and output.get("text"):
        said = [Said(output["text"])]
    asked = look.asked(value.get("input"))
    return [Call((*said, *asked), text(value.get("request_id")), text(value.get("model")), "alibaba-dashscope")]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    id = text(value.get("request_id"))
    return Chunk(id) if id and "status_code" not in value and _output(value) is not None else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    texts: list[str] = []
    messages: dict[Any, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for chunk in chunks:
        output = chunk["output"]
        if isinstance(output.get("text"), str):
            texts.append(output["text"])
        for at, choice in enumerate(objects(output.get("choices"))):
            for key, piece in choice["message"].items():
                if piece and (key in _TEXTS or key == "tool_calls"):
                    messages[number(choice.get("index", at))][key].append(piece)
    choices = [{"message": {key: _joined(pieces) for key, pieces in each.items()}} for each in messages.values()]
    return {**chunks[-1], "output": {"text": together(texts), "choices": choices}}


def _joined(pieces: list[Any]) -> Any:
    if all(isinstance(piece, str) for piece in pieces):
        return together(pieces)
    said = ["".join(each.text for each in said_in({"content": piece})) for piece in pieces if isinstance(piece, (str, list))]
    return together(said) if any(said) else pieces[-1]


def together(pieces: Sequence[str]) -> str:
    """One text of its pieces: the last of them where each is the whole so far, all of them otherwise.

    >>> together(["It", "It is", "It is fine"]), together(["It", " is", " fine"])
    ('It is fine', 'It is fine')
    """
    said = [piece for piece in pieces if piece]
    pairs = list(pairwise(said))
    if pairs and all(later.startswith(earlier) for earlier, later in pairs) and len(said[-1]) > len(said[0]):
        return said[-1]
    return "".join(said)


def _said(id: str, said: str, reason: str = "null") -> str:
    return f'id:1\nevent:result\n:HTTP_STATUS/200\ndata:{{"output":{{"choices":[{{"message":{{"content":"{said}","role":"assistant"}},"finish_reason":"{reason}"}}]}},"request_id":"{id}"}}\n\n'


READER = Reader(
    name="dashscope",
    about="DashScope (Alibaba): output.text or output.choices, whole, streamed in pieces, or streamed as the whole so far",
    source="https://help.aliyun.com/zh/model-studio/use-qwen-by-calling-api",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("output", "request_id"), ("output", "usage"), ("output", "input")),
    examples=(
        Example(
            {"output": {"text": "明天有雨。", "finish_reason": "stop"}, "usage": {}, "request_id": "q1"},
            (Gives("q1", "明天有雨。", "alibaba-dashscope"),),
        ),
        Example(_said("q2", "明天") + _said("q2", "有雨。", "stop"), (Gives("q2", "明天有雨。", "alibaba-dashscope"),)),
        Example(
            _said("q3", "明天") + _said("q3", "明天有雨") + _said("q3", "明天有雨。", "stop"),
            (Gives("q3", "明天有雨。", "alibaba-dashscope"),),
        ),
        Example(
            {
                "model": "qwen-max",
                "input": {"messages": [{"role": "user", "content": "雨吗？"}]},
                "output": {"text": "有雨。"},
                "request_id": "q4",
            },
            (
                Gives("q4", "有雨。", "alibaba-dashscope", "qwen-max"),
                Gives("q4#1", "雨吗？", "alibaba-dashscope", "qwen-max", part="prompt"),
            ),
        ),
    ),
    spares=({"output": {"text": 7}, "request_id": "x"}, {"output": "a.csv", "usage": "cp"}),
)
