"""Spark (iFlytek) over its socket: a header and a payload of choices. Over HTTP it writes chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from decontam.logs.calls import Call, Chunk, Example, Gives, Look, Reader, inside, objects, text
from decontam.logs.content import said_in


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    pieces = inside(value, "payload", "choices", "text")
    if not isinstance(pieces, list):
        return None
    said = tuple(said for piece in objects(pieces) for said in said_in(piece))
    return [Call(said, text(inside(value, "header", "sid")), None, "iflytek-spark")]


def _chunk(value: dict[str, Any], among: str) -> Chunk | None:
    status = inside(value, "payload", "choices", "status")
    return Chunk(text(inside(value, "header", "sid")) or "", first=status == 0, last=status == 2) if status in (0, 1, 2) else None


def _join(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    pieces = [piece for chunk in chunks for piece in objects(inside(chunk, "payload", "choices", "text"))]
    said = {key: "".join(str(piece.get(key) or "") for piece in pieces) for key in ("content", "reasoning_content")}
    return {"header": chunks[0]["header"], "payload": {"choices": {"text": [said]}}}


def _frame(status: int, said: str) -> dict[str, Any]:
    return {
        "header": {"code": 0, "sid": "cht1", "status": status},
        "payload": {"choices": {"status": status, "text": [{"content": said, "role": "assistant"}]}},
    }


READER = Reader(
    name="spark",
    about="Spark (iFlytek): frames of header and payload; over HTTP it writes chat completions",
    source="https://www.xfyun.cn/doc/spark/Web.html",
    read=_read,
    chunk=_chunk,
    join=_join,
    keys=(("header", "payload"),),
    examples=(Example([_frame(0, "长江"), _frame(1, "最长"), _frame(2, "。")], (Gives("cht1", "长江最长。", "iflytek-spark"),)),),
    spares=({"header": {"id": 1}, "payload": {"text": "x"}},),
)
