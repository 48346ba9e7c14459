"""Answers of others in shapes of their own, each but a key with text: Aleph Alpha, llama.cpp, Meta's API, PaLM on Vertex."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import Call, Example, Gives, Look, Reader, Said, objects, text
from decontam.logs.content import said_by, said_in


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    completions = objects(value.get("completions"))
    if completions and all(isinstance(each.get("completion"), str) for each in completions):
        return [Call(tuple(Said(each["completion"]) for each in completions), None, text(value.get("model_version")), "aleph-alpha")]
    if isinstance(message := value.get("completion_message"), dict):
        return [Call(tuple(said_in(message)), text(value.get("id")), None, "meta-llama-api")]
    if isinstance(value.get("content"), str) and value.keys() & {"tokens_predicted", "generation_settings"}:
        return [Call((Said(value["content"]),) if value["content"] else (), None, text(value.get("model")), "llama.cpp")]
    predictions = objects(value.get("predictions"))
    texts = [
        each
        for prediction in predictions
        for each in [prediction, *objects(prediction.get("candidates"))]
        if isinstance(each.get("content"), str)
    ]
    if texts and any(
        each.keys() & {"safetyAttributes", "citationMetadata", "author"} for prediction in predictions for each in [prediction, *texts]
    ):
        return [Call(tuple(said for each in texts for said in said_by(each["content"])), None, None, "google-vertex")]
    return None


READER = Reader(
    name="other-models",
    about="answers of Aleph Alpha, llama.cpp, Meta's API and PaLM on Vertex",
    source="https://docs.aleph-alpha.com/api/complete; https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; "
    "https://llama.developer.meta.com/docs/api/chat; https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text",
    read=_read,
    keys=(("completions",), ("completion_message",), ("content", "tokens_predicted"), ("content", "generation_settings"), ("predictions",)),
    examples=(
        Example(
            {"completions": [{"completion": "A gull.", "finish_reason": "maximum_tokens"}], "model_version": "luminous"},
            (Gives(":0", "A gull.", "aleph-alpha", "luminous"),),
        ),
        Example(
            {"id": "l1", "completion_message": {"role": "assistant", "content": {"type": "text", "text": "A tern."}}},
            (Gives("l1", "A tern.", "meta-llama-api"),),
        ),
        Example(
            {"content": "A plover.", "model": "m.gguf", "tokens_predicted": 3, "stop": True},
            (Gives(":0", "A plover.", "llama.cpp", "m.gguf"),),
        ),
        Example(
            {"predictions": [{"content": "A heron.", "safetyAttributes": {"blocked": False}}]}, (Gives(":0", "A heron.", "google-vertex"),)
        ),
    ),
    spares=({"completions": [{"user": "u", "done": True}]}, {"predictions": [{"content": "x", "score": 0.2}]}),
)
