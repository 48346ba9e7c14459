"""Qianfan (Baidu), second version and before: the text under `result`, ids as-..., streams by `sentence_id`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, Said, text

_SIGNS = {"need_clear_history", "is_truncated", "is_end", "sentence_id", "finish_reason", "object"}


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    result = value["result"]
    if not isinstance(result, str) or not value.keys() & _SIGNS:
        return None
    said = (Said(result),) if result else ()
    return [Call(said, text(value.get("id")), text(value.get("model")), "baidu-qianfan", value.get("created"))]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    if not isinstance(value.get("result"), str) or "sentence_id" not in value:
        return None
    return Chunk(text(value.get("id")) or "", last=bool(value.get("is_end")))


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    pieces = sorted(chunks, key=lambda chunk: chunk["sentence_id"] if isinstance(chunk["sentence_id"], int) else 0)
    return {**chunks[0], "result": "".join(chunk["result"] for chunk in pieces)}


READER = Reader(
    name="qianfan",
    about="Qianfan (Baidu): result and need_clear_history, whole or streamed; its newer version writes chat completions",
    source="https://cloud.baidu.com/doc/WENXINWORKSHOP/s/clntwmv7t",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("result",),),
    examples=(
        Example(
            {
                "id": "as-1",
                "object": "chat.completion",
                "created": 1700000000,
                "result": "汉江发源于秦岭。",
                "is_truncated": False,
                "need_clear_history": False,
            },
            (Gives("as-1", "汉江发源于秦岭。", "baidu-qianfan", None, "2023-11-14T22:13:20Z"),),
        ),
        Example(
            'data: {"id":"as-2","object":"chat.completion","created":1700000000,"sentence_id":0,"is_end":false,"result":"汉江"}\n\n'
            'data: {"id":"as-2","object":"chat.completion","created":1700000000,"sentence_id":1,"is_end":true,"result":"很长。"}\n\n',
            (Gives("as-2", "汉江很长。", "baidu-qianfan", None, "2023-11-14T22:13:20Z"),),
        ),
    ),
    spares=({"result": "ok", "id": "1"}, {"result": {"rows": []}, "finish_reason": "stop"}),
)
