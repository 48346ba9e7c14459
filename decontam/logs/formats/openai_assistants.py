"""Assistants of OpenAI: messages of a thread and the steps of a run, as objects or among events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decontam.logs.calls import PROMPT, Call, Example, Gives, Look, Reader, Said, inside, objects, text
from decontam.logs.content import arguments, said_by

_WITHOUT = ("thread", "assistant", "assistant.deleted", "thread.deleted", "thread.run", "thread.message.delta", "thread.run.step.delta")


def _read(value: dict[str, Any], look: Look) -> Iterable[Call] | None:
    kind = value["object"]
    if kind in _WITHOUT:
        return [Call()]
    said: list[Said] = []
    if kind == "thread.message":
        if value.get("role") == "assistant":
            said = list(said_by(value.get("content")))
        elif look.prompts:
            said = list(said_by(value.get("content"), PROMPT))
    elif kind == "thread.run.step":
        if value.get("status") in (None, "completed"):
            said = [Said(code) for call in objects(inside(value, "step_details", "tool_calls")) if (code := _code(call))]
    else:
        return None
    return [Call(tuple(said), text(value.get("id")), None, "openai", value.get("created_at"))]


def _code(call: dict[str, Any]) -> str:
    code = inside(call, "code_interpreter", "input")
    return code if isinstance(code, str) else arguments(inside(call, "function", "arguments") or "")


READER = Reader(
    name="openai-assistants",
    about="messages and run steps of OpenAI's assistants, as objects or among events",
    source="https://platform.openai.com/docs/api-reference/messages/object; /run-steps/step-object",
    read=_read,
    keys=(("object", "id"),),
    examples=(
        Example(
            {
                "id": "msg_1",
                "object": "thread.message",
                "created_at": 1700000000,
                "role": "assistant",
                "content": [{"type": "text", "text": {"value": "It rains.", "annotations": []}}],
            },
            (Gives("msg_1", "It rains.", "openai", None, "2023-11-14T22:13:20Z"),),
        ),
        Example(
            {"id": "step_1", "object": "thread.run.step", "step_details": {"tool_calls": [{"code_interpreter": {"input": "print(4)"}}]}},
            (Gives("step_1", "print(4)", "openai"),),
        ),
    ),
    spares=({"object": "bucket", "id": "b"},),
)
