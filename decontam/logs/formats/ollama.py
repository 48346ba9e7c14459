"""Ollama: chat and generate, whole or as lines of pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, objects, text
from decontam.logs.content import said_in


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    if not _is_ours(value):
        return None
    said = said_in(value["message"]) if "message" in value else []
    said += [Said(value[key]) for key in ("response", "thinking") if isinstance(value.get(key), str) and value[key]]
    return [Call(tuple(said), None, text(value.get("model")), "ollama", value.get("created_at"))]


def _is_ours(value: dict[str, Any]) -> bool:
    return isinstance(value.get("done"), bool) and (isinstance(value.get("message"), dict) or isinstance(value.get("response"), str))


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    return Chunk(last=value["done"]) if _is_ours(value) else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    pieces: dict[str, list[str]] = defaultdict(list)
    calls: list[dict[str, Any]] = []
    for chunk in chunks:
        message = chunk.get("message")
        for at, source in (("message.", message), ("", chunk)):
            for key in ("content", "thinking", "response"):
                if isinstance(source, dict) and isinstance(source.get(key), str):
                    pieces[at + key].append(source[key])
        calls += objects(message.get("tool_calls")) if isinstance(message, dict) else []
    joined: dict[str, Any] = {key: "".join(each) for key, each in pieces.items()}
    whole = {**chunks[0], "done": True, **{key: said for key, said in joined.items() if not key.startswith("message.")}}
    if "message" in whole:
        whole["message"] = {key.removeprefix("message."): said for key, said in joined.items() if key.startswith("message.")}
        whole["message"]["tool_calls"] = calls
    return whole


_LAST = '{"model":"llama3","created_at":"2024-05-24T20:26:47Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"eval_count":4}\n'

READER = Reader(
    name="ollama",
    about="Ollama's chat and generate, whole or as lines",
    source="https://github.com/ollama/ollama/blob/main/docs/api.md",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("done", "message"), ("done", "response")),
    examples=(
        Example(
            {"model": "llama3", "created_at": "2024-05-24T20:26:46.294874Z", "response": "A lamp.", "done": True, "eval_count": 3},
            (Gives(":0", "A lamp.", "ollama", "llama3", "2024-05-24T20:26:46Z"),),
        ),
        Example(
            '{"model":"llama3","created_at":"2024-05-24T20:26:46.294874Z","message":{"role":"assistant","content":"A "},"done":false}\n'
            '{"model":"llama3","created_at":"2024-05-24T20:26:46.394874Z","message":{"role":"assistant","content":"lamp."},"done":false}\n'
            + _LAST,
            (Gives(":0", "A lamp.", "ollama", "llama3", "2024-05-24T20:26:46Z"),),
        ),
    ),
    spares=({"done": True, "message": "copied"}, {"done": "yes", "response": "ok"}),
)
