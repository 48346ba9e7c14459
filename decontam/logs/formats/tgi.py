"""Text Generation Inference, the Inference API of Hugging Face, watsonx: `generated_text`; streams of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, inside, objects, text


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    results = objects(value.get("results"))
    if results and all(isinstance(each.get("generated_text"), str) for each in results):
        return [
            Call(
                tuple(Said(each["generated_text"]) for each in results),
                None,
                text(value.get("model_id")),
                "ibm-watsonx",
                value.get("created_at"),
            )
        ]
    said = value.get("generated_text")
    if isinstance(said, list):
        return look.calls([{"generated_text": each} for each in said]) or None
    return [Call((Said(said),) if said else (), None, None, "huggingface-tgi")] if isinstance(said, str) else None


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    return Chunk(last=isinstance(value.get("generated_text"), str)) if isinstance(inside(value, "token", "text"), str) else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    tokens = (chunk["token"] for chunk in chunks if "token" in chunk)
    whole = chunks[-1].get("generated_text")
    return {"generated_text": whole if isinstance(whole, str) else "".join(token["text"] for token in tokens if not token.get("special"))}


READER = Reader(
    name="tgi",
    about="generated_text of Text Generation Inference, Hugging Face and watsonx, whole or as tokens",
    source="https://huggingface.co/docs/text-generation-inference/basic_tutorials/consuming_tgi; https://cloud.ibm.com/apidocs/watsonx-ai",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("generated_text",), ("token",), ("results",)),
    examples=(
        Example([{"generated_text": "A quiet harbour."}], (Gives(":0", "A quiet harbour.", "huggingface-tgi"),)),
        Example(
            'data:{"token":{"id":1,"text":"A ","special":false},"generated_text":null}\n\ndata:{"token":{"id":2,"text":"pier.","special":false},"generated_text":"A pier."}\n\n',
            (Gives(":0", "A pier.", "huggingface-tgi"),),
        ),
        Example(
            {"model_id": "ibm/granite-13b", "created_at": "2024-01-02T03:04:05Z", "results": [{"generated_text": "A quay."}]},
            (Gives(":0", "A quay.", "ibm-watsonx", "ibm/granite-13b", "2024-01-02T03:04:05Z"),),
        ),
    ),
    spares=({"token": "abc"}, {"results": [{"text": "x"}]}),
)
