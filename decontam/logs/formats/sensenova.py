"""SenseNova (SenseTime), Zhipu and Baichuan in their own older ways: everything under `data`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, number, objects, text
from decontam.logs.content import said_in


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    data = value["data"]
    if not isinstance(data, dict):
        return None
    provider, said = None, []
    for choice in objects(data.get("choices")):
        if isinstance(message := choice.get("message", choice.get("delta")), str):
            provider = "sensetime-sensenova"
            said.append(Said(message))
        elif choice.get("role") == "assistant" and isinstance(choice.get("content"), str):
            provider = "zhipu-glm"
            said.append(Said(choice["content"]))
    if not said and "code" in value:
        spoken = [message for message in objects(data.get("messages")) if message.get("role") == "assistant"]
        provider = "baichuan" if spoken else None
        said = [each for message in spoken for each in said_in(message)]
    if provider is None:
        return None
    id = text(data.get("id")) or text(data.get("task_id")) or text(data.get("request_id")) or text(value.get("request_id"))
    return [Call(tuple(each for each in said if each.text), id, text(data.get("model")), provider)]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    data = value.get("data")
    if not isinstance(data, dict) or not any(isinstance(choice.get("delta"), str) for choice in objects(data.get("choices"))):
        return None
    return Chunk(text(data.get("id")) or "")


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    texts: dict[Any, list[str]] = defaultdict(list)
    for chunk in chunks:
        for choice in objects(chunk["data"].get("choices")):
            texts[number(choice.get("index"))].append(str(choice.get("delta") or ""))
    return {**chunks[0], "data": {**chunks[0]["data"], "choices": [{"message": "".join(each)} for each in texts.values()]}}


READER = Reader(
    name="sensenova",
    about="SenseNova (SenseTime), and Zhipu and Baichuan before they wrote chat completions: choices or messages under data",
    source="https://platform.sensenova.cn/doc?path=/chat/ChatCompletions/ChatCompletions.md",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("data",),),
    examples=(
        Example(
            {"data": {"id": "s1", "choices": [{"message": "春天来了。", "finish_reason": "stop", "role": "assistant"}], "usage": {}}},
            (Gives("s1", "春天来了。", "sensetime-sensenova"),),
        ),
        Example(
            'data:{"data":{"id":"s2","choices":[{"index":0,"delta":"春天"}]},"status":{"code":0}}\n\n'
            'data:{"data":{"id":"s2","choices":[{"index":0,"delta":"来了。","finish_reason":"stop"}]},"status":{"code":0}}\n\ndata:[DONE]\n',
            (Gives("s2", "春天来了。", "sensetime-sensenova"),),
        ),
        Example(
            {
                "code": 200,
                "success": True,
                "data": {"task_id": "z1", "choices": [{"role": "assistant", "content": "你好。"}], "task_status": "SUCCESS"},
            },
            (Gives("z1", "你好。", "zhipu-glm"),),
        ),
        Example(
            {"code": 0, "msg": "success", "data": {"messages": [{"role": "assistant", "content": "再见。"}]}},
            (Gives(":0", "再见。", "baichuan"),),
        ),
    ),
    spares=({"data": {"choices": [{"message": {"x": 1}}]}}, {"data": {"user": "a"}, "code": 0}),
)
