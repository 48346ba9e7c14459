"""Predictions of Replicate: the output as text or as a list of its pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, Said, text


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if not value.keys() >= {"status", "input"} or not value.keys() & {"urls", "version", "logs"}:
        return None
    output = value.get("output")
    if isinstance(output, list) and all(isinstance(piece, str) for piece in output):
        output = "".join(output)
    said = [Said(output)] if isinstance(output, str) and output and not output.startswith("https://") else []
    asked = look.asked(value["input"]) if isinstance(value["input"], dict) else ()
    return [
        Call(
            (*said, *asked),
            text(value.get("id")),
            text(value.get("model")),
            "replicate",
            value.get("created_at"),
        )
    ]


READER = Reader(
    name="replicate",
    about="predictions of Replicate",
    source="https://replicate.com/docs/reference/http#predictions.get",
    read=_read,
    keys=(("status", "input", "urls"), ("status", "input", "version"), ("status", "input", "logs")),
    examples=(
        Example(
            {
                "id": "p1",
                "model": "meta/llama-2-70b-chat",
                "version": "v",
                "input": {},
                "status": "succeeded",
                "output": ["A ", "kite."],
                "created_at": "2024-02-12T16:45:41Z",
            },
            (Gives("p1", "A kite.", "replicate", "meta/llama-2-70b-chat", "2024-02-12T16:45:41Z"),),
        ),
        Example({"id": "p2", "input": {}, "status": "succeeded", "urls": {}, "output": ["https://replicate.delivery/a.png"]}, ()),
    ),
    spares=({"status": "open", "input": "x", "output": "y"},),
)
