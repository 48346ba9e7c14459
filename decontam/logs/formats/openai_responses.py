"""The Responses API of OpenAI, and of those who speak it: an object of output items, or a stream of events named response.*"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, inside, number, objects, text
from decontam.logs.content import arguments, said_by
from decontam.logs.units import EVENTS

_ENDS = ("response.completed", "response.failed", "response.incomplete", "error")
_DELTAS = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "output_text",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
    "response.code_interpreter_call_code.delta": "code",
}


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    output = value.get("output")
    if not isinstance(output, list) or not (value.get("object") == "response" or any("type" in item for item in objects(output))):
        return None
    if not value.keys() & {"object", "id", "model", "status", "usage"}:
        return None
    said = [said for item in objects(output) for said in _item(item)]
    time = value.get("created_at") or value.get("created")
    return [Call(tuple(said), text(value.get("id")), text(value.get("model")), None, time)]


def _item(item: dict[str, Any]) -> list[Said]:
    """The texts of an output item: of a message, of reasoning, of the arguments of a call."""
    if item.get("type") == "message" or ("content" in item and "summary" not in item):
        return list(said_by(item.get("content"))) if item.get("role", "assistant") == "assistant" else []
    if item.get("type") in ("text", "output_text"):
        return list(said_by([item]))
    found = [*said_by(item.get("summary")), *said_by(item.get("content"))]
    if str(item.get("type", "")).endswith("_call"):
        found += [Said(arguments(item[key])) for key in ("arguments", "input", "code", "action") if item.get(key)]
    return [said for said in found if said.text]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    kind = value.get("type")
    if not isinstance(kind, str) or not (kind.startswith("response.") or (among == EVENTS and kind in ("keepalive", "error"))):
        return None
    id = inside(value, "response", "id")
    return Chunk(text(id) or "", first=kind == "response.created", last=kind in _ENDS)


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"object": "response"}
    pieces: dict[Any, list[str]] = defaultdict(list)
    for chunk in chunks:
        if isinstance(response := chunk.get("response"), dict):
            whole = response
        where = number(chunk.get("output_index")), number(chunk.get("content_index", chunk.get("summary_index")))
        if (kind := _DELTAS.get(chunk["type"])) and isinstance(chunk.get("delta"), str):
            pieces[(*where, kind)].append(chunk["delta"])
        elif chunk["type"] == "response.output_text.done" and (*where, "output_text") not in pieces:
            pieces[(*where, "output_text")] = [str(chunk.get("text") or "")]
    if whole.get("output"):
        return whole
    return {**whole, "output": [_made(kind, "".join(texts)) for (_, _, kind), texts in sorted(pieces.items())]}


def _made(kind: str, said: str) -> dict[str, Any]:
    if kind == "output_text":
        return {"type": "message", "content": said}
    return {"type": "reasoning", "summary": said} if kind == "reasoning" else {"type": "function_call", kind: said}


_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "The bus leaves at nine.", "annotations": []}],
}
_THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "They ask for the bus"}]}
_SHOULD = {"type": "function_call", "name": "note", "arguments": '{"text": "bus at nine"}'}

READER = Reader(
    name="openai-responses",
    about="the Responses API of OpenAI, Azure, xAI, Ark: objects, or streams of response.* events",
    source="https://platform.openai.com/docs/api-reference/responses/object; /responses-streaming",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("output", "object"), ("output", "id"), ("output", "model"), ("output", "usage"), ("type",)),
    examples=(
        Example(
            {"id": "resp_1", "object": "response", "created_at": 1700000000, "model": "gpt-4o", "output": [_THOUGHT, _MESSAGE, _SHOULD]},
            (
                Gives("resp_1", "They ask for the bus", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),
                Gives("resp_1#1", "The bus leaves at nine.", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),
                Gives("resp_1#2", "bus at nine", "openai", "gpt-4o", "2023-11-14T22:13:20Z"),
            ),
        ),
        Example(
            'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_2","object":"response","model":"gpt-4o","output":[]}}\n\n'
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"At "}\n\n'
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"nine."}\n\n',
            (Gives("resp_2", "At nine.", "openai", "gpt-4o"),),
        ),
    ),
    spares=({"type": "response", "output": "x"}, {"output": ["a", "b"], "id": "1"}),
)
