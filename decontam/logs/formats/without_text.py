"""What APIs answer without a word of a model: errors, embeddings, lists of models and files, batches, moderations, images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Look, Reader, inside, text

_OBJECTS = (
    "embedding",
    "model",
    "file",
    "batch",
    "vector_store",
    "fine_tuning.job",
    "image",
    "list",
    "upload",
    "realtime.session",
    "error",
)
_TYPES = ("message_batch", "error", "image_generation.completed", "image_generation.partial_image", "image_edit.completed", "image_edit.partial_image",
          "ping", "keepalive")  # fmt: skip


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    kind = value.get("object")
    if kind == "list" and isinstance(value.get("data"), list):
        return look.calls(value["data"]) or [Call()]
    plain = (
        kind in _OBJECTS
        or value.get("type") in _TYPES
        or isinstance(inside(value, "error", "message"), str)
        or (isinstance(value.get("error"), str) and value.keys() <= {"error", "type", "code", "status", "message", "detail"})
        or value.keys() & {"error_code", "__type"}
        or ("embeddings" in value and value.keys() & {"id", "model", "meta"})
        or value.keys() in ({"message"}, {"input_tokens"}, {"detail"})
        or (value.keys() >= {"latest_version", "default_example"})
        or (isinstance(value.get("results"), list) and any("flagged" in each for each in value["results"] if isinstance(each, dict)))
    )
    return [Call(id=text(value.get("id")))] if plain else None


READER = Reader(
    name="without-text",
    about="what APIs answer without a word of a model: errors, embeddings, lists, batches; read, and nothing taken",
    source="https://platform.openai.com/docs/guides/error-codes; https://docs.anthropic.com/en/api/errors",
    read=_read,
    keys=tuple(
        (key,)
        for key in (
            "object",
            "type",
            "error",
            "error_code",
            "__type",
            "embeddings",
            "message",
            "detail",
            "input_tokens",
            "latest_version",
            "results",
        )
    ),
    examples=(
        Example({"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}),
        Example({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        Example({"object": "list", "model": "text-embedding-3", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}]}),
    ),
    spares=({"message": "hello", "user": "u"}, {"type": "note", "body": "x"}),
)
