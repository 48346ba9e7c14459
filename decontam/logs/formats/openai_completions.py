"""Completions, the older language of OpenAI: text after a prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, number, objects, text
from decontam.logs.units import EVENTS


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    texts = _texts(value)
    if texts is None:
        return None
    said = tuple(Said(each) for each in texts if each)
    return [Call(said, text(value.get("id")), text(value.get("model")), None, value.get("created"))]


def _texts(value: dict[str, Any]) -> list[str] | None:
    """What was said in each choice; None where the choices are something else."""
    choices = objects(value.get("choices"))
    if not choices or not all(isinstance(choice.get("text"), str) for choice in choices):
        return None
    named = value.keys() & {"object", "model", "usage", "created"} or any("finish_reason" in choice for choice in choices)
    return [choice["text"] for choice in choices] if named else None


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    """Pieces look like whole answers, but stand among events."""
    return Chunk(text(value.get("id")) or "") if among == EVENTS and _texts(value) is not None else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    texts: dict[Any, list[str]] = defaultdict(list)
    for chunk in chunks:
        for choice in objects(chunk["choices"]):
            texts[number(choice.get("index"))].append(choice["text"])
    return {**chunks[0], "choices": [{"text": "".join(pieces)} for pieces in texts.values()]}


READER = Reader(
    name="openai-completions",
    about="text completions of OpenAI, vLLM, Together and others, whole or streamed",
    source="https://platform.openai.com/docs/api-reference/completions/object",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("choices",),),
    examples=(
        Example(
            {
                "id": "cmpl-1",
                "object": "text_completion",
                "model": "gpt-3.5-turbo-instruct",
                "choices": [{"text": " and a half", "index": 0}],
            },
            (Gives("cmpl-1", " and a half", "openai", "gpt-3.5-turbo-instruct"),),
        ),
        Example(
            'data: {"id":"cmpl-2","object":"text_completion","choices":[{"text":"one ","index":0}],"model":"m"}\n\n'
            'data: {"id":"cmpl-2","object":"text_completion","choices":[{"text":"two","index":0}],"model":"m"}\n\ndata: [DONE]\n',
            (Gives("cmpl-2", "one two", None, "m"),),
        ),
    ),
    spares=({"choices": [{"text": "A ferry", "label": "A"}, {"text": "A bus", "label": "B"}], "question": {"stem": "Which?"}},),
)
